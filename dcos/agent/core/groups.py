"""What the tasks of a default executor have in common: control groups, limits, the end by memory.

The executor itself is no process: its container is its tasks' (each nested in it), and the control group they share.
``share_cgroups`` false gives a task one of its own.   Source: Mesos docs/nested-container-and-task-group.md.
"""

from __future__ import annotations

from dcos.agent.core.events import Limits
from dcos.agent.core.executors import shared_limits
from dcos.agent.core.state import ExecutorKind, ExecutorRun, Phase
from dcos.model.resources import Resources
from dcos.model.v1.types import ExecutorInfo, FrameworkID, TaskInfo
from dcos.wire.agent_link import ExitedExecutor


def shares(executor: ExecutorRun, task: TaskInfo) -> bool:
    """Whether the task runs in its executor's control group."""
    if executor.kind is not ExecutorKind.DEFAULT:
        return False
    info = task.container.linux_info if task.container is not None else None
    return info is None or info.share_cgroups


def limits_of_all(executor: ExecutorRun) -> Limits:
    """Of a container that holds an executor and all of its tasks that have not ended."""
    live = [run.info for run in executor.tasks.values() if run.phase is not Phase.ENDED]
    return shared_limits(Resources.of(executor.info.resources), live)


def limits_of_sharing(executor: ExecutorRun) -> Limits:
    """As ``limits_of_all``, without tasks that have control groups of their own."""
    live = [run.info for run in executor.tasks.values() if run.phase is not Phase.ENDED and shares(executor, run.info)]
    return shared_limits(Resources.of(executor.info.resources), live)


def exited(framework_id: str, executor: ExecutorInfo, status: int) -> ExitedExecutor:
    """Tell the master that an executor is gone."""
    return ExitedExecutor(framework_id=FrameworkID(value=framework_id), executor_id=executor.executor_id, status=status)
