"""From a cluster's state to the ``.mesos`` zone.

Every running task gives a handful of records that depend only on itself, its framework's name and its agent's address, so they
are made once and remembered until one of these changes; a new zone is then mostly a merge.

Source: Mesos-DNS docs/naming.md and the records its generator makes; 5.3 of the cluster facts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dcos.model import names
from dcos.model.cluster import ClusterState, RunningTask, TaskKey
from dcos.model.zone import Record, Soa, Srv, Zone, ZoneBuilder

IP_SOURCES = ("host", "netinfo", "mesos", "docker")
"""What ``IPSources`` may name. The last two read labels that agents stopped setting years ago: accepted, never populated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What does not change while the service runs."""

    domain: str = "mesos"
    ttl: int = 60
    ip_sources: tuple[str, ...] = ("host", "netinfo")
    mname: str = "ns1.mesos"
    rname: str = "root.ns1.mesos"
    refresh: int = 60
    retry: int = 600
    expire: int = 86400
    minimum: int = 60


@dataclass(frozen=True, slots=True)
class TaskRecords:
    """The records of one task, and what they were made from."""

    task: RunningTask
    framework: str
    agent_ip: str
    addresses: tuple[tuple[str, str], ...]
    services: tuple[tuple[str, Srv], ...]

    def records(self) -> Iterator[Record]:
        for name, ip in self.addresses:
            yield Record(name, "AAAA" if ":" in ip else "A", ip)
        for name, srv in self.services:
            yield Record(name, "SRV", str(srv))


def task_records(task: RunningTask, framework: str, agent_ip: str, naming: Naming) -> TaskRecords:
    """Names of one running task. ``framework`` is the framework's name made a domain."""
    addresses: list[tuple[str, str]] = []
    services: list[tuple[str, Srv]] = []
    tail = f"{framework}.{naming.domain}" if framework else naming.domain
    slave_tail = f"{framework}.slave.{naming.domain}" if framework else f"slave.{naming.domain}"
    ips = _task_ips(task, agent_ip, naming.ip_sources)
    index = _index(task)
    for label in _task_labels(task):
        if index is not None and task.discovery_name:
            addresses += [(f"{index}.{label}.{tail}", ip) for ip in ips]
        canonical = names.tagged(label, f"-{names.task_tag(task.id)}-{names.agent_tag(task.agent_id)}")
        for host in (label, canonical):
            addresses += [(f"{host}.{tail}", ip) for ip in ips]
            addresses.append((f"{host}.{slave_tail}", agent_ip))
        for port in task.host_ports:
            srv = Srv(f"{canonical}.{slave_tail}", port)
            for protocol in ("tcp", "udp"):
                services.append((f"_{label}._{protocol}.{slave_tail}", srv))
                if not task.discovery_name:
                    services.append((f"_{label}._{protocol}.{tail}", srv))
        if task.discovery_name:
            services += _discovered(task, label, Srv(f"{canonical}.{tail}", 0), tail)
    return TaskRecords(task, framework, agent_ip, tuple(addresses), tuple(services))


def _index(task: RunningTask) -> str | None:
    """Which of its app's instances it is, where it says so (an extension)."""
    return next((value for key, value in task.labels if key == names.INDEX_LABEL and value.isdecimal()), None)


def _discovered(task: RunningTask, label: str, host: Srv, tail: str) -> Iterator[tuple[str, Srv]]:
    for port in task.discovery_ports:
        srv = Srv(host.target, port.number)
        protocols = (names.label(port.protocol),) if port.protocol else ("tcp", "udp")
        for protocol in protocols:
            yield f"_{label}._{protocol}.{tail}", srv
            if port.name:
                yield f"_{names.label(port.name)}._{label}._{protocol}.{tail}", srv


def _task_labels(task: RunningTask) -> tuple[str, ...]:
    """The label that the task goes by. A discovery name that is a usable label but for its ``_`` is served as it is too."""
    label = names.label(task.service_name)
    if task.discovery_name:
        raw = task.discovery_name.lower()
        if raw != label and 0 < len(raw) <= names.MAX_LABEL and all(part.isalnum() for part in raw.split("_") if part):
            return (label, raw) if label and raw.isascii() else (label,)
    return (label,) if label else ()


def _task_ips(task: RunningTask, agent_ip: str, sources: Sequence[str]) -> tuple[str, ...]:
    """The addresses of the first source that has any."""
    for source in sources:
        if source == "host":
            return (agent_ip,)
        if source == "netinfo" and task.container_ips:
            return tuple(ip for ip in task.container_ips if is_ip(ip))
    return ()


def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class ZoneMaker:
    """Makes zones; remembers the records of tasks that did not change."""

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._tasks: dict[TaskKey, TaskRecords] = {}

    def make(
        self,
        state: ClusterState,
        *,
        serial: int,
        masters: Sequence[tuple[str, int]] = (),
        listeners: Sequence[str] = (),
        hosts: Mapping[str, str] | None = None,
    ) -> Zone:
        """The zone of ``state``. ``masters``: the configured ones; ``listeners``: where this server itself answers;
        ``hosts``: addresses of host names that agents and frameworks use instead of addresses."""
        naming = self._naming
        known = hosts or {}
        zone = ZoneBuilder()
        agents = {agent.id: ip for agent in state.agents.values() if (ip := _address(agent.ip, known))}
        for framework in state.frameworks.values():
            name, ip = names.domain(framework.name), _address(framework.hostname, known)
            if name and ip:
                zone.address(f"{name}.{naming.domain}", ip)
                if framework.port:
                    host = f"{name}.{naming.domain}"
                    zone.service(f"_framework._tcp.{host}", host, framework.port)
        for agent in state.agents.values():
            if agent.id in agents:
                zone.address(f"slave.{naming.domain}", agents[agent.id])
                zone.service(f"_slave._tcp.{naming.domain}", f"slave.{naming.domain}", agent.port)
        for ip in listeners:
            zone.address(naming.mname, ip)
        _master_records(zone, state, naming.domain, masters)
        self._tasks = self._task_records(state, agents)
        for records in self._tasks.values():
            for name, ip in records.addresses:
                zone.address(name, ip)
            for name, srv in records.services:
                zone.service(name, *srv)
        soa = Soa(
            mname=naming.mname,
            rname=naming.rname,
            serial=serial,
            refresh=naming.refresh,
            retry=naming.retry,
            expire=naming.expire,
            minimum=naming.minimum,
        )
        return zone.zone(naming.domain, soa, ttl=naming.ttl, apex_ttl=naming.ttl)

    def _task_records(self, state: ClusterState, agents: Mapping[str, str]) -> dict[TaskKey, TaskRecords]:
        frameworks = {one.id: names.domain(one.name) for one in state.frameworks.values()}
        made: dict[TaskKey, TaskRecords] = {}
        for key, task in state.tasks.items():
            framework, agent_ip = frameworks.get(task.framework_id), agents.get(task.agent_id)
            if not task.running or framework is None or agent_ip is None:
                continue
            before = self._tasks.get(key)
            if before is None or (before.task, before.framework, before.agent_ip) != (task, framework, agent_ip):
                before = task_records(task, framework, agent_ip, self._naming)
            made[key] = before
        return made

    @property
    def tasks(self) -> Mapping[TaskKey, TaskRecords]:
        """What the last zone was made from."""
        return self._tasks


def _address(host: str, known: Mapping[str, str]) -> str:
    return host if is_ip(host) else known.get(host, "")


def _master_records(zone: ZoneBuilder, state: ClusterState, domain: str, masters: Sequence[tuple[str, int]]) -> None:
    leader = state.leader
    if leader is None:
        return
    zone.address(f"leader.{domain}", leader.ip)
    for protocol in ("tcp", "udp"):
        zone.service(f"_leader._{protocol}.{domain}", f"leader.{domain}", leader.port)
    zone.address(f"master.{domain}", leader.ip)
    listed = False
    number = 0
    for ip, port in masters:
        leads = (ip, port) == (leader.ip, leader.port)
        if (leads and listed) or (not leads and not zone.address(f"master.{domain}", ip)):
            continue  # named twice
        zone.address(f"master{number}.{domain}", ip)
        number += 1
        listed = listed or leads
    if not listed:
        zone.address(f"master{number}.{domain}", leader.ip)
