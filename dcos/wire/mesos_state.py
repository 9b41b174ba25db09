"""The parts of Mesos's state that names need, out of its two wire forms: v1 operator messages and v0 ``/state``.

Only what is used is decoded (the rest of a 20 MB state is skipped by the decoder). Unknown members, unknown states and
numbers written as text do not matter.   Errors: WireError.
"""

from __future__ import annotations

import functools
from sys import intern
from typing import Any, TypeVar

import msgspec

from dcos.model.cluster import (
    ClusterAgent,
    ClusterFramework,
    DiscoveryPort,
    Leader,
    MappedPort,
    RunningTask,
)
from dcos.model.v1.types import TaskState
from dcos.wire.errors import WireError
from dcos.wire.pid import pid_address

S = TypeVar("S", bound=msgspec.Struct)


class _Id(msgspec.Struct, frozen=True):
    value: str = ""


class _Label(msgspec.Struct, frozen=True):
    key: str = ""
    value: str | None = None


class _Labels(msgspec.Struct, frozen=True):
    labels: tuple[_Label, ...] = ()


class _Port(msgspec.Struct, frozen=True):
    number: int = 0
    name: str | None = None
    protocol: str | None = None
    labels: _Labels | None = None


class _Ports(msgspec.Struct, frozen=True):
    ports: tuple[_Port, ...] = ()


class _Discovery(msgspec.Struct, frozen=True):
    name: str | None = None
    ports: _Ports | None = None


class _Address(msgspec.Struct, frozen=True):
    ip_address: str | None = None


class _Mapping(msgspec.Struct, frozen=True):
    host_port: int = 0
    container_port: int = 0
    protocol: str | None = None


class _Network(msgspec.Struct, frozen=True):
    ip_addresses: tuple[_Address, ...] = ()
    port_mappings: tuple[_Mapping, ...] = ()


class _ContainerStatus(msgspec.Struct, frozen=True):
    network_infos: tuple[_Network, ...] = ()


class _Docker(msgspec.Struct, frozen=True):
    port_mappings: tuple[_Mapping, ...] = ()


class _Container(msgspec.Struct, frozen=True):
    type: str = ""
    docker: _Docker | None = None
    network_infos: tuple[_Network, ...] = ()


class _Defined(msgspec.Struct, frozen=True):
    """Only that it is there matters."""


class _Status(msgspec.Struct, frozen=True):
    task_id: _Id = _Id()
    state: str = ""
    timestamp: float = 0.0
    healthy: bool | None = None
    container_status: _ContainerStatus | None = None
    agent_id: _Id = _Id()


class _Range(msgspec.Struct, frozen=True):
    begin: int = 0
    end: int = -1


class _Ranges(msgspec.Struct, frozen=True):
    range: tuple[_Range, ...] = ()


class _Resource(msgspec.Struct, frozen=True):
    name: str = ""
    ranges: _Ranges | None = None


class _Task(msgspec.Struct, frozen=True):
    name: str = ""
    task_id: _Id = _Id()
    framework_id: _Id = _Id()
    agent_id: _Id = _Id()
    state: str = ""
    resources: tuple[_Resource, ...] = ()
    statuses: tuple[_Status, ...] = ()
    labels: _Labels | None = None
    discovery: _Discovery | None = None
    container: _Container | None = None
    health_check: _Defined | None = None


class _AgentInfo(msgspec.Struct, frozen=True):
    id: _Id = _Id()
    hostname: str = ""
    port: int = 5051


class _Agent(msgspec.Struct, frozen=True):
    agent_info: _AgentInfo
    active: bool = True
    pid: str = ""


class _FrameworkInfo(msgspec.Struct, frozen=True):
    id: _Id = _Id()
    name: str = ""
    hostname: str = ""
    webui_url: str = ""


class _Framework(msgspec.Struct, frozen=True):
    framework_info: _FrameworkInfo
    active: bool = True


class _Tasks(msgspec.Struct, frozen=True):
    """Not decoded yet: one after another takes a third of the memory of all at once."""

    tasks: tuple[msgspec.Raw, ...] = ()
    unreachable_tasks: tuple[msgspec.Raw, ...] = ()


class _Agents(msgspec.Struct, frozen=True):
    agents: tuple[_Agent, ...] = ()
    recovered_agents: tuple[_AgentInfo, ...] = ()


class _Frameworks(msgspec.Struct, frozen=True):
    frameworks: tuple[_Framework, ...] = ()


class _State(msgspec.Struct, frozen=True):
    get_tasks: _Tasks = _Tasks()
    get_agents: _Agents = _Agents()
    get_frameworks: _Frameworks = _Frameworks()


class _Subscribed(msgspec.Struct, frozen=True):
    get_state: _State = _State()
    heartbeat_interval_seconds: float = 15.0


class _TaskAdded(msgspec.Struct, frozen=True):
    task: _Task


class _TaskUpdated(msgspec.Struct, frozen=True):
    framework_id: _Id
    status: _Status
    state: str


class _AgentAdded(msgspec.Struct, frozen=True):
    agent: _Agent


class _AgentRemoved(msgspec.Struct, frozen=True):
    agent_id: _Id


class _FrameworkSeen(msgspec.Struct, frozen=True):
    framework: _Framework


class _FrameworkRemoved(msgspec.Struct, frozen=True):
    framework_info: _FrameworkInfo


class _Event(msgspec.Struct, frozen=True):
    type: str = "UNKNOWN"
    subscribed: _Subscribed | None = None
    task_added: _TaskAdded | None = None
    task_updated: _TaskUpdated | None = None
    agent_added: _AgentAdded | None = None
    agent_removed: _AgentRemoved | None = None
    framework_added: _FrameworkSeen | None = None
    framework_updated: _FrameworkSeen | None = None
    framework_removed: _FrameworkRemoved | None = None


# ---- what comes out --------------------------------------------------------------------------------------------------


class Everything(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state: replaces what was known."""

    agents: tuple[ClusterAgent, ...]
    frameworks: tuple[ClusterFramework, ...]
    tasks: tuple[RunningTask, ...]
    leader: Leader | None = None
    """Only told by v0 ``/state``."""
    heartbeat_s: float = 15.0
    recovered: frozenset[str] = frozenset()
    """Agents that the master knows from its registry and that have not come back to it yet: it knows nothing of their tasks."""


class TaskSeen(msgspec.Struct, frozen=True):
    task: RunningTask


class TaskChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A status of a known task; empty ``container_ips`` say nothing about addresses."""

    framework_id: str
    task_id: str
    state: TaskState
    healthy: bool | None
    container_ips: tuple[str, ...]
    mapped_ports: tuple[MappedPort, ...]
    at: float


class AgentSeen(msgspec.Struct, frozen=True):
    agent: ClusterAgent


class AgentGone(msgspec.Struct, frozen=True):
    agent_id: str


class FrameworkSeen(msgspec.Struct, frozen=True):
    framework: ClusterFramework


class FrameworkGone(msgspec.Struct, frozen=True):
    framework_id: str


class Heartbeat(msgspec.Struct, frozen=True):
    """Nothing changed; the master lives."""


StateEvent = Everything | TaskSeen | TaskChanged | AgentSeen | AgentGone | FrameworkSeen | FrameworkGone | Heartbeat


def decode_event(raw: bytes) -> StateEvent:
    """One record of the operator API's event stream. Events of no interest come out as ``Heartbeat``."""
    event = _decode(raw, _Event)
    match event:
        case _Event(subscribed=_Subscribed() as first):
            return _everything(first.get_state, first.heartbeat_interval_seconds)
        case _Event(task_added=_TaskAdded(task=task)):
            return TaskSeen(_task(task))
        case _Event(task_updated=_TaskUpdated() as update):
            ips, mapped = _networks(update.status.container_status)
            return TaskChanged(
                framework_id=update.framework_id.value,
                task_id=update.status.task_id.value,
                state=_state(update.state),
                healthy=update.status.healthy,
                container_ips=ips,
                mapped_ports=mapped,
                at=update.status.timestamp,
            )
        case _Event(agent_added=_AgentAdded(agent=agent)):
            return AgentSeen(_agent(agent))
        case _Event(agent_removed=_AgentRemoved(agent_id=gone)):
            return AgentGone(gone.value)
        case _Event(framework_added=_FrameworkSeen(framework=seen)):
            return FrameworkSeen(_framework(seen))
        case _Event(framework_updated=_FrameworkSeen(framework=seen)):
            return FrameworkSeen(_framework(seen))
        case _Event(framework_removed=_FrameworkRemoved(framework_info=info)):
            return FrameworkGone(info.id.value)
    return Heartbeat()


Shared = dict[tuple[Any, ...], Any]
"""Equal values of tasks that are read together: one object does for all tasks of an app."""


def _everything(state: _State, heartbeat_s: float) -> Everything:
    tasks = state.get_tasks
    shared: Shared = {}
    return Everything(
        agents=tuple(map(_agent, state.get_agents.agents)),
        frameworks=tuple(map(_framework, state.get_frameworks.frameworks)),
        tasks=tuple(_task(_decode(one, _Task), shared) for one in tasks.tasks + tasks.unreachable_tasks),
        heartbeat_s=heartbeat_s,
        recovered=frozenset(agent.id.value for agent in state.get_agents.recovered_agents),
    )


def _task(task: _Task, shared: Shared | None = None) -> RunningTask:
    ports = tuple(
        number
        for resource in task.resources
        if resource.name == "ports" and resource.ranges
        for part in resource.ranges.range
        for number in range(part.begin, part.end + 1)
    )
    labels = task.labels.labels if task.labels else ()
    return _running_task(
        task.task_id.value, task.framework_id.value, task.agent_id.value, task, task.statuses, ports, labels, shared
    )


def _running_task(
    task_id: str,
    framework_id: str,
    agent_id: str,
    task: _Task | _OldTask,
    statuses: tuple[_Status, ...],
    host_ports: tuple[int, ...],
    labels: tuple[_Label, ...],
    shared: Shared | None = None,
) -> RunningTask:
    newest = max(statuses, key=lambda status: status.timestamp, default=None)
    ips, mapped = _networks(newest.container_status if newest else None)
    discovery = task.discovery
    discovery_ports, pairs = _discovery_ports(discovery), _pairs(labels)
    if shared is not None:
        discovery_ports, pairs, ips, host_ports = (
            shared.setdefault(one, one) for one in (discovery_ports, pairs, ips, host_ports)
        )
    return RunningTask(
        id=task_id,
        framework_id=intern(framework_id),
        agent_id=intern(agent_id),
        name=intern(task.name),
        state=_state(task.state),
        healthy=newest.healthy if newest else None,
        health_checked=task.health_check is not None,
        labels=pairs,
        host_ports=host_ports,
        discovery_name=intern((discovery.name or "") if discovery else ""),
        discovery_ports=discovery_ports,
        container_ips=ips,
        mapped_ports=_container_mappings(task.container) or mapped,
        status_at=newest.timestamp if newest else 0.0,
    )


def _discovery_ports(discovery: _Discovery | None) -> tuple[DiscoveryPort, ...]:
    ports = discovery.ports.ports if discovery and discovery.ports else ()
    return tuple(
        DiscoveryPort(
            number=port.number,
            name=intern(port.name or ""),
            protocol=intern((port.protocol or "").lower()),
            labels=_pairs(port.labels.labels if port.labels else ()),
        )
        for port in ports
    )


def _pairs(labels: tuple[_Label, ...]) -> tuple[tuple[str, str], ...]:
    """Tasks of an app have the same: one text in memory does for all of them."""
    return tuple((intern(label.key), intern(label.value or "")) for label in labels)


def _networks(status: _ContainerStatus | None) -> tuple[tuple[str, ...], tuple[MappedPort, ...]]:
    networks = status.network_infos if status else ()
    ips = tuple(address.ip_address for network in networks for address in network.ip_addresses if address.ip_address)
    return ips, tuple(_mapped(one) for network in networks for one in network.port_mappings)


def _container_mappings(container: _Container | None) -> tuple[MappedPort, ...]:
    if container is None:
        return ()
    if container.type == "DOCKER":
        return tuple(map(_mapped, container.docker.port_mappings)) if container.docker else ()
    return tuple(_mapped(one) for network in container.network_infos for one in network.port_mappings)


def _mapped(one: _Mapping) -> MappedPort:
    return MappedPort(one.host_port, one.container_port, intern((one.protocol or "tcp").lower()))


def _state(text: str) -> TaskState:
    try:
        return TaskState(text)
    except ValueError:
        return TaskState.TASK_UNKNOWN


def _agent(agent: _Agent) -> ClusterAgent:
    info = agent.agent_info
    ip, port = pid_address(agent.pid) or (info.hostname, info.port)
    return ClusterAgent(id=info.id.value, hostname=info.hostname, ip=ip, port=port, active=agent.active)


def _framework(framework: _Framework) -> ClusterFramework:
    info = framework.framework_info
    return ClusterFramework(
        id=info.id.value, name=info.name, hostname=info.hostname, webui_url=info.webui_url, active=framework.active
    )


# ---- v0 /state -------------------------------------------------------------------------------------------------------


class _OldResources(msgspec.Struct, frozen=True):
    ports: str = ""


class _OldTask(msgspec.Struct, frozen=True):
    id: str
    name: str = ""
    framework_id: str = ""
    slave_id: str = ""
    state: str = ""
    resources: _OldResources = _OldResources()
    statuses: tuple[_Status, ...] = ()
    labels: tuple[_Label, ...] = ()
    discovery: _Discovery | None = None
    container: _Container | None = None
    health_check: _Defined | None = None


class _OldAgent(msgspec.Struct, frozen=True):
    id: str
    hostname: str = ""
    port: int = 5051
    pid: str = ""
    active: bool = True


class _OldFramework(msgspec.Struct, frozen=True):
    id: str
    name: str = ""
    pid: str = ""
    hostname: str = ""
    webui_url: str | None = None
    active: bool = True
    tasks: tuple[_OldTask, ...] = ()
    unreachable_tasks: tuple[_OldTask, ...] = ()


class _LeaderInfo(msgspec.Struct, frozen=True):
    id: str = ""
    hostname: str = ""


class _OldState(msgspec.Struct, frozen=True):
    leader: str = ""
    leader_info: _LeaderInfo = _LeaderInfo()
    slaves: tuple[_OldAgent, ...] = ()
    frameworks: tuple[_OldFramework, ...] = ()


def decode_state(raw: bytes) -> Everything:
    """The body of ``GET /state``."""
    state = _decode(raw, _OldState)
    ip, port = pid_address(state.leader) or ("", 5050)
    leader = Leader(ip=ip, port=port, hostname=state.leader_info.hostname, id=state.leader_info.id) if ip else None
    return Everything(
        leader=leader,
        agents=tuple(map(_old_agent, state.slaves)),
        frameworks=tuple(map(_old_framework, state.frameworks)),
        tasks=tuple(
            _running_task(task.id, one.id, task.slave_id, task, task.statuses, _port_ranges(task), task.labels)
            for one in state.frameworks
            for task in one.tasks + one.unreachable_tasks
        ),
    )


def _old_agent(agent: _OldAgent) -> ClusterAgent:
    ip, port = pid_address(agent.pid) or (agent.hostname, agent.port)
    return ClusterAgent(id=agent.id, hostname=agent.hostname, ip=ip, port=port, active=agent.active)


def _old_framework(one: _OldFramework) -> ClusterFramework:
    host, port = pid_address(one.pid) or (one.hostname, 0)
    return ClusterFramework(
        id=one.id,
        name=one.name,
        hostname=host,
        webui_url=one.webui_url or "",
        port=port or None,
        active=one.active,
    )


def _port_ranges(task: _OldTask) -> tuple[int, ...]:
    """``[31000-31002, 32000-32000]`` to numbers."""
    numbers: list[int] = []
    for part in task.resources.ports.strip("[] ").split(","):
        low, dash, high = part.strip().partition("-")
        if dash and low.isdigit() and high.isdigit():
            numbers += range(int(low), int(high) + 1)
    return tuple(numbers)


@functools.cache
def _decoder(kind: type[S]) -> msgspec.json.Decoder[S]:
    return msgspec.json.Decoder(kind, strict=False)


def _decode(raw: bytes, kind: type[S]) -> S:
    try:
        message: S = _decoder(kind).decode(raw)
    except msgspec.ValidationError as error:
        rule, _, path = str(error).partition(" - at ")
        raise WireError(path.strip("`").removeprefix("$."), rule) from error
    except msgspec.DecodeError as error:
        raise WireError("", f"not valid JSON: {error}") from error
    return message
