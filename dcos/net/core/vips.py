"""From tasks to virtual IPs: who asks for which, and which backends serve it.

A VIP is asked for by a label of a discovery port (``VIP_0: /name:80`` or ``10.1.2.3:80``) or by the older task label
``VIP_PORT0: tcp://name:80``. Backends are the mapped host port at the agent, else the container's own address. A task that is
unhealthy or being killed keeps the VIP alive but gets no new connections; tasks on unreachable agents only serve when nobody
else does.

Source: VIP labels and backend rules of dcos-net's listener and load balancer; 6.1 and 6.2 of the cluster facts.
"""

from __future__ import annotations

import functools
import hashlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dcos.model import names
from dcos.model.cluster import ClusterAgent, ClusterFramework, ClusterState, DiscoveryPort, RunningTask
from dcos.model.v1.types import TaskState

PROTOCOLS = ("tcp", "udp")


class VipName(NamedTuple):
    """What a label asks for. ``host`` is an address, or ``name.framework`` as in DNS below ``l4lb.thisdcos.directory``."""

    protocol: str
    host: str
    port: int

    @property
    def named(self) -> bool:
        last = self.host[-1:]
        return (not last.isdigit() and ":" not in self.host) or not is_address(self.host)


class Target(NamedTuple):
    ip: str
    port: int


class Backend(NamedTuple):
    """A place that serves a VIP. On the agent itself ``inside`` (the container's own address) is used where it is known."""

    target: Target
    agent_ip: str
    inside: Target | None
    weight: int
    """1: takes new connections; 0: only keeps its old ones."""
    reachable: bool


@dataclass(frozen=True, slots=True)
class BadLabel:
    """A label that asks for no VIP: logged once, never fatal."""

    task_id: str
    label: str
    rule: str


@dataclass(frozen=True, slots=True)
class Vips:
    backends: Mapping[VipName, tuple[Backend, ...]]
    bad: tuple[BadLabel, ...]


def collect(state: ClusterState, *, ipv6: bool = True) -> Vips:
    """Every VIP that has a backend, whatever its weight. Backends are sorted, so that equal states give equal values."""
    found: dict[VipName, set[Backend]] = {}
    bad: list[BadLabel] = []
    for task in state.tasks.values():
        agent, framework = state.agents.get(task.agent_id), state.frameworks.get(task.framework_id)
        if agent is not None and framework is not None:
            asked, wrong = asked_by(task, agent, framework, ipv6=ipv6)
            bad += wrong
            for vip, backend in asked:
                found.setdefault(vip, set()).add(backend)
    return Vips({vip: in_order(found[vip]) for vip in sorted(found)}, tuple(bad))


def asked_by(
    task: RunningTask, agent: ClusterAgent, framework: ClusterFramework, *, ipv6: bool
) -> tuple[tuple[tuple[VipName, Backend], ...], tuple[BadLabel, ...]]:
    """The VIPs that one task asks for, with what it serves them by."""
    if _preparing(task) or not is_address(agent.ip):
        return (), ()
    found: list[tuple[VipName, Backend]] = []
    bad: list[BadLabel] = []
    for port in _vip_ports(task):
        for label in port.labels:
            try:
                vip = parse_label(label, port.protocol, framework.name)
            except ValueError as error:
                bad.append(BadLabel(task.id, label, str(error)))
                continue
            for backend in _backends(task, agent.ip, port):
                version = 6 if ":" in backend.target.ip else 4
                if (version == 4 or ipv6) and (vip.named or version == ipaddress.ip_address(vip.host).version):
                    found.append((vip, backend))
    return tuple(found), tuple(bad)


def in_order(backends: Iterable[Backend]) -> tuple[Backend, ...]:
    """In the order that equal states give."""
    return tuple(sorted(backends, key=_order))


def _order(backend: Backend) -> tuple[object, ...]:
    return (*backend.target, backend.agent_ip, backend.inside is not None, backend.weight, backend.reachable)


def _preparing(task: RunningTask) -> bool:
    return task.state not in (TaskState.TASK_RUNNING, TaskState.TASK_KILLING, TaskState.TASK_UNREACHABLE)


class _VipPort(NamedTuple):
    """A port with its VIP labels. ``number`` None: only the host port is known."""

    protocol: str
    number: int | None
    host_port: int | None
    labels: tuple[str, ...]


def _vip_ports(task: RunningTask) -> Iterator[_VipPort]:
    for port in task.discovery_ports:
        labels = tuple(value for key, value in port.labels if key.startswith(("VIP", "vip")))
        if not labels or port.protocol not in PROTOCOLS:
            continue
        if ("network-scope", "host") in port.labels:
            yield _VipPort(port.protocol, _container_port(task, port), port.number, labels)
        elif port.number:
            yield _VipPort(port.protocol, port.number, _host_port(task, port), labels)
    for key, value in task.labels:
        index = key.lower().removeprefix("vip_port")
        protocol, scheme, label = value.partition("://")
        if not key.lower().startswith("vip_port") or not index.isdigit() or not scheme or protocol not in PROTOCOLS:
            continue
        if int(index) < len(task.host_ports):
            yield _VipPort(protocol, None, task.host_ports[int(index)], (label,))


def _host_port(task: RunningTask, port: DiscoveryPort) -> int | None:
    for mapped in task.mapped_ports:
        if (mapped.container_port, mapped.protocol) == (port.number, port.protocol):
            return mapped.host_port
    return None


def _container_port(task: RunningTask, port: DiscoveryPort) -> int | None:
    for mapped in task.mapped_ports:
        if (mapped.host_port, mapped.protocol) == (port.number, port.protocol):
            return mapped.container_port
    return None


def _backends(task: RunningTask, agent_ip: str, port: _VipPort) -> Iterator[Backend]:
    healthy = task.healthy if task.healthy is not None else not task.health_checked
    weight = int(healthy and task.state is not TaskState.TASK_KILLING)
    reachable = task.state is not TaskState.TASK_UNREACHABLE
    container_ips = [ip for ip in task.container_ips if is_address(ip)] or [agent_ip]
    if port.host_port is not None:
        own = next((ip for ip in container_ips if ":" not in ip and ip != agent_ip), None)
        inside = Target(own, port.number) if own and port.number else None
        yield Backend(Target(agent_ip, port.host_port), agent_ip, inside, weight, reachable)
    elif port.number is not None:
        for ip in container_ips:
            yield Backend(Target(ip, port.number), agent_ip, None, weight, reachable)


@functools.lru_cache(maxsize=4096)
def parse_label(text: str, protocol: str, framework: str) -> VipName:
    """``[/]name:port`` or ``address:port``.   Errors: ValueError with the rule.

    Remembered, because the tasks of an app ask for the same and mostly come together.
    """
    host, colon, number = text.strip().rpartition(":")
    if not colon or not number.isascii() or not number.isdigit() or not 0 < int(number) < 65536:
        raise ValueError("must be name:port or address:port with a port from 1 to 65535")
    bare = host.strip("[]")
    if is_address(bare):
        return VipName(protocol, str(ipaddress.ip_address(bare)), int(number))
    name = names.domain(host)
    if not name:
        raise ValueError("the name has no character that a host name may have")
    return VipName(protocol, ".".join(part for part in (name, names.domain(framework)) if part), int(number))


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


# ---- addresses of named VIPs -----------------------------------------------------------------------------------------


def assign(wanted: Iterable[str], lowest: str, highest: str, taken: Iterable[str] = ()) -> dict[str, str]:
    """An address for each name, ``lowest`` plus a hash of the name, the next free one on a clash.

    Depends on nothing but the arguments, so every node gives every name the same address. More names than addresses:
    the last in alphabetical order get none.
    """
    first, size = (
        int(ipaddress.ip_address(lowest)),
        int(ipaddress.ip_address(highest)) - int(ipaddress.ip_address(lowest)),
    )
    make = type(ipaddress.ip_address(lowest))
    used = {int(address) for text in taken if type(address := ipaddress.ip_address(text)) is make}
    free = size - sum(first <= number < first + size for number in used)
    given: dict[str, str] = {}
    for name in sorted(set(wanted))[: max(0, free)]:
        start = first_choice(name, size)
        while first + start in used:
            start = (start + 1) % size
        used.add(first + start)
        given[name] = str(make(first + start))
    return given


def first_choice(name: str, size: int) -> int:
    """Where in a range of ``size`` addresses a name would be."""
    return int.from_bytes(hashlib.sha1(name.encode(), usedforsecurity=False).digest(), "big") % size


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """Where addresses of named VIPs come from, both ends as configured."""

    min4: str = "11.0.0.0"
    max4: str = "11.255.255.255"
    min6: str = "fd01:c::"
    max6: str = "fd01:c::ffff:ffff:ffff:ffff"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses of named VIPs: of the families that they have backends of."""

    v4: Mapping[str, str]
    v6: Mapping[str, str]


def addresses(vips: Vips, ranges: Ranges) -> Addresses:
    numeric = [vip.host for vip in vips.backends if not vip.named]
    of_4: set[str] = set()
    of_6: set[str] = set()
    for vip, backends in vips.backends.items():
        if vip.named:
            for backend in backends:
                (of_6 if ":" in backend.target.ip else of_4).add(vip.host)
    return Addresses(
        assign(of_4, ranges.min4, ranges.max4, numeric),
        assign(of_6, ranges.min6, ranges.max6, numeric),
    )


class Service(NamedTuple):
    """A VIP in the kernel: protocol, address, port."""

    protocol: str
    ip: str
    port: int


def services(vips: Vips, given: Addresses, node_ip: str) -> dict[Service, tuple[Target, ...]]:
    """What the kernel of the node at ``node_ip`` should do. No targets: the VIP is known, connections are refused."""
    return dict(
        one
        for vip, backends in vips.backends.items()
        for one in services_of(vip, backends, given.v4.get(vip.host), given.v6.get(vip.host), node_ip)
    )


def services_of(
    vip: VipName,
    backends: tuple[Backend, ...],
    v4: str | None,
    v6: str | None,
    node_ip: str,
    silent: frozenset[str] = frozenset(),
) -> Iterator[tuple[Service, tuple[Target, ...]]]:
    """The same for one VIP; ``v4``, ``v6``: its addresses if it is a named one; ``silent``: agents as good as unreachable."""
    for service, mine in _of_families(vip, backends, v4, v6):
        usable = [one for one in mine if one.reachable and one.agent_ip not in silent]
        if not any(one.weight for one in usable):
            usable = [one for one in mine if one.reachable] or mine
        yield service, tuple(sorted({seen_from(node_ip, one) for one in usable if one.weight}))


def finishing(
    vip: VipName,
    backends: tuple[Backend, ...],
    v4: str | None,
    v6: str | None,
    node_ip: str,
    silent: frozenset[str] = frozenset(),
) -> Iterator[tuple[Service, Target]]:
    """Where no new connections go, but old ones live on: unhealthy tasks and those being killed."""
    for service, mine in _of_families(vip, backends, v4, v6):
        for one in mine:
            if not one.weight and one.reachable and one.agent_ip not in silent:
                yield service, seen_from(node_ip, one)


def _of_families(
    vip: VipName, backends: tuple[Backend, ...], v4: str | None, v6: str | None
) -> Iterator[tuple[Service, list[Backend]]]:
    if not vip.named:
        v4, v6 = (None, vip.host) if ":" in vip.host else (vip.host, None)
    for ip, colon in ((v4, False), (v6, True)):
        mine = [one for one in backends if (":" in one.target.ip) == colon]
        if ip is not None and mine:
            yield Service(vip.protocol, ip, vip.port), mine


def seen_from(node_ip: str, one: Backend) -> Target:
    """The address to use on the node at ``node_ip``."""
    return one.inside if one.inside and one.agent_ip == node_ip else one.target
