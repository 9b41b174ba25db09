"""Where a subject leads, from what is known of the cluster.

``View`` is what is known; ``Where`` looks things up in it. A request is patient: it lets a source be asked again when nothing was
found, and waits a moment for the next leader when there just was one. Looking decisions over again is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import aiohttp

from dcos.adminrouter.core import services
from dcos.adminrouter.core.services import LEADER_SERVICES, AskDns, Found, LeaderOf, StateError
from dcos.adminrouter.core.targets import Decision, Longer, Refusal, Target
from dcos.adminrouter.knowledge import FetchError, Knowledge
from dcos.runtime import log
from dcos.runtime.clock import Clock
from dcos.runtime.tls import scheme

_log = log.get_logger("dcos-adminrouter")
_NAME_S = 30.0
"""How long a host name's address is remembered."""
_PATIENCE_S = 10.0
"""A request waits no longer until something is known; nginx waits a little longer."""
_ELECTION_S, _LED_S = 6.0, 60.0
"""So long a request waits for the next leader, if one led so short a time ago."""
_START_S = 1.0
"""... and for the first answer to who leads."""
_LOOK_S = 0.2


def leader_unknown(name: str) -> Refusal:
    return Refusal(f"503 Service Unavailable: {name.capitalize()} leader is unknown")


_LEADERLESS = {services.NO_MASTER: "mesos", **{leader_unknown(name): name for name in ("mesos", *LEADER_SERVICES)}}
"""What is said while nobody leads, and who should."""


@dataclass(slots=True, kw_only=True)
class View:
    """What decisions are made from. Leaders: ``ip:port``, empty or None while there is none."""

    node_ip: str
    local: dict[str, str]
    """Where leader services listen on this node, by name."""
    router_port: int
    agent_router_port: int
    apps: Knowledge[services.Apps]
    cluster: Knowledge[services.Cluster]
    leaders: dict[str, Knowledge[str]]
    srv: Callable[[str], Awaitable[tuple[str, int] | None]]
    """Ask Mesos-DNS for a framework.   Errors: StateError, FetchError, aiohttp's."""
    master: str | None = None
    looked: bool = False
    """Whether ZooKeeper said who leads, be it nobody."""

    def follow(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` when a source says something else than before."""
        self.apps.on_change = self.cluster.on_change = changed
        for leader in self.leaders.values():
            leader.on_change = changed


class Where:
    """Looks subjects up."""

    def __init__(self, view: View, *, clock: Clock) -> None:
        self.view = view
        self._clock = clock
        self._names: dict[str, tuple[str, float]] = {}
        self._led_at: dict[str, float] = {}
        self._started = clock.monotonic()

    async def asked(self, subject: str, *, forwarded: bool) -> Decision | None:
        """Where a request goes; None: only the token was asked about."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                decision = await self.now(subject, forwarded)
                if isinstance(decision, Refusal) and decision.status == 404 and await self._newer():
                    decision = await self.now(subject, forwarded)
                if isinstance(decision, Refusal) and decision in _LEADERLESS:
                    await self._elected(_LEADERLESS[decision])
                    decision = await self.now(subject, forwarded)
                if isinstance(decision, Refusal) and decision in _LEADERLESS:
                    return replace(decision, passing=not self._is_told(_LEADERLESS[decision]))
                return decision
        except TimeoutError:
            return Refusal("503 Service Unavailable: Admin Router does not know the cluster's state yet", passing=True)

    async def _newer(self) -> bool:
        """What is known may be older than what was just started."""
        return any(await asyncio.gather(self.view.apps.after_miss(), self.view.cluster.after_miss()))

    async def _elected(self, name: str) -> None:
        """Wait for the next leader, if there just was one; a moment, if we just began to ask."""
        now = self._clock.monotonic()
        if now - self._led_at.get(name, -_LED_S) < _LED_S:
            patience_s = _ELECTION_S
        elif not self._is_told(name) and now - self._started < _LED_S:
            patience_s = _START_S
        else:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while not await self._leader(name):
                    await asyncio.sleep(_LOOK_S)
                    if name in self.view.leaders:
                        await self.view.leaders[name].after_miss()

    async def now(self, subject: str, forwarded: bool) -> Decision | None:
        """The same by what is known at this moment."""
        kind, _, rest = subject.partition("/")
        match kind:
            case "token" | "acs":
                return None
            case "mesos":
                leader = await self._leader("mesos")
                return _inside(leader, "dcos-mesos-master") if leader else services.NO_MASTER
            case "agent":
                return await self._agent(rest)
            case "agent-router":
                found = await self._agent(rest)
                if isinstance(found, Refusal):
                    return found
                ip = found.address.rpartition(":")[0]
                return _inside(f"{ip}:{self.view.agent_router_port}", "dcos-adminrouter-agent")
            case "leader-router":
                return await self._leader_router(rest, forwarded=forwarded)
            case "first":
                decision = await self._resolved(rest, forwarded=forwarded)
                # what is not known may have a longer name, or be asked for where all of the path can be looked at
                return Longer() if decision == services.NOT_FOUND else decision
            case "service":
                return await self._resolved(rest, forwarded=forwarded)
            case _:
                return Refusal(f"404 Not Found: nothing is known about {kind if kind.isalnum() else 'this'}")

    async def _agent(self, identity: str) -> Target | Refusal:
        cluster = await self.view.cluster.get()
        if cluster is None:
            return services.NO_CLUSTER
        address = cluster.agents.get(identity)
        if not address:
            return Refusal(f"404 Not Found: agent `{identity}` unknown.")
        host, _, port = address.rpartition(":")
        return await self._at(host, port, "dcos-mesos-agent")

    def _is_told(self, name: str) -> bool:
        """Whether somebody said who leads, be it nobody."""
        if name == "mesos":
            return self.view.looked
        return name not in self.view.leaders or self.view.leaders[name].peek() is not None

    async def _leader(self, name: str) -> str:
        """``host:port`` of who leads; empty while nobody does."""
        if name == "mesos":
            leader = self.view.master
        else:
            leader = await self.view.leaders[name].get() if name in self.view.leaders else None
        if leader:
            self._led_at[name] = self._clock.monotonic()
        return leader or ""

    async def _leader_router(self, name: str, *, forwarded: bool) -> Decision:
        """The Admin Router on the leader's node; our own when that is this one."""
        leader = await self._leader(name)
        ip = await self._address_of(leader.rpartition(":")[0].strip("[]")) if leader else None
        if ip is None or (forwarded and ip != self.view.node_ip):
            return leader_unknown(name)
        router = _inside(services.address(ip, self.view.router_port), "dcos-adminrouter")
        return replace(router, forwarded=ip != self.view.node_ip)

    async def _resolved(self, path: str, *, forwarded: bool) -> Decision:
        apps, cluster = await asyncio.gather(self.view.apps.get(), self.view.cluster.get())
        skip = 0
        while True:
            match services.resolve(path, apps, cluster, skip):
                case Refusal() as refusal:
                    return refusal
                case LeaderOf(name):
                    return await self._leading(name, forwarded=forwarded)
                case Found() as found:
                    ip = await self._address_of(found.target.host)
                    if ip is None:
                        return Refusal("503 Service Unavailable: the service's host is unknown", passing=True)
                    return services.proxied(found, ip)
                case AskDns(segments, name):
                    try:
                        record = await self.view.srv(name)
                    except (aiohttp.ClientError, FetchError, StateError, TimeoutError, OSError) as error:
                        _log.info("mesos_dns_failed", error=f"{type(error).__name__} {error}")
                        return services.NO_DNS
                    if record is not None:
                        return Target(
                            address=services.address(*record),
                            strip=len(segments),
                            location=services.location_of(segments),
                        )
                    skip = len(segments)

    async def _leading(self, name: str, *, forwarded: bool) -> Decision:
        """The leading instance: on this node directly, on another by its Admin Router."""
        leader = await self._leader(name)
        ip = await self._address_of(leader.rpartition(":")[0].strip("[]")) if leader else None
        if ip is None:
            return leader_unknown(name)
        if ip == self.view.node_ip:
            local = _inside(self.view.local[name], f"dcos-{name}")
            return replace(local, strip=1, location=f"/service/{name}")
        if forwarded:
            return leader_unknown(name)
        address = services.address(ip, self.view.router_port)
        router = _inside(address, "dcos-adminrouter")
        return replace(router, location=f"/service/{name}", forwarded=True)

    async def _at(self, host: str, port: str, peer: str) -> Target | Refusal:
        ip = await self._address_of(host.strip("[]"))
        if ip is None or not port.isdigit():
            return Refusal("503 Service Unavailable: the host's address is unknown", passing=True)
        return _inside(services.address(ip, int(port)), peer)

    async def _address_of(self, host: str) -> str | None:
        """``host`` if it is an address, else what the system's resolver says, remembered for a while."""
        try:
            services.address(host, 1)
        except ValueError:
            pass
        else:
            return host
        now = self._clock.monotonic()
        known, until = self._names.get(host, ("", 0.0))
        if now < until:
            return known
        try:
            async with asyncio.timeout(5.0):
                found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError):
            return None
        if len(self._names) > 1024:
            self._names.clear()
        ip = str(sorted(found, key=lambda row: row[0])[0][4][0])
        self._names[host] = ip, now + _NAME_S
        return ip


def _inside(address: str, peer: str) -> Target:
    """A service of the cluster; where those speak TLS, its certificate must name ``peer``."""
    how = scheme()
    return Target(address=address, scheme=how, peer=peer if how == "https" else "")
