"""Quota, weights, maintenance, draining over HTTP: codes, texts and shapes as upstream's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dcos.master.core.events import AgentSaid
from dcos.model.resources import Resources
from dcos.model.v1.master import Call, Response
from dcos.model.v1.types import AgentInfo
from dcos.testing.fake_agent import CAPABILITIES
from dcos.wire import agent_link, mesos_json
from dcos.wire.mesos_codec import PROTOBUF
from tests.unit.master.served import Answer, Master, serving


@pytest.fixture
async def master() -> AsyncIterator[Master]:
    async with serving() as running:
        yield running


Json = dict[str, Any]


async def put(master: Master, path: str, body: str) -> Answer:
    async with master.session.put(master.url + path, data=body) as answer:
        return Answer(answer.status, await answer.text(), answer.headers)


async def delete(master: Master, path: str) -> Answer:
    async with master.session.delete(master.url + path) as answer:
        return Answer(answer.status, await answer.text(), answer.headers)


async def join(master: Master, resources: str = "cpus:4;mem:1024", hostname: str = "host") -> str:
    """An agent registers; returns its id."""
    link = f"link-{hostname}"
    info = AgentInfo(hostname=hostname, resources=Resources.parse(resources).messages())
    hello = agent_link.Register(agent=info, pid="slave(1)@10.0.0.1:5051", version="1.11.0", capabilities=CAPABILITIES)
    master.api.writer.put(AgentSaid(master.api.writer.now(), link, hello))
    while link not in master.api.state.links:
        await master.get("/slaves")
    return master.api.state.links[link]


def config(role: str, **limits: float) -> dict[str, Any]:
    return {"role": role, "limits": {name: {"value": value} for name, value in limits.items()}}


def guarantee(role: str, **amounts: float) -> dict[str, Any]:
    scalars = [{"name": n, "type": "SCALAR", "scalar": {"value": v}} for n, v in amounts.items()]
    return {"role": role, "guarantee": scalars}


# ---- quota -----------------------------------------------------------------------------------------------------------


async def test_quota_is_set_shown_and_removed(master: Master) -> None:
    await join(master)
    wanted = config("golden", cpus=1.5, mem=2048) | {"guarantees": {"cpus": {"value": 0.5}}}
    done = await master.call("UPDATE_QUOTA", quota_configs=[wanted])
    assert (done.status, done.text) == (200, "")
    shown = {
        "infos": [guarantee("golden", cpus=0.5)],
        "configs": [wanted],
    }
    assert (await master.get("/quota")).json == shown
    assert (await master.call("GET_QUOTA")).json == {"type": "GET_QUOTA", "get_quota": {"status": shown}}
    (role,) = (await master.get("/roles")).json["roles"]
    assert role["quota"] == {
        "role": "golden",
        "guarantee": {"cpus": 0.5},
        "limit": {"cpus": 1.5, "mem": 2048.0},
        "consumed": {},
    }
    registry = (await master.get("/registrar(1)/registry")).json
    assert registry["quota_configs"] == [wanted]
    assert registry["minimum_capabilities"] == [{"capability": "QUOTA_V2"}]
    assert (await delete(master, "/quota/golden")).status == 200
    assert (await master.get("/quota")).json == {}
    assert (await master.call("GET_QUOTA")).json["get_quota"] == {"status": {}}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (config("a/b", cpus=1), "Updating quota on nested role 'a/b' is not supported yet"),
        (config("-a", cpus=1), "Invalid QuotaConfig: Invalid 'QuotaConfig.role': Role component '-a' is invalid"),
        (config("a", cpus=-1), "Invalid QuotaConfig: Invalid limit configuration {'cpus': -1}: Negative values"),
        (
            config("a", mem=2e12),
            "Invalid QuotaConfig: Invalid 'QuotaConfig.limits': {'mem': 2000000000000} is invalid: values greater "
            "than 1 exabyte (1099511627776) are not supported",
        ),
        (
            config("a", cpus=2e12),
            "Invalid QuotaConfig: Invalid 'QuotaConfig.limits': {'cpus': 2000000000000} is invalid: values greater "
            "than 1 trillion (1000000000000) are not supported",
        ),
        (
            config("a", cpus=1) | {"guarantees": {"cpus": {"value": 2}}},
            "Invalid QuotaConfig: 'QuotaConfig.guarantees' {cpus: 2} is not contained within the "
            "'QuotaConfig.limits' {cpus: 1}",
        ),
        (
            {"role": "a", "guarantees": {"cpus": {"value": 5}}},
            "Invalid QuotaConfig: total quota guarantees 'cpus:5' exceed cluster capacity 'cpus:4; mem:1024' "
            "(use 'force' flag to bypass this check)",
        ),
    ],
)
async def test_update_quota_refuses(master: Master, body: dict[str, Any], text: str) -> None:
    await join(master)
    done = await master.call("UPDATE_QUOTA", quota_configs=[config("fine", cpus=1), body])
    assert done.status == 400
    assert done.text.startswith(text)
    assert (await master.get("/quota")).json == {}


async def test_force_overrides_the_capacity(master: Master) -> None:
    wanted = {"role": "a", "guarantees": {"cpus": {"value": 5}}}
    assert (await master.call("UPDATE_QUOTA", quota_configs=[wanted])).status == 400
    assert (await master.call("UPDATE_QUOTA", quota_configs=[wanted], force=True)).status == 200


async def test_the_old_way_to_set_quota(master: Master) -> None:
    await join(master)
    invalid = "Failed to validate set quota request: "
    for body, status, text in [
        ("{", 400, "Failed to parse set quota request JSON '{': "),
        ({"role": "a"}, 400, invalid + "QuotaInfo with empty 'guarantee'"),
        ({"guarantee": guarantee("a", cpus=1)["guarantee"]}, 400, invalid + "QuotaInfo must specify a role"),
        (guarantee("a/b", cpus=1), 400, "Setting quota on nested role 'a/b' is not supported yet"),
        (
            {"role": "a", "guarantee": [{"name": "p", "type": "SET", "set": {"item": ["x"]}}]},
            400,
            invalid + "QuotaInfo must not include non-scalar resources",
        ),
        (
            {"role": "a", "guarantee": guarantee("a", cpus=1)["guarantee"] * 2},
            400,
            invalid + "QuotaInfo contains duplicate resource name 'cpus'",
        ),
        (
            guarantee("a", cpus=5),
            409,
            "Quota guarantees overcommit the cluster (use 'force' to bypass this check): Total quota guarantees "
            "'cpus:5' exceed cluster capacity 'cpus:4; mem:1024'",
        ),
        (guarantee("a", cpus=2e12), 400, invalid + "Invalid 'QuotaConfig.guarantees': {'cpus': 2000000000000}"),
        (guarantee("a", cpus=5) | {"force": True}, 200, ""),
        (
            guarantee("a", cpus=1),
            400,
            invalid + "Cannot set quota for role 'a' which already has quota",
        ),
    ]:
        done = await master.post("/quota", body)
        assert (done.status, done.text.startswith(text)) == (status, True), done.text
    assert (await master.get("/quota")).json["configs"] == [
        {"role": "a", "guarantees": {"cpus": {"value": 5.0}}, "limits": {"cpus": {"value": 5.0}}}
    ]
    done = await delete(master, "/master/quota/b")
    assert (done.status, done.text) == (
        400,
        "Failed to remove quota for path '/master/quota/b': Role 'b' has no quota set",
    )
    done = await master.call("REMOVE_QUOTA", role="a")
    assert (done.status, (await master.get("/quota")).json) == (200, {})
    done = await master.call("REMOVE_QUOTA", role="a")
    assert (done.status, done.text) == (400, "Failed to remove quota: Role 'a' has no quota set")


# ---- weights ---------------------------------------------------------------------------------------------------------


async def test_weights(master: Master) -> None:
    assert (await put(master, "/weights", '[{"role": "b", "weight": 2.5}]')).status == 200
    assert (await master.call("UPDATE_WEIGHTS", weight_infos=[{"role": " a ", "weight": 1}])).status == 200
    shown = [{"role": "a", "weight": 1.0}, {"role": "b", "weight": 2.5}]
    assert (await master.get("/weights")).json == shown
    assert (await master.call("GET_WEIGHTS")).json["get_weights"] == {"weight_infos": shown}
    assert (await master.get("/registrar(1)/registry")).json["weights"] == [{"info": one} for one in shown]
    start = "Failed to validate update weights request JSON"
    for body, text in [
        ("{}", "Failed to parse update weights request JSON '{}': "),
        ('[{"role": "a"}]', "Failed to convert weights JSON array to protobuf '"),
        ('[{"role": "a", "weight": 0}]', f"{start} for role 'a': Invalid weight '0': Weights must be positive"),
        (
            '[{"role": "a", "weight": "Infinity"}]',
            f"{start} for role 'a': Invalid weight 'inf': Weights must be finite",
        ),
        ('[{"role": "/a", "weight": 1}]', f"{start}: Invalid role '/a': Role '/a' cannot start with a slash"),
    ]:
        done = await put(master, "/weights", body)
        assert (done.status, done.text.startswith(text)) == (400, True), done.text
    assert (await master.post("/weights", "[]")).status == 405


async def test_only_listed_roles_have_weights_and_quota() -> None:
    async with serving("--roles=a,b") as master:
        done = await put(master, "/weights", '[{"role": "c", "weight": 1}]')
        assert done.text == "Failed to validate update weights request JSON: Unknown role 'c'"
        done = await master.call("UPDATE_QUOTA", quota_configs=[config("c", cpus=1)])
        assert done.text == "Invalid QuotaConfig: 'c' is not on the roles whitelist"
        done = await master.post("/quota", guarantee("c", cpus=1))
        assert done.text == "Failed to validate set quota request: Unknown role 'c'"


async def test_roles_above_known_ones_are_shown(master: Master) -> None:
    await join(master, "cpus:4;mem:1024;cpus(a/b):2")
    await put(master, "/weights", '[{"role": "c/d/e", "weight": 3}]')
    shown = {one["name"]: one for one in (await master.get("/roles")).json["roles"]}
    assert set(shown) == {"a", "a/b", "c", "c/d", "c/d/e"}
    assert shown["a"]["reserved"] == shown["a/b"]["reserved"] == {"cpus": 2.0}
    assert shown["a"]["quota"]["consumed"] == {"cpus": 2.0}
    assert shown["c/d/e"]["weight"] == 3.0
    roles = (await master.call("GET_ROLES")).json["get_roles"]["roles"]
    assert [one["name"] for one in roles] == sorted(shown)


# ---- maintenance -----------------------------------------------------------------------------------------------------

MACHINE = {"hostname": "host", "ip": "10.0.0.1"}
WINDOW = {"machine_ids": [MACHINE], "unavailability": {"start": {"nanoseconds": 5}, "duration": {"nanoseconds": 7}}}


async def test_a_machine_goes_down_and_up_again(master: Master) -> None:
    agent = await join(master)
    assert (await master.get("/maintenance/schedule")).json == {}
    assert (await master.post("/maintenance/schedule", {"windows": [WINDOW]})).status == 200
    assert (await master.get("/maintenance/schedule")).json == {"windows": [WINDOW]}
    shown = (await master.call("GET_MAINTENANCE_SCHEDULE")).json
    assert shown["get_maintenance_schedule"] == {"schedule": {"windows": [WINDOW]}}
    assert (await master.get("/maintenance/status")).json == {"draining_machines": [{"id": MACHINE}]}
    registry = (await master.get("/registrar(1)/registry")).json
    assert registry["schedules"] == [{"windows": [WINDOW]}]
    assert registry["machines"]["machines"][0]["info"]["mode"] == "DRAINING"
    done = await master.post("/machine/up", [MACHINE])
    name = '{"hostname":"host","ip":"10.0.0.1"}'
    assert (done.status, done.text) == (400, f"Machine '{name}' is not in DOWN mode and cannot be brought up")
    done = await master.call("DRAIN_AGENT", agent_id={"value": agent})
    assert done.text == f"Agent {agent} is part of a maintenance schedule under Machine host (10.0.0.1)"
    assert (await master.post("/machine/down", [MACHINE])).status == 200
    assert (await master.get("/slaves")).json["slaves"] == []
    shown = (await master.call("GET_MAINTENANCE_STATUS")).json
    assert shown["get_maintenance_status"] == {"status": {"down_machines": [MACHINE]}}
    done = await master.call("START_MAINTENANCE", machines=[MACHINE])
    assert (done.status, done.text) == (400, f"Machine '{name}' is not in DRAINING mode and cannot be brought down")
    done = await master.post("/maintenance/schedule", {})
    text = f"Machine '{name}' is deactivated and cannot be removed from the schedule"
    assert (done.status, done.text) == (400, text)
    assert (await master.call("STOP_MAINTENANCE", machines=[MACHINE])).status == 200
    assert (await master.get("/maintenance/schedule")).json == {}
    assert (await master.get("/maintenance/status")).json == {}


@pytest.mark.parametrize(
    ("windows", "text"),
    [
        ([WINDOW | {"machine_ids": []}], "List of machines in the maintenance window is empty"),
        ([WINDOW | {"machine_ids": [{}]}], "Both 'hostname' and 'ip' for a machine are empty"),
        (
            [WINDOW, WINDOW],
            'Machine \'{"hostname":"host","ip":"10.0.0.1"}\' appears more than once in the schedule',
        ),
        (
            [WINDOW | {"unavailability": {"start": {"nanoseconds": 5}, "duration": {"nanoseconds": -1}}}],
            "Unavailability 'duration' is negative",
        ),
        ([WINDOW | {"unavailability": {"start": {"nanoseconds": 2**63}}}], "Unavailability 'start' is out of range"),
        (
            [WINDOW | {"unavailability": {"start": {"nanoseconds": 5}, "duration": {"nanoseconds": 2**63}}}],
            "Unavailability 'duration' is out of range",
        ),
    ],
)
async def test_a_bad_schedule_is_refused(master: Master, windows: list[Any], text: str) -> None:
    done = await master.call("UPDATE_MAINTENANCE_SCHEDULE", schedule={"windows": windows})
    assert (done.status, done.text) == (400, text)


async def test_bad_machines_are_refused(master: Master) -> None:
    for body, text in [
        ([], "List of machines is empty"),
        ([{"ip": "x"}], "Failed to parse IP 'x'"),
        ([{"hostname": "h"}], 'Machine \'{"hostname":"h"}\' is not part of a maintenance schedule'),
    ]:
        done = await master.post("/machine/down", body)
        assert (done.status, done.text) == (400, text)
    for bad in ("{", "{}", '[{"hostname": []}]'):
        assert (await master.post("/machine/down", bad)).status == 400
        assert (await master.post("/maintenance/schedule", bad.replace("{}", "[]"))).status == 400


# ---- draining --------------------------------------------------------------------------------------------------------


async def test_an_agent_is_drained_and_reactivated(master: Master) -> None:
    agent = await join(master)
    ident = {"value": agent}
    done = await master.call("REACTIVATE_AGENT", agent_id=ident)
    assert (done.status, done.text) == (400, "Agent is not deactivated")
    done = await master.call("DRAIN_AGENT", agent_id={"value": "who"})
    assert (done.status, done.text) == (400, "Unknown agent")
    done = await master.call("DRAIN_AGENT", agent_id=ident, max_grace_period={"seconds": 90, "nanos": 5})
    assert (done.status, done.text) == (200, "")
    (shown,) = (await master.get("/slaves")).json["slaves"]
    info = {"state": "DRAINED", "config": {"max_grace_period": {"nanoseconds": 90_000_000_005}, "mark_gone": False}}
    assert (shown["drain_info"], shown["deactivated"], shown["active"]) == (info, True, False)
    assert shown["estimated_drain_start_time_seconds"] > 0
    (seen,) = (await master.call("GET_AGENTS")).json["get_agents"]["agents"]
    assert seen["drain_info"] == info
    assert seen["estimated_drain_start_time"]["nanoseconds"] > 0
    registry = (await master.get("/registrar(1)/registry")).json
    assert registry["slaves"]["slaves"][0]["drain_info"] == info
    assert (await master.call("REACTIVATE_AGENT", agent_id=ident)).status == 200
    (shown,) = (await master.get("/slaves")).json["slaves"]
    assert (shown["deactivated"], shown["active"]) == (False, True)
    assert "drain_info" not in shown
    assert (await master.call("DEACTIVATE_AGENT", agent_id=ident)).status == 200
    assert (await master.get("/slaves")).json["slaves"][0]["deactivated"] is True
    done = await master.call("DEACTIVATE_AGENT", agent_id={"value": "who"})
    assert (done.status, done.text) == (400, "Unknown agent")
    assert (await master.call("DRAIN_AGENT", agent_id=ident, mark_gone=True)).status == 200
    assert (await master.get("/slaves")).json["slaves"] == []
    assert list((await master.get("/registrar(1)/registry")).json["gone"]["slaves"][0]) == ["id", "timestamp"]


async def test_capabilities_are_told(master: Master) -> None:
    assert (await master.get("/state")).json["capabilities"] == ["AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2"]
    shown = (await master.call("GET_MASTER")).json["get_master"]["master_info"]["capabilities"]
    assert shown == [{"type": "AGENT_UPDATE"}, {"type": "AGENT_DRAINING"}, {}]


async def test_the_same_in_protobuf(master: Master) -> None:
    agent = await join(master)
    headers = {"Content-Type": PROTOBUF.content_type, "Accept": PROTOBUF.content_type}

    async def call(body: Json) -> Response | None:
        data = PROTOBUF.encode(mesos_json.decode(json.dumps(body).encode(), Call), Call)
        async with master.session.post(master.url + "/api/v1", data=data, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            raw = await answer.read()
        return PROTOBUF.decode(raw, Response) if raw else None

    quota = config("q", cpus=1.5) | {"guarantees": {"cpus": {"value": 0.5}}}
    assert await call({"type": "UPDATE_QUOTA", "update_quota": {"quota_configs": [quota]}}) is None
    shown = await call({"type": "GET_QUOTA"})
    assert shown is not None
    assert shown.get_quota is not None
    assert shown.get_quota.status.configs[0].limits["cpus"].value == 1.5
    drain: Json = {"agent_id": {"value": agent}, "max_grace_period": {"seconds": 10**30}}
    done = await master.call("DRAIN_AGENT", **drain)
    assert done.status == 200
    shown = await call({"type": "GET_AGENTS"})
    assert shown is not None
    assert shown.get_agents is not None
    (seen,) = shown.get_agents.agents
    assert seen.drain_info is not None
    assert seen.drain_info.config.max_grace_period is not None
    assert seen.drain_info.config.max_grace_period.nanoseconds == 2**63 - 1
    await call(
        {"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": {"schedule": {"windows": [WINDOW]}}}
    )
    shown = await call({"type": "GET_MAINTENANCE_SCHEDULE"})
    assert shown is not None
    assert shown.get_maintenance_schedule is not None
    assert len(shown.get_maintenance_schedule.schedule.windows) == 1
