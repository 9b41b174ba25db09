"""What task states mean."""

from __future__ import annotations

from dcos.model.v1.types import TaskState

TERMINAL = frozenset(
    {
        TaskState.TASK_FINISHED,
        TaskState.TASK_FAILED,
        TaskState.TASK_KILLED,
        TaskState.TASK_ERROR,
        TaskState.TASK_LOST,
        TaskState.TASK_DROPPED,
        TaskState.TASK_GONE,
        TaskState.TASK_GONE_BY_OPERATOR,
    }
)
"""States that a task never leaves: nothing of it runs and its resources are free. (UNREACHABLE is left when the agent returns.)

Source: Mesos 1.11 task states.
"""
