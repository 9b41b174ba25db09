"""What the master keeps about frameworks, agents, tasks, executors and offers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from dcos.model.resources import EMPTY, Resources
from dcos.model.task_states import TERMINAL
from dcos.model.v1.scheduler import OfferConstraints
from dcos.model.v1.types import (
    AgentInfo,
    AgentInfoCapabilityType,
    ExecutorInfo,
    FrameworkInfo,
    FrameworkInfoCapabilityType,
    KillPolicy,
    Offer,
    Task,
)


@dataclass(slots=True, eq=False)
class TaskRecord:
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
class ExecutorRecord:
    """A custom or default executor on an agent."""

    info: ExecutorInfo
    framework: str
    agent: str
    role: str
    resources: Resources


@dataclass(slots=True, eq=False)
class OfferRecord:
    message: Offer
    framework: str
    role: str
    agent: str
    resources: Resources


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
    disconnections: int = 0
    """Tells a failover deadline whether it is still meant."""
    constraints: OfferConstraints | None = None
    tasks: dict[str, TaskRecord] = field(default_factory=dict)
    unreachable: dict[str, TaskRecord] = field(default_factory=dict)
    executors: dict[tuple[str, str], ExecutorRecord] = field(default_factory=dict)
    """By (agent, executor)."""
    offers: dict[str, OfferRecord] = field(default_factory=dict)
    used: Resources = EMPTY
    offered: Resources = EMPTY
    capabilities: frozenset[FrameworkInfoCapabilityType] = frozenset()

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


@dataclass(slots=True, eq=False)
class AgentRecord:
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
    used: Resources = EMPTY
    offered: Resources = EMPTY
    tasks: dict[tuple[str, str], TaskRecord] = field(default_factory=dict)
    """By (framework, task)."""
    executors: dict[tuple[str, str], ExecutorRecord] = field(default_factory=dict)
    """By (framework, executor)."""
    offers: dict[str, OfferRecord] = field(default_factory=dict)
    kills: dict[tuple[str, str], KillPolicy | None] = field(default_factory=dict)
    """Wanted while it was disconnected."""
    heard: bool = True
    """Since the last ping."""
    missed: int = 0
    disconnections: int = 0

    @property
    def connected(self) -> bool:
        return self.link is not None

    @property
    def active(self) -> bool:
        return self.connected and not self.deactivated
