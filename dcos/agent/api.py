"""The agent's HTTP API: ``/X`` and ``/slave(1)/X`` are the same.

Source: Mesos agent endpoints and their conventions (prefix, JSONP, codes, order of checks of ``/api/v1``).
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from aiohttp import web

from dcos.agent.container_api import CALLS, RECORDIO, ContainerApi
from dcos.agent.executor_api import ExecutorApi
from dcos.agent.files import Files, Invalid, NotFound, browse_json
from dcos.agent.identity import version_json
from dcos.agent.metrics import system
from dcos.agent.operator import CallError, Operator
from dcos.agent.views import Views
from dcos.model.v1 import agent as v1
from dcos.runtime import http
from dcos.wire.errors import WireError
from dcos.wire.mesos_codec import JSON, PROTOBUF, accepted, by_content_type

PREFIX = "/slave(1)"
_GZIP_FROM = 1024
_EITHER = f"{JSON.content_type} or {PROTOBUF.content_type}"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_encode = msgspec.json.Encoder().encode


class Api:
    """Requests to answers."""

    def __init__(self, views: Views, executors: ExecutorApi, containers: ContainerApi) -> None:
        self._views = views
        self._containers_api = containers
        self._files = Files(views.attached)
        self._operator = Operator(views, self._files)
        self._routes: dict[str, Handler] = {
            "/health": self._health,
            "/state": self._state,
            "/flags": self._flags,
            "/version": self._version,
            "/metrics/snapshot": self._metrics,
            "/system/stats.json": self._system,
            "/monitor/statistics": self._statistics,
            "/monitor/statistics.json": self._statistics,
            "/containers": self._containers,
            "/files/browse": self._browse,
            "/files/read": self._read,
            "/files/download": self._download,
            "/files/debug": self._debug,
            "/api/v1": self._call,
            "/api/v1/executor": executors.handle,
        }

    def application(self) -> web.Application:
        app = http.application()
        app.router.add_route("*", "/{path:.*}", self._dispatch)
        return app

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        path = unquote(request.rel_url.raw_path)
        if "/.." in path:
            return _text(404, "")
        path = path.removeprefix(PREFIX).rstrip("/") or "/"
        handler = self._routes.get(path)
        if handler is None and path.startswith("/api/v1/"):
            # the longest known prefix answers; some clients call /api/v1/operator
            handler = self._call
        return _text(404, "") if handler is None else await handler(request)

    # ---- state -------------------------------------------------------------------------------------------------------

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(status=200)

    async def _state(self, request: web.Request) -> web.Response:
        if not self._views.ready:
            return _text(503, "Agent has not finished recovery")
        return _json(request, self._views.state())

    async def _flags(self, request: web.Request) -> web.Response:
        return _json(request, {"flags": self._views.flags})

    async def _version(self, request: web.Request) -> web.Response:
        return _json(request, version_json())

    async def _metrics(self, request: web.Request) -> web.Response:
        return _json(request, self._views.metrics())

    async def _system(self, request: web.Request) -> web.Response:
        found = system()
        return _json(
            request,
            {
                "avg_load_15min": found["system/load_15min"],
                "avg_load_1min": found["system/load_1min"],
                "avg_load_5min": found["system/load_5min"],
                "cpus_total": int(found["system/cpus_total"]),
                "mem_free_bytes": int(found["system/mem_free_bytes"]),
                "mem_total_bytes": int(found["system/mem_total_bytes"]),
            },
        )

    async def _statistics(self, request: web.Request) -> web.Response:
        return _json(request, self._views.statistics())

    async def _containers(self, request: web.Request) -> web.Response:
        return _json(request, self._views.containers())

    # ---- files -------------------------------------------------------------------------------------------------------

    async def _browse(self, request: web.Request) -> web.Response:
        path = request.query.get("path", "")
        if not path:
            return _text(400, "Expecting 'path=value' in query.\n")
        try:
            infos = await asyncio.to_thread(self._files.list, path)
        except NotFound:
            return _text(404, "")
        return _json(request, browse_json(infos))

    async def _read(self, request: web.Request) -> web.Response:
        path = request.query.get("path", "")
        if not path:
            return _text(400, "Expecting 'path=value' in query.\n")
        try:
            offset = int(request.query.get("offset", "-1"))
            length = int(request.query["length"]) if "length" in request.query else None
        except ValueError:
            return _text(400, "Failed to parse offset or length: not a number.\n")
        if length is not None and length < -1:
            return _text(400, f"Negative length provided: {length}.\n")
        try:
            if offset < 0:
                # asked for the size: where a reader that follows the file begins
                size, _ = await asyncio.to_thread(self._files.read, path, 2**62, 0)
                return _json(request, {"data": "", "offset": size})
            _, data = await asyncio.to_thread(self._files.read, path, offset, None if length == -1 else length)
        except NotFound:
            return _text(404, "")
        except Invalid as error:
            return _text(400, f"{error}\n")
        return _json(request, {"data": data.decode("utf-8", errors="replace"), "offset": offset})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        path = request.query.get("path", "")
        if not path:
            return _text(400, "Expecting 'path=value' in query.\n")
        try:
            file = await asyncio.to_thread(self._files.resolve, path)
        except NotFound:
            return _text(404, "")
        if file.is_dir():
            return _text(400, "Cannot download a directory.\n")
        if not file.is_file():
            return _text(404, "")
        name = Path(path).name
        return web.FileResponse(
            file,
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
            },
        )

    async def _debug(self, request: web.Request) -> web.Response:
        return _json(request, self._files.debug())

    # ---- v1 ----------------------------------------------------------------------------------------------------------

    async def _call(self, request: web.Request) -> web.StreamResponse:
        if not self._views.ready:
            return _text(503, "Agent has not finished recovery")
        if request.method != "POST":
            return web.Response(
                status=405,
                text=f"Expecting one of {{ 'POST' }}, but received '{request.method}'",
                headers={"Allow": "POST"},
            )
        kind = request.headers.get("Content-Type")
        if kind is None:
            return _text(400, "Expecting 'Content-Type' to be present")
        if kind == RECORDIO:
            return await self._containers_api.handle_stream(request)
        codec = by_content_type(kind)
        if codec is None:
            return _text(415, f"Expecting 'Content-Type' of {_EITHER}")
        raw = await request.read()
        try:
            call = codec.decode(raw, v1.Call)
        except WireError as error:
            return _text(400, f"Failed to parse body into Call protobuf: {error}")
        if call.type is None:
            return _text(400, "Failed to validate agent::Call: Expecting 'type' to be present")
        if call.type in CALLS:
            return await self._containers_api.handle(request, call)
        codec = accepted(request.headers.get("Accept"))
        if codec is None:
            return _text(406, f"Expecting 'Accept' to allow {_EITHER}")
        try:
            answer = self._operator.answer(call)
        except CallError as error:
            return _text(error.status, error.text)
        if codec is JSON:
            return _json(request, answer)
        return _compressed(request, codec.encode(answer, v1.Response), codec.content_type)


def _json(request: web.Request, value: Any) -> web.Response:
    body = _encode(value)
    kind = http.JSON
    callback = request.query.get("jsonp")
    if callback:
        body, kind = callback.encode() + b"(" + body + b")", "text/javascript"
    return _compressed(request, body, kind)


def _compressed(request: web.Request, body: bytes, kind: str) -> web.Response:
    """Compressed where asked for and worth it."""
    headers = {}
    if len(body) >= _GZIP_FROM and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = gzip.compress(body, 1)
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, content_type=kind, headers=headers)


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text)
