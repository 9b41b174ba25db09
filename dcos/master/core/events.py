"""What happens to the master. Every event carries its time; ids and random choices come from outside too."""

from __future__ import annotations

from dataclasses import dataclass

from dcos.master.core.registry import AgentEntry, Settings
from dcos.model.v1 import master
from dcos.model.v1.scheduler import Call
from dcos.model.v1.types import OfferOperation
from dcos.wire.agent_link import AgentMessage

_NOTHING_SET = Settings()


@dataclass(frozen=True, slots=True)
class Recovered:
    """This master leads and has read the registry: (agent id, entry), and what operators have set."""

    now: float
    agents: tuple[tuple[str, AgentEntry], ...]
    settings: Settings = _NOTHING_SET


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A valid SUBSCRIBE; ``stream`` is the fresh id of the stream that its answer goes to."""

    now: float
    stream: str
    call: Call
    principal: str | None = None
    """Who the scheduler proved to be."""


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
class OperatorCall:
    """A valid and authorized call of the operators' API that changes quota, weights, maintenance or an agent's standing."""

    now: float
    request: int
    call: master.Call
    principal: str | None = None


@dataclass(frozen=True, slots=True)
class RemoveQuota:
    """DELETE of ``path``, which ends with the role."""

    now: float
    request: int
    role: str
    path: str


@dataclass(frozen=True, slots=True)
class Whitelist:
    """Host names whose agents are offered; None for all."""

    now: float
    hosts: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Operate:
    """An operator's operation on an agent's resources, well formed. Answered 202, 400, 403 or 409."""

    now: float
    request: int
    agent: str
    operation: OfferOperation
    principal: str | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """A deadline came."""

    now: float


Event = (
    Recovered
    | Subscribe
    | SchedulerCall
    | StreamClosed
    | AgentSaid
    | LinkClosed
    | Teardown
    | MarkGone
    | Operate
    | OperatorCall
    | RemoveQuota
    | Whitelist
    | Tick
)
