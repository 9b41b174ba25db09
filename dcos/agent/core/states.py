"""Words about task states that every part of the agent shares."""

from __future__ import annotations

from dcos.model.v1.types import FrameworkInfo, FrameworkInfoCapabilityType, TaskState


def has_capability(framework: FrameworkInfo | None, wanted: FrameworkInfoCapabilityType) -> bool:
    return framework is not None and any(one.type is wanted for one in framework.capabilities)


def lost_state(framework: FrameworkInfo | None, precise: TaskState, *, partition_aware: bool = False) -> TaskState:
    """``precise`` (DROPPED, GONE) for a PARTITION_AWARE framework, TASK_LOST for others."""
    if partition_aware or has_capability(framework, FrameworkInfoCapabilityType.PARTITION_AWARE):
        return precise
    return TaskState.TASK_LOST


def framework_roles(framework: FrameworkInfo) -> tuple[str, ...]:
    return framework.roles or ((framework.role or "*"),)
