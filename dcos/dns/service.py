"""The shell of dcos-mesos-dns: state in, zones swapped, questions answered."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping
from importlib import metadata
from typing import Any

from dcos.client.cluster import ClusterFollower
from dcos.client.mesos import MesosMaster, redirecting
from dcos.dns import api
from dcos.dns.config import PREFIX, Config, credential_of, environment_of, file_of, shown
from dcos.dns.core.zone import Naming, TaskRecords, ZoneMaker, is_ip
from dcos.model import names
from dcos.model.cluster import ClusterState, TaskKey
from dcos.model.layout import Layout
from dcos.model.v1.types import MasterInfo
from dcos.model.zone import Soa, Zone
from dcos.runtime import app as shell
from dcos.runtime import dns as sockets
from dcos.runtime import http
from dcos.runtime.addresses import local_addresses
from dcos.runtime.app import App, Exit
from dcos.runtime.net import detect_ip
from dcos.store.detect import follow_leading_master
from dcos.store.url import ZkUrl
from dcos.wire import dns

_FIRST_STATE_S = 10.0
"""How long READY waits for a leading master; without one, questions get SERVFAIL."""


class Server:
    """The newest zone and the answers made from it."""

    def __init__(self, config: Config, listeners: tuple[str, ...], serial: int) -> None:
        self.version = metadata.version("dcos")
        self.settings = shown(config)
        self._config = config
        self._listeners = listeners
        self._serial = serial
        self._maker = ZoneMaker(_naming(config))
        self._upstreams = [sockets.parse_server(text) for text in config.resolvers] if config.externalon else []
        self.state = ClusterState()
        self.zone = Zone(apex=config.domain, soa=Soa(mname=config.soamname, rname=config.soarname), ttl=config.ttl)
        self._answers: dns.ReadyAnswers | None = None

    @property
    def tasks(self) -> Mapping[TaskKey, TaskRecords]:
        return self._maker.tasks

    async def take(self, state: ClusterState, hosts: Mapping[str, str]) -> None:
        """Serve ``state`` from now on. The zone is made in a thread: a big one takes a part of a second."""
        self._serial += 1
        zone = await asyncio.to_thread(
            self._maker.make,
            state,
            serial=self._serial,
            masters=self._config.masters,
            listeners=self._listeners,
            hosts=hosts,
        )
        self.state = state
        self.zone = zone

        def find(name: str) -> tuple[Zone, str] | None:
            return (zone, name) if names.is_ancestor(zone.apex, name) else None

        if self._answers is None:
            self._answers = dns.ReadyAnswers(find)
        else:
            self._answers.swap(find)

    def answer(self, data: bytes, peer: str, tcp: bool) -> sockets.Answer:
        """One question."""
        if self._answers is None:
            return dns.failure(data, dns.SERVFAIL)  # nothing is known yet: NXDOMAIN would be a lie
        return self._answers.answer(data, udp=not tcp) or self._elsewhere(data, tcp)

    def _elsewhere(self, data: bytes, tcp: bool) -> bytes | Coroutine[Any, Any, bytes | None] | None:
        return self._forward(data, tcp) if self._upstreams else dns.failure(data, dns.REFUSED)

    async def _forward(self, data: bytes, tcp: bool) -> bytes | None:
        reply = await sockets.ask_first(self._upstreams, data, tcp=tcp, timeout_s=self._config.timeout)
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
    )


def _detection(app: App[Config]) -> AsyncIterator[MasterInfo | None]:
    if app.config.zk:
        return follow_leading_master(ZkUrl.parse(app.config.zk), rng=app.rng)
    if app.config.masters:
        return redirecting(app.config.masters)
    raise Exit(2, "zk: give --zk or --masters, or no leader can be found")


async def resolve_hosts(state: ClusterState, known: Mapping[str, str]) -> dict[str, str]:
    """Addresses of the host names among agents and frameworks; names that do not resolve keep what was known."""
    hosts = {agent.ip for agent in state.agents.values()} | {one.hostname for one in state.frameworks.values()}
    found = {}
    loop = asyncio.get_running_loop()
    for host in hosts:
        if not host or is_ip(host):
            continue
        if host in known:
            found[host] = known[host]
            continue
        with contextlib.suppress(OSError, UnicodeError, TimeoutError):
            async with asyncio.timeout(2.0):
                info = await loop.getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_DGRAM)
                found[host] = str(info[0][4][0])
    return found


async def _follow(app: App[Config], follower: ClusterFollower, server: Server) -> None:
    hosts: dict[str, str] = {}
    async for state in follower.changes():
        hosts = await resolve_hosts(state, hosts)
        before = app.clock.monotonic()
        await server.take(state, hosts)
        took_s = app.clock.monotonic() - before
        app.log.debug("zone", serial=server.zone.soa.serial, took_s=round(took_s, 3))
        app.status(f"serving {len(server.tasks)} tasks of {len(state.frameworks)} frameworks")
        await asyncio.sleep(min(took_s, 0.3))  # at most half of a core for names, however much changes


async def run(app: App[Config]) -> None:
    config = app.config
    ip = detect_ip(config.ip, config.ip_discovery_command)
    listener = config.listener or ip
    listeners = tuple(local_addresses()) if listener == "0.0.0.0" else (listener,)
    try:
        credential = credential_of(config)
    except ValueError as error:
        raise Exit(2, str(error)) from None
    server = Server(config, listeners, int(app.clock.now()))
    async with contextlib.AsyncExitStack() as stack:
        master = await stack.enter_async_context(MesosMaster(_detection(app), credential=credential))
        follower = ClusterFollower(master, rng=app.rng, poll_s=config.refreshseconds)
        app.spawn(follower.run(), name="cluster")
        app.spawn(_follow(app, follower, server), name="zone")
        host, port = await stack.enter_async_context(sockets.serve(server.answer, listener, config.port))
        if config.httpon:
            await stack.enter_async_context(http.listen(api.application(server), host=listener, port=config.httpport))
        app.log.info("listening", host=host, port=port, http_port=config.httpport if config.httpon else "off")
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
