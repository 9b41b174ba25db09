"""Default executors: what their tasks share, and when they take no more."""

from __future__ import annotations

from typing import Any

import pytest

from dcos.agent.core.agent import AgentCore
from dcos.agent.core.events import (
    ContainerExited,
    ContainerLimited,
    ContainerMissing,
    ContainerStarted,
    DestroyContainer,
    Effect,
    Event,
    ExecutorShutdown,
    GroupAssigned,
    Send,
    StartContainer,
    UpdateGroup,
)
from dcos.agent.core.exits import Exit
from dcos.model.v1.types import (
    AgentID,
    CommandInfo,
    ContainerInfo,
    ContainerInfoType,
    ExecutorID,
    ExecutorInfo,
    LinuxInfo,
    Resource,
    TaskID,
    TaskInfo,
    TaskStatus,
    TaskStatusReason,
    ValueScalar,
    ValueType,
)
from dcos.wire.agent_link import ExitedExecutor, StatusUpdate
from tests.unit.agent.core_stage import FRAMEWORK, new_core

OWN = ContainerInfo(type=ContainerInfoType.MESOS, linux_info=LinuxInfo(share_cgroups=False))
MIB = 1024 * 1024


@pytest.fixture
def core() -> AgentCore:
    return new_core()


def resources(cpus: float, mem: float) -> tuple[Resource, ...]:
    return tuple(
        Resource(name=name, type=ValueType.SCALAR, scalar=ValueScalar(value=value))
        for name, value in (("cpus", cpus), ("mem", mem))
    )


def executor() -> ExecutorInfo:
    return ExecutorInfo(executor_id=ExecutorID(value="E"), resources=resources(0.1, 32))


def group(core: AgentCore, *names: str, launch: bool = True, **more: Any) -> list[Effect]:
    tasks = tuple(
        TaskInfo(
            name=name,
            task_id=TaskID(value=name),
            agent_id=AgentID(value="S"),
            command=CommandInfo(value="x"),
            resources=resources(0.5, 64),
            **more,
        )
        for name in names
    )
    ids = ("run", *(f"c-{name}" for name in names))
    return core.step(GroupAssigned(FRAMEWORK, executor(), tasks, ids, 1.0, launch))


def started(core: AgentCore, *names: str) -> None:
    for name in names:
        core.step(ContainerStarted(f"c-{name}", 1, 2.0))


def told(effects: list[Effect]) -> list[TaskStatus]:
    return [one.message.status for one in effects if isinstance(one, Send) and isinstance(one.message, StatusUpdate)]


def limits(effects: list[Effect]) -> list[tuple[int, int]]:
    return [(one.limits.cpus, one.limits.mem_bytes // MIB) for one in effects if isinstance(one, UpdateGroup)]


def test_the_control_group_fits_all_tasks_and_the_executor(core: AgentCore) -> None:
    effects = group(core, "a", "b")
    assert limits(effects) == [(1100, 160)]
    assert [one.plan.group for one in effects if isinstance(one, StartContainer)] == ["run", "run"]
    assert limits(group(core, "c")) == [(1600, 224)]
    started(core, "a", "b", "c")
    assert limits(core.step(ContainerExited("c-c", Exit(code=0), 3.0))) == [(1100, 160)]


def test_a_task_with_control_groups_of_its_own(core: AgentCore) -> None:
    effects = group(core, "a", container=OWN)
    assert limits(effects) == []
    (start,) = [one for one in effects if isinstance(one, StartContainer)]
    assert (start.plan.group, start.plan.limits.mem_bytes // MIB) == ("", 64)


WORDS = "Memory limit exceeded"


@pytest.mark.parametrize(
    "news",
    [
        (ContainerExited("c-a", Exit(signal=9, out_of_memory=True, limitation=WORDS), 3.0),),
        # seen while it runs, before its end
        (
            ContainerLimited("c-a", WORDS, TaskStatusReason.REASON_CONTAINER_LIMITATION_MEMORY, (), 3.0),
            ContainerExited("c-a", Exit(signal=9, out_of_memory=True), 3.5),
        ),
    ],
    ids=["by-its-end", "while-it-runs"],
)
def test_out_of_memory_ends_all_that_share(core: AgentCore, news: tuple[Event, ...]) -> None:
    group(core, "a", "b")
    group(core, "c")
    group(core, "d", container=OWN)
    started(core, "a", "b", "c", "d")
    effects = [effect for event in news for effect in core.step(event)]
    assert {one.container_id for one in effects if isinstance(one, DestroyContainer)} - {"c-a"} == {"c-b", "c-c"}
    for name in ("b", "c"):
        core.step(ContainerExited(f"c-{name}", Exit(signal=9), 4.0))
    tasks = core.frameworks["F"].executors["E"].tasks
    ends = {(str(run.state), str(run.statuses[-1].reason), run.statuses[-1].message) for run in tasks.values()}
    assert ends == {
        ("TASK_FAILED", "REASON_CONTAINER_LIMITATION_MEMORY", WORDS),
        ("TASK_RUNNING", str(tasks["d"].statuses[-1].reason), tasks["d"].statuses[-1].message),
    }


def test_another_limit_ends_only_what_exceeded_it(core: AgentCore) -> None:
    group(core, "a")
    group(core, "b")
    started(core, "a", "b")
    effects = core.step(ContainerLimited("c-a", "disk", TaskStatusReason.REASON_CONTAINER_LIMITATION_DISK, (), 3.0))
    assert [one.container_id for one in effects if isinstance(one, DestroyContainer)] == ["c-a"]


def test_a_task_that_never_began_because_the_agent_restarted_ends_its_group(core: AgentCore) -> None:
    """Found by seed 19337 of the simulation."""
    group(core, "a", "b")
    group(core, "c")
    started(core, "b", "c")
    core.step(ContainerMissing("c-a", 3.0))
    tasks = core.frameworks["F"].executors["E"].tasks
    assert tasks["a"].state == "TASK_LOST"  # the framework is not PARTITION_AWARE
    assert tasks["b"].killing is not None
    assert tasks["c"].killing is None


def test_a_group_for_an_executor_that_is_gone_is_dropped(core: AgentCore) -> None:
    effects = group(core, "a", "b", launch=False)
    assert [(str(one.state), str(one.reason)) for one in told(effects)] == [
        ("TASK_LOST", "REASON_EXECUTOR_TERMINATED")
    ] * 2
    assert [one.message for one in effects if isinstance(one, Send) and isinstance(one.message, ExitedExecutor)]
    assert not core.frameworks


def test_a_group_for_an_executor_that_is_there_joins_it(core: AgentCore) -> None:
    group(core, "a")
    effects = group(core, "b", launch=False)
    assert [one.plan.run_id for one in effects if isinstance(one, StartContainer)] == ["run"]
    assert list(core.frameworks["F"].executors["E"].tasks) == ["a", "b"]


def test_an_executor_that_shuts_down_takes_no_more(core: AgentCore) -> None:
    group(core, "a")
    started(core, "a")
    core.step(ExecutorShutdown("F", "E", 3.0))
    (status,) = told(group(core, "b"))
    assert (status.task_id.value, str(status.reason)) == ("b", "REASON_EXECUTOR_TERMINATED")
