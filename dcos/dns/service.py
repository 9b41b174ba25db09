"""The shell of dcos-mesos-dns: state in, the zone changed, questions answered."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from importlib import metadata
from typing import Any

from dcos.client.cluster import ClusterFollower
from dcos.client.mesos import MesosMaster, redirecting
from dcos.client.service_account import ServiceTokens
from dcos.dns import api
from dcos.dns.config import (
    PREFIX,
    Config,
    account_of,
    credential_of,
    environment_of,
    file_of,
    forwards,
    name_servers,
    shown,
    tls_of,
)
from dcos.dns.core.zone import Naming, TaskRecords, ZoneMaker, is_ip, without_wildcards
from dcos.model import names
from dcos.model.cluster import ClusterState, TaskKey
from dcos.model.layout import Layout
from dcos.model.v1.types import MasterInfo
from dcos.model.zone import Zone
from dcos.runtime import app as shell
from dcos.runtime import dns as sockets
from dcos.runtime import heap, http
from dcos.runtime.addresses import is_loopback, local_addresses
from dcos.runtime.app import App, Exit
from dcos.runtime.clock import Clock
from dcos.runtime.net import detect_ip
from dcos.store.detect import follow_leading_master
from dcos.store.url import ZkUrl
from dcos.wire import dns
from dcos.wire.errors import WireError

_SLICE_S = 0.0005
"""Seconds of work on the zone between two looks at the sockets."""
_SETTLE_S = 0.01
"""Seconds that changes are gathered, so that many at once cost one look at all tasks."""
_FIRST_STATE_S = 10.0
"""How long READY waits for a leading master; without one, questions get SERVFAIL."""


class Server:
    """The zone and the answers made from it."""

    def __init__(
        self, config: Config, listeners: tuple[str, ...], serial: int, resolvers: tuple[sockets.Server, ...] = ()
    ) -> None:
        self.version = metadata.version("dcos")
        self.settings = shown(config)
        self.state = ClusterState()
        self.complete = False
        """Is there a whole zone? Before, NXDOMAIN would be a lie."""
        self._config = config
        self._listeners = listeners
        self._serial = serial
        self._maker = ZoneMaker(_naming(config))
        self._answers = dns.ReadyAnswers(self._find)
        servers = (
            (apex, found) for apex, found in (*config.zoneresolvers, ("", config.resolvers or resolvers)) if found
        )
        self._others = tuple(servers) if forwards(config) else ()

    @property
    def zone(self) -> Zone:
        return self._maker.zone

    @property
    def tasks(self) -> Mapping[TaskKey, TaskRecords]:
        return self._maker.tasks

    def _find(self, name: str) -> tuple[Zone, str] | None:
        zone = self._maker.zone
        return (zone, without_wildcards(name)) if names.is_ancestor(zone.apex, name) else None

    async def take(self, state: ClusterState, hosts: Mapping[str, str], clock: Clock) -> None:
        """Serve ``state`` from now on. Others get their turn every few milliseconds, however much has changed."""
        self._serial += 1
        steps = self._maker.steps(
            state, serial=self._serial, masters=self._config.masters, listeners=self._listeners, hosts=hosts
        )
        until = clock.monotonic() + _SLICE_S
        for _ in steps:
            if clock.monotonic() >= until:
                self._answers.forget(self.zone.touched())
                await asyncio.sleep(0)
                until = clock.monotonic() + _SLICE_S
        self._answers.forget(self.zone.touched())
        self.state = state
        self.complete = True

    def answer(self, data: bytes, tcp: bool) -> sockets.Answer:
        """One question."""
        if not self.complete:
            return dns.failure(data, dns.SERVFAIL)
        return self._answers.answer(data, udp=not tcp) or self._elsewhere(data, tcp)

    def _elsewhere(self, data: bytes, tcp: bool) -> bytes | Coroutine[Any, Any, bytes | None] | None:
        """A name of another domain (or no question at all)."""
        try:
            name = dns.parse_query(data).name
        except WireError:
            return None
        for apex, servers in self._others:
            if names.is_ancestor(apex, name):
                return self._forward(servers, data, tcp)
        return dns.failure(data, dns.REFUSED)

    async def _forward(self, servers: Sequence[sockets.Server], data: bytes, tcp: bool) -> bytes | None:
        reply = await sockets.ask_first(servers, data, tcp=tcp, timeout_s=self._config.timeout)
        return reply or dns.failure(data, dns.SERVFAIL)


def _naming(config: Config) -> Naming:
    return Naming(
        domain=config.domain,
        ttl=config.ttl,
        ip_sources=config.ipsources,
        mname=config.soamname,
        rname=config.soarname,
        refresh=config.soarefresh,
        retry=config.soaretry,
        expire=config.soaexpire,
        minimum=config.soaminttl,
        health_aware=config.healthaware,
        rfc952=config.enforcerfc952,
        srv_weight=config.srvrecorddefaultweight,
        truncate_bit=config.settruncatebit,
        recursion_bit=config.recurseon,
    )


def _detection(app: App[Config], tls: ssl.SSLContext | None) -> AsyncIterator[MasterInfo | None]:
    if app.config.zk:
        return follow_leading_master(ZkUrl.parse(app.config.zk), rng=app.rng)
    if app.config.masters:
        return redirecting(app.config.masters, tls=tls)
    raise Exit(2, "zk: give --zk or --masters, or no leader can be found")


def host_names(state: ClusterState) -> frozenset[str]:
    """Names that agents and frameworks use instead of addresses."""
    hosts = {agent.ip for agent in state.agents.values()} | {one.hostname for one in state.frameworks.values()}
    return frozenset(host for host in hosts if host and not is_ip(host))


class Hosts:
    """Addresses of host names. Asked when they come up, and again every so often; without an answer the old one stays."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self._wanted: frozenset[str] = frozenset()
        self._new = asyncio.Event()
        self._seen: tuple[object, object] = ((), ())

    def want(self, state: ClusterState) -> None:
        if (state.agents, state.frameworks) == self._seen:
            return
        self._seen = (state.agents, state.frameworks)
        before, self._wanted = self._wanted, host_names(state)
        if self._wanted - before:
            self._new.set()

    async def changes(self, every_s: float) -> AsyncIterator[None]:
        """After each change of ``known``."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every_s):
                    await self._new.wait()
            self._new.clear()
            before, wanted = self.known, self._wanted
            found = dict(zip(wanted, await asyncio.gather(*map(_resolved, wanted)), strict=True))
            self.known = {host: ip for host in wanted if (ip := found[host] or before.get(host, ""))}
            if self.known != before:
                yield


async def _resolved(host: str) -> str:
    """Empty: it does not resolve."""
    with contextlib.suppress(OSError, UnicodeError, TimeoutError):
        async with asyncio.timeout(2.0):
            loop = asyncio.get_running_loop()
            info = await loop.getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_DGRAM)
            return str(info[0][4][0])
    return ""


async def _follow(
    app: App[Config], follower: ClusterFollower, server: Server, hosts: Hosts, lock: asyncio.Lock
) -> None:
    async for state in follower.changes(settle_s=_SETTLE_S):
        before = app.clock.monotonic()
        async with lock:
            hosts.want(state)
            await server.take(state, hosts.known, app.clock)
        took_s = app.clock.monotonic() - before
        app.log.debug("zone", serial=server.zone.soa.serial, took_s=round(took_s, 3))
        app.status(f"serving {len(server.tasks)} tasks of {len(state.frameworks)} frameworks")
        await asyncio.sleep(min(took_s, 0.3))  # at most half of a core for names, however much changes


async def _keep_hosts(app: App[Config], server: Server, hosts: Hosts, lock: asyncio.Lock) -> None:
    async for _ in hosts.changes(app.config.refreshseconds):
        async with lock:
            await server.take(server.state, hosts.known, app.clock)


def _resolvers(app: App[Config], listener: str) -> tuple[sockets.Server, ...]:
    """This machine's, where the settings want names forwarded and do not say where to."""
    if not app.config.externalon or app.config.resolvers:
        return ()
    try:
        found = name_servers(app.layout.resolv_conf.read_text(errors="replace"), listener)
    except OSError:
        found = ()
    app.log.info("resolvers", of=str(app.layout.resolv_conf), servers=",".join(map(str, found)) or "none")
    return found


def _http_hosts(config: Config, listener: str) -> tuple[str, ...]:
    """Where the API answers. Not told where, it does so on 127.0.0.1 too, where tools look for it; not so for nodes that are
    loopback addresses of one machine, who have that one together."""
    if config.httplistener or config.listener or is_loopback(listener):
        return (config.httplistener or listener,)
    return listener, "127.0.0.1"


async def run(app: App[Config]) -> None:
    config = app.config
    ip = detect_ip(config.ip, config.ip_discovery_command)
    listener = config.listener or ip
    listeners: tuple[str, ...] = (listener,)
    if listener in sockets.EVERYWHERE:
        listeners = tuple(local_addresses(version=6 if ":" in listener else 4))
    try:
        credential, account, tls = credential_of(config), account_of(config), tls_of(config)
    except ValueError as error:
        raise Exit(2, str(error)) from None
    if not config.dnson and not config.httpon:
        raise Exit(2, "dnson, httpon: one of them must be on")
    server = Server(config, listeners, int(app.clock.now()), _resolvers(app, listener))
    hosts, lock = Hosts(), asyncio.Lock()
    heap.freeze_survivors()
    async with contextlib.AsyncExitStack() as stack:
        master = await stack.enter_async_context(
            MesosMaster(
                _detection(app, tls),
                credential=credential,
                tokens=None
                if account is None
                else ServiceTokens(account, lambda: account.login_endpoint, clock=app.clock),
                tls=tls,
                timeout_s=config.statetimeoutseconds,
            )
        )
        follower = ClusterFollower(master, rng=app.rng, poll_s=config.refreshseconds)
        app.spawn(follower.run(), name="cluster")
        app.spawn(_follow(app, follower, server, hosts, lock), name="zone")
        app.spawn(_keep_hosts(app, server, hosts, lock), name="hosts")
        if config.dnson:
            await stack.enter_async_context(sockets.serve(server.answer, listener, config.port))
        if config.httpon:
            for host in _http_hosts(config, listener):
                site = http.listen(api.application(server), host=host, port=config.httpport)
                await stack.enter_async_context(site)
        app.log.info(
            "listening",
            host=listener,
            port=config.port if config.dnson else "off",
            http_port=config.httpport if config.httpon else "off",
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_STATE_S):
                await follower.known()
        app.ready()
        await asyncio.get_running_loop().create_future()  # until cancelled


def main() -> int:
    argv = [("-" + word if word.startswith("-config") else word) for word in sys.argv[1:]]
    file = file_of(argv, os.environ, Layout.from_environ(os.environ).etc / "mesos-dns.json")
    if file is not None:
        try:
            for variable, text in environment_of(file.read_bytes()).items():
                os.environ.setdefault(variable, text)
        except (OSError, ValueError) as error:
            print(f"dcos-mesos-dns: {file}: {error}", file=sys.stderr)
            return 2
    return shell.main("dcos-mesos-dns", Config, run, prefix=PREFIX, argv=argv)
