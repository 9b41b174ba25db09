"""The HTTP side of the master: who may be asked what, and the plain endpoints.

Only the leader answers; others redirect (307) to it, or say 503 while there is none or it still recovers. Every path also
exists under ``/master``; a slash at the end does not matter.

Source: routing, redirects and JSONP of Mesos 1.11.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from dcos.master import api_v0, metrics
from dcos.master.config import Config
from dcos.master.core.events import Teardown
from dcos.master.version import VERSION_INFO
from dcos.master.writer import Writer
from dcos.model.v1.types import MasterInfo
from dcos.runtime.mesos_http import json_body, text_response

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """What all handlers share."""

    def __init__(self, writer: Writer, config: Config) -> None:
        self.writer = writer
        self.config = config
        self.state = writer.state
        self.flags = config.flags()
        self.leader: MasterInfo | None = None
        """The leading master as the election says, this one included."""

    @property
    def leads(self) -> bool:
        return self.writer.registry is not None

    def not_here(self, request: web.Request) -> web.Response | None:
        """The answer of a master that does not lead (yet)."""
        if self.leads:
            return None if self.state.recovered_at is not None else text_response(503, "Master has not recovered yet")
        if self.leader is None:
            return text_response(503, "No leader elected")
        if self.leader.id == self.state.info.id:
            return text_response(503, "Master has not recovered yet")
        return web.Response(status=307, headers={"Location": _at(self.leader) + request.path_qs})

    def gated(self, handler: Handler) -> Handler:
        """Only on the leader, and only what is durable."""

        async def handle(request: web.Request) -> web.StreamResponse:
            elsewhere = self.not_here(request)
            if elsewhere is not None:
                return elsewhere
            await self.writer.settled()
            return await handler(request)

        return handle

    # ---- endpoints that every master answers -------------------------------------------------------------------------

    async def health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def version(self, request: web.Request) -> web.Response:
        return json_body(request, VERSION_INFO)

    async def flags_(self, request: web.Request) -> web.Response:
        return json_body(request, {"flags": self.flags})

    async def metrics(self, request: web.Request) -> web.Response:
        return json_body(request, metrics.snapshot(self.writer))

    async def redirect(self, _: web.Request) -> web.Response:
        if self.leader is None:
            return text_response(503, "No leader elected")
        return web.Response(status=307, headers={"Location": _at(self.leader)})

    async def system_stats(self, request: web.Request) -> web.Response:
        found = metrics.system_metrics()
        stats = {f"avg_load_{span}": found[f"system/load_{span}"] for span in ("1min", "5min", "15min")}
        whole = {name: int(found[f"system/{name}"]) for name in ("cpus_total", "mem_total_bytes", "mem_free_bytes")}
        return json_body(request, stats | whole)

    # ---- endpoints of the leader -------------------------------------------------------------------------------------

    async def state_(self, request: web.Request) -> web.Response:
        return json_body(request, api_v0.state_json(self.state, self.flags, self.config.cluster))

    async def summary(self, request: web.Request) -> web.Response:
        return json_body(request, api_v0.summary(self.state, self.config.cluster))

    async def slaves(self, request: web.Request) -> web.Response:
        return json_body(request, api_v0.slaves(self.state, request.query))

    async def frameworks(self, request: web.Request) -> web.Response:
        return json_body(request, api_v0.frameworks(self.state, request.query))

    async def roles(self, request: web.Request) -> web.Response:
        return json_body(request, api_v0.roles(self.state))

    async def tasks(self, request: web.Request) -> web.Response:
        try:
            return json_body(request, api_v0.tasks(self.state, request.query))
        except ValueError as error:
            return text_response(400, str(error))

    async def weights(self, request: web.Request) -> web.Response:
        known = self.state.allocator.weights
        return json_body(request, [{"role": role, "weight": weight} for role, weight in sorted(known.items())])

    async def nothing_set(self, request: web.Request) -> web.Response:
        """Quota and maintenance cannot be set on this master, so there is none."""
        return json_body(request, {})

    async def teardown(self, request: web.Request) -> web.Response:
        form = await request.post()
        framework = form.get("frameworkId")
        if not isinstance(framework, str) or not framework:
            return text_response(400, "Missing 'frameworkId' query parameter in the request body")
        number, answer = self.writer.request()
        self.writer.put(Teardown(self.writer.now(), number, framework))
        done = await answer
        return text_response(done.status, done.text)

    def routes(self) -> list[web.RouteDef]:
        """Without the v1 APIs and the agents' link."""
        anywhere: dict[str, Handler] = {
            "/health": self.health,
            "/version": self.version,
            "/flags": self.flags_,
            "/metrics/snapshot": self.metrics,
            "/redirect": self.redirect,
            "/system/stats.json": self.system_stats,
        }
        leading: dict[str, Handler] = {
            "/state": self.state_,
            "/state-summary": self.summary,
            "/slaves": self.slaves,
            "/frameworks": self.frameworks,
            "/roles": self.roles,
            "/tasks": self.tasks,
            "/weights": self.weights,
            "/quota": self.nothing_set,
            "/maintenance/schedule": self.nothing_set,
            "/maintenance/status": self.nothing_set,
        }
        gets = anywhere | {path: self.gated(handler) for path, handler in leading.items()}
        out = [web.get(form, handler) for path, handler in gets.items() for form in forms(path)]
        out += [web.post(form, self.gated(self.teardown)) for form in forms("/teardown")]
        return out


def forms(path: str) -> tuple[str, ...]:
    """A path with and without ``/master`` and a slash at the end."""
    return tuple(prefix + path + slash for prefix in ("", "/master") for slash in ("", "/"))


def _at(leader: MasterInfo) -> str:
    """Scheme-relative address of a master."""
    host = leader.hostname or (leader.address.ip if leader.address is not None else "")
    return f"//{host}:{leader.port}"
