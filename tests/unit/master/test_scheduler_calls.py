"""Every type of a scheduler's call: what must be in it, and that it reaches whom it is for.

Source: Mesos validation of ``scheduler::Call``.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from dcos.master.core import effects
from dcos.master.core.call_validation import call_problem
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType, EventType
from dcos.model.v1.types import AgentID, DurationInfo, ExecutorID, KillPolicy, TaskID
from dcos.wire import agent_link, mesos_json
from tests.unit.master.stage import Stage, framework_info, launch, task

WITHOUT_MEMBER = {CallType.TEARDOWN, CallType.REVIVE, CallType.SUPPRESS}
ID = {"framework_id": {"value": "f"}}
INFO = {"user": "u", "name": "n"}
AGENT = {"agent_id": {"value": "a"}}
MEMBERS: dict[CallType, Any] = {
    CallType.SUBSCRIBE: {"framework_info": {**INFO, "id": {"value": "f"}}},
    CallType.UPDATE_FRAMEWORK: {"framework_info": {**INFO, "id": {"value": "f"}}},
    CallType.KILL: {"task_id": {"value": "t"}},
    CallType.SHUTDOWN: {**AGENT, "executor_id": {"value": "e"}},
    CallType.ACKNOWLEDGE: {**AGENT, "task_id": {"value": "t"}, "uuid": "AAAAAAAAAAAAAAAAAAAAAA=="},
    CallType.ACKNOWLEDGE_OPERATION_STATUS: {
        **AGENT,
        "operation_id": {"value": "o"},
        "uuid": "AAAAAAAAAAAAAAAAAAAAAA==",
    },
    CallType.MESSAGE: {**AGENT, "executor_id": {"value": "e"}, "data": "AA=="},
}


def call_of(**fields: Any) -> Call:
    return mesos_json.decode(json.dumps(fields).encode(), Call)


@pytest.mark.parametrize("kind", [one for one in CallType if one is not CallType.UNKNOWN])
def test_each_type_has_its_member(kind: CallType) -> None:
    member = kind.lower()
    whole = {"type": kind, member: MEMBERS.get(kind, {}), **ID}
    assert call_problem(call_of(**whole)) is None
    empty = call_of(type=kind, **ID)
    assert call_problem(empty) == (None if kind in WITHOUT_MEMBER else f"Expecting '{member}' to be present")
    nobody = {"type": kind, member: MEMBERS.get(kind, {})}
    if kind is CallType.SUBSCRIBE:
        nobody[member] = {"framework_info": INFO}
        assert call_problem(call_of(**nobody)) is None, "a new framework has no id"
    else:
        assert call_problem(call_of(**nobody)) == "Expecting 'framework_id' to be present"


def test_every_type_is_known() -> None:
    assert {one.value for one in CallType} == {
        *("UNKNOWN", "SUBSCRIBE", "TEARDOWN", "ACCEPT", "DECLINE", "ACCEPT_INVERSE_OFFERS", "DECLINE_INVERSE_OFFERS"),
        *("REVIVE", "KILL", "SHUTDOWN", "ACKNOWLEDGE", "ACKNOWLEDGE_OPERATION_STATUS", "RECONCILE", "MESSAGE"),
        *("RECONCILE_OPERATIONS", "REQUEST", "SUPPRESS", "UPDATE_FRAMEWORK"),
    }
    assert {one.value for one in EventType} == {
        *("UNKNOWN", "SUBSCRIBED", "OFFERS", "INVERSE_OFFERS", "RESCIND", "RESCIND_INVERSE_OFFER", "UPDATE", "MESSAGE"),
        *("UPDATE_OPERATION_STATUS", "FAILURE", "ERROR", "HEARTBEAT"),
    }


SHORT = {"uuid": "AA=="}
PROBLEMS: list[tuple[dict[str, Any], str | None]] = [
    ({}, "Expecting 'type' to be present"),
    ({"type": "UNKNOWN"}, None),
    (
        {"type": "SUBSCRIBE", "subscribe": {"framework_info": {**INFO, "id": {"value": "g"}}}, **ID},
        "'framework_id' differs from 'subscribe.framework_info.id'",
    ),
    (
        {"type": "UPDATE_FRAMEWORK", "update_framework": {"framework_info": INFO}, **ID},
        "'framework_id' differs from 'update_framework.framework_info.id'",
    ),
    ({"type": "ACKNOWLEDGE", "acknowledge": {**MEMBERS[CallType.ACKNOWLEDGE], **SHORT}, **ID}, "Not a valid UUID"),
    (
        {
            "type": "ACKNOWLEDGE_OPERATION_STATUS",
            "acknowledge_operation_status": {"operation_id": {"value": "o"}, **SHORT},
            **ID,
        },
        "Not a valid UUID",
    ),
    (
        {
            "type": "ACKNOWLEDGE_OPERATION_STATUS",
            "acknowledge_operation_status": {"operation_id": {"value": "o"}, "uuid": "AAAAAAAAAAAAAAAAAAAAAA=="},
            **ID,
        },
        "Expecting 'agent_id' to be present",
    ),
]


@pytest.mark.parametrize(("fields", "why"), PROBLEMS, ids=[str(why) for _, why in PROBLEMS])
def test_what_is_wrong_with_a_call(fields: dict[str, Any], why: str | None) -> None:
    assert call_problem(call_of(**fields)) == why


# ---- where calls go --------------------------------------------------------------------------------------------------


def test_messages_and_shutdowns_reach_executors() -> None:
    stage = Stage()
    agent, link = stage.agent()
    framework, _ = stage.subscribe()
    here, nowhere = AgentID(value=agent), AgentID(value="nobody")
    executor = ExecutorID(value="e")
    for place in (here, nowhere):
        message = scheduler.CallMessage(agent_id=place, executor_id=executor, data=b"x")
        assert stage.call(framework, Call(type=CallType.MESSAGE, message=message)).status == 202
        shutdown = scheduler.CallShutdown(agent_id=place, executor_id=executor)
        assert stage.call(framework, Call(type=CallType.SHUTDOWN, shutdown=shutdown)).status == 202
    (told,) = stage.sent(link, agent_link.FrameworkMessage)
    assert (told.framework_id.value, told.executor_id, told.data) == (framework, executor, b"x")
    (ended,) = stage.sent(link, agent_link.ShutdownExecutor)
    assert (ended.framework_id.value, ended.executor_id) == (framework, executor)
    counters = stage.state.counters
    assert counters["messages_framework_to_executor"] == 2
    assert counters["valid_framework_to_executor_messages"] == counters["invalid_framework_to_executor_messages"] == 1
    stage.cut(link)
    message = scheduler.CallMessage(agent_id=here, executor_id=executor, data=b"x")
    stage.call(framework, Call(type=CallType.MESSAGE, message=message))
    assert counters["invalid_framework_to_executor_messages"] == 2


def test_requests_are_taken_and_mean_nothing() -> None:
    stage = Stage()
    framework, stream = stage.subscribe()
    stage.clear()
    request = scheduler.CallRequest(requests=())
    assert stage.call(framework, Call(type=CallType.REQUEST, request=request)).status == 202
    assert stage.kinds(stream) == []
    assert stage.state.counters["messages_resource_request"] == 1


def test_a_teardown_by_the_scheduler_itself() -> None:
    stage = Stage()
    _, link = stage.agent()
    framework, stream = stage.subscribe()
    stage.run_task(framework)
    stage.clear()
    assert stage.call(framework, Call(type=CallType.TEARDOWN)).status == 202
    assert [one.framework_id.value for one in stage.sent(link, agent_link.ShutdownFramework)] == [framework]
    assert stage.statuses(stream) == []
    assert effects.CloseStream(stream) in stage.effects
    (task,) = stage.state.completed[framework].completed
    assert (task.message.state, task.message.statuses[-1].reason) == ("TASK_KILLED", "REASON_FRAMEWORK_REMOVED")
    refused, again = stage.subscribe(framework_info(framework_id=framework))
    assert refused == ""
    (error,) = [one.error for one in stage.events(again) if one.error is not None]
    assert error.message == "Framework has been removed"


def test_kills_carry_their_policy_and_name_the_right_agent() -> None:
    stage = Stage()
    agent, link = stage.agent()
    framework, stream = stage.subscribe()
    stage.run_task(framework)
    stage.clear()
    policy = KillPolicy(grace_period=DurationInfo(nanoseconds=5))
    for place, kills in (("nobody", 0), (agent, 1)):
        kill = scheduler.CallKill(task_id=TaskID(value="t"), agent_id=AgentID(value=place), kill_policy=policy)
        stage.call(framework, Call(type=CallType.KILL, kill=kill))
        assert [one.kill_policy for one in stage.sent(link, agent_link.KillTask)] == [policy] * kills
    assert stage.statuses(stream) == []


def test_acknowledgements_that_nobody_needs() -> None:
    stage = Stage()
    agent, link = stage.agent()
    framework, _ = stage.subscribe()
    offer = next(iter(stage.state.frameworks[framework].offers.values())).message
    stage.accept(framework, [offer], [launch(task("t", agent))], refuse_s=0)

    def acknowledge(place: str) -> None:
        done = scheduler.CallAcknowledge(agent_id=AgentID(value=place), task_id=TaskID(value="t"), uuid=b"x" * 16)
        stage.call(framework, Call(type=CallType.ACKNOWLEDGE, acknowledge=done))

    acknowledge("nobody")
    acknowledge(agent)  # nothing was forwarded of it yet
    assert stage.state.counters["invalid_status_update_acknowledgements"] == 2
    stage.cut(link)
    acknowledge(agent)
    assert stage.state.counters["invalid_status_update_acknowledgements"] == 3
    assert stage.sent(link, agent_link.Acknowledge) == []
