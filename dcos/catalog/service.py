"""The shell of dcos-cosmos: one HTTP listener, one ZooKeeper session at a time, clients of Marathon and Mesos.

Ready when ZooKeeper has answered once. While it does not, everything but ``/capabilities`` answers 503; a lost session is
followed by a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, Coroutine
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from dcos.catalog import command_line
from dcos.catalog.api import BUILTIN_PATH, Api
from dcos.catalog.config import Config
from dcos.catalog.core.contents import Contents
from dcos.catalog.fetch import Fetcher, Limits
from dcos.catalog.operations import Neighbours
from dcos.catalog.persist import RepositoryList
from dcos.catalog.repository import Shelf, read_tree
from dcos.client.mesos import MesosMaster, redirecting
from dcos.model.v1.types import MasterInfo
from dcos.runtime import app as runtime
from dcos.runtime import http
from dcos.runtime.app import App
from dcos.runtime.credentials import pair_of
from dcos.runtime.net import detect_ip
from dcos.runtime.tls import own, scheme
from dcos.store.detect import follow_leading_master
from dcos.store.url import ZkUrl
from dcos.store.zookeeper import connect
from dcos.wire.cosmos import RepositoryEntry

BUILTIN: Final = RepositoryEntry("Universe", f"http://127.0.0.1:7070{BUILTIN_PATH}")
"""The default repository list. The URI stands for this machine's own packages, whatever the port really is."""
PACKAGES: Final = Path(__file__).parent / "packages"
_RETRY_S: Final = 1.0


async def run(app: App[Config]) -> None:
    config = app.config
    url = ZkUrl.parse(config.zookeeper_uri)
    credential = pair_of(config.mesos_credential, app.log)
    identity = own()
    async with (
        http.session(timeout_s=60.0, tls=identity.outside() if identity is not None else None) as session,
        http.session() as inside,
        MesosMaster(_masters(app, url), credential=credential) as mesos,
    ):
        fetcher = Fetcher(
            session,
            release=config.dcos_version,
            user_agent=f"cosmos/{version('dcos')} dcos/{config.dcos_version}",
            limits=Limits(
                seconds=config.repository_timeout,
                size=config.max_client_response_size,
                tries=config.max_retry_count + 1,
                pause_s=config.retry_duration,
            ),
            jitter=lambda: app.rng.uniform(0.5, 1.5),
        )
        here = await asyncio.to_thread(_here, app)
        shelf = Shelf(builtin=BUILTIN.uri, own=here, fetcher=fetcher, clock=app.clock, log=app.log)
        repositories = RepositoryList((BUILTIN,))

        def spawn(work: Coroutine[Any, Any, None]) -> object:
            return app.spawn(work, name="after the answer")

        api = Api(
            shelf=shelf,
            repository_list=repositories,
            neighbours=Neighbours(session, _marathon(config), config.admin_router_uri, mesos),
            spawn=spawn,
            log=app.log,
        )
        where = config.http_interface
        async with (
            contextlib.aclosing(shelf),
            http.listen(api.application(*_guards(app, inside)), host=where.host, port=where.port),
        ):
            if config.builtin_catalog:
                app.spawn(_offer_command_line(app, shelf), name="making the command line's plugin")
            while True:
                chroot = url.path if url.path != "/" else ""
                store = await connect(url.hosts, chroot=chroot, credentials=url.credentials)
                repositories.store = store
                try:
                    app.ready(f"{len(here.packages)} packages at hand")
                    await store.session_lost()
                finally:
                    repositories.store = None
                    await store.close()
                app.log.warning("store_session_lost")
                await asyncio.sleep(_RETRY_S * app.rng.uniform(0.5, 1.5))


async def _offer_command_line(app: App[Config], shelf: Shelf) -> None:
    archive = await command_line.made(app.log)
    if archive is not None:
        shelf.put(command_line.package(archive, app.config.dcos_version), {command_line.URL: archive})


def _guards(app: App[Config], session: aiohttp.ClientSession) -> tuple[Any, ...]:
    """``session``: shows our certificate."""
    if app.config.security == "disabled":
        return ()
    from dcos.catalog.access import guarded  # what checks tokens takes cryptography along: 9 MB
    from dcos.client.gate import gate

    return (guarded(gate("cosmos", app, app.config.bouncer, session)),)


def _masters(app: App[Config], url: ZkUrl) -> AsyncIterable[MasterInfo | None]:
    config = app.config
    if config.mesos_master_uri:
        parts = urlsplit(config.mesos_master_uri)
        return redirecting([(parts.hostname or "127.0.0.1", parts.port or 5050)])
    where = ZkUrl.parse(config.mesos_zk) if config.mesos_zk else replace(url, path="/mesos")
    return follow_leading_master(where, rng=app.rng)


def _marathon(config: Config) -> str:
    if config.marathon_uri:
        return config.marathon_uri
    known = config.ip or config.ip_discovery_command
    host = detect_ip(config.ip or None, config.ip_discovery_command or None) if known else "127.0.0.1"
    return f"{scheme()}://{host}:8080"


def _here(app: App[Config]) -> Contents:
    """The packages on this machine."""
    config = app.config
    folders = ((PACKAGES,) if config.builtin_catalog else ()) + config.catalog
    for folder in folders:
        if not folder.is_dir():
            app.log.error("catalog_folder_missing", folder=str(folder))
    here = Contents()
    for folder in folders:
        found = read_tree(folder, config.dcos_version)
        for one in found.broken:
            app.log.warning("package_left_out", folder=str(folder), place=one.place, reason=one.reason)
        here = here.joined(found)
    return here


def main() -> int:
    return runtime.main("dcos-cosmos", Config, run, prefix="COSMOS_")
