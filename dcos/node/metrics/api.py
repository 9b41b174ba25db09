"""``/v0/...`` on the socket and ``/metrics`` for Prometheus.

Source: dcos-metrics's HTTP producer; Telegraf's prometheus_client output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from dcos.node.core import exposition
from dcos.node.core.points import Container, app_message, container_message, node_message
from dcos.node.metrics.gathering import Measured
from dcos.runtime import http
from dcos.runtime.clock import Clock


class Api:
    """``measured`` gives the newest; ``dimensions``: this node's, as every message carries them."""

    def __init__(
        self, measured: Callable[[], Measured], dimensions: Callable[[], Mapping[str, Any]], clock: Clock
    ) -> None:
        self._measured = measured
        self._dimensions = dimensions
        self._clock = clock

    def v0(self) -> web.Application:
        app = http.application()
        one = "/v0/containers/{id}"
        for path, handler in (
            ("/v0/ping", self._ping),
            ("/v0/node", self._node),
            ("/v0/containers", self._containers),
            (one, self._container),
            (f"{one}/app", self._app),
            (f"{one}/app/{{metric:.+}}", self._app),
        ):
            app.router.add_get(path, handler)
            if not path.endswith(":.+}"):
                app.router.add_get(f"{path}/", handler)
        return app

    def prometheus(self) -> web.Application:
        app = http.application()
        app.router.add_get("/metrics", self._prometheus)
        return app

    async def _ping(self, _: web.Request) -> web.Response:
        now = datetime.fromtimestamp(int(self._clock.now()), UTC).isoformat().replace("+00:00", "Z")
        return http.json_response({"ok": True, "timestamp": now})

    async def _node(self, _: web.Request) -> web.Response:
        return http.json_response(node_message(self._measured().node, dict(self._dimensions())))

    async def _containers(self, _: web.Request) -> web.Response:
        return http.json_response(sorted(self._measured().used))

    async def _container(self, request: web.Request) -> web.Response:
        found = self._measured().used.get(request.match_info["id"])
        if found is None:
            return web.Response(status=204)
        return http.json_response(container_message(*found, dict(self._dimensions())))

    async def _app(self, request: web.Request) -> web.Response:
        id, measured = request.match_info["id"], self._measured()
        points = measured.apps.get(id)
        if not points:
            return web.Response(status=204)
        container = measured.used[id][0] if id in measured.used else Container(id)
        only = request.match_info.get("metric", "")
        message = app_message(points, container, dict(self._dimensions()), only=only)
        return http.json_response(message) if message["datapoints"] else web.Response(status=204)

    async def _prometheus(self, _: web.Request) -> web.Response:
        headers = {"Content-Type": exposition.CONTENT_TYPE}
        return web.Response(body=self._measured().prometheus, headers=headers)
