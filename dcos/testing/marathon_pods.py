"""The pods of ``FakeMarathon``: kept whole, each instance STABLE at once."""

from __future__ import annotations

import itertools
from typing import Any

from aiohttp import web

Json = dict[str, Any]
VERSION = "2026-01-02T03:04:05.000Z"


class FakePods:
    """``locked``: another deployment holds every pod. ``status``: of every instance."""

    def __init__(self) -> None:
        self.pods: dict[str, Json] = {}
        self.killed: list[str] = []
        self.locked = False
        self.status = "STABLE"
        self._numbers = itertools.count(1)

    def add_routes(self, routes: web.UrlDispatcher) -> None:
        routes.add_post("/v2/pods", self._create)
        routes.add_get("/v2/pods/::status", self._all)
        routes.add_get("/v2/pods/{id:.+}::status", self._status)
        routes.add_delete("/v2/pods/{id:.+}::instances", self._kill)
        routes.add_put("/v2/pods/{id:.+}", self._update)
        routes.add_delete("/v2/pods/{id:.+}", self._delete)

    def _find(self, request: web.Request) -> str:
        pod_id = "/" + request.match_info["id"].strip("/")
        if pod_id not in self.pods:
            body = f'{{"message": "Pod \'{pod_id}\' does not exist"}}'
            raise web.HTTPNotFound(text=body, content_type="application/json")
        return pod_id

    def _deployed(self, body: Json | None, status: int) -> web.Response:
        headers = {"Marathon-Deployment-Id": f"pod-deployment-{next(self._numbers)}"}
        if body is None:
            return web.Response(status=status, headers=headers)
        return web.json_response(body, status=status, headers=headers)

    def _shown(self, pod: Json) -> Json:
        count = (pod.get("scaling") or {}).get("instances", 1)
        name = pod["id"].strip("/").replace("/", "_")
        instances = [{"id": f"{name}.instance-{index}", "status": self.status} for index in range(count)]
        return {
            "id": pod["id"],
            "spec": pod,
            "status": "STABLE",
            "statusSince": VERSION,
            "instances": instances,
        }

    async def _create(self, request: web.Request) -> web.Response:
        pod = await request.json()
        pod["id"] = "/" + pod["id"].strip("/")
        if pod["id"] in self.pods:
            return web.json_response({"message": f"A pod with id [{pod['id']}] already exists."}, status=409)
        self.pods[pod["id"]] = pod | {"version": VERSION, "role": "slave_public"}
        return self._deployed(self.pods[pod["id"]], 201)

    async def _all(self, _: web.Request) -> web.Response:
        return web.json_response([self._shown(pod) for pod in self.pods.values()])

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response(self._shown(self.pods[self._find(request)]))

    async def _update(self, request: web.Request) -> web.Response:
        pod_id = self._find(request)
        if self.locked and request.query.get("force") != "true":
            return web.json_response({"message": "locked", "deployments": [{"id": "other"}]}, status=409)
        self.pods[pod_id] = {**await request.json(), "id": pod_id, "version": VERSION}
        return self._deployed(self.pods[pod_id], 200)

    async def _delete(self, request: web.Request) -> web.Response:
        del self.pods[self._find(request)]
        return self._deployed(None, 202)

    async def _kill(self, request: web.Request) -> web.Response:
        self._find(request)
        self.killed += await request.json()
        return web.json_response([{"instanceId": one} for one in self.killed])
