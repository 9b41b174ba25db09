"""Executor infos that the agent makes itself: the command executor's, as the APIs of Mesos show it.

Source: Mesos agent (command executor info, names, overhead).
"""

from __future__ import annotations

from collections.abc import Sequence

from dcos.agent.core.events import Limits
from dcos.model.resource_messages import allocation_role
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    CommandInfo,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    TaskInfo,
)

OVERHEAD = Resources.scalars(cpus=0.1, mem=32)
"""Given to a command task's container beyond what the task asked for; not charged to the offer."""
MIN_MEM_BYTES = 32 * 1024 * 1024
_SHOWN = 15


def command_executor(task: TaskInfo, framework_id: str, launcher_dir: str) -> ExecutorInfo:
    """The executor of a command task; its id is the task's."""
    command = task.command or CommandInfo()
    return ExecutorInfo(
        executor_id=ExecutorID(value=task.task_id.value),
        framework_id=FrameworkID(value=framework_id),
        command=CommandInfo(
            shell=False,
            value=f"{launcher_dir}/mesos-executor",
            arguments=("mesos-executor", f"--launcher_dir={launcher_dir}"),
            environment=command.environment,
            user=command.user,
        ),
        resources=OVERHEAD.messages(role_of(task)),
        name=f"Command Executor (Task: {task.task_id.value}) (Command: {_command_text(command)})",
        source=task.task_id.value,
        discovery=task.discovery,
        labels=task.labels,
    )


def _command_text(command: CommandInfo) -> str:
    if command.shell:
        return "NO COMMAND" if command.value is None else f"sh -c '{_short(command.value)}'"
    if command.value is None:
        return "NO EXECUTABLE"
    return f"[{_short(', '.join((command.value, *command.arguments)))}]"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def role_of(task: TaskInfo) -> str | None:
    """The role that the task's resources are allocated to."""
    return next((role for role in map(allocation_role, task.resources) if role is not None), None)


def shared_limits(own: Resources, tasks: Sequence[TaskInfo]) -> Limits:
    """Of a container that holds an executor (``own``) and its tasks; hard limits only if some task asks for one."""
    wanted = sum((Resources.of(task.resources) for task in tasks), own)

    def limit(name: str) -> float | None:
        if not any(name in task.limits for task in tasks):
            return None
        return own.scalar(name) / 1000 + sum(
            task.limits[name].value if name in task.limits else Resources.of(task.resources).scalar(name) / 1000
            for task in tasks
        )

    mem_limit = limit("mem")
    return Limits(
        cpus=wanted.scalar("cpus"),
        mem_bytes=max(MIN_MEM_BYTES, int(wanted.scalar("mem") / 1000 * 1024 * 1024)),
        cpus_limit=limit("cpus"),
        mem_limit_bytes=None if mem_limit is None else max(float(MIN_MEM_BYTES), mem_limit * 1024 * 1024),
        disk_bytes=int(wanted.scalar("disk") / 1000 * 1024 * 1024),
        revocable=bool(wanted.revocable().scalar("cpus")),
        partly_unlimited=not all("cpus" in task.limits for task in tasks),
    )


def limits_of(task: TaskInfo, extra: Resources) -> Limits:
    """What the task's container may use: its own request plus ``extra``; limits as the task states them."""
    wanted = Resources.of(task.resources) + extra
    mem_mb = wanted.scalar("mem") / 1000
    cpus_limit = task.limits.get("cpus")
    mem_limit = task.limits.get("mem")
    return Limits(
        cpus=wanted.scalar("cpus"),
        mem_bytes=max(MIN_MEM_BYTES, int(mem_mb * 1024 * 1024)),
        cpus_limit=None if cpus_limit is None else cpus_limit.value + extra.scalar("cpus") / 1000,
        mem_limit_bytes=None
        if mem_limit is None
        else max(float(MIN_MEM_BYTES), (mem_limit.value + extra.scalar("mem") / 1000) * 1024 * 1024),
        disk_bytes=int(wanted.scalar("disk") / 1000 * 1024 * 1024),
        revocable=bool(wanted.revocable().scalar("cpus")),
    )
