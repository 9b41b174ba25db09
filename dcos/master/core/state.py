"""The master's memory: one owner, changed in place by the functions of this package, read by the API.

Deadlines live in one heap here; the shell asks ``next_deadline`` and sends ``Tick`` when it comes.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from dcos.master.core.allocator import Allocator
from dcos.master.core.census import Census
from dcos.master.core.clients import Traits
from dcos.master.core.constraints import OfferFilter, RegexLimits
from dcos.master.core.effects import Effect, Note, Publish, ToAgent, ToScheduler
from dcos.master.core.ledger import Quantities
from dcos.master.core.records import AgentRecord, FrameworkRecord, InverseOfferRecord, OfferRecord
from dcos.master.core.registry import AgentEntry, MachineEntry, MachineKey
from dcos.master.core.removals import Removals
from dcos.model.acls import EVERYTHING
from dcos.model.authorizer import Authorizer
from dcos.model.v1 import master, scheduler
from dcos.model.v1.quota import QuotaConfig
from dcos.model.v1.types import FrameworkInfo, FrameworkInfoCapabilityType, MasterInfo
from dcos.model.values import thousandths
from dcos.wire.agent_link import MasterMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the settings say to the core; seconds where ``_s``."""

    offer_timeout_s: float | None = None
    allocation_interval_s: float = 1.0
    ping_s: float = 15.0
    max_missed_pings: int = 5
    agent_reregister_s: float = 600.0
    max_completed_frameworks: int = 50
    max_completed_tasks: int = 1000
    max_unreachable_tasks: int = 1000
    min_allocatable: tuple[Quantities, ...] = ({"cpus": 10}, {"mem": 32_000})
    roles: frozenset[str] | None = None
    """Whitelist; None allows every role."""
    weights: dict[str, float] = field(default_factory=dict)
    root_submissions: bool = True
    hide_gpus: bool = True
    excluded_from_shares: frozenset[str] = frozenset()
    registry_max_age_s: float = 14 * 86400.0
    registry_max_count: int = 102_400
    registry_gc_s: float = 900.0
    acls: Authorizer = EVERYTHING
    random_roles: bool = False
    random_frameworks: bool = False
    removal_interval_s: float = 0.0
    """At most one agent is given up in this time."""
    recovery_removal_limit: float = 1.0
    """Part of the recovered agents that may be missing when the time to return is over."""
    allocator_recovery_factor: float = 0.8
    allocator_recovery_s: float = 600.0
    """Where there is quota, a new leader offers nothing until this part of the agents is back or this time is over."""
    require_domain: bool = False
    regex_limits: RegexLimits = field(default_factory=RegexLimits)
    """What the expressions of offer constraints may cost."""


class Deadline(Enum):
    CYCLE = "cycle"
    FAILOVER = "failover"
    PING = "ping"
    AGENT_RETURN = "agent_return"
    RECOVERY = "recovery"
    OFFER = "offer"
    REGISTRY = "registry"
    REMOVAL = "removal"
    ALLOCATOR = "allocator"
    INVERSE_OFFER = "inverse_offer"
    INVERSE_FILTER = "inverse_filter"


@dataclass(slots=True)
class State:
    rules: Rules
    info: MasterInfo
    started: float
    shuffle: Callable[[list[str]], None] = lambda _: None
    draw: Callable[[], float] = lambda: 0.5
    """Uniform in [0, 1)."""
    elected: float | None = None
    recovered_at: float | None = None
    frameworks: dict[str, FrameworkRecord] = field(default_factory=dict)
    completed: OrderedDict[str, FrameworkRecord] = field(default_factory=OrderedDict)
    agents: dict[str, AgentRecord] = field(default_factory=dict)
    by_pid: dict[str, str] = field(default_factory=dict)
    recovered: dict[str, AgentEntry] = field(default_factory=dict)
    """In the registry, not back yet after the leader changed."""
    awaited: int = 0
    """How many those were at first."""
    unreachable: dict[str, AgentEntry] = field(default_factory=dict)
    unreachable_tasks: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    """Of unreachable agents: (framework, task), as far as the frameworks still remember them."""
    gone: dict[str, AgentEntry] = field(default_factory=dict)
    offers: dict[str, OfferRecord] = field(default_factory=dict)
    quotas: dict[str, QuotaConfig] = field(default_factory=dict)
    machines: dict[MachineKey, MachineEntry] = field(default_factory=dict)
    """In the maintenance schedule, in its order."""
    inverse_offers: dict[str, InverseOfferRecord] = field(default_factory=dict)
    leaving: dict[str, None] = field(default_factory=dict)
    """Agents of machines in the schedule whose frameworks may have to be asked."""
    drained: set[str] = field(default_factory=set)
    """Draining agents that lost a task or an operation in this batch."""
    census: Census = field(default_factory=Census)
    removals: Removals = field(default_factory=Removals)
    streams: dict[str, str] = field(default_factory=dict)
    """Scheduler stream to framework."""
    links: dict[str, str] = field(default_factory=dict)
    """Link to agent."""
    counters: Counter[str] = field(default_factory=Counter)
    """Metrics without their ``master/`` prefix."""
    effects: list[Effect] = field(default_factory=list)
    rest: deque[Iterator[None]] = field(default_factory=deque)
    """What is left of long work, to be done bit by bit (``step.go_on``) before the next event or deadline."""
    watched: bool = True
    """Whether anybody hears what is published; where events are many they are not even made otherwise."""
    allocator: Allocator = field(init=False)
    _deadlines: list[tuple[float, int, Deadline, str, int]] = field(default_factory=list)
    _numbers: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.allocator = Allocator(
            enough=self.rules.min_allocatable,
            interval_s=self.rules.allocation_interval_s,
            weights=self.rules.weights,
            excluded=self.rules.excluded_from_shares,
            hide_gpus=self.rules.hide_gpus,
            shuffle=self.shuffle,
            random_roles=self.rules.random_roles,
            random_frameworks=self.rules.random_frameworks,
            draw=self.draw,
        )

    # ---- effects -----------------------------------------------------------------------------------------------------

    def emit(self, effect: Effect) -> None:
        self.effects.append(effect)

    def take_effects(self) -> list[Effect]:
        taken, self.effects = self.effects, []
        return taken

    def note(self, event: str, **about: str) -> None:
        self.effects.append(Note(event, tuple(about.items())))

    def publish(self, event: master.Event, *, extension: bool = False) -> None:
        if self.watched:
            self.effects.append(Publish(event, extension))

    def tell(self, framework: FrameworkRecord, event: scheduler.Event) -> None:
        """Dropped when its scheduler is not connected."""
        if framework.stream is not None:
            framework.counts[f"events/{event.type}"] += 1
            self.effects.append(ToScheduler(framework.stream, event))

    def send(self, agent: AgentRecord, message: MasterMessage) -> None:
        """Dropped when the agent is not connected."""
        if agent.link is not None:
            self.effects.append(ToAgent(agent.link, message))

    # ---- frameworks --------------------------------------------------------------------------------------------------

    def new_framework(self, info: FrameworkInfo, now: float) -> FrameworkRecord:
        """Enter a framework (``info.id`` is set); the allocator is told by the caller."""
        assert info.id is not None
        made = FrameworkRecord(
            id=info.id.value, info=info, registered=now, completed=deque(maxlen=self.rules.max_completed_tasks)
        )
        made.capabilities = self.capabilities_of(info)
        self.frameworks[made.id] = made
        return made

    def asker(self, framework: FrameworkRecord) -> str | None:
        """By whom what it does is judged."""
        return self.rules.acls.asker(framework.info.principal, framework.proved)

    @staticmethod
    def capabilities_of(info: FrameworkInfo) -> frozenset[FrameworkInfoCapabilityType]:
        return frozenset(one.type for one in info.capabilities if one.type is not None)

    def traits(self, framework: FrameworkRecord) -> Traits:
        """What the allocator needs to know of a framework."""
        wanted = OfferFilter(framework.constraints, self.rules.regex_limits) if framework.constraints else None
        agents = self.agents
        kinds = FrameworkInfoCapabilityType
        enough = {
            role: tuple(
                {name: thousandths(scalar.value) for name, scalar in one.quantities.items()}
                for one in filters.min_allocatable_resources.quantities
            )
            for role, filters in framework.info.offer_filters.items()
            if filters.min_allocatable_resources is not None
        }
        return Traits(
            gpus=kinds.GPU_RESOURCES in framework.capabilities,
            revocable=kinds.REVOCABLE_RESOURCES in framework.capabilities,
            shared=kinds.SHARED_RESOURCES in framework.capabilities,
            refined=kinds.RESERVATION_REFINEMENT in framework.capabilities,
            region_aware=kinds.REGION_AWARE in framework.capabilities,
            multi_role=kinds.MULTI_ROLE in framework.capabilities,
            enough=enough,
            wants=None if wanted is None else lambda role, agent: wanted.allows(role, agents[agent].info),
        )

    # ---- ids and time ------------------------------------------------------------------------------------------------

    def number(self, series: str) -> int:
        """0, 1, 2, ... for each series."""
        made = self._numbers[series]
        self._numbers[series] += 1
        return made

    def schedule(self, at: float, kind: Deadline, key: str = "", generation: int = 0) -> None:
        """``generation``: whoever handles it compares, so that an outdated deadline does nothing."""
        heapq.heappush(self._deadlines, (at, self.number("deadline"), kind, key, generation))

    @property
    def next_deadline(self) -> float | None:
        return self._deadlines[0][0] if self._deadlines else None

    def due(self, now: float) -> list[tuple[Deadline, str, int]]:
        """Deadlines that came, in their order."""
        out = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, _, kind, key, generation = heapq.heappop(self._deadlines)
            out.append((kind, key, generation))
        return out
