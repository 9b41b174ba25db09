"""A live master under nonsense: calls that are nearly right, noise, odd requests. Never a 500, never silence, and it lives on."""

from __future__ import annotations

import asyncio
import copy
import json
import random
import socket
from typing import Any

import pytest

from dcos.model.v1 import master as v1
from dcos.model.v1 import scheduler
from dcos.model.v1.master import CallType
from dcos.testing.fake_agent import FakeAgent
from dcos.testing.patience import PATIENCE_S
from dcos.wire import agent_link, mesos_json, mesos_proto, recordio
from dcos.wire.errors import WireError
from tests.unit.master.served import JSON, Master, serving
from tests.unit.master.test_access import stream, subscribe, wanted

PROTOBUF = {"Content-Type": "application/x-protobuf"}
ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        -1,
        2**63,
        2**64,
        -(2**70),
        0.1,
        1e306,
        -1e306,
        5e-324,
        "",
        "x",
        "\0",
        "*",
        "a/b",
        "/",
        "..",
        "9" * 400,
    ),
    *(
        [],
        {},
        [[]],
        [{}],
        {"value": {}},
        {"value": -1},
        {"value": 1e307},
        {"nanoseconds": -1},
        {"nanoseconds": 2**63 - 1},
    ),
    *("Infinity", "-Infinity", "NaN", "é", "true", "%", "TASK_RUNNING", "AAAA", "=" * 5),
)


def mutated(value: Any, rng: random.Random) -> Any:
    """A copy in which one to three members are something else, gone, or twice."""
    made = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(made))
        if not places:
            return rng.choice(ODD)
        holder, key = rng.choice(places)
        match rng.randrange(4):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
            case _:
                holder[key] = copy.deepcopy(rng.choice(ODD))
    return made


def _places(value: Any) -> Any:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield value, key
        yield from _places(member)


def scalar(name: str, value: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, **more}


def operator_calls(agent: str, framework: str) -> list[dict[str, Any]]:
    reserved = {"reservations": [{"type": "DYNAMIC", "role": "r", "principal": "p"}]}
    volume = scalar(
        "disk", 10, **reserved, disk={"persistence": {"id": "v"}, "volume": {"container_path": "d", "mode": "RW"}}
    )
    agent_id, hour = {"value": agent}, {"nanoseconds": 3_600_000_000_000}
    machine = {"hostname": "127.0.0.1", "ip": "127.0.0.1"}
    window = {"machine_ids": [machine], "unavailability": {"start": hour, "duration": hour}}
    quota = {"role": "r", "guarantees": {"cpus": {"value": 1}}, "limits": {"cpus": {"value": 2}}}
    members: dict[str, Any] = {
        "GET_METRICS": {"timeout": hour},
        "SET_LOGGING_LEVEL": {"level": 0, "duration": hour},
        "LIST_FILES": {"path": "/master/log"},
        "READ_FILE": {"path": "/master/log", "offset": 0, "length": 10},
        "UPDATE_WEIGHTS": {"weight_infos": [{"role": "r", "weight": 2.5}]},
        "RESERVE_RESOURCES": {"agent_id": agent_id, "resources": [scalar("cpus", 1, **reserved)]},
        "UNRESERVE_RESOURCES": {"agent_id": agent_id, "resources": [scalar("cpus", 1, **reserved)]},
        "CREATE_VOLUMES": {"agent_id": agent_id, "volumes": [volume]},
        "DESTROY_VOLUMES": {"agent_id": agent_id, "volumes": [volume]},
        "GROW_VOLUME": {"agent_id": agent_id, "volume": volume, "addition": scalar("disk", 1, **reserved)},
        "SHRINK_VOLUME": {"agent_id": agent_id, "volume": volume, "subtract": {"value": 1}},
        "UPDATE_MAINTENANCE_SCHEDULE": {"schedule": {"windows": [window]}},
        "START_MAINTENANCE": {"machines": [machine]},
        "STOP_MAINTENANCE": {"machines": [machine]},
        "DRAIN_AGENT": {"agent_id": agent_id, "max_grace_period": {"seconds": 1}, "mark_gone": False},
        "DEACTIVATE_AGENT": {"agent_id": agent_id},
        "REACTIVATE_AGENT": {"agent_id": agent_id},
        "UPDATE_QUOTA": {"force": True, "quota_configs": [quota]},
        "SET_QUOTA": {"quota_request": {"role": "q", "guarantee": [scalar("cpus", 1)], "force": True}},
        "REMOVE_QUOTA": {"role": "q"},
        "TEARDOWN": {"framework_id": {"value": framework + "x"}},
        "MARK_AGENT_GONE": {"agent_id": {"value": agent + "x"}},
    }
    kinds = [str(kind) for kind in CallType if kind not in (CallType.UNKNOWN, CallType.SUBSCRIBE)]
    return [{"type": kind, kind.lower(): members[kind]} if kind in members else {"type": kind} for kind in kinds]


def scheduler_calls(framework: dict[str, str], agent: str, offer: dict[str, Any]) -> list[dict[str, Any]]:
    agent_id, task_id, uuid = {"value": agent}, {"value": "t"}, "A" * 22 + "=="
    reserved = {"reservations": [{"type": "DYNAMIC", "role": "r"}]}
    volume = scalar(
        "disk", 10, **reserved, disk={"persistence": {"id": "v"}, "volume": {"container_path": "d", "mode": "RW"}}
    )
    task = {
        "name": "t",
        "task_id": task_id,
        "agent_id": agent_id,
        "resources": [scalar("cpus", 0.1), scalar("mem", 32)],
        "command": {"value": "true", "environment": {"variables": [{"name": "A", "value": "b"}]}},
        "health_check": {"type": "TCP", "tcp": {"port": 1}, "delay_seconds": 1},
        "limits": {"cpus": {"value": 1}},
        "labels": {"labels": [{"key": "k"}]},
        "kill_policy": {"grace_period": {"nanoseconds": 1}},
    }
    executor = {"type": "DEFAULT", "executor_id": {"value": "e"}, "resources": [scalar("cpus", 0.1), scalar("mem", 32)]}
    operations = [
        {"type": "LAUNCH", "launch": {"task_infos": [task]}},
        {"type": "LAUNCH_GROUP", "launch_group": {"executor": executor, "task_group": {"tasks": [task]}}},
        {"type": "RESERVE", "reserve": {"resources": [scalar("cpus", 1, **reserved)]}, "id": {"value": "o"}},
        {"type": "UNRESERVE", "unreserve": {"resources": [scalar("cpus", 1, **reserved)]}},
        {"type": "CREATE", "create": {"volumes": [volume]}},
        {"type": "DESTROY", "destroy": {"volumes": [volume]}},
        {"type": "GROW_VOLUME", "grow_volume": {"volume": volume, "addition": scalar("disk", 1, **reserved)}},
        {"type": "SHRINK_VOLUME", "shrink_volume": {"volume": volume, "subtract": {"value": 1}}},
    ]
    filters = {"refuse_seconds": 0}
    info = {"user": "root", "name": "f", "id": framework, "roles": ["r"], "capabilities": [{"type": "MULTI_ROLE"}]}
    members: dict[str, Any] = {
        "ACCEPT": {"offer_ids": [offer], "operations": operations, "filters": filters},
        "DECLINE": {"offer_ids": [offer], "filters": filters},
        "ACCEPT_INVERSE_OFFERS": {"inverse_offer_ids": [offer], "filters": filters},
        "DECLINE_INVERSE_OFFERS": {"inverse_offer_ids": [offer], "filters": filters},
        "REVIVE": {"roles": ["r"]},
        "SUPPRESS": {"roles": ["x"]},
        "KILL": {"task_id": task_id, "agent_id": agent_id, "kill_policy": {"grace_period": {"nanoseconds": 1}}},
        "SHUTDOWN": {"executor_id": {"value": "e"}, "agent_id": agent_id},
        "ACKNOWLEDGE": {"agent_id": agent_id, "task_id": task_id, "uuid": uuid},
        "ACKNOWLEDGE_OPERATION_STATUS": {"agent_id": agent_id, "uuid": uuid, "operation_id": {"value": "o"}},
        "RECONCILE": {"tasks": [{"task_id": task_id, "agent_id": agent_id}]},
        "RECONCILE_OPERATIONS": {"operations": [{"operation_id": {"value": "o"}, "agent_id": agent_id}]},
        "MESSAGE": {"agent_id": agent_id, "executor_id": {"value": "e"}, "data": "AAAA"},
        "REQUEST": {"requests": [{"agent_id": agent_id, "resources": [scalar("cpus", 1)]}]},
        "UPDATE_FRAMEWORK": {"framework_info": info, "suppressed_roles": []},
    }
    return [{"type": kind, "framework_id": framework, kind.lower(): member} for kind, member in members.items()]


async def ask(master: Master, path: str, body: str | bytes, headers: dict[str, str]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        answer = await master.post(path, body, headers)
    assert answer.status != 500, (path, headers, body)


async def lives(master: Master) -> None:
    async with asyncio.timeout(PATIENCE_S):
        assert (await master.get("/state")).status == 200
        assert (await master.call("GET_STATE")).status == 200
        assert (await master.get("/metrics/snapshot")).status == 200


def in_protobuf(call: Any, kind: Any) -> bytes | None:
    try:
        return mesos_proto.encode(mesos_json.decode(json.dumps(call).encode(), kind))
    except WireError:
        return None


async def known_offer(master: Master) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while not master.api.state.offers:
            await asyncio.sleep(0.01)
    return {"value": next(iter(master.api.state.offers))}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_nearly_right_calls(seed: int) -> None:
    rng = random.Random(seed)
    async with (
        serving() as master,
        FakeAgent(master.url.removeprefix("http://")),
        stream(master, "/api/v1/scheduler", subscribe(None, "root", "r")) as (answer, queue),
    ):
        framework = (await wanted(queue, "SUBSCRIBED"))["subscribed"]["framework_id"]
        headers = {**JSON, "Mesos-Stream-Id": answer.headers["Mesos-Stream-Id"]}
        name = await master.agent()
        for turn in range(4):
            offer = {"value": next(iter(master.api.state.offers), "none")}
            if turn == 0:
                offer = await known_offer(master)
            for call in scheduler_calls(framework, name, offer):
                for _ in range(3):
                    changed = mutated(call, rng)
                    await ask(master, "/api/v1/scheduler", json.dumps(changed), headers)
                    raw = in_protobuf(changed, scheduler.Call)
                    if raw is not None:
                        await ask(master, "/api/v1/scheduler", raw, {**headers, **PROTOBUF})
            for call in operator_calls(name, framework["value"]):
                changed = mutated(call, rng)
                if isinstance(changed, dict) and changed.get("type") == "SUBSCRIBE":
                    continue
                await ask(master, "/api/v1", json.dumps(changed), JSON)
                raw = in_protobuf(changed, v1.Call)
                if raw is not None:
                    await ask(master, "/api/v1", raw, PROTOBUF)
            await lives(master)


async def test_noise() -> None:
    rng = random.Random(7)
    paths = (
        "/api/v1",
        "/api/v1/scheduler",
        "/teardown",
        "/reserve",
        "/create-volumes",
        "/machine/down",
        "/quota",
        "/weights",
    )
    async with serving() as master:
        for _ in range(150):
            body = rng.randbytes(rng.randint(0, 60)) if rng.random() < 0.5 else mutated_text(rng)
            kind = rng.choice(
                ["application/json", "application/x-protobuf", "application/x-www-form-urlencoded", "", "é/x"]
            )
            await ask(
                master, rng.choice(paths), body, {"Content-Type": kind, "Accept": rng.choice(["*/*", "q=1,,;", ""])}
            )
        deep = b'{"type":"ACCEPT","accept":' + b"[" * 100_000
        await ask(master, "/api/v1/scheduler", deep, JSON)
        await ask(master, "/api/v1", b'{"a":' * 50_000, JSON)
        queries = (
            "path=",
            "path=%00",
            "path=/../x",
            "path=" + "x" * 5000,
            "offset=x",
            "path=/master/log&offset=-9&length=-9",
        )
        for path in (
            "/files/browse",
            "/files/read",
            "/files/download",
            "/tasks",
            "/slaves",
            "/frameworks",
            "/logging/toggle",
        ):
            for query in (
                *queries,
                "limit=-1",
                "limit=x",
                "order=x",
                "limit=9" * 30,
                "level=x&duration=x",
                "level=9&duration=x",
            ):
                assert (await master.get(f"{path}?{query}")).status != 500, (path, query)
        for path in (
            "/metrics/snapshot?timeout=x",
            "/state?jsonp=%00%ff",
            "/registrar(1)/registry",
            "/quota/%2e%2e",
            "/%ff%fe",
        ):
            assert (await master.get(path)).status != 500, path
        await lives(master)


def mutated_text(rng: random.Random) -> bytes:
    text = json.dumps(mutated({"type": "TEARDOWN", "teardown": {"framework_id": {"value": "x"}}}, rng)).encode()
    cut = bytearray(text)
    for _ in range(rng.randint(0, 3)):
        if cut:
            cut[rng.randrange(len(cut))] = rng.randrange(256)
    return bytes(cut)


async def test_bodies_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dcos.master.service._MAX_BODY", 10_000)
    async with serving() as master:
        for path in ("/api/v1", "/api/v1/scheduler", "/teardown", "/quota"):
            assert (await master.post(path, b"x" * 20_000)).status == 413, path
        await lives(master)


async def test_nonsense_of_agents() -> None:
    rng = random.Random(7)
    resources = [scalar("cpus", 1), scalar("mem", 100)]
    register = {
        "type": "REGISTER",
        "agent": {"hostname": "h", "resources": resources},
        "pid": "slave(1)@127.0.0.1:1",
        "version": "1.11.0",
    }
    async with serving() as master:
        for number in range(60):
            said = mutated({**register, "pid": f"slave(1)@127.0.0.1:{number}"}, rng)
            records = recordio.frame(json.dumps(said).encode()) + recordio.frame(b'{"type":"PONG"}')
            headers = {"Content-Type": agent_link.CONTENT_TYPE}
            async with asyncio.timeout(PATIENCE_S):
                answer = await master.post(agent_link.PATH, records, headers)
            assert answer.status == 200
        await lives(master)


async def test_half_requests_hurt_nobody() -> None:
    """Clients that begin and do not go on."""
    async with serving() as master:
        host, port = master.url.removeprefix("http://").split(":")
        held = []
        begun = b"POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        for head in (b"GET /state HT", begun):
            for _ in range(20):
                made = socket.create_connection((host, int(port)))
                made.sendall(head)
                held.append(made)
        await lives(master)
        for one in held:
            one.close()
        await lives(master)
