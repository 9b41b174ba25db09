"""Draining: tasks are killed within the grace, said to be drained, and nothing new begins."""

from __future__ import annotations

from pathlib import Path

import msgspec

from dcos.agent.checkpoint import Checkpoints
from dcos.agent.core.agent import AgentCore
from dcos.agent.core.draining import Drain, DrainAsked, SaveDrain
from dcos.agent.core.events import (
    ContainerExited,
    ContainerStarted,
    Effect,
    GroupAssigned,
    Send,
    SignalContainer,
    TaskAssigned,
    UpdateAcknowledged,
)
from dcos.agent.core.executor_events import ExecutorSubscribed, ExecutorUpdated, TellExecutor
from dcos.agent.core.exits import Exit
from dcos.agent.sandbox import WorkDir
from dcos.model.v1.types import (
    AgentInfo,
    CommandInfo,
    DrainConfig,
    DurationInfo,
    ExecutorID,
    ExecutorInfo,
    FrameworkInfo,
    FrameworkInfoCapabilityType,
    KillPolicy,
    TaskID,
    TaskState,
    TaskStatus,
    TaskStatusSource,
)
from dcos.wire.agent_link import StatusUpdate
from tests.unit.agent.core_stage import framework, new_core, task

KINDS = FrameworkInfoCapabilityType


def running(core: AgentCore, info: FrameworkInfo, *names: str, grace_s: float | None = None) -> None:
    policy = KillPolicy(grace_period=DurationInfo(nanoseconds=int(grace_s * 1e9))) if grace_s is not None else None
    for name in names:
        core.step(TaskAssigned(info, task(name, kill_policy=policy), f"c-{name}", 0.0))
        core.step(ContainerStarted(f"c-{name}", 7, 0.0))


def drained(*, grace_s: float | None = None, mark_gone: bool = False) -> DrainConfig:
    period = DurationInfo(nanoseconds=int(grace_s * 1e9)) if grace_s is not None else None
    return DrainConfig(max_grace_period=period, mark_gone=mark_gone)


def statuses(effects: list[Effect]) -> list[TaskStatus]:
    return [one.message.status for one in effects if isinstance(one, Send) and isinstance(one.message, StatusUpdate)]


def acknowledged(core: AgentCore) -> tuple[list[TaskStatus], list[Effect]]:
    """Acknowledge everything: all statuses in order, and the effects."""
    seen: list[TaskStatus] = []
    effects: list[Effect] = []
    while heads := [(f, r, r.stream.pending[0]) for f, _, r in core.runs() if r.stream.pending]:
        owner, run, status = heads[0]
        seen.append(status)
        effects += core.step(UpdateAcknowledged(owner.framework_id, run.task_id, status.uuid or b"", 9.0))
    return seen, effects


def test_tasks_are_killed_within_the_grace() -> None:
    core = new_core()
    info = framework(KINDS.PARTITION_AWARE, KINDS.TASK_KILLING_STATE)
    running(core, info, "long", grace_s=60)
    running(core, info, "short", grace_s=1)
    effects = core.step(DrainAsked(drained(grace_s=10), 5.0))
    assert SaveDrain(drained(grace_s=10)) in effects
    assert {one.container_id for one in effects if isinstance(one, SignalContainer)} == {"c-long", "c-short"}
    deadlines = {run.task_id: run.killing.deadline for _, _, run in core.runs() if run.killing is not None}
    assert deadlines == {"long": 15.0, "short": 6.0}
    for name in ("c-long", "c-short"):
        core.step(ContainerExited(name, Exit(signal=15), 6.0))
    seen, effects = acknowledged(core)
    ends = {
        status.task_id.value: (str(status.state), str(status.reason))
        for status in seen
        if status.state in ("TASK_KILLED", "TASK_KILLING")
    }
    assert set(ends.values()) == {("TASK_KILLED", "REASON_AGENT_DRAINING")}
    assert SaveDrain(None) in effects
    assert core.drain is None


def test_without_a_maximum_the_own_grace_counts() -> None:
    core = new_core()
    running(core, framework(), "a", grace_s=60)
    core.step(DrainAsked(drained(), 5.0))
    (run,) = [run for _, _, run in core.runs()]
    assert run.killing is not None
    assert run.killing.deadline == 65.0


def test_an_agent_that_will_be_gone_says_so() -> None:
    for kinds, end in (((KINDS.PARTITION_AWARE,), "TASK_GONE_BY_OPERATOR"), ((), "TASK_KILLED")):
        core = new_core()
        running(core, framework(*kinds), "a")
        core.step(DrainAsked(drained(mark_gone=True), 5.0))
        core.step(ContainerExited("c-a", Exit(signal=15), 6.0))
        seen, _ = acknowledged(core)
        assert (str(seen[-1].state), str(seen[-1].reason)) == (end, "REASON_AGENT_DRAINING")


def test_a_task_that_ends_by_itself_meanwhile_keeps_its_state() -> None:
    core = new_core()
    running(core, framework(), "a", "b")
    core.step(ContainerExited("c-a", Exit(code=0), 4.0))
    core.step(DrainAsked(drained(), 5.0))
    core.step(ContainerExited("c-b", Exit(signal=15), 6.0))
    seen, _ = acknowledged(core)
    assert {"TASK_FINISHED", "TASK_KILLED"} <= {str(status.state) for status in seen}


def test_nothing_new_begins() -> None:
    core = new_core()
    info = framework(KINDS.PARTITION_AWARE)
    running(core, info, "a")
    core.step(DrainAsked(drained(), 5.0))
    (refused,) = statuses(core.step(TaskAssigned(info, task("b"), "c-b", 6.0)))
    assert (str(refused.state), str(refused.reason)) == ("TASK_DROPPED", "REASON_AGENT_DRAINING")
    executor = ExecutorInfo(executor_id=ExecutorID(value="pod"))
    effects = core.step(GroupAssigned(info, executor, (task("c"), task("d")), ("e", "c1", "c2"), 6.0))
    assert {status.task_id.value for status in statuses(effects)} == {"c", "d"}


def test_with_nothing_to_end_it_is_over_at_once() -> None:
    core = new_core()
    assert core.step(DrainAsked(drained(), 5.0)) == [SaveDrain(drained()), SaveDrain(None)]
    assert core.step(TaskAssigned(framework(), task("a"), "c", 6.0)) != []


def test_the_wish_is_kept_on_disk(tmp_path: Path) -> None:
    saved = Checkpoints(WorkDir(tmp_path))
    (tmp_path / "meta/slaves/S").mkdir(parents=True)
    assert saved.drain("S") is None
    saved.save_drain("S", drained(grace_s=3, mark_gone=True))
    assert (tmp_path / "meta/slaves/S/drain.config").exists()
    assert Checkpoints(WorkDir(tmp_path)).drain("S") == drained(grace_s=3, mark_gone=True)
    saved.save_drain("S", None)
    saved.save_drain("S", None)
    assert saved.drain("S") is None


def test_a_drain_goes_on_after_a_restart() -> None:
    core = new_core()
    running(core, framework(), "a")
    core.drain = Drain(drained(), 1.0)
    (refused,) = statuses(core.step(TaskAssigned(framework(), task("b"), "c-b", 6.0)))
    assert str(refused.reason) == "REASON_AGENT_DRAINING"
    assert SaveDrain(drained()) not in core.step(DrainAsked(drained(), 7.0))


def on_executor(core: AgentCore, info: FrameworkInfo, *names: str, grace_s: float) -> None:
    """Running tasks of a custom executor that has subscribed."""
    policy = KillPolicy(grace_period=DurationInfo(nanoseconds=int(grace_s * 1e9)))
    executor = ExecutorInfo(executor_id=ExecutorID(value="E"), command=CommandInfo(value="x"))
    for name in names:
        run = msgspec.structs.replace(task(name, kill_policy=policy), command=None, executor=executor)
        core.step(TaskAssigned(info, run, "c", 0.0))
    core.step(ContainerStarted("c", 7, 1.0))
    core.step(ExecutorSubscribed("F", "E", 1, AgentInfo(hostname="h"), 2.0))
    for number, name in enumerate(names):
        core.step(ExecutorUpdated("F", "E", update(name, "TASK_RUNNING", number + 1), 3.0))


def update(name: str, state: str, number: int) -> TaskStatus:
    return TaskStatus(
        task_id=TaskID(value=name),
        state=TaskState(state),
        uuid=number.to_bytes(16, "little"),
        source=TaskStatusSource.SOURCE_EXECUTOR,
    )


def test_a_custom_executor_is_told_the_capped_grace() -> None:
    core = new_core()
    on_executor(core, framework(KINDS.PARTITION_AWARE), "long", "short", grace_s=60)
    effects = core.step(DrainAsked(drained(grace_s=10, mark_gone=True), 5.0))
    kills = [one.event.kill for one in effects if isinstance(one, TellExecutor) and one.event.kill is not None]
    assert {one.task_id.value for one in kills} == {"long", "short"}
    for kill in kills:
        assert kill.kill_policy is not None
        assert kill.kill_policy.grace_period == DurationInfo(nanoseconds=10 * 10**9)
    for number, (name, state) in enumerate((("long", "TASK_KILLED"), ("short", "TASK_FINISHED"))):
        core.step(ExecutorUpdated("F", "E", update(name, state, 10 + number), 6.0))
    seen, _ = acknowledged(core)
    ends = {one.task_id.value: (str(one.state), one.reason) for one in seen if one.state != "TASK_RUNNING"}
    assert ends == {
        "long": ("TASK_GONE_BY_OPERATOR", "REASON_AGENT_DRAINING"),
        "short": ("TASK_FINISHED", None),
    }
