"""dcos-diagnostics' shell: the units' source, the listener of this role, on a master the puller.

Exit code 3: this node has no role.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
from collections.abc import Sequence
from pathlib import Path

from dcos import registry
from dcos.node.api import application
from dcos.node.bundles.api import ClusterApi, NodeApi
from dcos.node.bundles.cluster import ClusterMaker
from dcos.node.bundles.local import Collector, Content
from dcos.node.bundles.making import Make, Making
from dcos.node.bundles.nodes import Nodes
from dcos.node.bundles.store import Store
from dcos.node.config import Config, role_marked
from dcos.node.core.report import Target
from dcos.node.discovery import Directory
from dcos.node.local import LocalHealth, Self
from dcos.node.puller import Puller
from dcos.node.sources import source_of
from dcos.registry import NodeRole
from dcos.runtime import app as runtime
from dcos.runtime import http
from dcos.runtime.app import App, Exit
from dcos.runtime.credentials import pair_of
from dcos.runtime.net import detect_ip
from dcos.runtime.tls import scheme

EXIT_NO_ROLE = 3


async def run(app: App[Config]) -> None:
    config, layout = app.config, app.layout
    role = config.role or role_marked(layout)
    if role is None:
        raise Exit(EXIT_NO_ROLE, f"no role: neither --role nor a marker in {layout.config / 'roles'}")
    source, has_journal = source_of(config.units_source, layout)
    about = Self(
        role=role,
        ip=detect_ip(config.ip, config.ip_discovery_command),
        wants=layout.systemd / "dcos.target.wants",
        agent_work=layout.mesos_work,
        journal_lines=config.journal_lines if has_journal else 0,
    )
    local = LocalHealth(about, source)
    store = Store(config.bundles or layout.state / "dcos-diagnostics/diag-bundles", app.clock)
    store.recover()
    making = Making(store, lambda work, name: app.spawn(work, name=name), app.log)
    try:
        async with http.session(timeout_s=config.collect_timeout) as session:
            content = Content(
                role=role, units=local.names(), has_journal=has_journal, etc=layout.etc, ports=_where(config, about.ip)
            )
            collector = Collector(content, session, http.basic(pair_of(config.mesos_credential, app.log)))
            own = NodeApi(making, lambda bundle: collector.collect(store.file(bundle.id)))
            if role == NodeRole.MASTER:
                await _master(app, local, own)
            else:
                await _agent(app, local, own)
    finally:
        await source.close()


def _where(config: Config, ip: str) -> dict[str, str]:
    """URLs of the services that are asked, by name."""
    host = f"[{ip}]" if ":" in ip else ip
    found = {}
    for row in registry.SERVICES:
        for port in row.ports:
            if port.name == "http":
                inside = "127.0.0.1" if port.bind == "loopback" else host
                how = "http" if port.bind == "loopback" else scheme()
                found[row.name] = f"{how}://{inside}:{port.number}"
    for pair in filter(None, config.ports.split(",")):
        name, _, address = pair.partition("=")
        found[name] = f"{'http' if found.get(name, '').startswith('http:') else scheme()}://{address}"
    return found


async def _master(app: App[Config], local: LocalHealth, bundles: NodeApi) -> None:
    config, ip = app.config, local.about.ip
    async with http.session(timeout_s=config.pull_timeout) as session:
        directory = Directory(config, Target(ip, NodeRole.MASTER), session, app.log)
        puller = Puller(config, local, directory, session, app.clock, app.log)
        nodes = Nodes(config, session)
        maker = ClusterMaker(bundles.making.store, nodes)

        def of(targets: Sequence[Target]) -> Make:
            return lambda bundle: maker.make(bundle, targets)

        async def everybody() -> Sequence[Target]:
            return await directory.targets(app.clock.monotonic())

        cluster = ClusterApi(bundles.making, nodes, everybody, of, own=ip, clock=app.clock)
        served = application(local, puller, (bundles, cluster))
        async with http.listen(served, host=ip, port=config.port):
            app.spawn(directory.run(app.rng), name="directory")
            app.spawn(puller.run(app.rng), name="puller")
            app.ready(f"serving on {ip}:{config.port}")
            await asyncio.Event().wait()  # until cancelled


async def _agent(app: App[Config], local: LocalHealth, bundles: NodeApi) -> None:
    path = app.config.socket or app.layout.run / "dcos-diagnostics.sock"
    async with http.listen_unix(application(local, None, (bundles,)), path=path, mode=0o660):
        _give_to_group(path, app.config.socket_group)
        app.ready(f"serving on {path}")
        await asyncio.Event().wait()  # until cancelled


def _give_to_group(path: Path, group: str) -> None:
    """Admin Router runs as a user of its own and reaches the socket by this group."""
    with contextlib.suppress(KeyError, PermissionError):
        os.chown(path, -1, grp.getgrnam(group).gr_gid)


def main() -> int:
    return runtime.main("dcos-diagnostics", Config, run, prefix="DIAGNOSTICS_")
