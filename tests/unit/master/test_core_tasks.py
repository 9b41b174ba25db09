"""The master's decisions about tasks: updates, kills, reconciliation."""

from __future__ import annotations

import pytest

from dcos.master.core.registry import Standing
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import (
    AgentID,
    ExecutorID,
    FrameworkID,
    FrameworkInfoCapabilityType,
    TaskID,
    TaskState,
)
from dcos.wire import agent_link
from tests.unit.master.stage import Stage, entry, framework_info

LEGACY: tuple[FrameworkInfoCapabilityType, ...] = ()


def reconcile(*tasks: tuple[str, str | None]) -> Call:
    wanted = tuple(
        scheduler.CallReconcileTask(
            task_id=TaskID(value=name), agent_id=AgentID(value=agent) if agent is not None else None
        )
        for name, agent in tasks
    )
    return Call(type=CallType.RECONCILE, reconcile=scheduler.CallReconcile(tasks=wanted))


def kill(name: str, agent: str | None = None) -> Call:
    agent_id = AgentID(value=agent) if agent is not None else None
    return Call(type=CallType.KILL, kill=scheduler.CallKill(task_id=TaskID(value=name), agent_id=agent_id))


def test_a_terminal_task_stays_known_until_acknowledged() -> None:
    stage = Stage()
    stage.agent()
    framework, _ = stage.subscribe()
    stage.run_task(framework)
    stage.update(framework, "t", TaskState.TASK_FAILED, acknowledge=False)
    record = stage.state.frameworks[framework].tasks["t"]
    assert record.is_terminal
    assert not stage.state.frameworks[framework].used
    stage.update(framework, "t", TaskState.TASK_RUNNING, acknowledge=False)
    assert record.message.state is TaskState.TASK_FAILED
    stage.update(framework, "t", TaskState.TASK_FAILED)
    assert [one.id for one in stage.state.frameworks[framework].completed] == ["t"]


def test_kills_reach_the_agent_even_later() -> None:
    stage = Stage()
    agent, link = stage.agent()
    framework, _ = stage.subscribe()
    info = stage.run_task(framework)
    stage.call(framework, kill("t", "another agent"))
    assert stage.sent(link, agent_link.KillTask) == []
    stage.cut(link)
    stage.call(framework, kill("t"))
    record = stage.state.frameworks[framework].tasks["t"]
    frameworks = (agent_link.AgentFramework(info=stage.state.frameworks[framework].info, tasks=(record.message,)),)
    pid = stage.state.agents[agent].pid
    link = stage.back(stage.state.agents[agent].info, frameworks, pid=pid)
    assert [one.task_id for one in stage.sent(link, agent_link.KillTask)] == [info.task_id]


def test_kills_are_told_again_until_the_task_has_ended() -> None:
    stage = Stage()
    agent, link = stage.agent()
    framework, _ = stage.subscribe()
    info = stage.run_task(framework)
    stage.call(framework, kill("t"))
    assert len(stage.sent(link, agent_link.KillTask)) == 1
    record = stage.state.frameworks[framework].tasks["t"]
    known, pid = stage.state.agents[agent].info, stage.state.agents[agent].pid

    def again() -> list[TaskID]:
        stage.cut(stage.state.agents[agent].link or "")
        frameworks = (agent_link.AgentFramework(info=stage.state.frameworks[framework].info, tasks=(record.message,)),)
        back = stage.back(known, frameworks, pid=pid)
        return [one.task_id for one in stage.sent(back, agent_link.KillTask)]

    assert [again(), again()] == [[info.task_id]] * 2
    stage.update(framework, "t", TaskState.TASK_KILLED, acknowledge=False)
    assert again() == []
    stage.update(framework, "t", TaskState.TASK_KILLED)
    assert not stage.state.agents[agent].kills


def test_an_executor_nobody_knows_cannot_fail() -> None:
    stage = Stage()
    _, link = stage.agent()
    framework, stream = stage.subscribe()
    gone = agent_link.ExitedExecutor(
        framework_id=FrameworkID(value=framework), executor_id=ExecutorID(value="nobody"), status=1
    )
    stage.say(link, gone)
    assert not [event for event in stage.events(stream) if event.failure is not None]


def test_messages_to_nobody_are_counted() -> None:
    stage = Stage()
    _, link = stage.agent()
    framework, stream = stage.subscribe()
    for name in (framework, "nobody"):
        said = agent_link.ExecutorMessage(
            framework_id=FrameworkID(value=name),
            executor_id=ExecutorID(value="e"),
            data=b"x",
        )
        stage.say(link, said)
    assert [event.message.data for event in stage.events(stream) if event.message is not None] == [b"x"]
    counted = stage.state.counters
    assert counted["valid_executor_to_framework_messages"] == counted["invalid_executor_to_framework_messages"] == 1


def test_an_unknown_task_to_kill_is_answered() -> None:
    stage = Stage()
    framework, stream = stage.subscribe()
    stage.call(framework, kill("nobody"))
    assert [str(status.state) for status in stage.statuses(stream)] == ["TASK_UNKNOWN"]


@pytest.mark.parametrize("aware", [True, False], ids=["aware", "unaware"])
@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (Standing.ADMITTED, None),
        (Standing.UNREACHABLE, "TASK_UNREACHABLE"),
        (Standing.GONE, "TASK_GONE_BY_OPERATOR"),
    ],
)
def test_explicit_answers_follow_the_agents_standing(standing: Standing, expected: str | None, aware: bool) -> None:
    stage = Stage(agents=(entry(standing),))
    info = framework_info() if aware else framework_info(capabilities=LEGACY)
    framework, stream = stage.subscribe(info)
    stage.call(framework, reconcile(("t", "old")))
    wanted = [] if expected is None else [expected if aware else "TASK_LOST"]
    assert [str(status.state) for status in stage.statuses(stream)] == wanted
    if standing is Standing.UNREACHABLE:
        assert stage.statuses(stream)[0].unreachable_time is not None


def test_explicit_and_implicit_answers() -> None:
    stage = Stage()
    agent, _ = stage.agent()
    framework, stream = stage.subscribe()
    stage.run_task(framework)
    stage.clear()
    stage.call(framework, reconcile(("t", None), ("x", agent), ("y", None)))
    assert [(one.task_id.value, str(one.state)) for one in stage.statuses(stream)] == [
        ("t", "TASK_RUNNING"),
        ("x", "TASK_GONE"),
        ("y", "TASK_UNKNOWN"),
    ]
    assert {one.reason for one in stage.statuses(stream)} == {"REASON_RECONCILIATION"}
    assert all(one.uuid is None for one in stage.statuses(stream))
    stage.clear()
    stage.call(framework, reconcile())
    assert [one.task_id.value for one in stage.statuses(stream)] == ["t"]
