"""What custom executors say (events) and what they are told (effects).

Source: Mesos executor API v1.
"""

from __future__ import annotations

from dataclasses import dataclass

from dcos.model.v1 import executor as v1
from dcos.model.v1.types import AgentInfo, TaskStatus

# ---- events ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExecutorSubscribed:
    """SUBSCRIBE: ``stream`` numbers the connection that waits for events; ``tasks`` are the unacknowledged ones' ids."""

    framework_id: str
    executor_id: str
    stream: int
    agent: AgentInfo
    now: float
    tasks: frozenset[str] = frozenset()
    updates: tuple[TaskStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecutorDisconnected:
    """The connection ``stream`` is closed."""

    framework_id: str
    executor_id: str
    stream: int


@dataclass(frozen=True, slots=True)
class ExecutorUpdated:
    """UPDATE, already validated: it has a uuid and the right source."""

    framework_id: str
    executor_id: str
    status: TaskStatus
    now: float


@dataclass(frozen=True, slots=True)
class ExecutorSaid:
    """MESSAGE, for the framework."""

    framework_id: str
    executor_id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class FrameworkSaid:
    """A scheduler's message for its executor."""

    framework_id: str
    executor_id: str
    data: bytes


# ---- effects ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenStream:
    """From here on events for the executor go to connection ``stream``; an older one is closed."""

    framework_id: str
    executor_id: str
    stream: int


@dataclass(frozen=True, slots=True)
class TellExecutor:
    """Dropped when there is no connection."""

    framework_id: str
    executor_id: str
    event: v1.Event


@dataclass(frozen=True, slots=True)
class CloseStream:
    framework_id: str
    executor_id: str
