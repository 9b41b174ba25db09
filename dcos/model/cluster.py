"""A cluster as names and load balancing need it: who leads, which agents, frameworks and tasks there are.

Much smaller than the Mesos state itself (nothing of resources, executors, history), so that every node can hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import msgspec

from dcos.model.v1.types import TaskState

K = TypeVar("K")
V = TypeVar("V")


class DiscoveryPort(msgspec.Struct, frozen=True):
    """A port as the task's discovery info describes it."""

    number: int
    name: str = ""
    protocol: str = ""
    """As given, lower case; may be empty, ``tcp``, ``udp`` (``tcp,udp`` is written as two ports by Marathon)."""
    labels: tuple[tuple[str, str], ...] = ()


class MappedPort(msgspec.Struct, frozen=True):
    """A host port that leads to a container port. ``protocol`` is lower case, ``tcp`` unless said otherwise."""

    host_port: int
    container_port: int
    protocol: str = "tcp"


class RunningTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task that has not ended. ``state`` tells how far it is (or that its agent is unreachable)."""

    id: str
    framework_id: str
    agent_id: str
    name: str
    state: TaskState
    healthy: bool | None = None
    """What the newest status says; None: nothing known."""
    health_checked: bool = False
    """A health check is defined, so that ``healthy`` None means not yet passed."""
    labels: tuple[tuple[str, str], ...] = ()
    host_ports: tuple[int, ...] = ()
    """The ports of its resources, in the order offered."""
    discovery_name: str = ""
    discovery_ports: tuple[DiscoveryPort, ...] = ()
    container_ips: tuple[str, ...] = ()
    """IPv4 and IPv6 addresses that the newest status reports (on the host's network: the agent's)."""
    mapped_ports: tuple[MappedPort, ...] = ()
    status_at: float = 0.0
    """Unix seconds of the status that the above comes from."""

    @property
    def running(self) -> bool:
        return self.state is TaskState.TASK_RUNNING

    @property
    def service_name(self) -> str:
        """The name others look it up by."""
        return self.discovery_name or self.name


class ClusterAgent(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    hostname: str
    ip: str
    """Where its Mesos API answers: an IP address (the host name where it is not known)."""
    port: int
    active: bool = True
    reachable: bool = True
    """False: the master gave it up, and tasks on it may still run."""


class ClusterFramework(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    hostname: str = ""
    webui_url: str = ""
    port: int | None = None
    """Of a scheduler that speaks libprocess; None for those on the HTTP API."""
    active: bool = True


class Leader(msgspec.Struct, frozen=True, kw_only=True):
    """The leading master."""

    ip: str
    port: int
    hostname: str = ""
    id: str = ""


TaskKey = tuple[str, str]
"""(framework id, task id)"""


def frozen_map(mapping: Mapping[K, V]) -> Mapping[K, V]:
    """A read-only copy."""
    return MappingProxyType(dict(mapping))


def differing(before: Mapping[K, V], after: Mapping[K, V]) -> list[K]:
    """Keys whose values are not the same object."""
    if before is after:
        return []
    found = [key for key, value in after.items() if before.get(key) is not value]
    return found + [key for key in before if key not in after]


class Changed(NamedTuple):
    """What differs from the state of ``revision``: these tasks and nothing else."""

    revision: int
    tasks: frozenset[TaskKey]


@dataclass(frozen=True, slots=True)
class ClusterState:
    """One moment of the cluster. ``revision`` grows with every change seen by this process.

    ``changed`` spares who has seen the state it counts from a look at everything; None: anything may be otherwise.
    """

    revision: int = 0
    leader: Leader | None = None
    agents: Mapping[str, ClusterAgent] = field(default_factory=lambda: MappingProxyType({}))
    frameworks: Mapping[str, ClusterFramework] = field(default_factory=lambda: MappingProxyType({}))
    tasks: Mapping[TaskKey, RunningTask] = field(default_factory=lambda: MappingProxyType({}))
    changed: Changed | None = field(default=None, compare=False)

    def changed_tasks(self, before: ClusterState) -> list[TaskKey]:
        """The tasks that are not as in ``before``, gone ones included, and perhaps some that are."""
        if self is before:
            return []
        if self.changed is not None and self.changed.revision == before.revision:
            return list(self.changed.tasks)
        return differing(before.tasks, self.tasks)

    def changed_beneath(self, before: ClusterState) -> list[TaskKey]:
        """The same and those whose agent or framework is not as in ``before``."""
        changed = self.changed_tasks(before)
        agents, frameworks = differing(before.agents, self.agents), differing(before.frameworks, self.frameworks)
        if not agents and not frameworks:
            return changed
        of_agents, of_frameworks = set(agents), set(frameworks)
        theirs = (
            key for key, task in self.tasks.items() if task.agent_id in of_agents or task.framework_id in of_frameworks
        )
        return list(dict.fromkeys((*changed, *theirs)))
