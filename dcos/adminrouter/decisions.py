"""The decision service: a process beside nginx that the supervisor starts, and starts again when it ends.

It listens on its own socket, where nginx asks first: that is refused at once while this process is away, and nginx goes on with
what it remembers. What nginx does not remember it asks on the supervisor's socket, where questions wait until this process is
back.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import aiohttp

from dcos.adminrouter import prepare
from dcos.adminrouter.config import Config
from dcos.adminrouter.core.site import Site
from dcos.adminrouter.decide import Decider
from dcos.adminrouter.knowledge import Knowledge
from dcos.adminrouter.recall import Recall
from dcos.adminrouter.sources import USER_AGENT, Sources
from dcos.adminrouter.where import View, Where
from dcos.client.authority import Authority
from dcos.client.service_account import ServiceTokens, read_account
from dcos.client.token_keys import Keys
from dcos.runtime import app as runtime
from dcos.runtime import http, process
from dcos.runtime.app import App, Exit
from dcos.runtime.credentials import pair_of
from dcos.runtime.net import AddressError
from dcos.runtime.tls import agent_router_port, own, scheme
from dcos.store.detect import address_of, follow_leading_master
from dcos.store.url import ZkUrl

_LINE_BYTES = 65_536
"""More than nginx takes: what it lets in is for us to refuse."""
_METRONOME = "127.0.0.1:9000"
_LEADERS_S = 1.0
"""Between questions to our own Marathon and Metronome who leads: one small request each."""
_CLUSTER_S, _SHARE = 1.0, 100
"""What the master says is asked for every second, but where that takes more than a hundredth of the time: so much more seldom."""
T = TypeVar("T")


async def run(app: App[Config]) -> None:
    """Errors: Exit."""
    config = app.config
    try:
        zk = prepare.master_zk(config)
        ip = prepare.node_ip(config, app.layout)
        site = prepare.site(config, app.layout, ip)
    except (ValueError, OSError, AddressError) as error:
        raise Exit(prepare.EXIT_BAD_INPUT, str(error)) from error
    await _decide(app, site, ip, zk)


async def _decide(app: App[Config], site: Site, ip: str, zk: ZkUrl) -> None:
    config, identity = app.config, own()
    short = aiohttp.ClientTimeout(total=config.cache_backend_request_timeout, sock_connect=5.0)
    async with (
        aiohttp.ClientSession(
            headers={"User-Agent": USER_AGENT},
            connector=aiohttp.TCPConnector(force_close=True, ssl=identity.client if identity is not None else True),
            timeout=short,
        ) as session,
        http.session(timeout_s=None, headers={"User-Agent": USER_AGENT}) as stream,
    ):
        where = prepare.addresses(config, ip)
        keys_url = f"{scheme()}://{where['dcos-bouncer']}/acs/api/v1/auth/jwks"
        keys = Keys(keys_url, session, clock=app.clock, rng=app.rng, log=app.log)
        view, sources = _view(app, site, ip, session, stream, where)
        lead = Where(view, clock=app.clock)
        recall = Recall(lead.now, clock=app.clock, log=app.log)
        _keep_fresh(app, view, sources, zk, recall, metronome="dcos-metronome" in where)
        if config.activate_auth_module:
            app.spawn(keys.keep(), name="keys")
        decider = Decider(
            where=lead,
            recall=recall,
            memory=site.decisions,
            keys=keys,
            auth=config.activate_auth_module,
            authority=None
            if config.security == "disabled"
            else Authority(f"{scheme()}://{where['dcos-bouncer']}", session, clock=app.clock, log=app.log),
            clock=app.clock,
            status_socket=site.status_socket,
            certificate=site.tls.certificate if site.tls else None,
            cluster_id=app.layout.cluster_id,
            public_ip=await _public_ip(config.public_ip_command or app.layout.bin / "detect_ip_public"),
        )
        async with AsyncExitStack() as listening:
            path = await listening.enter_async_context(
                http.listen_unix(decider.application(), path=site.decision_socket, mode=0o600, line_bytes=_LINE_BYTES)
            )
            if site.user:
                os.chown(path, *prepare.worker_ids(site.user))
            given = os.environ.get(prepare.WAITING_FD)
            if given is not None:
                waiting = socket.socket(fileno=int(given))
                await listening.enter_async_context(
                    http.listen_on(decider.application(), waiting, line_bytes=_LINE_BYTES)
                )
            app.log.info("deciding", socket=str(path))
            await app.stopping.wait()


def _view(
    app: App[Config],
    site: Site,
    ip: str,
    session: aiohttp.ClientSession,
    stream: aiohttp.ClientSession,
    where: dict[str, str],
) -> tuple[View, Sources]:
    """What is known of the cluster, nothing at first, and who tells it."""
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
        router_port=config.leader_router_port or (site.tls.port if site.secured and site.tls else site.port),
        agent_router_port=config.agent_router_port or agent_router_port(),
        apps=known("marathon apps", sources.apps),
        cluster=known("mesos state", sources.cluster),
        leaders=leaders,
        srv=sources.srv,
    )
    return view, sources


def _tokens(app: App[Config], bouncer: str) -> ServiceTokens | None:
    """As whom Marathon is asked; None where there is no account.   Errors: Exit."""
    path = app.config.service_account_credential
    if path is None or not path.exists():
        return None
    try:
        account = read_account(path)
    except (ValueError, OSError) as error:
        raise Exit(prepare.EXIT_BAD_INPUT, f"--service_account_credential: {error}") from error
    return ServiceTokens(account, lambda: f"{scheme()}://{bouncer}/acs/api/v1/auth/login", clock=app.clock)


def _keep_fresh(app: App[Config], view: View, sources: Sources, zk: ZkUrl, recall: Recall, *, metronome: bool) -> None:
    """Follow the cluster from now on; decisions that hold no longer are taken back."""
    config = app.config
    view.follow(recall.changed)
    app.spawn(recall.keep(), name="recall")
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
            view.master, view.looked = address_of(info) if info is not None else None, True
            app.log.info("leading_master", address=view.master or "none")
            recall.changed()
            view.cluster.nudge()

    def cluster_period() -> float:
        return min(config.cache_poll_period, max(_CLUSTER_S, _SHARE * view.cluster.took_s))

    first = config.cache_first_poll_delay
    app.spawn(follow_master(), name="master")
    app.spawn(sources.events(heard, stream_is, rng=app.rng, log=app.log), name="events")
    app.spawn(view.cluster.keep(cluster_period, first_s=first), name="mesos state")
    app.spawn(
        view.apps.keep(lambda: config.cache_poll_period if streaming else config.events_poll_period, first_s=first),
        name="marathon apps",
    )
    for name, leader in view.leaders.items():
        if name != "metronome" or metronome:
            app.spawn(leader.keep(lambda: _LEADERS_S, first_s=first), name=f"{name} leader")


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


if __name__ == "__main__":
    sys.exit(main())
