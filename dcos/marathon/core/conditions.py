"""Conditions of instances, from the states of their tasks.   Source: Marathon's task conditions."""

from __future__ import annotations

from collections.abc import Collection

from dcos.model.marathon_state import TERMINAL, Condition, InstanceTask
from dcos.model.v1.types import TaskState, TaskStatus, TaskStatusReason

_CONDITIONS = {
    TaskState.TASK_STAGING: Condition.STAGING,
    TaskState.TASK_STARTING: Condition.STARTING,
    TaskState.TASK_RUNNING: Condition.RUNNING,
    TaskState.TASK_KILLING: Condition.KILLING,
    TaskState.TASK_FINISHED: Condition.FINISHED,
    TaskState.TASK_FAILED: Condition.FAILED,
    TaskState.TASK_KILLED: Condition.KILLED,
    TaskState.TASK_ERROR: Condition.ERROR,
    TaskState.TASK_DROPPED: Condition.DROPPED,
    TaskState.TASK_UNREACHABLE: Condition.UNREACHABLE,
    TaskState.TASK_LOST: Condition.GONE,
    TaskState.TASK_GONE: Condition.GONE,
    TaskState.TASK_GONE_BY_OPERATOR: Condition.GONE,
    TaskState.TASK_UNKNOWN: Condition.UNKNOWN,
}
_MAY_RETURN = frozenset(
    {
        TaskStatusReason.REASON_RECONCILIATION,
        TaskStatusReason.REASON_AGENT_DISCONNECTED,
        TaskStatusReason.REASON_AGENT_REMOVED,
    }
)
FAILURES = frozenset({Condition.FAILED, Condition.ERROR, Condition.DROPPED, Condition.GONE, Condition.UNKNOWN})
"""Ends that are remembered as the last failure and slow down launches."""

_WORST_FIRST = (
    Condition.ERROR,
    Condition.FAILED,
    Condition.GONE,
    Condition.DROPPED,
    Condition.UNREACHABLE,
    Condition.UNREACHABLE_INACTIVE,
    Condition.KILLING,
    Condition.STARTING,
    Condition.STAGING,
    Condition.UNKNOWN,
    Condition.PROVISIONED,
    Condition.RUNNING,
    Condition.FINISHED,
    Condition.KILLED,
)


def condition_of(status: TaskStatus) -> Condition:
    if status.state is TaskState.TASK_LOST and status.reason in _MAY_RETURN:
        return Condition.UNREACHABLE
    return _CONDITIONS[status.state]


def of_task(task: InstanceTask) -> Condition:
    """By the last state that it was in."""
    return _CONDITIONS[task.state]


def together(conditions: Collection[Condition]) -> Condition:
    """Of an instance, from those of its tasks: the worst. Once any has ended the rest is being killed."""
    ended = [one for one in conditions if one in TERMINAL]
    if ended and len(ended) < len(conditions):
        return Condition.KILLING
    return min(conditions, key=_WORST_FIRST.index)
