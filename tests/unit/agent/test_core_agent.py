"""The core's step, event by event."""

from __future__ import annotations

import pytest

from dcos.agent.core.agent import AgentCore
from dcos.agent.core.events import (
    CloseRun,
    ContainerExited,
    ContainerStarted,
    DestroyContainer,
    Effect,
    GroupAssigned,
    KillAsked,
    LaunchFailed,
    Registered,
    SaveTask,
    SaveUpdate,
    Send,
    SignalContainer,
    StartContainer,
    TaskAssigned,
    Tick,
    UpdateAcknowledged,
)
from dcos.agent.core.exits import Exit
from dcos.model.resources import EMPTY
from dcos.model.v1.types import (
    DurationInfo,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    FrameworkInfo,
    KillPolicy,
    TaskStatusReason,
)
from dcos.wire.agent_link import StatusUpdate
from tests.unit.agent.core_stage import FRAMEWORK, new_core, task


@pytest.fixture
def core() -> AgentCore:
    return new_core()


def kinds(effects: list[Effect]) -> list[str]:
    return [type(one).__name__ for one in effects]


def sent(effects: list[Effect]) -> list[str]:
    return [
        f"{one.message.status.task_id.value}:{one.message.status.state.removeprefix('TASK_')}"
        for one in effects
        if isinstance(one, Send) and isinstance(one.message, StatusUpdate)
    ]


def acknowledge_all(core: AgentCore, now: float) -> list[str]:
    """Acknowledge until nothing is in flight; all states in order."""
    seen: list[str] = []
    while heads := [(f, r.task_id, r.stream.pending[0]) for f, _, r in core.runs() if r.stream.pending]:
        framework, task_id, status = heads[0]
        seen.append(f"{task_id}:{status.state.removeprefix('TASK_')}")
        core.step(UpdateAcknowledged(framework.framework_id, task_id, status.uuid or b"", now))
    return seen


def test_saved_before_started_and_told(core: AgentCore) -> None:
    effects = core.step(TaskAssigned(FRAMEWORK, task("a"), "c1", 1.0))
    assert kinds(effects) == ["SaveFramework", "SaveExecutor", "SaveTask", "StartContainer"]
    effects = core.step(ContainerStarted("c1", 7, 2.0))
    assert kinds(effects) == ["SaveUpdate", "Send", "SaveUpdate"]
    assert sent(effects) == ["a:STARTING"]
    effects = core.step(ContainerExited("c1", Exit(code=0), 3.0))
    assert acknowledge_all(core, 4.0) == ["a:STARTING", "a:RUNNING", "a:FINISHED"]
    assert not core.frameworks
    assert [one.framework_id for one in core.completed_frameworks] == ["F"]


def test_nothing_is_saved_without_checkpoint(core: AgentCore) -> None:
    loose = FrameworkInfo(user="root", name="f", id=FrameworkID(value="G"))
    effects = core.step(TaskAssigned(loose, task("a"), "c1", 1.0)) + core.step(ContainerStarted("c1", 7, 2.0))
    assert not [one for one in effects if isinstance(one, SaveTask | SaveUpdate)]


def test_a_later_kill_only_shortens(core: AgentCore) -> None:
    core.step(TaskAssigned(FRAMEWORK, task("a"), "c1", 0.0))
    core.step(ContainerStarted("c1", 7, 0.0))
    effects = core.step(KillAsked("F", "a", 10.0))
    assert [one for one in effects if isinstance(one, SignalContainer)] == [SignalContainer("c1", 15)]
    assert core.next_deadline() == 10.0  # the update in flight is older
    core.step(Tick(10.0))
    long, short = (KillPolicy(grace_period=DurationInfo(nanoseconds=n * 10**9)) for n in (60, 1))
    core.step(KillAsked("F", "a", 10.5, long))
    run = next(core.runs())[2]
    assert run.killing is not None
    assert run.killing.deadline == 13.0
    core.step(KillAsked("F", "a", 10.5, short))
    assert run.killing.deadline == 11.0
    assert DestroyContainer("c1") in core.step(Tick(11.0))
    assert DestroyContainer("c1") not in core.step(Tick(12.0))


def test_killed_while_preparing(core: AgentCore) -> None:
    core.step(TaskAssigned(FRAMEWORK, task("a"), "c1", 0.0))
    effects = core.step(KillAsked("F", "a", 1.0))
    assert DestroyContainer("c1") in effects
    assert sent(effects) == []
    assert core.step(KillAsked("F", "a", 1.5)) == []
    assert core.step(ContainerStarted("c1", 7, 2.0)) == []
    assert core.allocated() != EMPTY
    gone = core.step(LaunchFailed("c1", "broken off", 3.0))
    assert sent(gone) == ["a:KILLED"]
    assert core.allocated() == EMPTY
    status = next(core.runs())[2].statuses[-1]
    assert (status.reason, status.message) == (
        TaskStatusReason.REASON_TASK_KILLED_DURING_LAUNCH,
        "Killed before delivery to the executor",
    )
    assert acknowledge_all(core, 3.0) == ["a:KILLED"]
    assert core.step(ContainerStarted("c1", 7, 4.0)) == [DestroyContainer("c1")]


def test_killed_while_preparing_and_ended_before_that_was_done(core: AgentCore) -> None:
    core.step(TaskAssigned(FRAMEWORK, task("a"), "c1", 0.0))
    core.step(KillAsked("F", "a", 1.0))
    core.step(ContainerStarted("c1", 7, 1.0))
    assert sent(core.step(ContainerExited("c1", Exit(code=0), 2.0))) == ["a:KILLED"]
    assert core.step(LaunchFailed("c1", "broken off", 3.0)) == []


def test_a_group_is_called_off_whole(core: AgentCore) -> None:
    executor = ExecutorInfo(executor_id=ExecutorID(value="pod"))
    core.step(GroupAssigned(FRAMEWORK, executor, (task("a"), task("b"), task("c")), ("e", "c1", "c2", "c3"), 0.0))
    core.step(ContainerStarted("c3", 1, 1.0))
    effects = core.step(KillAsked("F", "a", 2.0))
    assert [one.container_id for one in effects if isinstance(one, DestroyContainer)] == ["c1", "c2"]
    effects = core.step(LaunchFailed("c1", "broken off", 3.0))
    assert [one for one in effects if isinstance(one, SignalContainer)] == [SignalContainer("c3", 15)]
    core.step(LaunchFailed("c2", "broken off", 3.0))
    core.step(ContainerExited("c3", Exit(signal=15), 4.0))
    assert acknowledge_all(core, 5.0) == [
        "a:STARTING",
        "a:KILLED",
        "b:STARTING",
        "b:KILLED",
        "c:STARTING",
        "c:RUNNING",
        "c:KILLED",
    ]


def test_a_group_falls_with_its_first_failure(core: AgentCore) -> None:
    executor = ExecutorInfo(executor_id=ExecutorID(value="pod"))
    tasks = (task("a"), task("b"), task("c"))
    effects = core.step(GroupAssigned(FRAMEWORK, executor, tasks, ("e", "c1", "c2", "c3"), 0.0))
    assert [one.plan.nested for one in effects if isinstance(one, StartContainer)] == [True] * 3
    for name in ("c1", "c2", "c3"):
        core.step(ContainerStarted(name, 1, 1.0))
    core.step(ContainerExited("c3", Exit(code=0), 2.0))
    effects = core.step(ContainerExited("c1", Exit(code=1), 3.0))
    assert [one for one in effects if isinstance(one, SignalContainer)] == [SignalContainer("c2", 15)]
    core.step(ContainerExited("c2", Exit(signal=15), 4.0))
    seen = acknowledge_all(core, 5.0)
    assert seen[-1] in ("c:FINISHED", "b:KILLED")
    assert {"a:FAILED", "b:KILLED", "c:FINISHED"} <= set(seen)
    assert not core.frameworks


def test_the_run_is_closed_by_the_last_acknowledgement(core: AgentCore) -> None:
    core.step(TaskAssigned(FRAMEWORK, task("a"), "c1", 0.0))
    core.step(ContainerStarted("c1", 7, 0.0))
    core.step(ContainerExited("c1", Exit(code=0), 0.0))
    closed: list[Effect] = []
    for _ in range(3):
        run = next(core.runs())[2]
        closed += core.step(UpdateAcknowledged("F", "a", run.stream.pending[0].uuid or b"", 1.0))
    assert CloseRun("F", "a", "c1", True) in closed
    assert core.next_deadline() is None


def test_tasks_for_another_agent_are_dropped(core: AgentCore) -> None:
    core.step(Registered("other", 0.0))
    assert core.step(TaskAssigned(FRAMEWORK, task("a"), "c1", 0.0)) == []


def test_an_ended_kill_asks_for_no_more_ticks(core: AgentCore) -> None:
    """Its deadline passes while the end is unacknowledged: only the update's retry is due."""
    core.step(TaskAssigned(FRAMEWORK, task("a"), "c1", 0.0))
    core.step(ContainerStarted("c1", 7, 0.0))
    acknowledge_all(core, 0.5)
    core.step(KillAsked("F", "a", 1.0))
    core.step(ContainerExited("c1", Exit(signal=15), 2.0))
    assert core.next_deadline() == 12.0
    core.step(Tick(5.0))
    assert core.next_deadline() == 12.0
