"""The operators' event stream: every type of event, in both encodings, and what an operator who may not see all of it gets.

Source: Mesos docs/operator-http-api.md (SUBSCRIBE events) and the object filtering of its master.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from dcos.master.core.events import Teardown
from dcos.master.core.viewer import Viewer, seen
from dcos.model.acls import Acls
from dcos.model.v1 import maintenance, master
from dcos.model.v1.master import Event, EventType
from dcos.model.v1.types import (
    AgentID,
    DurationInfo,
    MachineID,
    TaskID,
    TaskState,
    TaskStatus,
    TaskStatusReason,
    TaskStatusSource,
    TimeInfo,
    Unavailability,
)
from dcos.testing.fake_agent import FakeAgent
from dcos.testing.patience import PATIENCE_S
from dcos.wire import acls as acls_wire
from dcos.wire import agent_link, mesos_json, mesos_proto, recordio
from tests.unit.master.served import Master, serving
from tests.unit.master.stage import Stage, framework_info
from tests.unit.master.test_access import stream, subscribe, wanted

KINDS = {
    "SUBSCRIBED",
    "HEARTBEAT",
    "FRAMEWORK_ADDED",
    "FRAMEWORK_UPDATED",
    "FRAMEWORK_REMOVED",
    "AGENT_ADDED",
    "AGENT_REMOVED",
    "TASK_ADDED",
    "TASK_UPDATED",
}
DECODE: dict[str, Callable[[bytes], Event]] = {
    "application/json": lambda raw: mesos_json.decode(raw, Event),
    "application/x-protobuf": lambda raw: mesos_proto.decode(raw, Event),
}


def test_every_type_is_known() -> None:
    assert {one.value for one in EventType} == KINDS | {"UNKNOWN"}


async def events(master: Master, accept: str) -> AsyncIterator[Event]:
    async with master.session.post(
        master.url + "/api/v1", json={"type": "SUBSCRIBE"}, headers={"Accept": accept}
    ) as answer:
        decoder = recordio.Decoder()
        while chunk := await answer.content.readany():
            for record in decoder.feed(chunk):
                yield DECODE[accept](record)


async def heard(master: Master, accept: str, begun: asyncio.Event) -> list[Event]:
    """Everything until an agent is removed, which is the last thing to happen."""
    out: list[Event] = []
    async for event in events(master, accept):
        out.append(event)
        begun.set()
        if event.type is EventType.AGENT_REMOVED:
            break
    return out


async def test_a_cluster_from_its_first_agent_to_its_last() -> None:
    async with serving() as master:
        begun = [asyncio.Event() for _ in DECODE]
        listening = [
            asyncio.create_task(heard(master, accept, started)) for accept, started in zip(DECODE, begun, strict=True)
        ]
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(one.wait() for one in begun))
            await play(master)
            in_json, in_protobuf = await asyncio.gather(*listening)
    assert in_json == in_protobuf
    kinds = [str(event.type) for event in in_json]
    assert kinds[:2] == ["SUBSCRIBED", "HEARTBEAT"]
    assert [kind for kind in kinds[2:] if kind != "HEARTBEAT"] == [
        *("AGENT_ADDED", "FRAMEWORK_ADDED", "TASK_ADDED", "TASK_UPDATED", "FRAMEWORK_UPDATED", "TASK_UPDATED"),
        *("FRAMEWORK_REMOVED", "AGENT_REMOVED"),
    ]
    updates = [event.task_updated for event in in_json if event.task_updated is not None]
    assert [(one.state, one.status.state) for one in updates] == [("TASK_STARTING",) * 2, ("TASK_KILLED",) * 2]
    (added,) = [event.framework_added for event in in_json if event.framework_added is not None]
    assert (added.framework.offers, added.framework.allocated_resources) == ((), ())


async def play(master: Master) -> None:
    """An agent, a framework with a task, a second scheduler for it, its end, and the agent's."""
    agent = FakeAgent(master.url.removeprefix("http://"))
    async with agent:
        await agent.registered.wait()
        agent_id = await master.agent()
        body = subscribe("p", "root", "r")
        async with stream(master, "/api/v1/scheduler", body) as (answer, queue):
            framework = (await wanted(queue, "SUBSCRIBED"))["subscribed"]["framework_id"]
            offer = (await wanted(queue, "OFFERS"))["offers"]["offers"][0]
            cpu = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}
            info = {
                "name": "t",
                "task_id": {"value": "t"},
                "agent_id": {"value": agent_id},
                "resources": [cpu],
                "command": {"value": "true"},
            }
            launch = {"type": "LAUNCH", "launch": {"task_infos": [info]}}
            accept = {"offer_ids": [offer["id"]], "operations": [launch]}
            call = {"type": "ACCEPT", "framework_id": framework, "accept": accept}
            headers = {"Mesos-Stream-Id": answer.headers["Mesos-Stream-Id"]}
            assert (await master.post("/api/v1/scheduler", call, headers)).status == 202
            await wanted(queue, "UPDATE")
            body["framework_id"] = body["subscribe"]["framework_info"]["id"] = framework
            async with stream(master, "/api/v1/scheduler", body) as (_, again):
                await wanted(again, "SUBSCRIBED")
                assert (await master.call("TEARDOWN", framework_id=framework)).status == 200
    machine = {"hostname": "127.0.0.1", "ip": "127.0.0.1"}
    window = {"machine_ids": [machine], "unavailability": {"start": {"nanoseconds": 1}}}
    answered = await master.call("UPDATE_MAINTENANCE_SCHEDULE", schedule={"windows": [window]})
    assert answered.status == 200, answered.text
    assert (await master.call("START_MAINTENANCE", machines=[machine])).status == 200


# ---- those who may not see everything --------------------------------------------------------------------------------


def rules(**sections: Any) -> Acls:
    return acls_wire.parse(json.dumps(sections))


NOBODY = {"type": "NONE"}
HIDDEN = {"values": ["root"]}
"""The user of every framework here."""
EVERYBODY = {"type": "ANY"}


def told(acls: Acls) -> list[Event]:
    """What happens on a stage, as one of limited sight gets it."""
    stage = Stage()
    stage.state.watched = True
    viewer = Viewer(acls, "p")
    agent, link = stage.agent("cpus:4;mem:1024;cpus(secret):2", pid="slave(1)@10.0.0.9:5051")
    framework, _ = stage.subscribe(framework_info("fw", "r", failover_timeout=1000.0))
    stage.run_task(framework)
    stage.subscribe(framework_info("fw", "r", framework_id=framework, failover_timeout=1000.0))
    health = TaskStatus(
        task_id=TaskID(value="t"),
        state=TaskState.TASK_RUNNING,
        source=TaskStatusSource.SOURCE_EXECUTOR,
        reason=TaskStatusReason.REASON_TASK_HEALTH_CHECK_STATUS_UPDATED,
        agent_id=AgentID(value=agent),
        uuid=b"x" * 16,
        healthy=True,
    )
    known = stage.state.frameworks[framework].info.id
    assert known is not None
    stage.say(link, agent_link.StatusUpdate(framework_id=known, status=health, latest_state=TaskState.TASK_RUNNING))
    whole = [seen(viewer, one.event, stage.state) for one in stage.effects if hasattr(one, "event") and _is_event(one)]
    stage.clear()
    stage.do(Teardown(stage.now, 1, framework))
    machine = MachineID(hostname="host", ip="10.0.0.9")
    away = Unavailability(start=TimeInfo(nanoseconds=1), duration=DurationInfo(nanoseconds=1))
    window = maintenance.Window(machine_ids=(machine,), unavailability=away)
    schedule = master.CallUpdateMaintenanceSchedule(schedule=maintenance.Schedule(windows=(window,)))
    stage.operate(master.CallType.UPDATE_MAINTENANCE_SCHEDULE, update_maintenance_schedule=schedule)
    start = master.CallStartMaintenance(machines=(machine,))
    stage.operate(master.CallType.START_MAINTENANCE, start_maintenance=start)
    whole += [seen(viewer, one.event, stage.state) for one in stage.effects if hasattr(one, "event") and _is_event(one)]
    return [one for one in whole if one is not None]


def _is_event(effect: Any) -> bool:
    return isinstance(effect.event, Event)


ALL_OF_IT = [
    *("AGENT_ADDED", "FRAMEWORK_ADDED", "TASK_ADDED", "TASK_UPDATED", "FRAMEWORK_UPDATED", "TASK_UPDATED"),
    *("TASK_UPDATED", "FRAMEWORK_REMOVED", "AGENT_REMOVED"),
]


@pytest.mark.parametrize(
    ("sections", "hidden"),
    [
        ({}, ()),
        ({"view_frameworks": [{"principals": EVERYBODY, "users": NOBODY}]}, ("FRAMEWORK", "TASK")),
        ({"view_tasks": [{"principals": EVERYBODY, "users": NOBODY}]}, ("TASK",)),
        ({"view_tasks": [{"principals": EVERYBODY, "users": HIDDEN}]}, ()),
        ({"permissive": False}, ("FRAMEWORK", "TASK")),
        ({"permissive": False, "view_frameworks": [{"principals": EVERYBODY, "users": HIDDEN}]}, ("TASK",)),
    ],
)
def test_only_what_may_be_seen(sections: dict[str, Any], hidden: tuple[str, ...]) -> None:
    got = [str(event.type) for event in told(rules(**sections))]
    assert got == [kind for kind in ALL_OF_IT if not kind.startswith(hidden or ("-",))]


def test_resources_of_hidden_roles_are_left_out_of_agents() -> None:
    def reserved(acls: Acls) -> list[str | None]:
        (added,) = [event.agent_added for event in told(acls) if event.agent_added is not None]
        shown = added.agent
        assert [one.name for one in shown.agent_info.resources] == [one.name for one in shown.total_resources]
        return [one.role for one in shown.total_resources]

    assert sorted(map(str, reserved(rules()))) == ["*", "*", "secret"]
    hides = {
        "view_roles": [
            {"principals": EVERYBODY, "roles": {"values": ["r"]}},
            {"principals": EVERYBODY, "roles": NOBODY},
        ]
    }
    assert reserved(rules(**hides)) == ["*", "*"]


async def test_agents_marked_gone_are_told_to_those_who_ask_for_extensions() -> None:
    """Upstream tells nobody; what it does not send comes only to who asked for it."""
    async with serving() as master:
        call = {"type": "SUBSCRIBE"}
        async with (
            FakeAgent(master.url.removeprefix("http://"), hostname="first") as first,
            stream(master, "/api/v1", call) as (_, plain),
            stream(master, "/api/v1?extensions=true", call) as (_, extended),
        ):
            await first.registered.wait()
            agent_id = await master.agent()
            for queue in (plain, extended):
                await wanted(queue, "HEARTBEAT")
            assert (await master.call("MARK_AGENT_GONE", agent_id={"value": agent_id})).status == 200
            removed = await wanted(extended, "AGENT_REMOVED")
            assert removed == {"type": "AGENT_REMOVED", "agent_removed": {"agent_id": {"value": agent_id}}}
            async with FakeAgent(master.url.removeprefix("http://"), hostname="second") as second:
                await second.registered.wait()
                async with asyncio.timeout(PATIENCE_S):
                    while (event := await plain.get())["type"] != "AGENT_ADDED":
                        assert event["type"] != "AGENT_REMOVED"
