"""The agent's HTTP API: ``/X`` and ``/slave(1)/X`` are the same.

Source: Mesos agent endpoints and their conventions (prefix, JSONP, codes, order of checks of ``/api/v1``, realms).
"""

from __future__ import annotations

import os
from urllib.parse import unquote

from aiohttp import web

from dcos.agent.access import Guard, Realm, Viewer, access
from dcos.agent.container_api import CALLS, RECORDIO, ContainerApi, Refused, check_whole, response_media
from dcos.agent.endpoints import PAGES
from dcos.agent.executor_api import PATH as EXECUTOR_PATH
from dcos.agent.executor_api import ExecutorApi
from dcos.agent.identity import version_json
from dcos.agent.metrics import system
from dcos.agent.operator import CallError, Operator
from dcos.agent.views import Views
from dcos.client.overlay import AGENT_PATH, OverlayEndpoint
from dcos.model.acls import Action
from dcos.model.v1 import agent as v1
from dcos.registry import port_of
from dcos.runtime import http
from dcos.runtime.attached import Files, FilesEndpoints
from dcos.runtime.help_pages import Help
from dcos.runtime.http_access import Handler, Namer, principal_of
from dcos.runtime.mesos_http import body_codec, compressed, decoded, forbidden, json_body, text_response
from dcos.runtime.process_pages import MEMORY_PAGES
from dcos.runtime.profilers import MemoryProfiler, TimeProfiler
from dcos.runtime.settings import duration
from dcos.runtime.verbosity import Verbosity
from dcos.wire.mesos_codec import JSON

PREFIX = "/slave(1)"


def _asked_for(request: web.Request) -> str:
    """The endpoint, without the prefix and a slash at the end."""
    return unquote(request.rel_url.raw_path).removeprefix(PREFIX).rstrip("/")


def is_executor(request: web.Request) -> bool:
    """Whether it is a call of the executors' API, which looks at their tokens."""
    return _asked_for(request) == EXECUTOR_PATH


class Api:
    """Requests to answers."""

    def __init__(
        self,
        views: Views,
        executors: ExecutorApi,
        containers: ContainerApi,
        namer: Namer | None = None,
        *,
        near: ExecutorApi | None = None,
    ) -> None:
        """``namer``: of callers who bring tokens or certificates. ``near``: for executors at the socket, if it is another."""
        self._views = views
        self._containers_api = containers
        files = Files(views.attached)
        self._verbosity = Verbosity()
        self._operator = Operator(views, files, self._verbosity)
        self._guard = Guard(views.acls, views.daemon.core)
        containers.missing = self._missing
        endpoints = FilesEndpoints(files)
        profiling = views.config.memory_profiling
        self.help = Help((*PAGES, *(MEMORY_PAGES if profiling else ())), PREFIX)
        profilers = TimeProfiler(os.environ).handlers() | (MemoryProfiler().handlers() if profiling else {})
        rows: dict[str, tuple[Handler, Realm | None]] = {
            "/health": (self._health, None),
            "/version": (self._version, None),
            "/state": (self._state, Realm.READONLY),
            "/flags": (self._flags, Realm.READONLY),
            "/metrics/snapshot": (self._endpoint("/metrics/snapshot", self._metrics), Realm.READONLY),
            "/system/stats.json": (self._system, Realm.READONLY),
            "/logging/toggle": (self._endpoint("/logging/toggle", self._toggle), Realm.READWRITE),
            "/monitor/statistics": (self._endpoint("/monitor/statistics", self._statistics), Realm.READONLY),
            "/containers": (self._endpoint("/containers", self._containers), Realm.READONLY),
            "/containerizer/debug": (self._endpoint("/containerizer/debug", self._debug), Realm.READONLY),
            "/files/browse": (endpoints.browse, Realm.READONLY),
            "/files/read": (endpoints.read, Realm.READONLY),
            "/files/download": (endpoints.download, Realm.READONLY),
            "/files/debug": (self._endpoint("/files/debug", endpoints.debug), Realm.READONLY),
            "/__processes__": (self.help.processes, None),
            "/help": (self.help.handle, None),
            AGENT_PATH: (OverlayEndpoint(AGENT_PATH, port_of("dcos-net")).handle, Realm.READONLY),
            "/api/v1": (self._call, Realm.READWRITE),
            EXECUTOR_PATH: (executors.handle, None),
            **{path: (handler, Realm.READWRITE) for path, handler in profilers.items()},
        }
        guarded = access(views.config, namer).guarded
        self._routes = {path: guarded(handler, realm) for path, (handler, realm) in rows.items()}
        self._near = guarded((near or executors).handle, None)

    @property
    def paths(self) -> frozenset[str]:
        """Of the endpoints, without the prefix."""
        return frozenset(self._routes)

    def application(self) -> web.Application:
        app = http.application()
        app.router.add_route("*", "/{path:.*}", self._dispatch)
        return app

    def executor_application(self) -> web.Application:
        """The executor API alone."""
        app = http.application()
        for prefix in ("", PREFIX):
            app.router.add_route("*", f"{prefix}{EXECUTOR_PATH}", self._near)
        return app

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        """Old clients ask for ``/state.json`` and the like: the same."""
        path = _asked_for(request)
        if "/.." in path:
            return text_response(404)
        path = path or "/"
        handler = self._routes.get(path) or self._routes.get(path.removesuffix(".json"))
        if handler is None and path.startswith("/api/v1/"):
            # the longest known prefix answers; some clients call /api/v1/operator
            handler = self._routes["/api/v1"]
        if handler is None and path.startswith("/help/"):
            handler = self._routes["/help"]
        return text_response(404) if handler is None else await handler(request)

    # ---- who may -----------------------------------------------------------------------------------------------------

    def _viewer(self, request: web.Request) -> Viewer:
        return Viewer(self._views.acls, principal_of(request))

    def _missing(self, request: web.Request, call: v1.Call) -> str | None:
        return self._guard.missing(principal_of(request), call)

    def _endpoint(self, path: str, handler: Handler) -> Handler:
        """Only for principals that ACLs let get ``path``."""

        async def handle(request: web.Request) -> web.StreamResponse:
            viewer = self._viewer(request)
            if not viewer.may(Action.GET_ENDPOINT, path):
                return forbidden(viewer.missing(Action.GET_ENDPOINT, path))
            return await handler(request)

        return handle

    # ---- state -------------------------------------------------------------------------------------------------------

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(status=200)

    async def _state(self, request: web.Request) -> web.Response:
        if not self._views.ready:
            return text_response(503, "Agent has not finished recovery")
        return json_body(request, self._views.state(self._viewer(request)))

    async def _flags(self, request: web.Request) -> web.Response:
        viewer = self._viewer(request)
        if not viewer.flags():
            return forbidden(viewer.missing(Action.VIEW_FLAGS))
        return json_body(request, {"flags": self._views.flags})

    async def _version(self, request: web.Request) -> web.Response:
        return json_body(request, version_json())

    async def _metrics(self, request: web.Request) -> web.Response:
        try:
            duration(request.query.get("timeout", "0ns"))
        except ValueError as error:
            return text_response(400, f"Invalid timeout '{request.query['timeout']}': {error}.\n")
        return json_body(request, self._views.metrics())

    async def _system(self, request: web.Request) -> web.Response:
        found = system()
        return json_body(
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
        return json_body(request, self._views.statistics())

    async def _containers(self, request: web.Request) -> web.Response:
        return json_body(request, self._views.containers(self._viewer(request)))

    async def _debug(self, request: web.Request) -> web.Response:
        return json_body(request, self._views.pending())

    async def _toggle(self, request: web.Request) -> web.Response:
        return text_response(*self._verbosity.toggle(request.query))

    # ---- v1 ----------------------------------------------------------------------------------------------------------

    async def _call(self, request: web.Request) -> web.StreamResponse:
        if not self._views.ready:
            return text_response(503, "Agent has not finished recovery")
        if request.method == "POST" and request.headers.get("Content-Type") == RECORDIO:
            return await self._containers_api.handle_stream(request)
        codec = body_codec(request)
        if isinstance(codec, web.Response):
            if codec.status == 415:
                codec.text = f"{codec.text} or {RECORDIO}"
            return codec
        call = await decoded(request, codec, v1.Call, "Call")
        if isinstance(call, web.Response):
            return call
        if call.type is None:
            return text_response(400, "Failed to validate agent::Call: Expecting 'type' to be present")
        if call.type in CALLS:
            return await self._containers_api.handle(request, call)
        try:
            check_whole(request)
            media = response_media(request)
        except Refused as refused:
            return refused.response()
        if media.streaming:
            return text_response(406, f"Streaming response is not supported for {call.type} call")
        codec = media.codec
        missing = self._missing(request, call)
        if missing is not None:
            return forbidden(missing)
        try:
            answer = await self._operator.answer(call, self._viewer(request), principal_of(request))
        except CallError as error:
            return error.response()
        if answer is None:
            return text_response(200)
        if codec is JSON:
            return json_body(request, answer)
        return compressed(request, codec.encode(answer, v1.Response), codec.content_type)
