"""The shell of the master: ZooKeeper session, election, recovery, HTTP.

Exit codes beside the common ones (``dcos.runtime.app``): 3 leadership or the ZooKeeper session was lost (a restart contends
again), 4 the registry could not be read or written, 5 too many agents did not return after a change of leader; the common 2
also where the leader is in another region.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from dcos.client import mesos_names
from dcos.client.mesos_names import granted
from dcos.master import callers, rights
from dcos.master.ahead import make_ahead
from dcos.master.api import Api
from dcos.master.api_admin import AdminApi
from dcos.master.api_agents import AgentsApi
from dcos.master.api_operations import OperationForms
from dcos.master.api_operator import OperatorApi
from dcos.master.api_scheduler import SchedulerApi
from dcos.master.config import PREFIX, Config
from dcos.master.core.events import Recovered, Whitelist
from dcos.master.core.state import State
from dcos.master.direct_link import Reception
from dcos.master.door import Door
from dcos.master.legacy_registry import RegistryError
from dcos.master.persist import Registry, epoch_path
from dcos.master.version import MESOS_VERSION
from dcos.master.writer import EXIT_LEADERSHIP, EXIT_REGISTRY, Writer
from dcos.model.mesos_permissions import Granted
from dcos.model.v1.types import Address, DomainInfo, MasterInfo, MasterInfoCapability, MasterInfoCapabilityType
from dcos.runtime import access_settings, heap, http
from dcos.runtime.app import App, Exit, end
from dcos.runtime.app import main as app_main
from dcos.runtime.http_access import Namer, needing
from dcos.runtime.log import get_logger
from dcos.runtime.net import detect_ip
from dcos.store.base import SessionLost, Store, StoreError
from dcos.store.detect import MASTER_LABEL, master_info
from dcos.store.election import Candidate
from dcos.store.memory import MemoryEnsemble
from dcos.store.zookeeper import connect_url
from dcos.wire import mesos_json

WHITELIST_EVERY_S = 5.0
_log = get_logger("master")
EXIT_SETTINGS = 2
_MAX_BODY = 64 * 1024 * 1024
_for_good: list[State] = []
"""Not freed before the process ends (``end``)."""


_CAPABILITIES = (
    MasterInfoCapability(type=MasterInfoCapabilityType.AGENT_UPDATE),
    MasterInfoCapability(type=MasterInfoCapabilityType.AGENT_DRAINING),
    MasterInfoCapability(),
)
"""The third is QUOTA_V2, which the v1 API has no name for: it shows an empty one, as upstream's does."""


def make_info(master_id: str, ip: str, port: int, hostname: str, domain: DomainInfo | None = None) -> MasterInfo:
    """What the election's node and SUBSCRIBED say about this master."""
    packed = int.from_bytes(socket.inet_aton(ip), "little") if "." in ip else 0
    return MasterInfo(
        id=master_id,
        ip=packed,
        port=port,
        pid=f"master@{ip}:{port}",
        hostname=hostname,
        version=MESOS_VERSION,
        address=Address(hostname=hostname, ip=ip, port=port),
        domain=domain,
        capabilities=_CAPABILITIES,
    )


def _application(api: Api, agents: AgentsApi) -> web.Application:
    application = http.application(client_max_size=_MAX_BODY)
    application.add_routes(SchedulerApi(api).routes())
    application.add_routes(agents.routes())
    application.add_routes(api.routes())
    application.add_routes(AdminApi(api).routes())
    application.add_routes(OperatorApi(api).routes())
    application.add_routes(OperationForms(api).routes())

    async def end_streams(_: web.Application) -> None:
        api.writer.close_all()

    application.on_shutdown.append(end_streams)
    return application


@contextlib.asynccontextmanager
async def listening(
    api: Api, namer: Namer | None = None, *, host: str, port: int
) -> AsyncIterator[tuple[int, Reception]]:
    """Serve ``api`` while the block runs; yields the port and what has to run for agents' links."""
    agents, reception = AgentsApi(api), Reception(api.writer)
    async with http.listen(
        _application(api, agents),
        host=host,
        port=port,
        cancel_on_disconnect=True,
        admits=callers.admits,
        named=needing(namer),
        front=lambda serve: lambda: Door(agents, reception, serve),
    ) as (_, bound):
        yield bound, reception


async def run(app: App[Config]) -> None:
    heap.freeze_survivors()
    config = app.config
    problems = config.problems()
    if problems:
        raise Exit(EXIT_SETTINGS, "; ".join(problems))
    access_settings.warn(app.log, config)
    ip = detect_ip(config.ip, config.ip_discovery_command)
    advertised = config.advertise_ip or ip
    hostname = config.hostname or (await _look_up(advertised) if config.hostname_lookup else advertised)
    info = make_info(str(uuid.uuid4()), advertised, config.advertise_port or config.port, hostname, config.domain)
    known = granted(config.security) if config.security != "disabled" else None
    rules = config.rules() if known is None else replace(config.rules(), acls=known)
    state = State(rules, info, app.clock.now(), shuffle=app.rng.shuffle, draw=app.rng.random)
    _for_good.append(state)
    writer = Writer(
        state,
        app.clock,
        store_timeout_s=config.registry_store_timeout,
        max_subscribers=config.max_operator_event_stream_subscribers,
    )
    store = await _store(app, config)
    try:
        async with (
            names(app, known) as namer,
            listening(api := Api(writer, config, namer), namer, host=ip, port=config.port) as (_, reception),
        ):
            app.spawn(writer.run(), name="writer")
            app.spawn(reception.run(), name="agents")
            app.spawn(make_ahead(writer), name="ahead")
            if known is not None and namer is not None:
                app.spawn(rights.keep_true(writer, known, namer.learn), name="rights")
            if config.whitelist is not None:
                app.spawn(watch_whitelist(config.whitelist, writer), name="whitelist")
            app.log.info("listening", ip=ip, port=config.port, id=info.id)
            await contend(app, store, api)
    except SessionLost as error:
        raise Exit(EXIT_LEADERSHIP, f"leadership or the ZooKeeper session was lost: {error}") from error
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def names(app: App[Config], known: Granted | None) -> AsyncIterator[mesos_names.Names | None]:
    """Who names callers by tokens and certificates; ``known`` is told what they may do. None where nobody is asked."""
    if known is None:
        yield None
        return
    # With its libraries: 9 MB that a master without permissions does not need.
    client = importlib.import_module("dcos.client.master_names")
    config = app.config
    async with contextlib.AsyncExitStack() as stack:
        yield await client.master_names(
            app, stack, known, config.bouncer, required=config.security != mesos_names.PERMISSIVE
        )


async def _store(app: App[Config], config: Config) -> Store:
    """Where the election and the registry are: of this process alone where no ZooKeeper is named."""
    if config.zk is None:
        app.log.warning("registry_in_memory", lost="everything in it when this master ends")
        return MemoryEnsemble().session()
    app.status(f"connecting to {config.zk}")
    return await connect_url(config.zk, session_timeout_s=config.zk_session_timeout)


async def contend(app: App[Config], store: Store, api: Api) -> None:
    """Follow the election; once leading, recover and serve until that is lost.   Errors: SessionLost."""
    path = api.config.election_path
    data = mesos_json.encode(api.state.info)
    candidate = Candidate(store, path, label=MASTER_LABEL, data=data, epoch_path=epoch_path(path))
    async for standing in candidate.standings():
        api.leader = master_info(standing.leader) if standing.leader is not None else None
        if api.leader is not None and regions_differ(api.leader, api.state.info):
            raise Exit(
                EXIT_SETTINGS,
                f"the leading master {api.leader.pid} is in another region: all masters of a cluster must be in the same",
            )
        if not standing.leading:
            app.ready(f"following {api.leader.pid if api.leader is not None else 'nobody yet'}")
            continue
        assert standing.epoch is not None
        registry = Registry(store, path, standing.epoch)
        started = api.writer.now()
        try:
            async with asyncio.timeout(api.config.registry_fetch_timeout):
                entries = await registry.recover()
                settings = await registry.recover_settings()
        except SessionLost:
            raise
        except (StoreError, RegistryError, TimeoutError) as error:
            raise Exit(EXIT_REGISTRY, f"the registry could not be read: {error or type(error).__name__}") from error
        api.writer.fetched.note(app.clock.monotonic(), api.writer.now() - started)
        api.writer.registry = registry
        api.writer.put(Recovered(api.writer.now(), entries, settings))
        app.log.info(
            "leading", epoch=standing.epoch.number, agents=len(entries), recovery_s=round(api.writer.now() - started, 3)
        )
        app.ready("leading")


def regions_differ(one: MasterInfo, other: MasterInfo) -> bool:
    """Only where both say where they are."""
    regions = {
        info.domain.fault_domain.region.name
        for info in (one, other)
        if info.domain is not None and info.domain.fault_domain is not None
    }
    return len(regions) > 1


async def watch_whitelist(path: Path, writer: Writer) -> None:
    """Tell the core each change of the file of host names; one that cannot be read changes nothing."""
    last: frozenset[str] | None = None
    while True:
        try:
            text = await asyncio.to_thread(path.read_text)
        except (OSError, UnicodeDecodeError) as error:
            _log.warning("whitelist_not_read", path=str(path), error=str(error))
        else:
            hosts = frozenset(line.strip() for line in text.splitlines() if line.strip())
            if hosts != last:
                writer.put(Whitelist(writer.now(), hosts))
                last = hosts
        await asyncio.sleep(WHITELIST_EVERY_S)


async def _look_up(ip: str) -> str:
    """The name of an address, or the address."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(2.0):
            name, _ = await loop.getnameinfo((ip, 0), socket.NI_NAMEREQD)
            return name
    return ip


def main() -> int:
    end(app_main("dcos-mesos-master", Config, run, prefix=PREFIX))


if __name__ == "__main__":
    raise SystemExit(main())
