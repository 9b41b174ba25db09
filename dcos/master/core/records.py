"""What the master keeps about frameworks, agents, tasks, executors and offers."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from dcos.master.core.tally import Holdings
from dcos.model.operation_states import TERMINAL_OPERATIONS
from dcos.model.resources import EMPTY, Resources
from dcos.model.task_states import TERMINAL
from dcos.model.v1.allocator import InverseOfferStatus
from dcos.model.v1.scheduler import OfferConstraints
from dcos.model.v1.types import (
    AgentInfo,
    AgentInfoCapabilityType,
    DrainInfo,
    DrainState,
    ExecutorInfo,
    FrameworkInfo,
    FrameworkInfoCapabilityType,
    InverseOffer,
    KillPolicy,
    Offer,
    OfferOperation,
    OperationStatus,
    Task,
    Unavailability,
)


@dataclass(slots=True, eq=False)
class Encoded:
    """Something that the operators' API shows: in each encoding, what was encoded last (its makings) and how it came out."""

    as_json: tuple[object, bytes] | None = field(default=None, kw_only=True, repr=False)
    as_protobuf: tuple[object, bytes] | None = field(default=None, kw_only=True, repr=False)


@dataclass(slots=True, eq=False)
class TaskRecord(Encoded):
    """A task; ``message`` is replaced at each change."""

    message: Task
    framework: str
    agent: str
    role: str
    resources: Resources
    holds: bool = True
    """Whether its resources count as used (until it is terminal or unreachable)."""
    ready: bytes | None = None
    """Its JSON in ``/state``, until the next change."""

    @property
    def id(self) -> str:
        return self.message.task_id.value

    @property
    def is_terminal(self) -> bool:
        return self.message.state in TERMINAL


@dataclass(slots=True, eq=False)
class ExecutorRecord(Encoded):
    """A custom or default executor on an agent."""

    info: ExecutorInfo
    framework: str
    agent: str
    role: str
    resources: Resources
    ready: bytes | None = None
    """Its JSON in ``/state``."""


@dataclass(slots=True, eq=False)
class OfferRecord(Encoded):
    message: Offer
    framework: str
    role: str
    agent: str
    resources: Resources
    ready: bytes | None = None
    """Its JSON in ``/state``."""


@dataclass(slots=True, eq=False)
class OperationRecord(Encoded):
    """An operation on an agent's resources, until its end was acknowledged."""

    uuid: bytes
    info: OfferOperation
    framework: str | None
    """None: an operator's."""
    agent: str
    latest: OperationStatus
    statuses: tuple[OperationStatus, ...]
    orphan: bool = False
    """Its framework was removed."""
    unsent: bool = False
    """The agent came back without knowing it."""

    @property
    def id(self) -> str | None:
        return self.info.id.value if self.info.id is not None else None

    @property
    def is_terminal(self) -> bool:
        return self.latest.state in TERMINAL_OPERATIONS


@dataclass(slots=True, eq=False)
class InverseOfferRecord(Encoded):
    """A framework is asked whether it can let an agent go."""

    message: InverseOffer
    framework: str
    agent: str

    @property
    def id(self) -> str:
        return self.message.id.value


@dataclass(slots=True, eq=False)
class FrameworkRecord:
    id: str
    info: FrameworkInfo
    registered: float
    completed: deque[TaskRecord]
    reregistered: float = 0.0
    unregistered: float = 0.0
    stream: str | None = None
    """Of the connected scheduler."""
    active: bool = True
    recovered: bool = False
    """Known from agents only, so far."""
    proved: str | None = None
    """Who its scheduler proved to be when it subscribed."""
    disconnections: int = 0
    """Tells a failover deadline whether it is still meant."""
    constraints: OfferConstraints | None = None
    tasks: dict[str, TaskRecord] = field(default_factory=dict)
    unreachable: dict[str, TaskRecord] = field(default_factory=dict)
    executors: dict[tuple[str, str], ExecutorRecord] = field(default_factory=dict)
    """By (agent, executor)."""
    offers: dict[str, OfferRecord] = field(default_factory=dict)
    operations: dict[str, OperationRecord] = field(default_factory=dict)
    """Those with an id, by it."""
    inverse_offers: dict[str, InverseOfferRecord] = field(default_factory=dict)
    inverse_filters: dict[str, float] = field(default_factory=dict)
    """By agent: until when it does not want to be asked."""
    used_tally: Holdings = field(default_factory=Holdings)
    offered_tally: Holdings = field(default_factory=Holdings)
    capabilities: frozenset[FrameworkInfoCapabilityType] = frozenset()
    counts: Counter[str] = field(default_factory=Counter)
    """Its metrics: ``calls/KILL``, ``events/OFFERS``, ``offers/sent``, ``operations/LAUNCH``, ``ended/TASK_FINISHED``."""

    @property
    def used(self) -> Resources:
        return self.used_tally.whole

    @property
    def offered(self) -> Resources:
        return self.offered_tally.whole

    @property
    def connected(self) -> bool:
        return self.stream is not None

    @property
    def roles(self) -> tuple[str, ...]:
        if FrameworkInfoCapabilityType.MULTI_ROLE in self.capabilities:
            return self.info.roles
        return (self.info.role or "*",)

    @property
    def partition_aware(self) -> bool:
        return FrameworkInfoCapabilityType.PARTITION_AWARE in self.capabilities

    def agents(self) -> set[str]:
        """Agents that hold something of it."""
        return {task.agent for task in self.tasks.values()} | {agent for agent, _ in self.executors}


_SHOWN: Final = frozenset(
    {
        "info",
        "pid",
        "registered",
        "reregistered",
        "total",
        "used",
        "offered",
        "link",
        "deactivated",
        "version",
        "capabilities",
        "drain",
        "drain_started",
    }
)
"""All that an agent's JSON is made of. These are values: a change is another one."""
_stamps = itertools.count(1)


@dataclass(slots=True, eq=False)
class AgentRecord(Encoded):
    """A registered agent, connected or not."""

    id: str
    info: AgentInfo
    pid: str
    version: str
    registered: float
    total: Resources
    capabilities: frozenset[AgentInfoCapabilityType] = frozenset()
    reregistered: float = 0.0
    link: str | None = None
    """Of the connected agent."""
    deactivated: bool = False
    drain: DrainInfo | None = None
    drain_started: float | None = None
    unavailability: Unavailability | None = None
    """Of its machine, in the maintenance schedule."""
    answers: dict[str, InverseOfferStatus] = field(default_factory=dict)
    """To inverse offers, by framework."""
    inverse_offers: dict[str, InverseOfferRecord] = field(default_factory=dict)
    """Outstanding, by framework."""
    used: Resources = EMPTY
    offered: Resources = EMPTY
    tasks: dict[tuple[str, str], TaskRecord] = field(default_factory=dict)
    """By (framework, task)."""
    executors: dict[tuple[str, str], ExecutorRecord] = field(default_factory=dict)
    """By (framework, executor)."""
    offers: dict[str, OfferRecord] = field(default_factory=dict)
    operations: dict[bytes, OperationRecord] = field(default_factory=dict)
    """In the order in which they were begun."""
    kills: dict[tuple[str, str], KillPolicy | None] = field(default_factory=dict)
    """Wanted of tasks that have not ended yet: sent again when it comes back."""
    heard: bool = True
    """Since the last ping."""
    missed: int = 0
    disconnections: int = 0
    stamp: int = field(init=False)
    """One of its own for each change of what is shown of it: it tells whether something that was made of it still holds."""
    ready: tuple[int, bytes] | None = None
    """Its JSON in ``/state``, and the stamp that it was made at."""
    ready_full: tuple[int, bytes] | None = None
    """The same in ``/slaves``."""

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        if name in _SHOWN:
            object.__setattr__(self, "stamp", next(_stamps))

    @property
    def described(self) -> str:
        """As upstream's messages name an agent."""
        return f"{self.id} at {self.pid} ({self.info.hostname})"

    @property
    def connected(self) -> bool:
        return self.link is not None

    @property
    def active(self) -> bool:
        return self.connected and not self.deactivated

    @property
    def draining(self) -> bool:
        """Told to end its tasks, and not done."""
        return self.drain is not None and self.drain.state is DrainState.DRAINING
