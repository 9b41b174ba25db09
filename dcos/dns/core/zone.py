"""From a cluster's state to the ``.mesos`` zone, and from one state to the next.

Every running task gives a handful of records that depend only on itself, its framework's name and its agent's address. They are
made again when one of these changed, and only then; the zone is the sum of what all give, so one task's change costs that task's
records and a look at who changed.

Source: Mesos-DNS docs/naming.md and the records its generator makes; 5.3 of the cluster facts.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dcos.model import names
from dcos.model.cluster import ClusterAgent, ClusterFramework, ClusterState, Leader, RunningTask, TaskKey
from dcos.model.zone import Given, Record, Soa, Srv, Zone, ZoneBuilder

IP_SOURCES = ("host", "netinfo", "mesos", "docker")
"""What ``IPSources`` may name. The last two read labels that agents stopped setting years ago: accepted, never populated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What does not change while the service runs."""

    domain: str = "mesos"
    ttl: int = 60
    ip_sources: tuple[str, ...] = ("host", "netinfo")
    health_aware: bool = True
    """Tasks known to be unhealthy are named only where no others are."""
    rfc952: bool = False
    """The older, stricter rule for labels."""
    mname: str = "ns1.mesos"
    rname: str = "root.ns1.mesos"
    refresh: int = 60
    retry: int = 600
    expire: int = 86400
    minimum: int = 60
    srv_weight: int = 1
    truncate_bit: bool = True
    recursion_bit: bool = True


@dataclass(frozen=True, slots=True)
class TaskRecords:
    """The records of one task, and what they were made from."""

    task: RunningTask
    framework: str
    agent_ip: str
    given: Given

    def records(self) -> Iterator[Record]:
        for name, ip in self.given.addresses:
            yield Record(name, "AAAA" if ":" in ip else "A", ip)
        for name, srv in self.given.services:
            yield Record(name, "SRV", str(srv))


def task_records(task: RunningTask, framework: str, agent_ip: str, naming: Naming) -> TaskRecords:
    """Names of one running task. ``framework`` is the framework's name made a domain."""
    addresses: list[tuple[str, str]] = []
    services: list[tuple[str, Srv]] = []
    tail = f"{framework}.{naming.domain}" if framework else naming.domain
    slave_tail = f"{framework}.slave.{naming.domain}" if framework else f"slave.{naming.domain}"
    ips = _task_ips(task, agent_ip, naming.ip_sources)
    index = _index(task)
    for label in _task_labels(task, naming.rfc952):
        if index is not None and task.discovery_name:
            addresses += [(f"{index}.{label}.{tail}", ip) for ip in ips]
        canonical = names.tagged(label, f"-{names.task_tag(task.id)}-{names.agent_tag(task.agent_id)}")
        for host in (label, canonical):
            addresses += [(f"{host}.{tail}", ip) for ip in ips]
            addresses.append((f"{host}.{slave_tail}", agent_ip))
        service = names.service(label)
        for port in task.host_ports:
            srv = Srv(f"{canonical}.{slave_tail}", port)
            for protocol in ("tcp", "udp"):
                services.append((f"{service}._{protocol}.{slave_tail}", srv))
                if not task.discovery_name:
                    services.append((f"{service}._{protocol}.{tail}", srv))
        if task.discovery_name:
            services += _discovered(task, label, Srv(f"{canonical}.{tail}", 0), tail, naming.rfc952)
    given = Given(
        tuple(dict.fromkeys(addresses)),
        tuple(dict.fromkeys(services)),
        held=naming.health_aware and task.healthy is False,
    )
    return TaskRecords(task, framework, agent_ip, given)


def _index(task: RunningTask) -> str | None:
    """Which of its app's instances it is, where it says so (an extension)."""
    return next((value for key, value in task.labels if key == names.INDEX_LABEL and value.isdecimal()), None)


def _discovered(task: RunningTask, label: str, host: Srv, tail: str, rfc952: bool) -> Iterator[tuple[str, Srv]]:
    for port in task.discovery_ports:
        srv = Srv(host.target, port.number)
        protocols = (names.label(port.protocol, rfc952=rfc952),) if port.protocol else ("tcp", "udp")
        for protocol in protocols:
            yield f"{names.service(label)}._{protocol}.{tail}", srv
            if port_name := names.label(port.name, rfc952=rfc952):
                yield f"{names.service(port_name)}.{names.service(label)}._{protocol}.{tail}", srv


def _task_labels(task: RunningTask, rfc952: bool) -> tuple[str, ...]:
    """The label that the task goes by. A discovery name that is a usable label but for its ``_`` is served as it is too."""
    label = names.label(task.service_name, rfc952=rfc952)
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


def without_wildcards(name: str) -> str:
    """``web.*.mesos`` means ``web.mesos``, as it does to Mesos-DNS."""
    return name.replace(".*", "") if ".*" in name else name


@functools.lru_cache(maxsize=65536)
def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class ZoneMaker:
    """Makes the zone follow the cluster. Its answers are right between two steps too, only some of them older than others."""

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._tasks: dict[TaskKey, TaskRecords] = {}
        self._state = ClusterState()
        self._agents: dict[str, str] = {}
        """Addresses of agents that have one."""
        self._frameworks: dict[str, str] = {}
        """Names of frameworks, made domains."""
        self._hosts: dict[str, str] = {}
        self.zone = Zone(
            apex=naming.domain,
            soa=Soa(
                mname=naming.mname,
                rname=naming.rname,
                refresh=naming.refresh,
                retry=naming.retry,
                expire=naming.expire,
                minimum=naming.minimum,
            ),
            ttl=naming.ttl,
            apex_ttl=naming.ttl,
        )
        self.zone.srv_weight = naming.srv_weight
        self.zone.truncate_bit, self.zone.recursion_bit = naming.truncate_bit, naming.recursion_bit

    @property
    def tasks(self) -> Mapping[TaskKey, TaskRecords]:
        """The tasks that are named."""
        return self._tasks

    def make(
        self,
        state: ClusterState,
        *,
        serial: int,
        masters: Sequence[tuple[str, int]] = (),
        listeners: Sequence[str] = (),
        hosts: Mapping[str, str] | None = None,
    ) -> Zone:
        """All ``steps`` at once."""
        for _ in self.steps(state, serial=serial, masters=masters, listeners=listeners, hosts=hosts):
            pass
        return self.zone

    def steps(
        self,
        state: ClusterState,
        *,
        serial: int,
        masters: Sequence[tuple[str, int]] = (),
        listeners: Sequence[str] = (),
        hosts: Mapping[str, str] | None = None,
    ) -> Iterator[None]:
        """Change the zone to that of ``state``, one source a step. ``masters``: the configured ones; ``listeners``: where this
        server itself answers; ``hosts``: addresses of host names that agents and frameworks use instead of addresses."""
        naming, zone = self._naming, self.zone
        zone.soa = replace(zone.soa, serial=serial)
        before, self._state = self._state, state
        own = ZoneBuilder()
        own.addresses(naming.mname, listeners)
        zone.put("listeners", own.given())
        zone.put("masters", _masters(state.leader, naming.domain, masters))
        known = dict(hosts or {})
        moved = False
        if (before.agents, before.frameworks, self._hosts) != (state.agents, state.frameworks, known):
            self._hosts = known
            agents, frameworks = self._agents, self._frameworks
            yield from self._node_steps(before, state)
            moved = (agents, frameworks) != (self._agents, self._frameworks)
        yield from self._task_steps(before, state, every=moved)

    def _node_steps(self, before: ClusterState, state: ClusterState) -> Iterator[None]:
        """Frameworks and agents, and what tasks have to know of them."""
        naming, zone, hosts = self._naming, self.zone, self._hosts
        self._frameworks, self._agents = {}, {}
        for framework in state.frameworks.values():
            name = self._frameworks[framework.id] = names.domain(framework.name, rfc952=naming.rfc952)
            zone.put(("framework", framework.id), _framework(framework, name, naming.domain, hosts))
            yield
        for agent in state.agents.values():
            ip = _address(agent.ip, hosts)
            if ip:
                self._agents[agent.id] = ip
            zone.put(("agent", agent.id), _agent(agent, ip, naming.domain))
            yield
        for framework_id in before.frameworks.keys() - state.frameworks.keys():
            zone.drop(("framework", framework_id))
        for agent_id in before.agents.keys() - state.agents.keys():
            zone.drop(("agent", agent_id))

    def _task_steps(self, before: ClusterState, state: ClusterState, *, every: bool) -> Iterator[None]:
        """``every``: agents or frameworks changed, so look at all tasks; else at those that the state says have changed."""
        tasks = state.tasks
        changed = [*tasks, *(key for key in before.tasks if key not in tasks)] if every else state.changed_tasks(before)
        for key in changed:
            task = tasks.get(key)
            framework = agent_ip = None
            if task is not None and task.running:
                framework, agent_ip = self._frameworks.get(task.framework_id), self._agents.get(task.agent_id)
            named = self._tasks.get(key)
            if task is None or framework is None or agent_ip is None:
                if named is not None:
                    self._forget(key)
                    yield
            elif named is None or (named.framework, named.agent_ip, named.task) != (framework, agent_ip, task):
                self._tasks[key] = made = task_records(task, framework, agent_ip, self._naming)
                self.zone.put(key, made.given)
                yield

    def _forget(self, key: TaskKey) -> None:
        del self._tasks[key]
        self.zone.drop(key)


def _address(host: str, known: Mapping[str, str]) -> str:
    return host if is_ip(host) else known.get(host, "")


def _framework(framework: ClusterFramework, name: str, domain: str, hosts: Mapping[str, str]) -> Given:
    made = ZoneBuilder()
    ip = _address(framework.hostname, hosts)
    if name and ip:
        host = f"{name}.{domain}"
        made.address(host, ip)
        if framework.port:
            made.service(f"_framework._tcp.{host}", host, framework.port)
    return made.given()


def _agent(agent: ClusterAgent, ip: str, domain: str) -> Given:
    if not ip or not agent.reachable:
        return Given()
    host = f"slave.{domain}"
    return Given(((host, ip),), ((f"_slave._tcp.{domain}", Srv(host, agent.port)),))


def _masters(leader: Leader | None, domain: str, masters: Sequence[tuple[str, int]]) -> Given:
    """The leader's names, and those of the listed masters in their order, the leader last where it is not among them."""
    zone = ZoneBuilder()
    if leader is None:
        return zone.given()
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
    return zone.given()
