"""Draining: the agent ends all its tasks because an operator wants it out of use.

Until nothing is left (not even an unacknowledged end) it takes no tasks, and says of each task that it was killed for this
reason. The wish is kept on disk; the master repeats it after each re-registration.

Source: Mesos agent (DrainSlaveMessage, states and reasons of updates while draining).
"""

from __future__ import annotations

from dataclasses import dataclass

from dcos.agent.core.states import has_capability
from dcos.model.v1.types import (
    DrainConfig,
    DurationInfo,
    FrameworkInfo,
    FrameworkInfoCapabilityType,
    KillPolicy,
    TaskInfo,
    TaskState,
    TaskStatusReason,
)

REASON = TaskStatusReason.REASON_AGENT_DRAINING


@dataclass(frozen=True, slots=True)
class DrainAsked:
    """Event: the master wants the agent drained."""

    config: DrainConfig
    now: float


@dataclass(frozen=True, slots=True)
class SaveDrain:
    """Effect: keep the wish on disk, or (None) forget it."""

    config: DrainConfig | None


@dataclass(frozen=True, slots=True)
class Drain:
    config: DrainConfig
    since: float


def policy_for(task: TaskInfo, config: DrainConfig) -> KillPolicy | None:
    """The task's own grace, but not more than ``max_grace_period``; None leaves it to the task."""
    most = config.max_grace_period
    if most is None:
        return None
    own = task.kill_policy.grace_period if task.kill_policy is not None else None
    grace = most.nanoseconds if own is None else min(own.nanoseconds, most.nanoseconds)
    return KillPolicy(grace_period=DurationInfo(nanoseconds=grace))


def told_as(
    drain: Drain | None, framework: FrameworkInfo, state: TaskState, reason: TaskStatusReason | None
) -> tuple[TaskState, TaskStatusReason | None]:
    """State and reason of an update: a kill is the drain's."""
    if drain is None or state not in (TaskState.TASK_KILLING, TaskState.TASK_KILLED):
        return state, reason
    aware = has_capability(framework, FrameworkInfoCapabilityType.PARTITION_AWARE)
    if state is TaskState.TASK_KILLED and drain.config.mark_gone and aware:
        return TaskState.TASK_GONE_BY_OPERATOR, REASON
    return state, REASON
