"""dcos-telegraf's shell: who is asked on this node, the listeners, statsd.

Exit code 3: this node has no role.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from typing import Any

from dcos.model.layout import Layout
from dcos.node.metrics.api import Api
from dcos.node.metrics.config import Config
from dcos.node.metrics.gathering import Gathering
from dcos.node.metrics.sources import Asking, Source
from dcos.node.metrics.tasks import Server, TaskServers
from dcos.registry import NodeRole
from dcos.runtime import activation, http, unix_sockets
from dcos.runtime import app as runtime
from dcos.runtime.app import App, Exit
from dcos.runtime.credentials import pair_of
from dcos.runtime.net import detect_ip
from dcos.runtime.tls import agent_router_port, scheme

EXIT_NO_ROLE = 3
_REGISTRIES = (
    ("default", ""), ("dns", "dns_"), ("mesos_listener", "mesos_listener_"), ("l4lb", "l4lb_"), ("overlay", "overlay_"),
)  # fmt: skip
"""Of dcos-net, and what goes before the names of their series."""


def sources(role: NodeRole, ip: str, config: Config) -> list[Source]:
    """Who is asked on a machine of ``role``."""

    def at(port: int) -> str:
        return f"{scheme()}://{f'[{ip}]' if ':' in ip else ip}:{port}"

    found = [
        Source("prometheus", f"{config.net}/v1/metrics/{name}", {"dcos_component_name": "DC/OS Net"}, prefix)
        for name, prefix in _REGISTRIES
    ]
    if role is not NodeRole.MASTER:
        router = config.admin_router or at(agent_router_port())
        return [
            *found,
            Source("mesos", f"{at(config.agent_port)}/metrics/snapshot", {"server": ip, "role": "slave"}),
            Source("prometheus", f"{router}/nginx/metrics", {"dcos_component_name": "Admin Router Agent"}),
        ]
    exhibitor = f"{at(config.exhibitor_port)}/exhibitor/v1/cluster"
    zookeeper = {"server": ip, "port": "2181", "dcos_component_name": "ZooKeeper"}
    return [
        *found,
        Source("mesos", f"{at(config.mesos_master_port)}/metrics/snapshot", {"server": ip, "role": "master"}),
        Source("prometheus", f"{at(config.marathon_port)}/metrics/prometheus", {"dcos_component_name": "Marathon"}),
        Source(
            "prometheus",
            f"{config.admin_router or f'{scheme()}://127.0.0.1'}/nginx/metrics",
            {"dcos_component_name": "Admin Router"},
        ),
        Source("mntr", f"{exhibitor}/4ltr/mntr", zookeeper),
        Source("exhibitor", f"{exhibitor}/status", {"dcos_component_name": "Exhibitor"}),
    ]


async def run(app: App[Config]) -> None:
    config, layout = app.config, app.layout
    role = next((one for one in NodeRole if (layout.config / "roles" / one.value).exists()), None)
    if role is None:
        raise Exit(EXIT_NO_ROLE, f"no role: no marker in {layout.config / 'roles'}")
    ip = detect_ip(config.ip, config.ip_discovery_command)
    agent = None
    if role is not NodeRole.MASTER:
        agent = f"{scheme()}://{f'[{ip}]' if ':' in ip else ip}:{config.agent_port}"
    async with contextlib.AsyncExitStack() as opened:
        session = await opened.enter_async_context(http.session(timeout_s=config.timeout))
        tasks = None
        if agent is not None:
            tasks = await _tasks(app, opened)
        components = Server(config.statsd_listen, config.statsd_port)
        opened.callback(components.close)
        gathering = Gathering(
            Asking(session, http.basic(pair_of(config.mesos_credential, app.log))),
            sources(role, ip, config),
            agent,
            tasks,
            components.told,
            common=lambda: _labels(layout, ip, config),
            clock=app.clock,
            log=app.log,
        )
        api = Api(lambda: gathering.measured, lambda: _dimensions(layout, ip), app.clock)
        doors = activation.inherited(os.environ)
        if not doors:
            path = config.socket or layout.run / "telegraf-dcos-metrics.sock"
            path.parent.mkdir(parents=True, exist_ok=True)
            doors = (unix_sockets.listening(path, mode=0o660),)
            opened.callback(path.unlink, missing_ok=True)
        (door,) = doors
        await opened.enter_async_context(http.listen_on(api.v0(), door))
        await opened.enter_async_context(http.listen(api.prometheus(), host=ip, port=config.port))
        await gathering.gather()
        app.spawn(gathering.run(config.interval), name="gathering")
        app.ready(f"serving on {ip}:{config.port} and the socket of v0")
        await asyncio.Event().wait()  # until cancelled


async def _tasks(app: App[Config], opened: contextlib.AsyncExitStack) -> TaskServers:
    config = app.config
    folder = config.tasks_folder or app.layout.run / "telegraf"
    tasks = TaskServers(
        folder / "dcos_statsd/containers", config.tasks_host, most=config.max_tasks, clock=app.clock, log=app.log
    )
    tasks.load()
    opened.callback(tasks.close)
    path = folder / "dcos_statsd.sock"
    await opened.enter_async_context(http.listen_on(tasks.application(), unix_sockets.listening(path, mode=0o600)))
    opened.callback(path.unlink, missing_ok=True)
    return tasks


def _labels(layout: Layout, ip: str, config: Config) -> dict[str, str]:
    cluster = {"dcos_cluster_id": _cluster_id(layout), "dcos_cluster_name": config.cluster_name}
    return {"host": ip, **{name: value for name, value in cluster.items() if value}}


def _cluster_id(layout: Layout) -> str:
    """Empty before the nodes have agreed on it."""
    try:
        return layout.cluster_id.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _dimensions(layout: Layout, ip: str) -> Mapping[str, Any]:
    try:
        mesos_id = (layout.mesos_work / "meta/slaves/latest").readlink().name
    except OSError:
        mesos_id = ""
    return {"mesos_id": mesos_id, "cluster_id": _cluster_id(layout), "hostname": ip}


def main() -> int:
    return runtime.main("dcos-telegraf", Config, run, prefix="TELEGRAF_")
