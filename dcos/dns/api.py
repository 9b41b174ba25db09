"""The HTTP API of Mesos-DNS: what the zone holds, as JSON.

Source: Mesos-DNS docs/http.md; names are given with their final dot; what is not found is one entry of empty texts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Protocol, cast

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
        return http.json_response({**view.settings, "SOASerial": view.zone.soa.serial})

    async def hosts(request: web.Request) -> web.Response:
        return http.json_response(host_entries(view.zone, request.match_info["host"]))

    async def ports(_: web.Request) -> web.Response:
        return web.Response(status=501, text="To be implemented...")

    async def services(request: web.Request) -> web.Response:
        return http.json_response(service_entries(view.zone, request.match_info["service"]))

    async def enumerate_all(_: web.Request) -> web.Response:
        return http.json_response(await in_turns(enumeration(view.state, view.tasks)))

    async def axfr(_: web.Request) -> web.Response:
        return http.json_response(await in_turns(transfer(view.zone, view.settings["RefreshSeconds"])))

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


Steps = Generator[None, None, dict[str, Any]]
"""Work that gives others their turn at each step, and what comes out of it."""
_EACH_STEP = 200
"""Tasks or names a step: about a millisecond."""


async def in_turns(steps: Steps) -> dict[str, Any]:
    """With 20,000 tasks the whole takes half a second, in which nobody else would be answered."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast(dict[str, Any], end.value)
        await asyncio.sleep(0)


def enumeration(state: ClusterState, tasks: Mapping[TaskKey, TaskRecords]) -> Steps:
    """Frameworks, their tasks, their records."""
    below: dict[str, list[dict[str, Any]]] = {}
    for number, ((framework_id, task_id), made) in enumerate(list(tasks.items())):
        records = [
            {"name": record.name + ".", "host": _dotted(record.data), "rtype": record.rtype}
            for record in made.records()
        ]
        below.setdefault(framework_id, []).append({"name": made.task.name, "id": task_id, "records": records})
        if number % _EACH_STEP == _EACH_STEP - 1:
            yield
    frameworks = [{"tasks": below.get(one.id, []), "name": one.name} for one in state.frameworks.values()]
    return {"frameworks": frameworks}


def _dotted(data: str) -> str:
    """Host names with their final dot: ``target:port`` to ``target.:port``; addresses as they are."""
    target, colon, port = data.rpartition(":")
    return f"{target}.:{port}" if colon and not target.replace(".", "").isdigit() and ":" not in target else data


def transfer(zone: Zone, refresh_s: int) -> Steps:
    """The whole zone."""
    records: dict[str, dict[str, list[str]]] = {}
    soa = zone.soa
    tables: tuple[tuple[str, Mapping[str, Sequence[str | Srv]]], ...] = (
        ("As", zone.a),
        ("AAAAs", zone.aaaa),
        ("SRVs", zone.srv),
    )
    for kind, table in tables:
        entries = records[kind] = {}
        for number, name in enumerate(list(table)):
            if found := table.get(name):  # else it went while others had their turn
                entries[name + "."] = [f"{one.target}.:{one.port}" if isinstance(one, Srv) else one for one in found]
            if number % _EACH_STEP == _EACH_STEP - 1:
                yield
    return {
        "TTL": zone.ttl,
        "Serial": soa.serial,
        "RefreshSeconds": refresh_s,
        "Mname": soa.mname + ".",
        "Rname": soa.rname + ".",
        "Domain": zone.apex,
        "Records": records,
    }
