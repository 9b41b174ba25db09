"""The names that dcos-net answers itself, and where every other question goes.

Source: 5.2 and 5.3 of the cluster facts; dcos-net's router and its DNS listeners.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dcos.model import names
from dcos.model.cluster import ClusterState, RunningTask, TaskKey
from dcos.model.zone import Given, Soa, Zone, ZoneBuilder
from dcos.net.core.vips import Addresses, is_address

DIRECTORY = "thisdcos.directory"
_PARTS = tuple(f"{label}.{DIRECTORY}" for label in ("dcos", "l4lb", "mesos"))
"""Zones of their own in dcos-net."""
FORWARDERS = ("198.51.100.1", "198.51.100.2", "198.51.100.3")
FORWARDER6 = "fd01:d::c633:6401"
TTL, APEX_TTL = 5, 3600
ZK_NAMES = 5

_SOA = Soa(mname="ns.spartan", rname="root.ns.spartan", serial=1, refresh=60, retry=180, expire=86400, minimum=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """This machine and the masters it knows of."""

    ip: str
    public_ips: tuple[str, ...] = ()
    masters: tuple[str, ...] = ()


class Names:
    """The zones of our own, followed from one state of the cluster to the next: only what changed is made again."""

    def __init__(self, node: Node, *, health_aware: bool = True) -> None:
        self._node = node
        self._health_aware = health_aware
        self._state = ClusterState()
        self._given = Addresses({}, {})
        self._directory = Zone(apex=DIRECTORY, soa=_SOA, ttl=TTL, apex_ttl=APEX_TTL, parts=_PARTS)
        self._directory.put("node", _node(node))
        self._zk = Zone(apex="zk", soa=_SOA, ttl=TTL, apex_ttl=APEX_TTL)
        self._zk.put("masters", _zk(node.masters))
        self.zones = (_spartan(), self._zk, _localhost(), self._directory)

    def move(self, node: Node) -> None:
        """This machine has other addresses, or the masters are others."""
        self._node = node
        self._zk.put("masters", _zk(node.masters))
        self._directory.put("node", _node(node))

    def take(self, state: ClusterState, given: Addresses) -> set[str]:
        """All ``steps`` at once; names that were touched."""
        for _ in self.steps(state, given):
            pass
        return self.touched()

    def touched(self) -> set[str]:
        """Names whose records may have changed since the last call."""
        return self._directory.touched() | self._zk.touched()

    def steps(self, state: ClusterState, given: Addresses) -> Iterator[None]:
        """Change the zones to those of ``state`` and the addresses ``given`` to virtual IPs, one source a step."""
        before, self._state = self._state, state
        zone = self._directory
        zone.put("leader", _leader(state))
        earlier, self._given = self._given, given
        if earlier is not given:
            for name in {**earlier.v4, **earlier.v6, **given.v4, **given.v6}:
                were, ips = (earlier.v4.get(name), earlier.v6.get(name)), (given.v4.get(name), given.v6.get(name))
                if ips != were:
                    zone.swap(_vip(name, *were), _vip(name, *ips))
                    yield
        for key in state.changed_beneath(before):
            # what it gave is made once more: to remember it for every task would take a sixth of this service's memory
            zone.swap(self._task(before, key), self._task(state, key))
            yield

    def _task(self, state: ClusterState, key: TaskKey) -> Given:
        task = state.tasks.get(key)
        if task is None or not task.running:
            return Given()
        agent, framework = state.agents.get(task.agent_id), state.frameworks.get(task.framework_id)
        if agent is None or framework is None or not is_address(agent.ip):
            return Given()
        return _task(task, framework.name, agent.ip, held=self._health_aware and task.healthy is False)


def _spartan() -> Zone:
    zone = ZoneBuilder()
    zone.address("ready.spartan", "127.0.0.1")
    zone.address("ns.spartan", FORWARDERS[0])
    return zone.zone("spartan", _SOA, ttl=TTL, apex_ttl=APEX_TTL)


def _zk(masters: Sequence[str]) -> Given:
    """``zk-1`` to ``zk-5``: with fewer masters some have several names, so that clients may name all five."""
    zone = ZoneBuilder()
    for number in range(ZK_NAMES if masters else 0):
        zone.address(f"zk-{number + 1}.zk", masters[number % len(masters)])
    return zone.given()


def _localhost() -> Zone:
    zone = ZoneBuilder()
    zone.addresses("localhost", ("127.0.0.1", "::1"))
    return zone.zone("localhost", _SOA, ttl=TTL, apex_ttl=APEX_TTL)


def _node(node: Node) -> Given:
    zone = ZoneBuilder()
    zone.address(f"thisnode.{DIRECTORY}", node.ip)
    zone.addresses(f"public.thisnode.{DIRECTORY}", node.public_ips)
    zone.address(f"ns.l4lb.{DIRECTORY}", FORWARDERS[0])
    zone.addresses(f"master.dcos.{DIRECTORY}", node.masters)
    return zone.given()


def _leader(state: ClusterState) -> Given:
    zone = ZoneBuilder()
    if state.leader is not None and is_address(state.leader.ip):
        zone.address(f"leader.dcos.{DIRECTORY}", state.leader.ip)
    return zone.given()


def _vip(name: str, v4: str | None, v6: str | None) -> Given:
    zone = ZoneBuilder()
    zone.addresses(f"{name}.l4lb.{DIRECTORY}", (ip for ip in (v4, v6) if ip))
    return zone.given()


def _task(task: RunningTask, framework: str, agent_ip: str, *, held: bool) -> Given:
    zone = ZoneBuilder()
    container_ips = tuple(ip for ip in task.container_ips if is_address(ip))
    auto = (agent_ip,) if task.mapped_ports or not container_ips else container_ips
    label = names.label(task.service_name)
    # a framework's dots are kept; upstream's dcos-net makes dashes of them, so both are served where they differ
    for below in dict.fromkeys((names.domain(framework), names.label(framework))):
        if label and below:
            zone.address(f"{label}.{below}.agentip.dcos.{DIRECTORY}", agent_ip)
            zone.addresses(f"{label}.{below}.containerip.dcos.{DIRECTORY}", container_ips)
            zone.addresses(f"{label}.{below}.autoip.dcos.{DIRECTORY}", auto)
    return zone.given(held=held)


# ---- where a question goes -------------------------------------------------------------------------------------------


class Ours(NamedTuple):
    """Answered here, from ``zone``, as ``name``."""

    zone: Zone
    name: str


class Forward(NamedTuple):
    """Asked of the servers of a group: ``mesos``, ``upstream``, or the apex of a forward zone."""

    group: str


class Copy(NamedTuple):
    """``<x>.mesos.thisdcos.directory``: asked of Mesos-DNS as ``<x>.mesos``, ``suffix`` put back on names in the answer."""

    name: str
    suffix: str


Route = Ours | Forward | Copy

MESOS, UPSTREAM = "mesos", "upstream"


@dataclass(frozen=True, slots=True)
class Router:
    """The routing table for one set of zones."""

    zones: Mapping[str, Zone]
    forward_zones: tuple[str, ...] = ()
    """Apexes, lower case, longest first."""
    cluster_key: str = ""
    """Of this cluster, as in ``<name>.<key>.dcos.directory``; empty: not known."""
    _aliases: tuple[tuple[str, str], ...] = field(
        default=(
            (".dclb.thisdcos.directory", ".l4lb." + DIRECTORY),
            (".dclb.thisdcos.global", ".l4lb." + DIRECTORY),
            (".thisdcos.global", "." + DIRECTORY),
        ),
    )

    def ours(self, name: str) -> tuple[Zone, str] | None:
        """The zone of our own that answers for ``name``."""
        route = self.route(name)
        return (route.zone, route.name) if isinstance(route, Ours) else None

    def route(self, name: str) -> Route:
        if name == "mesos" or name.endswith(".mesos"):
            return Forward(MESOS)
        real = name
        key = f".{self.cluster_key}.dcos.directory"
        if self.cluster_key and name.endswith(key):
            real = f"{name.removesuffix(key)}.{DIRECTORY}"
        for suffix, meant in self._aliases:
            if real.endswith(suffix):
                real = real.removesuffix(suffix) + meant
                break
        copied = ".mesos." + DIRECTORY
        if real.endswith(copied):
            return Copy(real.removesuffix("." + DIRECTORY), name[len(real.removesuffix("." + DIRECTORY)) :])
        last = real.rpartition(".")[2]
        zone = self.zones.get(last) or (self.zones.get(DIRECTORY) if names.is_ancestor(DIRECTORY, real) else None)
        if zone is not None:
            return Ours(zone, real)
        for apex in self.forward_zones:
            if names.is_ancestor(apex, name):
                return Forward(apex)
        return Forward(UPSTREAM)


def cluster_key(cluster_id: str) -> str:
    """A name for the cluster with this id, which everybody can work out: 52 characters."""
    return names.zbase32(hashlib.sha256(cluster_id.encode()).digest())


def router(made: Sequence[Zone], forward_zones: Sequence[str] = ()) -> Router:
    return Router({zone.apex: zone for zone in made}, tuple(sorted(forward_zones, key=len, reverse=True)))
