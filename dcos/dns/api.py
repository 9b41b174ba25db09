"""The HTTP API of Mesos-DNS: what the zone holds, as JSON.

Source: Mesos-DNS docs/http.md; names are given with their final dot; what is not found is one entry of empty texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from aiohttp import web

from dcos.dns.core.zone import TaskRecords, without_wildcards
from dcos.model.cluster import ClusterState, TaskKey
from dcos.model.zone import Srv, Zone
from dcos.runtime import http


class View(Protocol):
    """What the API shows."""

    version: str

    @property
    def zone(self) -> Zone: ...
    @property
    def state(self) -> ClusterState: ...
    @property
    def tasks(self) -> Mapping[TaskKey, TaskRecords]: ...
    @property
    def settings(self) -> dict[str, Any]: ...


def application(view: View) -> web.Application:
    async def version(_: web.Request) -> web.Response:
        return http.json_response(
            {"Service": "Mesos-DNS", "URL": "https://github.com/mesosphere/mesos-dns", "Version": view.version}
        )

    async def config(_: web.Request) -> web.Response:
        return http.json_response(view.settings)

    async def hosts(request: web.Request) -> web.Response:
        return http.json_response(host_entries(view.zone, request.match_info["host"]))

    async def ports(_: web.Request) -> web.Response:
        return web.Response(status=501, text="To be implemented...")

    async def services(request: web.Request) -> web.Response:
        return http.json_response(service_entries(view.zone, request.match_info["service"]))

    async def enumerate_all(_: web.Request) -> web.Response:
        return http.json_response(enumeration(view.state, view.tasks))

    async def axfr(_: web.Request) -> web.Response:
        return http.json_response(transfer(view.zone, view.settings["RefreshSeconds"]))

    app = http.application(client_max_size=4096)
    app.router.add_get("/v1/version", version)
    app.router.add_get("/v1/config", config)
    app.router.add_get("/v1/hosts/{host}", hosts)
    app.router.add_get("/v1/hosts/{host}/ports", ports)
    app.router.add_get("/v1/services/{service}", services)
    if view.settings["EnumerationOn"]:
        app.router.add_get("/v1/enumerate", enumerate_all)
        app.router.add_get("/v1/axfr", axfr)
    return app


def host_entries(zone: Zone, host: str) -> list[dict[str, str]]:
    name = without_wildcards(host.rstrip(".").lower())
    ips = (*zone.a.get(name, ()), *zone.aaaa.get(name, ()))
    return [{"host": name + ".", "ip": ip} for ip in ips] or [{"host": "", "ip": ""}]


def service_entries(zone: Zone, service: str) -> list[dict[str, str]]:
    name = without_wildcards(service.rstrip(".").lower())
    found = [
        {"service": name + ".", "host": srv.target + ".", "ip": ip, "port": str(srv.port)}
        for srv in zone.srv.get(name, ())
        for ip in (*zone.a.get(srv.target, ()), *zone.aaaa.get(srv.target, ())) or ("",)
    ]
    return found or [{"service": "", "host": "", "ip": "", "port": ""}]


def enumeration(state: ClusterState, tasks: Mapping[TaskKey, TaskRecords]) -> dict[str, Any]:
    """Frameworks, their tasks, their records."""
    below: dict[str, list[dict[str, Any]]] = {}
    for (framework_id, task_id), made in tasks.items():
        records = [
            {"name": record.name + ".", "host": _dotted(record.data), "rtype": record.rtype}
            for record in made.records()
        ]
        below.setdefault(framework_id, []).append({"name": made.task.name, "id": task_id, "records": records})
    frameworks = [{"tasks": below.get(one.id, []), "name": one.name} for one in state.frameworks.values()]
    return {"frameworks": frameworks}


def _dotted(data: str) -> str:
    """Host names with their final dot: ``target:port`` to ``target.:port``; addresses as they are."""
    target, colon, port = data.rpartition(":")
    return f"{target}.:{port}" if colon and not target.replace(".", "").isdigit() and ":" not in target else data


def transfer(zone: Zone, refresh_s: int) -> dict[str, Any]:
    """The whole zone."""

    def table(entries: Mapping[str, Sequence[str | Srv]]) -> dict[str, list[str]]:
        return {
            name + ".": [f"{one.target}.:{one.port}" if isinstance(one, Srv) else one for one in found]
            for name, found in entries.items()
        }

    return {
        "TTL": zone.ttl,
        "Serial": zone.soa.serial,
        "RefreshSeconds": refresh_s,
        "Mname": zone.soa.mname + ".",
        "Rname": zone.soa.rname + ".",
        "Domain": zone.apex,
        "Records": {"As": table(zone.a), "AAAAs": table(zone.aaaa), "SRVs": table(zone.srv)},
    }
