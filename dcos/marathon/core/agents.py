"""The cluster's agents and roles as the operator API tells of them: more than the offers that Marathon happens to hold.

Marathon works without it (then ``State.cluster`` is None); with it, it can explain why no offer comes, keep one instance on
every agent, and see where there is room.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dcos.model.marathon_state import AgentRef
from dcos.model.resources import EMPTY, Resources
from dcos.scheduling.match import Place


@dataclass(frozen=True, slots=True)
class Agent:
    ref: AgentRef
    total: Resources = EMPTY
    held: Resources = EMPTY
    """By tasks, and by offers that somebody has now."""
    active: bool = True
    """Connected, and neither deactivated nor draining."""
    address: str = ""
    """host:port of its own API."""

    @property
    def free(self) -> Resources:
        return self.total - self.held if self.total.contains(self.held) else EMPTY


@dataclass(frozen=True, slots=True)
class Role:
    """Quota of a role in thousandths by resource; no limit: absent."""

    limits: Mapping[str, int] = field(default_factory=dict)
    consumed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cluster:
    """As seen at ``at`` (Unix seconds)."""

    at: float
    agents: Mapping[str, Agent]
    roles: Mapping[str, Role] = field(default_factory=dict)


def place_of(agent: Agent, role: str, *, whole: bool = False) -> Place:
    """The agent as the matcher sees an offer: what is free of it now, or all of it."""
    return Place(
        agent=agent.ref,
        role=role,
        free=agent.total if whole else agent.free,
        has_gpus=agent.total.scalar("gpus") > 0,
    )
