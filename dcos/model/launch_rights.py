"""Whom a task runs as: what the right to launch it (``run_tasks``) is asked about.   Source: Mesos local authorizer."""

from __future__ import annotations

from dcos.model.v1.types import ExecutorInfo, FrameworkInfo, TaskInfo


def task_user(task: TaskInfo, executor: ExecutorInfo | None, framework: FrameworkInfo) -> str:
    """``executor``: the task's or its group's."""
    for command in (task.command, executor.command if executor is not None else None):
        if command is not None and command.user is not None:
            return command.user
    return framework.user
