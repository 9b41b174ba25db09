"""A framework's shutdown outlives the agent. Found by seed 14465 of the simulation: the agent restarted while it ended a task of
a removed framework, and told the next leader, which knew of no removal, that the task runs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dcos.agent.checkpoint import Checkpoints
from dcos.agent.core.agent import AgentCore
from dcos.agent.core.events import (
    AgentShutdown,
    CloseFramework,
    CloseRun,
    ContainerExited,
    ContainerStarted,
    DestroyContainer,
    Effect,
    FrameworkShutdown,
    Registered,
    SaveFrameworkShutdown,
    Send,
    SignalContainer,
    TaskAssigned,
    Tick,
)
from dcos.agent.core.exits import Exit
from dcos.agent.core.state import ExecutorKind
from dcos.agent.sandbox import WorkDir
from dcos.model.v1.types import (
    CommandInfo,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    FrameworkID,
    FrameworkInfo,
    TaskState,
    TaskStatus,
)
from tests.unit.agent.core_stage import FRAMEWORK, fresh_core, new_core, task

TASK = task("a", command=CommandInfo(value="sleep 1000"))
EXECUTOR = ExecutorInfo(executor_id=ExecutorID(value="a"), command=CommandInfo(value="x"))
RUNNING = TaskStatus(task_id=TASK.task_id, state=TaskState.TASK_RUNNING, timestamp=1.0, uuid=b"1")
SIGTERM = 15


def running(info: FrameworkInfo = FRAMEWORK) -> AgentCore:
    core = new_core()
    core.step(TaskAssigned(info, TASK, "c", 0.0))
    core.step(ContainerStarted("c", 7, 0.0))
    return core


def found_again(kind: ExecutorKind = ExecutorKind.COMMAND) -> tuple[AgentCore, list[Effect]]:
    """After a restart at 10 s, in the midst of the shutdown."""
    core = fresh_core()
    core.agent_id = "S"
    core.restore_framework(FRAMEWORK, shut=True)
    core.restore_executor("F", EXECUTOR, kind, "c")
    core.restore_task("F", "a", TASK, "c", (RUNNING,), frozenset(), 10.0)
    return core, core.step(ContainerStarted("c", 7, 10.0)) + core.restored(10.0)


def test_it_is_saved_before_anything_is_ended() -> None:
    saved, *rest = running().step(FrameworkShutdown("F", 1.0))
    assert saved == SaveFrameworkShutdown("F", ("c",))
    assert SignalContainer("c", SIGTERM) in rest


def test_nothing_is_saved_without_checkpoint_nor_when_the_agent_leaves() -> None:
    loose = FrameworkInfo(user="root", name="g", id=FrameworkID(value="F"))
    effects = running(loose).step(FrameworkShutdown("F", 1.0)) + running().step(AgentShutdown("gone", 1.0))
    assert effects.count(SignalContainer("c", SIGTERM)) == 2
    assert not [one for one in effects if isinstance(one, SaveFrameworkShutdown)]


@pytest.mark.parametrize("kind", [ExecutorKind.COMMAND, ExecutorKind.CUSTOM])
def test_the_next_agent_goes_on_with_it_and_tells_nothing(kind: ExecutorKind) -> None:
    core, effects = found_again(kind)
    assert (SignalContainer("c", SIGTERM) in effects) == (kind is ExecutorKind.COMMAND)
    effects += core.step(Registered("S", 11.0))
    assert core.link_frameworks() == ()
    grace_s = 3.0 if kind is ExecutorKind.COMMAND else core.rules.shutdown_grace_s
    assert core.step(Tick(9.9 + grace_s)) == []
    forced = core.step(Tick(10.0 + grace_s))
    assert DestroyContainer("c") in forced
    effects += forced + core.step(ContainerExited("c", Exit(signal=9), 20.0))
    assert CloseRun("F", "a", "c", True) in effects
    assert CloseFramework("F") in effects
    assert not [one for one in effects if isinstance(one, Send)]
    assert not core.frameworks


def test_what_ended_meanwhile_is_closed() -> None:
    core = fresh_core()
    core.restore_framework(FRAMEWORK, shut=True)
    core.restore_executor("F", EXECUTOR, ExecutorKind.COMMAND, "c")
    core.restore_task("F", "a", TASK, "c", (), frozenset(), 10.0)
    assert CloseFramework("F") in core.step(ContainerExited("c", Exit(signal=15), 10.0)) + core.restored(10.0)
    core.step(Registered("S", 11.0))
    core.step(TaskAssigned(FRAMEWORK, TASK, "c2", 12.0))
    assert [one.container_id for _, _, one in core.runs()] == ["c2"]
    assert core.link_frameworks() != ()


def test_the_checkpoint_names_runs_and_no_later_ones(tmp_path: Path) -> None:
    saved = Checkpoints(WorkDir(tmp_path))
    info = ExecutorInfo(executor_id=ExecutorID(value="e"), type=ExecutorInfoType.DEFAULT)

    def shut() -> dict[str, bool]:
        return {one.run_id: one.shut for one in saved.runs("S", strict=True)}

    saved.save_framework("S", FRAMEWORK)
    for executor, run in ((EXECUTOR, "c"), (info, "d")):
        saved.save_executor("S", "F", executor, run)
    assert shut() == {"c": False, "d": False}
    saved.save_framework_shutdown("S", "F", ("c", "d"))
    assert shut() == {"c": True, "d": True}
    for executor_id, run in (("a", "c"), ("e", "d")):
        saved.close_run("S", "F", executor_id, run)
    saved.save_framework("S", FRAMEWORK)
    saved.save_executor("S", "F", EXECUTOR, "c2")
    assert shut() == {"c2": False}
