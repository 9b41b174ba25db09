"""Logs, metrics, diagnostics bundles, quota and links of ``FakeAdminRouter``: stateful, with the shapes of the real services."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

Json = dict[str, Any]
GIB = 2**30
NODE_POINTS: tuple[tuple[str, Any, str, Json], ...] = (
    ("load.1min", 0.5, "count", {}),
    ("cpu.total", 12.5, "percent", {}),
    ("memory.total", 4 * GIB, "bytes", {}),
    ("memory.free", 3 * GIB, "bytes", {}),
    ("filesystem.capacity.total", 9 * GIB, "bytes", {"path": "/boot"}),
    ("filesystem.capacity.total", 100 * GIB, "bytes", {"path": "/"}),
    ("filesystem.capacity.used", 25 * GIB, "bytes", {"path": "/"}),
)
CONTAINER_POINTS: tuple[tuple[str, Any, str, Json], ...] = (
    ("cpus.user.time", 3.0, "seconds", {"container_id": "c"}),
    ("cpus.system.time", 1.0, "seconds", {"container_id": "c"}),
    ("cpus.throttled.time", 4.0, "seconds", {"container_id": "c"}),
    ("mem.total", GIB, "bytes", {"container_id": "c"}),
    ("mem.limit", 2 * GIB, "bytes", {"container_id": "c"}),
    ("disk.used", 0, "bytes", {"container_id": "c"}),
)


class FakeOperations:
    def __init__(self) -> None:
        self.journal: list[Json] = [entry(1, "dcos-net", "net is up"), entry(2, "dcos-marathon", "leads", priority="3")]
        self.asked: list[str] = []
        """Paths with queries, of logs."""
        self.containers: dict[str, tuple[tuple[str, Any, str, Json], ...]] = {"c-0": CONTAINER_POINTS}
        self.bundles: dict[str, Json] = {}
        self.legacy: dict[str, int] = {"bundle-2026-01-02-1.zip": 2_000_000}
        self.quotas: dict[str, Json] = {}
        self.links: list[Json] | None = None
        """None: a cluster that keeps none."""
        self.calls: list[Json] = []
        self.drained_after = 2
        """Looks at an agent until it is drained."""

    def add_routes(self, routes: web.UrlDispatcher) -> None:
        for where in ("leader/mesos", "agent/{agent}"):
            routes.add_get(f"/system/v1/{where}/logs/v2/component", self._logs)
            routes.add_get(f"/system/v1/{where}/logs/v2/component/{{unit}}", self._logs)
        routes.add_get("/system/v1/agent/{agent}/metrics/v0/node", self._node)
        routes.add_get("/system/v1/agent/{agent}/metrics/v0/containers/{id}", self._container)
        routes.add_get("/system/v1/agent/{agent}/metrics/v0/containers/{id}/app", self._container_app)
        routes.add_get("/system/health/v1/diagnostics", self._bundles)
        routes.add_get("/system/health/v1/diagnostics/{id}", self._bundle)
        routes.add_put("/system/health/v1/diagnostics/{id}", self._create)
        routes.add_delete("/system/health/v1/diagnostics/{id}", self._delete)
        routes.add_get("/system/health/v1/diagnostics/{id}/file", self._file)
        routes.add_get("/system/health/v1/report/diagnostics/list/all", self._legacy_list)
        routes.add_get("/system/health/v1/report/diagnostics/status/all", self._legacy_status)
        routes.add_get("/system/health/v1/report/diagnostics/serve/{name}", self._legacy_file)
        routes.add_post("/system/health/v1/report/diagnostics/{verb}", self._legacy)
        routes.add_post("/system/health/v1/report/diagnostics/delete/{name}", self._legacy_delete)
        routes.add_get("/mesos/roles", self._roles)
        routes.add_get("/mesos_dns/v1/hosts/{name}.mesos", self._hosts)
        routes.add_get("/cluster/v1/links", self._links)
        routes.add_post("/cluster/v1/links", self._link)
        routes.add_delete("/cluster/v1/links/{id}", self._unlink)

    # ---- logs and metrics ----

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        unit = request.match_info.get("unit")
        found = [one for one in self.journal if unit in (None, one["fields"]["_SYSTEMD_UNIT"])]
        skip = int(request.query.get("skip", 0))
        shown = found[skip:] if skip < 0 else found
        if "text/event-stream" not in request.headers["Accept"]:
            return web.Response(text="".join(json.dumps(one) + "\n" for one in shown), content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for one in shown:
            await response.write(f"id: {one['cursor']}\ndata: {json.dumps(one)}\n\n".encode())
        return response

    async def _node(self, _: web.Request) -> web.Response:
        return web.json_response(_message(NODE_POINTS))

    async def _container(self, request: web.Request) -> web.Response:
        found = self.containers.get(request.match_info["id"])
        return web.Response(status=204) if found is None else web.json_response(_message(found))

    async def _container_app(self, request: web.Request) -> web.Response:
        if request.match_info["id"] not in self.containers:
            return web.Response(status=204)
        return web.json_response(_message((("requests", 7, "count", {}),)))

    # ---- bundles ----

    async def _bundles(self, _: web.Request) -> web.Response:
        return web.json_response(list(self.bundles.values()))

    async def _bundle(self, request: web.Request) -> web.Response:
        """One that was begun is done when it is looked at for the second time."""
        found = self.bundles.get(request.match_info["id"])
        if found is None:
            return web.json_response({"code": 404, "error": "no such bundle"}, status=404)
        shown = dict(found)
        if found["status"] == "Started":
            found |= {"status": "Done", "size": 2048}
        return web.json_response(shown)

    async def _create(self, request: web.Request) -> web.Response:
        bundle_id = request.match_info["id"]
        made = {
            "id": bundle_id,
            "type": "Cluster",
            "size": 0,
            "status": "Started",
            "started_at": "2026-01-02T03:04:05Z",
            "errors": [],
        }
        self.bundles[bundle_id] = made
        self.calls.append(await request.json())
        return web.json_response(made)

    async def _delete(self, request: web.Request) -> web.Response:
        found = self.bundles.get(request.match_info["id"])
        if found is None:
            return web.json_response({"code": 404, "error": "no such bundle"}, status=404)
        found["status"] = "Deleted"
        return web.json_response(found)

    async def _file(self, request: web.Request) -> web.Response:
        found = self.bundles.get(request.match_info["id"], {})
        if found.get("status") != "Done":
            return web.json_response({"code": 404, "error": "bundle is not done yet"}, status=404)
        return web.Response(body=b"zip of " + found["id"].encode())

    async def _legacy_list(self, _: web.Request) -> web.Response:
        files = [{"file_name": f"/var/{name}", "file_size": size} for name, size in self.legacy.items()]
        return web.json_response({"10.0.0.1": files})

    async def _legacy_status(self, _: web.Request) -> web.Response:
        return web.json_response({"10.0.0.1": {"is_running": False, "job_progress_percentage": 100, "errors": None}})

    async def _legacy_file(self, request: web.Request) -> web.Response:
        known = request.match_info["name"] in self.legacy
        return web.Response(body=b"old zip") if known else web.Response(status=404, text="not found")

    async def _legacy(self, request: web.Request) -> web.Response:
        if request.match_info["verb"] == "cancel":
            return web.json_response({"response_http_code": 200, "status": "Attempting to cancel a job"})
        self.calls.append(await request.json())
        extra = {"bundle_name": "bundle-2026-01-02-2.zip"}
        return web.json_response(
            {"response_http_code": 200, "status": "Job has been successfully started", "extra": extra}
        )

    async def _legacy_delete(self, request: web.Request) -> web.Response:
        self.legacy.pop(request.match_info["name"])
        return web.json_response({"response_http_code": 200, "status": f"Deleted /var/{request.match_info['name']}"})

    # ---- Mesos, links ----

    async def _roles(self, _: web.Request) -> web.Response:
        return web.json_response(
            {"roles": [{"name": "*"}, *({"name": one["role"], "quota": one} for one in self.quotas.values())]}
        )

    async def _hosts(self, request: web.Request) -> web.Response:
        if request.match_info["name"] == "leader":
            return web.json_response([{"host": "leader.mesos.", "ip": "10.0.0.1"}])
        return web.json_response([{"host": "", "ip": ""}])

    def call(self, call: Json, agents: list[Json]) -> Json | None:
        """A call of the operator API; what it answers."""
        self.calls.append(call)
        kind = call["type"]
        body = call.get(kind.lower(), {})
        if kind == "GET_AGENTS":
            return {"get_agents": {"agents": [self._agent(one) for one in agents]}}
        if kind == "UPDATE_QUOTA":
            for config in body["quota_configs"]:
                limit = {name: one["value"] for name, one in config["limits"].items()}
                kept = self.quotas.get(config["role"], {"consumed": {}})
                self.quotas[config["role"]] = kept | {"role": config["role"], "limit": limit}
        elif kind == "REMOVE_QUOTA":
            self.quotas.pop(body["role"])
        elif kind == "DRAIN_AGENT":
            agent = next(one for one in agents if one["id"] == body["agent_id"]["value"])
            agent["drain_info"] = {"state": "DRAINING", "looks": 0, "gone": body.get("mark_gone", False)}
        elif kind == "MARK_AGENT_GONE":
            agents[:] = [one for one in agents if one["id"] != body["agent_id"]["value"]]
        elif kind in ("DEACTIVATE_AGENT", "REACTIVATE_AGENT"):
            agent = next(one for one in agents if one["id"] == body["agent_id"]["value"])
            agent["deactivated"] = kind == "DEACTIVATE_AGENT"
        return None

    def _agent(self, one: Json) -> Json:
        drain = one.get("drain_info")
        if drain is not None:
            drain["looks"] += 1
            if drain["looks"] >= self.drained_after:
                drain["state"] = "DRAINED"
        return {"agent_info": {"id": {"value": one["id"]}}, "active": True} | ({"drain_info": drain} if drain else {})

    async def _links(self, _: web.Request) -> web.Response:
        return web.Response(status=404) if self.links is None else web.json_response({"links": self.links})

    async def _link(self, request: web.Request) -> web.Response:
        if self.links is None:
            return web.Response(status=404)
        self.links.append(await request.json())
        return web.Response(status=202)

    async def _unlink(self, request: web.Request) -> web.Response:
        assert self.links is not None
        self.links = [one for one in self.links if one["id"] != request.match_info["id"]]
        return web.Response(status=202)


def entry(second: int, who: str, text: str, *, priority: str = "6") -> Json:
    """Of a journal."""
    fields = {
        "MESSAGE": text,
        "PRIORITY": priority,
        "SYSLOG_IDENTIFIER": who,
        "_PID": "42",
        "_SYSTEMD_UNIT": f"{who}.service",
    }
    return {"fields": fields, "cursor": f"c{second}", "realtime_timestamp": 1_767_323_045_000_000 + second * 1_000_000}


def _message(points: tuple[tuple[str, Any, str, Json], ...]) -> Json:
    return {
        "datapoints": [
            {"name": name, "value": value, "unit": unit, "timestamp": "2026-01-02T03:04:05Z", "tags": tags}
            for name, value, unit, tags in points
        ],
        "dimensions": {},
    }
