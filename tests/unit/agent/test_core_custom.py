"""Custom executors in the core, event by event."""

from __future__ import annotations

from typing import Any

import pytest

from dcos.agent.core.agent import AgentCore
from dcos.agent.core.events import (
    CloseRun,
    ContainerExited,
    ContainerMissing,
    ContainerStarted,
    DestroyContainer,
    Effect,
    ExecutorShutdown,
    GroupAssigned,
    KillAsked,
    LaunchFailed,
    Registered,
    SaveTask,
    SaveUpdate,
    Send,
    StartContainer,
    TaskAssigned,
    Tick,
    UpdateAcknowledged,
    UpdateContainer,
    UpdateFailed,
)
from dcos.agent.core.executor_events import (
    CloseStream,
    ExecutorDisconnected,
    ExecutorSubscribed,
    ExecutorUpdated,
    FrameworkSaid,
    OpenStream,
    TellExecutor,
)
from dcos.agent.core.executor_life import DOUBT_S, Standing
from dcos.agent.core.exits import Exit
from dcos.agent.core.state import ExecutorKind
from dcos.model.v1.types import (
    AgentID,
    AgentInfo,
    CommandInfo,
    DurationInfo,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    KillPolicy,
    Resource,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    TaskStatusSource,
    ValueScalar,
    ValueType,
)
from dcos.wire.agent_link import ExitedExecutor, StatusUpdate
from tests.unit.agent.core_stage import FRAMEWORK, fresh_core, new_core

AGENT = AgentInfo(hostname="h")
MEM = Resource(name="mem", type=ValueType.SCALAR, scalar=ValueScalar(value=64.0))
EXECUTOR = ExecutorInfo(executor_id=ExecutorID(value="E"), command=CommandInfo(value="x"), resources=(MEM,))


@pytest.fixture
def core() -> AgentCore:
    return new_core()


def task(name: str, **more: Any) -> TaskInfo:
    return TaskInfo(
        name=name,
        task_id=TaskID(value=name),
        agent_id=AgentID(value="S"),
        executor=EXECUTOR,
        resources=(MEM,),
        **more,
    )


def status(name: str, state: str, number: int) -> TaskStatus:
    return TaskStatus(
        task_id=TaskID(value=name),
        state=TaskState(f"TASK_{state}"),
        uuid=number.to_bytes(16, "little"),
        source=TaskStatusSource.SOURCE_EXECUTOR,
    )


def told(effects: list[Effect]) -> list[str]:
    return [str(one.event.type) for one in effects if isinstance(one, TellExecutor)]


def sent(effects: list[Effect]) -> list[str]:
    out = []
    for one in effects:
        if isinstance(one, Send) and isinstance(one.message, StatusUpdate):
            said = one.message.status
            reason = "" if said.reason is None else f" {said.reason.removeprefix('REASON_')}"
            out.append(f"{said.task_id.value}:{said.state.removeprefix('TASK_')}{reason}")
        elif isinstance(one, Send) and isinstance(one.message, ExitedExecutor):
            out.append(f"exited {one.message.status}")
    return out


def subscribe(core: AgentCore, stream: int = 1, **more: Any) -> list[Effect]:
    return core.step(ExecutorSubscribed("F", "E", stream, AGENT, 2.0, **more))


def started(core: AgentCore, *names: str) -> list[Effect]:
    """Tasks on an executor that has subscribed."""
    for name in names:
        core.step(TaskAssigned(FRAMEWORK, task(name), "c", 0.0))
    core.step(ContainerStarted("c", 7, 1.0))
    return subscribe(core)


def test_queued_until_it_subscribes(core: AgentCore) -> None:
    effects = core.step(TaskAssigned(FRAMEWORK, task("a"), "c", 0.0))
    assert [type(one).__name__ for one in effects] == ["SaveFramework", "SaveExecutor", "SaveTask", "StartContainer"]
    (start,) = (one.plan for one in effects if isinstance(one, StartContainer))
    assert (start.container_id, start.command.value, start.limits.mem_bytes) == ("c", "x", 128 * 1024**2)
    again = core.step(TaskAssigned(FRAMEWORK, task("b"), "other", 0.5, launch_executor=False))
    assert [type(one) for one in again] == [SaveTask]
    assert core.step(ContainerStarted("c", 7, 1.0)) == []
    assert core.next_deadline() == 61.0
    effects = subscribe(core)
    assert isinstance(effects[0], OpenStream)
    assert told(effects) == ["SUBSCRIBED", "LAUNCH", "LAUNCH"]
    assert [one.limits.mem_bytes for one in effects if isinstance(one, UpdateContainer)] == [192 * 1024**2]
    assert core.next_deadline() is None
    assert told(core.step(TaskAssigned(FRAMEWORK, task("c"), "z", 3.0))) == ["LAUNCH"]


def test_a_group_is_delivered_and_killed_whole(core: AgentCore) -> None:
    executor = ExecutorInfo(
        executor_id=ExecutorID(value="E"), type=ExecutorInfoType.CUSTOM, command=CommandInfo(value="x")
    )
    core.step(GroupAssigned(FRAMEWORK, executor, (task("a"), task("b")), ("c", "1", "2"), 0.0))
    core.step(GroupAssigned(FRAMEWORK, executor, (task("d"), task("e")), ("c", "1", "2"), 0.0))
    effects = core.step(KillAsked("F", "b", 0.5))
    assert sent(effects) == ["a:KILLED TASK_KILLED_DURING_LAUNCH", "b:KILLED TASK_KILLED_DURING_LAUNCH"]
    core.step(ContainerStarted("c", 7, 1.0))
    assert told(subscribe(core)) == ["SUBSCRIBED", "LAUNCH_GROUP"]


def test_updates_are_saved_then_acknowledged_then_sent_once(core: AgentCore) -> None:
    started(core, "a")
    first = status("a", "RUNNING", 1)
    effects = core.step(ExecutorUpdated("F", "E", first, 3.0))
    kinds = [type(one) for one in effects]
    assert kinds.index(SaveUpdate) < kinds.index(TellExecutor) < kinds.index(Send)
    assert told(effects) == ["ACKNOWLEDGED"]
    whole = next(core.runs())[2].statuses[-1]
    assert (whole.agent_id, whole.timestamp) == (AgentID(value="S"), 3.0)
    assert whole.container_status is not None
    assert whole.container_status.executor_pid == 7
    again = core.step(ExecutorUpdated("F", "E", first, 4.0))
    assert (told(again), sent(again)) == (["ACKNOWLEDGED"], [])
    core.step(UpdateAcknowledged("F", "a", first.uuid or b"", 5.0))
    last = status("a", "FINISHED", 2)
    assert sent(core.step(ExecutorUpdated("F", "E", last, 6.0))) == ["a:FINISHED"]
    core.step(UpdateAcknowledged("F", "a", last.uuid or b"", 7.0))
    assert not list(core.runs())
    assert core.allocated().scalar("mem") == 64_000, "the executor stays"
    late = core.step(ExecutorUpdated("F", "E", last, 8.0))
    assert (told(late), sent(late)) == (["ACKNOWLEDGED"], [])


@pytest.mark.parametrize(
    ("state", "expected"), [("RUNNING", []), ("FAILED", ["a:FAILED"])], ids=["refused", "terminal"]
)
def test_a_queued_task_takes_only_ends(core: AgentCore, state: str, expected: list[str]) -> None:
    started(core)
    core.step(TaskAssigned(FRAMEWORK, task("first"), "c", 0.0))
    core.step(ContainerStarted("c", 7, 1.0))
    subscribe(core)
    core.step(ExecutorDisconnected("F", "E", 1))
    core.step(TaskAssigned(FRAMEWORK, task("a"), "x", 2.0))
    assert sent(core.step(ExecutorUpdated("F", "E", status("a", state, 9), 3.0))) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (ContainerExited("c", Exit(code=0), 5.0), ["a:FAILED EXECUTOR_TERMINATED", "exited 0"]),
        (ContainerExited("c", Exit(signal=9), 5.0), ["a:FAILED EXECUTOR_TERMINATED", "exited 9"]),
        (
            ContainerExited("c", Exit(signal=9, out_of_memory=True), 5.0),
            ["a:FAILED CONTAINER_LIMITATION_MEMORY", "exited 9"],
        ),
        (LaunchFailed("c", "no such file", 5.0), ["a:FAILED CONTAINER_LAUNCH_FAILED", "exited -1"]),
        (ContainerMissing("c", 5.0, rebooted=True), ["a:LOST AGENT_RESTARTED", "exited -1"]),
    ],
    ids=["exit", "signal", "memory", "launch", "reboot"],
)
def test_its_end_is_its_tasks_end(core: AgentCore, event: Any, expected: list[str]) -> None:
    started(core, "a")
    effects = core.step(event)
    assert sent(effects) == expected
    assert CloseStream("F", "E") in effects
    refused = core.step(TaskAssigned(FRAMEWORK, task("b"), "d", 6.0))
    assert sent(refused) == ["b:LOST EXECUTOR_TERMINATED", "exited -1"], "until the last update is acknowledged"
    known = core.step(TaskAssigned(FRAMEWORK, task("b"), "d", 6.0, launch_executor=False))
    assert sent(known) == ["b:LOST EXECUTOR_TERMINATED"], "the master has still to hear of its end"
    pending = next(core.runs())[2].stream.pending[0]
    effects = core.step(UpdateAcknowledged("F", "a", pending.uuid or b"", 7.0))
    assert any(isinstance(one, CloseRun) for one in effects)
    assert not core.frameworks


def test_who_does_not_subscribe_is_destroyed(core: AgentCore) -> None:
    core.step(TaskAssigned(FRAMEWORK, task("a"), "c", 0.0))
    core.step(ContainerStarted("c", 7, 1.0))
    assert core.step(Tick(60.9)) == []
    assert DestroyContainer("c") in core.step(Tick(61.0))
    effects = core.step(ContainerExited("c", Exit(signal=9), 62.0))
    assert sent(effects)[0] == "a:FAILED EXECUTOR_REGISTRATION_TIMEOUT"


def test_shutdown_has_a_grace(core: AgentCore) -> None:
    started(core, "a")
    assert told(core.step(ExecutorShutdown("F", "E", 10.0))) == ["SHUTDOWN"]
    assert core.step(ExecutorShutdown("F", "E", 11.0)) == []
    assert sent(core.step(TaskAssigned(FRAMEWORK, task("b"), "d", 12.0))) == ["b:LOST EXECUTOR_TERMINATED"]
    assert core.step(FrameworkSaid("F", "E", b"x")) == []
    effects = subscribe(core, 2)
    assert told(effects) == ["SHUTDOWN"]
    assert CloseStream("F", "E") in effects
    assert DestroyContainer("c") in core.step(Tick(15.0))


def test_shut_down_before_it_started(core: AgentCore) -> None:
    core.step(TaskAssigned(FRAMEWORK, task("a"), "c", 0.0))
    effects = core.step(ExecutorShutdown("F", "E", 1.0))
    assert DestroyContainer("c") in effects
    assert sent(effects) == []
    gone = core.step(LaunchFailed("c", "broken off", 1.5))
    assert sent(gone) == ["a:FAILED EXECUTOR_TERMINATED", "exited -1"]
    assert core.step(ContainerStarted("c", 7, 2.0)) == [DestroyContainer("c")]


def test_no_room_for_its_tasks(core: AgentCore) -> None:
    core.step(TaskAssigned(FRAMEWORK, task("a"), "c", 0.0))
    core.step(ContainerStarted("c", 7, 1.0))
    subscribe(core, 1)
    effects = core.step(UpdateFailed("c", "no such group", 3.0))
    assert effects == [DestroyContainer("c")]
    assert core.step(UpdateFailed("c", "no such group", 3.0)) == []
    gone = core.step(ContainerExited("c", Exit(signal=9), 4.0))
    assert sent(gone) == ["a:LOST CONTAINER_UPDATE_FAILED", "exited 9"]
    assert core.step(UpdateFailed("c", "no such group", 5.0)) == []


def test_who_comes_without_a_task_is_sent_away(core: AgentCore) -> None:
    core.step(TaskAssigned(FRAMEWORK, task("a"), "c", 0.0))
    core.step(KillAsked("F", "a", 0.5))
    core.step(ContainerStarted("c", 7, 1.0))
    assert told(subscribe(core)) == ["SUBSCRIBED", "SHUTDOWN"]


def restored(*updates: TaskStatus) -> AgentCore:
    """After a restart: task ``a`` on executor ``E``, found running."""
    core = fresh_core()
    core.agent_id = "S"
    core.restore_framework(FRAMEWORK)
    core.restore_executor("F", EXECUTOR, ExecutorKind.CUSTOM, "c")
    core.restore_task("F", "E", task("a"), "c", updates, frozenset(), 0.0)
    core.step(ContainerStarted("c", 7, 0.0))
    core.restored(0.0)
    return core


def test_found_again(core: AgentCore) -> None:
    running = status("a", "RUNNING", 1)
    core = restored(running)
    assert core.awaited() == 1
    (told_master,) = core.link_frameworks()
    assert told_master.executors == (EXECUTOR,)
    effects = subscribe(core, updates=(running, status("a", "FINISHED", 2)))
    assert told(effects) == ["SUBSCRIBED", "ACKNOWLEDGED", "ACKNOWLEDGED"]
    assert core.awaited() == 0
    assert [one.state for one in next(core.runs())[2].stream.pending] == ["TASK_RUNNING", "TASK_FINISHED"]


def test_what_it_does_not_know_is_dropped() -> None:
    core = restored()
    core.step(Registered("S", 0.0))
    assert sent(subscribe(core)) == []
    assert core.next_deadline() == 2.0 + DOUBT_S
    assert sent(core.step(Tick(2.0 + DOUBT_S))) == ["a:LOST AGENT_RESTARTED"]
    core = restored()
    assert told(subscribe(core, tasks=frozenset({"a"}))) == ["SUBSCRIBED"]
    assert core.next_deadline() is None
    assert next(core.runs())[2].state is TaskState.TASK_STAGING


def test_a_subscription_that_comes_late_drops_nothing(core: AgentCore) -> None:
    """It was asked for and given up before the one that got the task; the executor has closed it."""
    started(core, "a")
    assert sent(subscribe(core, 2)) == []
    core.step(ExecutorDisconnected("F", "E", 2))
    assert sent(core.step(Tick(2.0 + DOUBT_S))) == []
    subscribe(core, 3, tasks=frozenset({"a"}))
    assert sent(core.step(Tick(2.0 + 2 * DOUBT_S))) == []
    assert next(core.runs())[2].state is TaskState.TASK_STAGING


def test_a_word_of_a_doubted_task_ends_the_doubt(core: AgentCore) -> None:
    started(core, "a", "b")
    subscribe(core, 2)
    core.step(ExecutorUpdated("F", "E", status("a", "RUNNING", 1), 3.0))
    assert sent(core.step(Tick(2.0 + DOUBT_S))) == ["b:LOST AGENT_RESTARTED"]


def test_not_subscribed_again() -> None:
    core = restored(status("a", "RUNNING", 1))
    assert core.next_deadline() == 2.0
    assert DestroyContainer("c") in core.step(Tick(2.0))
    core.step(ContainerExited("c", Exit(signal=9), 3.0))
    last = next(core.runs())[2].stream.pending[-1]
    assert (last.state, last.reason) == ("TASK_LOST", "REASON_EXECUTOR_REREGISTRATION_TIMEOUT")


def test_kills_wait_for_a_connection(core: AgentCore) -> None:
    """Asked while there is none, or while it was broken without our knowledge; a task that ended is not killed again."""
    started(core, "a", "b", "d")
    for name in ("a", "b", "d"):
        core.step(ExecutorUpdated("F", "E", status(name, "RUNNING", ord(name)), 2.5))
    policy = KillPolicy(grace_period=DurationInfo(nanoseconds=5))
    assert told(core.step(KillAsked("F", "a", 3.0, policy=policy))) == ["KILL"]
    core.step(ExecutorDisconnected("F", "E", 1))
    assert told(core.step(KillAsked("F", "b", 3.5))) == []
    effects = subscribe(core, 2, tasks=frozenset({"a", "b", "d"}))
    kills = [one.event.kill for one in effects if isinstance(one, TellExecutor) and one.event.kill is not None]
    assert [(one.task_id.value, one.kill_policy) for one in kills] == [("a", policy), ("b", None)]
    core.step(ExecutorUpdated("F", "E", status("a", "KILLED", 9), 4.0))
    effects = subscribe(core, 3, tasks=frozenset({"b", "d"}))
    assert [one.event.kill.task_id.value for one in effects if isinstance(one, TellExecutor) and one.event.kill] == [
        "b"
    ]


def test_a_new_connection_replaces_the_old(core: AgentCore) -> None:
    started(core, "a")
    subscribe(core, 2, tasks=frozenset({"a"}))
    core.step(ExecutorDisconnected("F", "E", 1))
    _, executor, _ = next(core.runs())
    assert executor.life is not None
    assert (executor.life.stream, executor.life.standing) == (2, Standing.RUNNING)
