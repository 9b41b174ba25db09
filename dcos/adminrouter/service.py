"""dcos-adminrouter: on masters it decides beside nginx and keeps nginx running; on agents it becomes nginx.

Ready when nginx answers. The process ends when nginx ends by itself; systemd starts both again. An agent's routes all have
fixed upstreams and no token check, so nothing of ours stays in memory there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import aiohttp

from dcos.adminrouter import nginx, prepare
from dcos.adminrouter.config import Config
from dcos.adminrouter.core.site import Site, render
from dcos.adminrouter.decide import Decider, View
from dcos.adminrouter.knowledge import Knowledge
from dcos.adminrouter.sources import USER_AGENT, Sources
from dcos.client.authority import Authority
from dcos.client.service_account import ServiceTokens, read_account
from dcos.client.token_keys import Keys
from dcos.runtime import app as runtime
from dcos.runtime import http, process
from dcos.runtime.app import App, Exit
from dcos.runtime.credentials import pair_of
from dcos.runtime.net import AddressError
from dcos.store.detect import address_of, follow_leading_master
from dcos.store.url import ZkUrl

_EXIT_BAD_INPUT = 3
_EXIT_NGINX = 4
_WAIT_S = 0.2
_METRONOME = "127.0.0.1:9000"
T = TypeVar("T")


async def run(app: App[Config]) -> None:
    config = app.config
    await _until_certified(app)
    try:
        zk = ZkUrl.parse(config.zk) if config.zk else None
        if config.is_master and zk is None:
            raise ValueError("--zk: is required on masters (or ADMINROUTER_ZK in the environment)")
        ip = prepare.node_ip(config, app.layout)
        site = prepare.site(config, app.layout, ip)
        prepare.write(site, render(site), config, ip, app.clock.now())
    except (ValueError, OSError, AddressError) as error:
        raise Exit(_EXIT_BAD_INPUT, str(error)) from error
    if config.is_master and zk is not None:
        await _decide(app, site, ip, zk)
    else:
        await _become_nginx(app, site)


async def _until_certified(app: App[Config]) -> None:
    """dcos-certificates has it made while we start: masters' at once, by their own authority."""
    path = app.config.certificate
    if path is None or not app.config.is_master:
        return
    if not path.exists():
        app.log.info("waiting_for_certificate", path=str(path))
        while not path.exists():  # noqa: ASYNC110 (files tell nobody; at the first start only)
            await asyncio.sleep(_WAIT_S)


async def _become_nginx(app: App[Config], site: Site) -> None:
    """Errors: Exit."""
    program, text = app.config.nginx, site.run / "nginx.conf"
    try:
        await nginx.check(program, site.run, text)
        where = [(address, site.port) for address in site.listen]
        await nginx.become(program, site.run, text, where, ready=lambda: app.ready(_serving(site)), log=app.log)
    except nginx.NginxError as error:
        raise Exit(_EXIT_NGINX, f"nginx: {error}") from error


def _serving(site: Site) -> str:
    return f"serving on {', '.join(site.listen)} port {site.port}"


async def _decide(app: App[Config], site: Site, ip: str, zk: ZkUrl) -> None:
    config = app.config
    short = aiohttp.ClientTimeout(total=config.cache_backend_request_timeout, sock_connect=5.0)
    async with (
        aiohttp.ClientSession(
            headers={"User-Agent": USER_AGENT}, connector=aiohttp.TCPConnector(force_close=True), timeout=short
        ) as session,
        http.session(timeout_s=None, headers={"User-Agent": USER_AGENT}) as stream,
    ):
        where = prepare.addresses(config, ip)
        keys_url = f"http://{where['dcos-bouncer']}/acs/api/v1/auth/jwks"
        keys = Keys(keys_url, session, clock=app.clock, rng=app.rng, log=app.log)
        view = _view(app, site, ip, session, stream, where, zk)
        if config.activate_auth_module:
            app.spawn(keys.keep(), name="keys")
        decider = Decider(
            view=view,
            keys=keys,
            auth=config.activate_auth_module,
            authority=None
            if config.security == "disabled"
            else Authority(f"http://{where['dcos-bouncer']}", session, clock=app.clock, log=app.log),
            clock=app.clock,
            status_socket=site.status_socket,
            cluster_id=app.layout.cluster_id,
            public_ip=await _public_ip(config.public_ip_command or app.layout.bin / "detect_ip_public"),
        )
        async with http.listen_unix(decider.application(), path=site.decision_socket, mode=0o600) as path:
            if site.user:
                os.chown(path, *prepare.worker_ids(site.user))
            await _serve(app, site)


async def _serve(app: App[Config], site: Site) -> None:
    """Run nginx until it ends.   Errors: Exit."""
    program, text = app.config.nginx, site.run / "nginx.conf"
    try:
        await nginx.check(program, site.run, text)
        async with nginx.running(program, site.run, text, site.status_socket, log=app.log) as child:
            await nginx.answering(child, site.status_socket)
            app.ready(_serving(site))
            code = await child.wait()
    except (nginx.NginxError, TimeoutError) as error:
        raise Exit(_EXIT_NGINX, f"nginx: {error}") from error
    raise Exit(_EXIT_NGINX, f"nginx ended with {code}")


def _view(
    app: App[Config],
    site: Site,
    ip: str,
    session: aiohttp.ClientSession,
    stream: aiohttp.ClientSession,
    where: dict[str, str],
    zk: ZkUrl,
) -> View:
    """What is known of the cluster, kept fresh from now on."""
    config = app.config

    def known(name: str, fetch: Callable[[], Awaitable[T]]) -> Knowledge[T]:
        return Knowledge(
            name,
            fetch,
            clock=app.clock,
            log=app.log,
            soft_limit_s=config.cache_max_age_soft_limit,
            hard_limit_s=config.cache_max_age_hard_limit,
            timeout_s=config.cache_backend_request_timeout,
        )

    def master() -> str | None:
        return view.master

    sources = Sources(
        session,
        stream,
        marathon=where["dcos-marathon"],
        metronome=where.get("dcos-metronome", _METRONOME),
        mesos_dns=where["dcos-mesos-dns"],
        master=master,
        credential=pair_of(config.mesos_credential, app.log),
        tokens=_tokens(app, where["dcos-bouncer"]),
    )
    leaders = {
        "marathon": known("marathon leader", sources.marathon_leader),
        "metronome": known("metronome leader", sources.metronome_leader),
    }
    view = View(
        node_ip=ip,
        local={"marathon": where["dcos-marathon"], "metronome": where.get("dcos-metronome", _METRONOME)},
        router_port=config.leader_router_port or site.port,
        agent_router_port=config.agent_router_port,
        apps=known("marathon apps", sources.apps),
        cluster=known("mesos state", sources.cluster),
        leaders=leaders,
        srv=sources.srv,
    )
    _keep_fresh(app, view, sources, zk, metronome="dcos-metronome" in where)
    return view


def _tokens(app: App[Config], bouncer: str) -> ServiceTokens | None:
    """As whom Marathon is asked; None where there is no account.   Errors: Exit."""
    path = app.config.service_account_credential
    if path is None or not path.exists():
        return None
    try:
        account = read_account(path)
    except (ValueError, OSError) as error:
        raise Exit(_EXIT_BAD_INPUT, f"--service_account_credential: {error}") from error
    return ServiceTokens(account, lambda: f"http://{bouncer}/acs/api/v1/auth/login", clock=app.clock)


def _keep_fresh(app: App[Config], view: View, sources: Sources, zk: ZkUrl, *, metronome: bool) -> None:
    config = app.config
    streaming = False

    def heard() -> None:
        view.apps.nudge()

    def stream_is(up: bool) -> None:
        nonlocal streaming
        if up != streaming:
            streaming = up
            view.leaders["marathon"].nudge()
            view.apps.nudge()

    async def follow_master() -> None:
        async for info in follow_leading_master(zk, rng=app.rng):
            view.master = address_of(info) if info is not None else None
            app.log.info("leading_master", address=view.master or "none")
            view.cluster.nudge()

    first = config.cache_first_poll_delay
    app.spawn(follow_master(), name="master")
    app.spawn(sources.events(heard, stream_is, rng=app.rng, log=app.log), name="events")
    app.spawn(view.cluster.keep(lambda: config.cache_poll_period, first_s=first), name="mesos state")
    app.spawn(
        view.apps.keep(lambda: config.cache_poll_period if streaming else config.events_poll_period, first_s=first),
        name="marathon apps",
    )
    app.spawn(
        view.leaders["marathon"].keep(lambda: config.events_poll_period, first_s=first),
        name="marathon leader",
    )
    if metronome:
        leader = view.leaders["metronome"]
        app.spawn(leader.keep(lambda: config.cache_poll_period, first_s=first), name="metronome leader")


async def _public_ip(command: Path) -> str | None:
    """What the program prints; None when there is none or it fails."""
    if not command.exists():
        return None
    try:
        result = await process.run([command], timeout_s=10)
    except (process.ProcessError, TimeoutError):
        return None
    text = result.stdout.decode(errors="replace").strip()
    return text if result.ok and text else None


def main() -> int:
    return runtime.main("dcos-adminrouter", Config, run, prefix="ADMINROUTER_")
