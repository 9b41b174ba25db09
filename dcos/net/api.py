"""The REST API of dcos-net: GET only, JSON.

The overlay's state is told here for masters and agents, which show it under the same paths.

Source: 5.5 of the cluster facts (dcos-net's ``/v1/*`` handlers).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec
from aiohttp import web

from dcos.model.cluster import ClusterState
from dcos.model.zone import Zone
from dcos.net.core import lashup
from dcos.net.core.names import DIRECTORY, Node
from dcos.net.core.vips import Vips
from dcos.net.roster import Told
from dcos.runtime import http


class Overlay(Protocol):
    """The overlay networks, as DC/OS's overlay modules show them."""

    async def cluster_state(self) -> dict[str, Any] | None: ...
    def node_state(self) -> dict[str, Any]: ...


class View(Protocol):
    """What the API shows."""

    version: str
    node: Node
    cluster_key: str

    @property
    def state(self) -> ClusterState: ...
    @property
    def state_at(self) -> float: ...
    @property
    def left(self) -> Mapping[str, float]: ...
    @property
    def vips(self) -> Vips: ...
    @property
    def zones(self) -> tuple[Zone, ...]: ...
    @property
    def overlay(self) -> Overlay | None: ...
    async def nodes(self, *, force: bool) -> Mapping[str, Told]: ...
    def metrics(self) -> str: ...
    async def vip_metrics(self) -> str: ...


REGISTRIES = frozenset({"default", "dns", "lashup", "mesos_listener", "l4lb", "overlay"})


def application(view: View) -> web.Application:
    async def vips(request: web.Request) -> web.Response:
        body = msgspec.json.encode(vip_entries(view.vips))
        etag = f'"{hashlib.sha1(body, usedforsecurity=False).hexdigest()}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers={"ETag": etag})
        return web.Response(body=body, content_type=http.JSON, headers={"ETag": etag})

    async def nodes(request: web.Request) -> web.Response:
        told = await view.nodes(force="force" in request.query)
        return http.json_response(node_entries(view.state, view.node, told, view.state_at, view.left))

    async def records(_: web.Request) -> web.Response:
        return http.json_response(record_entries(view.zones))

    async def hosts(request: web.Request) -> web.Response:
        return http.json_response(host_entries(view.zones, request.match_info["name"]))

    async def services(request: web.Request) -> web.Response:
        return http.json_response(service_entries(view.vips, view.zones, request.match_info["name"]))

    async def version(_: web.Request) -> web.Response:
        return http.json_response({"Service": "dcos-dns", "Version": view.version})

    async def not_implemented(_: web.Request) -> web.Response:
        return web.Response(status=501)

    async def metrics(request: web.Request) -> web.Response:
        registry = request.match_info["registry"]
        if registry not in REGISTRIES:
            return web.Response(status=404)
        more = await view.vip_metrics() if registry == "l4lb" else ""
        return web.Response(text=view.metrics() + more, content_type="text/plain", charset="utf-8")

    async def overlay_of_cluster(_: web.Request) -> web.Response:
        if view.overlay is None:
            return web.Response(status=404)
        state = await view.overlay.cluster_state()
        return web.Response(status=503, text="no ZooKeeper") if state is None else http.json_response(state)

    async def overlay_of_node(_: web.Request) -> web.Response:
        return web.Response(status=404) if view.overlay is None else http.json_response(view.overlay.node_state())

    async def lashup_key(_: web.Request) -> web.Response:
        if not view.cluster_key:
            return web.Response(status=404)
        return http.json_response({"zbase32_public_key": view.cluster_key})

    async def lashup_value(request: web.Request) -> web.Response:
        key = [part for part in request.match_info["key"].split("/") if part]
        return http.json_response(lashup.value(key, view.zones, view.node.masters))

    app = http.application(client_max_size=4096)
    app.router.add_get("/v1/vips", vips)
    app.router.add_get("/v1/nodes", nodes)
    app.router.add_get("/v1/records", records)
    app.router.add_get("/v1/hosts/{name}", hosts)
    app.router.add_get("/v1/services/{name}", services)
    app.router.add_get("/v1/version", version)
    app.router.add_get("/v1/config", not_implemented)
    app.router.add_get("/v1/enumerate", not_implemented)
    app.router.add_get("/v1/metrics/{registry}", metrics)
    app.router.add_get("/lashup/key", lashup_key)
    app.router.add_get("/lashup/kv/{key:.*}", lashup_value)
    app.router.add_get("/overlay-master/state", overlay_of_cluster)
    app.router.add_get("/overlay-agent/overlay", overlay_of_node)
    return app


def vip_entries(vips: Vips) -> list[dict[str, Any]]:
    """Each VIP with the backends that take new connections. Named ones by their whole name."""
    return [
        {
            "vip": f"{vip.host}.l4lb.{DIRECTORY}:{vip.port}" if vip.named else f"{vip.host}:{vip.port}",
            "protocol": vip.protocol,
            "backend": [{"ip": one.target.ip, "port": one.target.port} for one in backends if one.weight],
        }
        for vip, backends in sorted(vips.backends.items())
    ]


def node_entries(
    state: ClusterState, node: Node, told: Mapping[str, Told], at: float, left: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """Masters, agents and whoever ``told`` of itself; ``at``: when the others were last heard of, Unix seconds.

    ``left``: when agents that are no more stopped to be, Unix seconds; who tells of itself later is a node all the same.
    """
    left = left or {}
    hostnames = {agent.ip: agent.hostname for agent in state.agents.values() if agent.reachable}
    there = {node.ip, *node.masters, *hostnames}
    told = {ip: one for ip, one in told.items() if ip in there or one.updated > 1000 * left.get(ip, 0.0)}
    entries = []
    for ip in dict.fromkeys((*node.masters, *hostnames, node.ip, *told)):
        one = told.get(ip) or Told(hostname=hostnames.get(ip, ip), updated=int(at * 1000))
        updated = datetime.fromtimestamp(one.updated / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        entries.append(
            {"private_ip": ip, "public_ips": list(one.public_ips), "hostname": one.hostname, "updated": updated}
        )
    return entries


def record_entries(zones: Iterable[Zone]) -> list[dict[str, str]]:
    return [
        {"name": record.name + ".", "host": record.data, "rtype": record.rtype}
        for zone in zones
        for record in zone.records()
    ]


def host_entries(zones: Iterable[Zone], name: str) -> list[dict[str, str]]:
    wanted = name.rstrip(".").lower()
    return [
        {"host": wanted + ".", "ip": ip}
        for zone in zones
        for ip in (*zone.a.get(wanted, ()), *zone.aaaa.get(wanted, ()))
    ]


def service_entries(vips: Vips, zones: Iterable[Zone], name: str) -> list[dict[str, str]]:
    """SRV-like entries of ``_<vip>._<protocol>.<framework...>`` or of a VIP's own name: address and port."""
    wanted = name.rstrip(".").lower()
    found: list[dict[str, str]] = []
    zones = tuple(zones)
    for zone in zones:
        for srv in zone.srv.get(wanted, ()):
            found += [
                {"service": wanted + ".", "host": srv.target + ".", "ip": ip, "port": str(srv.port)}
                for ip in zone.a.get(srv.target, ())
            ]
    for vip in vips.backends:
        host = f"{vip.host}.l4lb.{DIRECTORY}"
        if vip.named and host == wanted:
            found += [
                {"service": wanted + ".", "host": host + ".", "ip": ip, "port": str(vip.port)}
                for zone in zones
                for ip in zone.a.get(host, ())
            ]
    return found
