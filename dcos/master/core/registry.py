"""What outlives a leader: the agents it admitted, lost sight of, or that an operator declared gone.

One entry per agent. Frameworks, tasks and offers are not here: they come back with their schedulers and agents.

Source: Mesos ``registry.proto`` (slaves, unreachable, gone).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dcos.model.v1.types import AgentInfo


class Standing(StrEnum):
    ADMITTED = "ADMITTED"
    UNREACHABLE = "UNREACHABLE"
    GONE = "GONE"


class AgentEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agent as the registry knows it."""

    info: AgentInfo
    standing: Standing
    since: float
    """Unix seconds of the last change of ``standing``."""
