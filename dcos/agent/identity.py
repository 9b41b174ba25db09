"""What this agent says it is: the Mesos version it behaves as, and its capabilities."""

from __future__ import annotations

from typing import Any, Final

from dcos.model.v1.types import AgentInfoCapability, AgentInfoCapabilityType, VersionInfo

MESOS_VERSION: Final = "1.11.0"
"""Clients look at it to know which API they may use."""
CAPABILITIES: Final = tuple(
    AgentInfoCapability(type=AgentInfoCapabilityType(name))
    for name in (
        "MULTI_ROLE",
        "HIERARCHICAL_ROLE",
        "RESERVATION_REFINEMENT",
        "RESOURCE_PROVIDER",
        "RESIZE_VOLUME",
        "AGENT_OPERATION_FEEDBACK",
        "AGENT_DRAINING",
        "TASK_RESOURCE_LIMITS",
    )
)
"""Upstream's. RESOURCE_PROVIDER has to go with AGENT_OPERATION_FEEDBACK (no provider ever subscribes, as on most agents)."""
VERSION_INFO: Final = VersionInfo(
    version=MESOS_VERSION, build_date="2026-11-01 00:00:00", build_time=1793491200.0, build_user="dcos"
)


def version_json() -> dict[str, Any]:
    """``/version``, and the first members of ``/state``."""
    return {
        "version": VERSION_INFO.version,
        "build_date": VERSION_INFO.build_date,
        "build_time": VERSION_INFO.build_time,
        "build_user": VERSION_INFO.build_user,
    }
