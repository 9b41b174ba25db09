"""The HTTP side of the master: who may be asked what, and the plain endpoints.

Only the leader answers; others redirect (307) to it, or say 503 while there is none or it still recovers. Every path also
exists under ``/master``; a slash at the end does not matter.

Source: routing, redirects, JSONP, realms and authorization of Mesos 1.11.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path

from aiohttp import web

from dcos.client.overlay import AGENT_PATH, MASTER_PATH, OverlayEndpoint
from dcos.master import kept, metrics
from dcos.master.config import Config
from dcos.master.core.registry_view import registry_json
from dcos.master.core.viewer import Viewer
from dcos.master.endpoints import PAGES
from dcos.master.kept import Kept
from dcos.master.snapshots import Snapshots
from dcos.master.v0 import agents, frameworks, roles, state, tasks
from dcos.master.v0.summary import Roll, summary
from dcos.master.version import VERSION_INFO
from dcos.master.writer import Writer
from dcos.model.acls import Action
from dcos.model.v1.types import MasterInfo
from dcos.registry import port_of
from dcos.runtime.attached import Attached, Files, FilesEndpoints
from dcos.runtime.help_pages import Help
from dcos.runtime.http_access import Access, Handler, Namer, principal_of
from dcos.runtime.http_auth import Basic
from dcos.runtime.mesos_http import forbidden, json_body, method_not_allowed, spliced_body, text_response
from dcos.runtime.process_pages import MEMORY_PAGES
from dcos.runtime.profilers import MemoryProfiler, TimeProfiler
from dcos.runtime.settings import duration
from dcos.runtime.verbosity import Verbosity
from dcos.wire.spliced import Spliced

LOG_PATH = "/master/log"
_NET = port_of("dcos-net")
_ONCE_WITH_SUFFIX = (
    *("/state", "/state-summary", "/slaves", "/frameworks", "/roles", "/tasks"),
    *("/files/browse", "/files/read", "/files/download", "/files/debug"),
)
"""Old clients (the command line of DC/OS up to 1.11 among them) ask for ``/state.json`` and the like."""


class Realm(StrEnum):
    """Where callers may have to name themselves."""

    READONLY = "mesos-master-readonly"
    READWRITE = "mesos-master-readwrite"
    SCHEDULER = "mesos-master-scheduler"


def access(config: Config, namer: Namer | None = None) -> Access:
    """What the flags say of authentication. ``namer``: of those who bring tokens or certificates."""
    secrets = config.credentials.secrets if config.credentials is not None else {}
    needed = {
        Realm.READONLY: config.authenticate_http_readonly,
        Realm.READWRITE: config.authenticate_http_readwrite,
        Realm.SCHEDULER: config.authenticate_http_frameworks,
    }
    realms = {str(realm): Basic(realm, secrets) for realm, wanted in needed.items() if wanted}
    return Access(realms, config.firewall_rules or frozenset(), namer)


class Api:
    """What all handlers share."""

    def __init__(self, writer: Writer, config: Config, namer: Namer | None = None) -> None:
        self.writer = writer
        self.config = config
        self.state = writer.state
        self.flags = config.flags()
        self.acls = writer.state.rules.acls
        self.certified = namer is not None
        """Whether a certificate names who shows it."""
        self.named_only = namer is not None and namer.required
        """Whether nobody comes in unnamed."""
        self.access = access(config, namer)
        self.verbosity = Verbosity()
        self.kept = Kept(writer)
        self._roll = Roll()
        """For all who may see all."""
        self.snapshots = Snapshots(writer)
        self.files = Files(self._attached)
        self.help = Help((*PAGES, *(MEMORY_PAGES if config.memory_profiling else ())))
        self.leader: MasterInfo | None = None
        """The leading master as the election says, this one included."""

    @property
    def leads(self) -> bool:
        return self.writer.registry is not None

    def viewer(self, request: web.Request) -> Viewer:
        """What the asker may see."""
        return Viewer(self.acls, principal_of(request))

    def not_here(self, request: web.Request) -> web.Response | None:
        """The answer of a master that does not lead (yet)."""
        if self.leads:
            return (
                None if self.state.recovered_at is not None else text_response(503, "Master has not finished recovery")
            )
        if self.leader is None:
            return text_response(503, "No leader elected")
        if self.leader.id == self.state.info.id:
            return text_response(503, "Master has not finished recovery")
        return web.Response(status=307, headers={"Location": _at(self.leader) + request.path_qs})

    def gated(self, handler: Handler, realm: Realm | None = Realm.READWRITE) -> Handler:
        """Only for those who may enter ``realm``, only on the leader, and only what is durable."""

        async def handle(request: web.Request) -> web.StreamResponse:
            elsewhere = self.not_here(request)
            if elsewhere is not None:
                return elsewhere
            await self.writer.settled()
            return await handler(request)

        return self.access.guarded(handle, realm)

    def _endpoint(self, path: str, handler: Handler) -> Handler:
        """Only for principals that ACLs let get ``path``."""

        async def handle(request: web.Request) -> web.StreamResponse:
            principal = principal_of(request)
            if not self.acls.allows(Action.GET_ENDPOINT, principal, path):
                return forbidden(self.acls.missing(Action.GET_ENDPOINT, principal, path))
            return await handler(request)

        return handle

    def _attached(self) -> Iterator[Attached]:
        """The log, for those who may read it."""
        file = self.config.external_log_file
        if file is None and self.config.log_dir is not None:
            file = self.config.log_dir / "mesos-master.INFO"
        if file is not None:
            yield Attached(
                LOG_PATH,
                Path(file),
                lambda name: self.acls.allows(Action.ACCESS_MESOS_LOG, name),
                lambda name: self.acls.missing(Action.ACCESS_MESOS_LOG, name),
            )

    # ---- endpoints that every master answers -------------------------------------------------------------------------

    async def health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def version(self, request: web.Request) -> web.Response:
        return json_body(request, VERSION_INFO)

    async def flags_(self, request: web.Request) -> web.Response:
        if not self.viewer(request).flags():
            return forbidden(self.acls.missing(Action.VIEW_FLAGS, principal_of(request)))
        return json_body(request, {"flags": self.flags})

    async def metrics(self, request: web.Request) -> web.Response:
        """``timeout``: nothing here takes long, so that it is only checked."""
        try:
            duration(request.query.get("timeout", "0ns"))
        except ValueError as error:
            return text_response(400, f"Invalid timeout '{request.query['timeout']}': {error}.\n")
        return json_body(request, self.metrics_now())

    def metrics_now(self) -> dict[str, float]:
        return metrics.snapshot(
            self.writer,
            ensemble=len(self.config.zk.hosts) if self.config.zk is not None else 1,
            standby=self.leader is not None and self.leader.id != self.state.info.id,
            per_framework=self.config.publish_per_framework_metrics,
        )

    async def logging_toggle(self, request: web.Request) -> web.Response:
        return text_response(*self.verbosity.toggle(request.query))

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

    async def state_(self, request: web.Request) -> web.StreamResponse:
        viewer = self.viewer(request)
        texts = agents.texts_for(viewer)
        flags = self.flags if viewer.flags() else None

        def made() -> Spliced:
            return state.whole(self.state, flags, self.config.cluster, texts, self._logs())

        name = None if viewer.limited else "state"
        return await spliced_body(request, await self.kept.body(name, made, partial(kept.state_making, texts=texts)))

    def _logs(self) -> Mapping[str, str]:
        named = {"log_dir": self.config.log_dir, "external_log_file": self.config.external_log_file}
        return {name: str(path) for name, path in named.items() if path is not None}

    async def summary(self, request: web.Request) -> web.StreamResponse:
        viewer = self.viewer(request)
        roll = Roll(agents.AgentTexts(viewer)) if viewer.limited else self._roll

        def made() -> Spliced:
            return summary(self.state, self.config.cluster, roll)

        name = None if viewer.limited else "summary"
        return await spliced_body(request, await self.kept.body(name, made, roll.making, as_it_is=True))

    async def slaves(self, request: web.Request) -> web.StreamResponse:
        viewer, query = self.viewer(request), request.query
        texts = agents.texts_for(viewer)

        def made() -> Spliced:
            return agents.slaves(self.state, query, texts)

        if "slave_id" in query:
            return await spliced_body(request, made())
        name = None if viewer.limited else "slaves"
        making = partial(kept.full_agents_making, texts=texts)
        return await spliced_body(request, await self.kept.body(name, made, making))

    async def frameworks(self, request: web.Request) -> web.StreamResponse:
        viewer, query = self.viewer(request), request.query

        def made() -> Spliced:
            return frameworks.frameworks(self.state, query, viewer)

        name = None if viewer.limited or "framework_id" in query else "frameworks"
        return await spliced_body(request, await self.kept.body(name, made, kept.frameworks_making))

    async def roles(self, request: web.Request) -> web.Response:
        return json_body(request, roles.roles(self.state, self.viewer(request)))

    async def tasks(self, request: web.Request) -> web.StreamResponse:
        listing = tasks.Listing(self.state, request.query, self.viewer(request))
        await kept.in_slices(listing.making(), 64)
        await self.writer.settled()
        return await spliced_body(request, listing.body())

    async def registry(self, request: web.Request) -> web.Response:
        return json_body(request, registry_json(self.state))

    def routes(self) -> list[web.RouteDef]:
        """Without the v1 APIs, what changes something, and the agents' link."""
        files = FilesEndpoints(self.files)
        top: dict[str, tuple[Handler, Realm | None]] = {
            "/health": (self.health, None),
            "/version": (self.version, None),
            "/redirect": (self.redirect, None),
            "/flags": (self.flags_, Realm.READONLY),
            "/metrics/snapshot": (self._endpoint("/metrics/snapshot", self.metrics), Realm.READONLY),
            "/system/stats.json": (self.system_stats, Realm.READONLY),
            "/logging/toggle": (self._endpoint("/logging/toggle", self.logging_toggle), Realm.READWRITE),
            "/files/browse": (files.browse, Realm.READONLY),
            "/files/read": (files.read, Realm.READONLY),
            "/files/download": (files.download, Realm.READONLY),
            "/files/debug": (self._endpoint("/files/debug", files.debug), Realm.READONLY),
            "/__processes__": (self.help.processes, None),
            "/help": (self.help.handle, None),
            "/help/{rest:.*}": (self.help.handle, None),
            **{path: (OverlayEndpoint(path, _NET).handle, Realm.READONLY) for path in (MASTER_PATH, AGENT_PATH)},
        }
        profilers = TimeProfiler(os.environ).handlers()
        if self.config.memory_profiling:
            profilers |= MemoryProfiler().handlers()
        top |= {path: (handler, Realm.READWRITE) for path, handler in profilers.items()}
        leading: dict[str, Handler] = {
            "/state": self.state_,
            "/state-summary": self.summary,
            "/slaves": self.slaves,
            "/frameworks": self.frameworks,
            "/roles": self.roles,
            "/tasks": self.tasks,
            "/registrar(1)/registry": self.registry,
        }
        gets = {path: self.access.guarded(handler, realm) for path, (handler, realm) in top.items()}
        gets |= {path: self.gated(handler, Realm.READONLY) for path, handler in leading.items()}
        gets |= {f"{path}.json": gets[path] for path in _ONCE_WITH_SUFFIX}
        return [web.get(form, handler) for path, handler in gets.items() for form in forms(path)]


def posting(handler: Handler, *allowed: str) -> Handler:
    """405 for other methods than these."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request) if request.method in allowed else method_not_allowed(request, *allowed)

    return handle


def forms(path: str) -> tuple[str, ...]:
    """A path with and without ``/master`` and a slash at the end."""
    return tuple(prefix + path + slash for prefix in ("", "/master") for slash in ("", "/"))


def _at(leader: MasterInfo) -> str:
    """Scheme-relative address of a master."""
    host = leader.hostname or (leader.address.ip if leader.address is not None else "")
    return f"//{host}:{leader.port}"
