"""What happens to the master. Every event carries its time; ids and random choices come from outside too."""

from __future__ import annotations

from dataclasses import dataclass

from dcos.master.core.registry import AgentEntry
from dcos.model.v1.scheduler import Call
from dcos.wire.agent_link import AgentMessage


@dataclass(frozen=True, slots=True)
class Recovered:
    """This master leads and has read the registry: (agent id, entry)."""

    now: float
    agents: tuple[tuple[str, AgentEntry], ...]


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A valid SUBSCRIBE; ``stream`` is the fresh id of the stream that its answer goes to."""

    now: float
    stream: str
    call: Call


@dataclass(frozen=True, slots=True)
class SchedulerCall:
    """A valid call of another type. ``stream`` is the Mesos-Stream-Id header."""

    now: float
    request: int
    stream: str | None
    call: Call


@dataclass(frozen=True, slots=True)
class StreamClosed:
    now: float
    stream: str


@dataclass(frozen=True, slots=True)
class AgentSaid:
    now: float
    link: str
    message: AgentMessage


@dataclass(frozen=True, slots=True)
class LinkClosed:
    now: float
    link: str


@dataclass(frozen=True, slots=True)
class Teardown:
    """By an operator."""

    now: float
    request: int
    framework: str


@dataclass(frozen=True, slots=True)
class MarkGone:
    """By an operator."""

    now: float
    request: int
    agent: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A deadline came."""

    now: float


Event = Recovered | Subscribe | SchedulerCall | StreamClosed | AgentSaid | LinkClosed | Teardown | MarkGone | Tick
