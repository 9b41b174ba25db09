"""Cosmos's API: media types checked, bodies decoded, errors in Cosmos's form.

An endpoint is one row: path, the kind of body it reads, the versions of answers it gives (newest first), the method that
makes them.   Source: cosmos handlers, see ``dcos.wire.cosmos``.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from dcos.catalog.core import describe, installed, repositories
from dcos.catalog.core.caller import Caller
from dcos.catalog.core.collection import Collection
from dcos.catalog.core.errors import (
    CatalogError,
    body_wrong,
    header_absent,
    header_wrong,
    no_template,
    resource_forbidden,
    several,
    unavailable,
)
from dcos.catalog.core.older import for_schema
from dcos.catalog.core.render import normal_id, render
from dcos.catalog.core.resources import images_rewritten, rewrite, through_proxy, urls_of
from dcos.catalog.fetch import SCHEMAS
from dcos.catalog.operations import Neighbours, Operations
from dcos.catalog.persist import RepositoryList
from dcos.catalog.repository import Shelf
from dcos.catalog.resource import given_out, passed_on
from dcos.runtime import http
from dcos.runtime.log import Logger
from dcos.store.base import StoreError
from dcos.wire import cosmos
from dcos.wire.cosmos import MediaType, RepositoryEntry, vendor
from dcos.wire.errors import WireError
from dcos.wire.universe import Json, Package, runs_on, to_json

CAPABILITIES: Final = ("PACKAGE_MANAGEMENT", "SUPPORT_CLUSTER_REPORT", "METRONOME", "LOGGING", "LOGGING_V2")
"""By the last two, command lines of old read logs from dcos-log instead of the master's and the agents' files."""
BUILTIN_PATH: Final = "/universe/repo"
CALLER: Final = "caller"
"""Of a request: who asks, where a guard knows."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its decoded body, the version of the answer it wants, where the client thinks we are."""

    body: Any
    version: int
    asks: MediaType
    answers: MediaType
    base: str
    caller: Caller

    @property
    def change(self) -> Callable[[str], str]:
        return through_proxy(self.base)


Handler = Callable[[Asked], Awaitable[Json]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    path: str
    kind: str
    body: type[Any]
    versions: tuple[int, ...]
    handler: Handler

    @property
    def request_type(self) -> MediaType:
        return vendor(f"{self.kind}-request", 1)

    @property
    def response_types(self) -> tuple[MediaType, ...]:
        return tuple(vendor(f"{self.kind}-response", version) for version in self.versions)


class Api:
    def __init__(
        self,
        *,
        shelf: Shelf,
        repository_list: RepositoryList,
        neighbours: Neighbours,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        log: Logger,
    ) -> None:
        self._shelf = shelf
        self._list = repository_list
        self._neighbours = neighbours
        self._spawn = spawn
        self._log = log

    def application(self, *guards: Any) -> web.Application:
        """``guards``: middlewares that refuse."""
        app = http.application(middlewares=(self._errors, *guards))
        for endpoint in self._endpoints():
            app.router.add_post(endpoint.path, self._rpc(endpoint))
        app.router.add_get("/capabilities", self._capabilities)
        app.router.add_get("/package/resource", self._resource)
        app.router.add_get(BUILTIN_PATH, self._builtin)
        return app

    def _endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint("/package/describe", "package.describe", cosmos.DescribeRequest, (3, 2), self.describe),
            Endpoint("/package/install", "package.install", cosmos.InstallRequest, (2, 1), self.install),
            Endpoint("/package/list", "package.list", cosmos.ListRequest, (1,), self.list),
            Endpoint(
                "/package/list-versions", "package.list-versions", cosmos.ListVersionsRequest, (1,), self.list_versions
            ),
            Endpoint("/package/render", "package.render", cosmos.RenderRequest, (1,), self.render),
            Endpoint(
                "/package/repository/add",
                "package.repository.add",
                cosmos.RepositoryAddRequest,
                (1,),
                self.repository_add,
            ),
            Endpoint(
                "/package/repository/delete",
                "package.repository.delete",
                cosmos.RepositoryDeleteRequest,
                (1,),
                self.repository_delete,
            ),
            Endpoint(
                "/package/repository/list",
                "package.repository.list",
                cosmos.RepositoryListRequest,
                (1,),
                self.repository_list,
            ),
            Endpoint(
                "/package/repository/status",
                "package.repository.status",
                cosmos.RepositoryListRequest,
                (1,),
                self.repository_status,
            ),
            Endpoint("/package/search", "package.search", cosmos.SearchRequest, (1,), self.search),
            Endpoint("/package/uninstall", "package.uninstall", cosmos.UninstallRequest, (1,), self.uninstall),
            Endpoint(
                "/service/describe", "service.describe", cosmos.ServiceDescribeRequest, (1,), self.service_describe
            ),
            Endpoint("/service/update", "service.update", cosmos.ServiceUpdateRequest, (1,), self.service_update),
        )

    # ---- the frame of every request ----

    def _rpc(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            chosen = _media_types(request, endpoint)
            asked = Asked(
                body=_decoded(await request.read(), endpoint.body),
                version=endpoint.versions[endpoint.response_types.index(chosen)],
                asks=endpoint.request_type,
                answers=chosen,
                base=_base(request),
                caller=request.get(CALLER) or Caller(request.headers.get("Authorization")),
            )
            return _answer(await endpoint.handler(asked), chosen)

        return handle

    @web.middleware
    async def _errors(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except CatalogError as error:
            return _failure(error)
        except StoreError as error:
            self._log.warning("store_unavailable", reason=str(error))
            return _failure(unavailable("zookeeper"))
        except web.HTTPException:
            raise
        except ConnectionResetError:
            raise
        except Exception as error:
            self._log.exception("request_failed", path=request.path)
            return _failure(CatalogError("unhandled_exception", type(error).__name__, status=500))

    async def _collection(self) -> Collection:
        return await self._shelf.collection(await self._list.read())

    def _operations(self, asked: Asked) -> Operations:
        return Operations(self._neighbours, asked.caller, self._spawn, self._log)

    # ---- packages ----

    async def describe(self, asked: Asked) -> Json:
        body: cosmos.DescribeRequest = asked.body
        package = (await self._collection()).find(body.package_name, body.package_version).package
        if asked.version == 2:
            return describe.flattened(package, asked.change)
        return {"package": describe.full(package, asked.change)}

    async def search(self, asked: Asked) -> Json:
        body: cosmos.SearchRequest = asked.body
        results = (await self._collection()).search(body.query)
        return {
            "packages": [
                one | {"images": images_rewritten(one["images"], asked.change)} if "images" in one else one
                for one in results
            ]
        }

    async def list_versions(self, asked: Asked) -> Json:
        body: cosmos.ListVersionsRequest = asked.body
        versions = (await self._collection()).versions(body.package_name)
        return {"results": {version: str(release) for version, release in versions.items()}}

    async def render(self, asked: Asked) -> Json:
        body: cosmos.RenderRequest = asked.body
        found = (await self._collection()).find(body.package_name, body.package_version)
        app_id = normal_id(body.app_id) if body.app_id else None
        return {"marathonJson": render(found.package, found.source, body.options, app_id)}

    async def install(self, asked: Asked) -> Json:
        body: cosmos.InstallRequest = asked.body
        found = (await self._collection()).find(body.package_name, body.package_version)
        package = found.package
        operations = self._operations(asked)
        manager = await operations.manager_of(package, body.manager_id)
        if manager is not None:
            return await operations.pass_on(manager, "/package/install", _plain(body), asked.asks, asked.answers)
        answer: Json = {"packageName": package.name, "packageVersion": package.version}
        if package.marathon is not None:
            app_id = normal_id(body.app_id) if body.app_id else None
            app = render(package, found.source, body.options, app_id)
            answer["appId"] = await operations.install(app)
        elif asked.version == 1:
            raise no_template(package.name, package.version)
        if asked.version == 1:
            return answer
        if package.post_install_notes is not None:
            answer["postInstallNotes"] = package.post_install_notes
        if package.cli is not None:
            answer["cli"] = (rewrite(package.resource, asked.change) or {})["cli"]
        return answer

    async def list(self, asked: Asked) -> Json:
        body: cosmos.ListRequest = asked.body
        apps = await self._operations(asked).apps()
        return {"packages": installed.listing(apps, body.package_name, body.app_id, asked.change)}

    async def uninstall(self, asked: Asked) -> Json:
        body: cosmos.UninstallRequest = asked.body
        operations = self._operations(asked)
        collection = await self._collection()
        package = collection.known(body.package_name, body.package_version)
        manager = await operations.manager_of(package, body.manager_id)
        if manager is not None:
            return await operations.pass_on(manager, "/package/uninstall", _plain(body), asked.asks, asked.answers)
        return {"results": await operations.uninstall(body, collection)}

    # ---- services ----

    async def service_describe(self, asked: Asked) -> Json:
        body: cosmos.ServiceDescribeRequest = asked.body
        collection = await self._collection()
        package = collection.known(body.package_name, body.package_version)
        if (passed := await self._passed_on(asked, "/service/describe", package, body.manager_id)) is not None:
            return passed
        package, rest = await self._operations(asked).describe_service(normal_id(body.app_id), collection)
        return {"package": describe.full(package, asked.change)} | rest

    async def service_update(self, asked: Asked) -> Json:
        body: cosmos.ServiceUpdateRequest = asked.body
        collection = await self._collection()
        package = collection.known(body.package_name, body.current_package_version)
        if (passed := await self._passed_on(asked, "/service/update", package, body.manager_id)) is not None:
            return passed
        package, rest = await self._operations(asked).update_service(body, collection)
        return {"package": describe.full(package, asked.change)} | rest

    async def _passed_on(self, asked: Asked, path: str, package: Package | None, manager_id: str | None) -> Json | None:
        """The answer of the service that manages ``package``; None where that is us."""
        operations = self._operations(asked)
        manager = await operations.manager_of(package, manager_id)
        if manager is None:
            return None
        return await operations.pass_on(manager, path, _plain(asked.body), asked.asks, asked.answers)

    # ---- repositories ----

    async def repository_list(self, asked: Asked) -> Json:
        return _shown(await self._list.read())

    async def repository_status(self, asked: Asked) -> Json:
        """Ours: what each repository offers, and what was left out of it and why."""
        found = await self._shelf.condition(await self._list.read())
        return {"repositories": [one.shown() for one in found]}

    async def repository_add(self, asked: Asked) -> Json:
        body: cosmos.RepositoryAddRequest = asked.body
        entry = RepositoryEntry(body.name, body.uri)
        repositories.check_uri(entry)
        repositories.added(await self._list.read(), entry, body.place)
        await self._shelf.verify(entry)
        return _shown(await self._list.change(lambda entries: repositories.added(entries, entry, body.place)))

    async def repository_delete(self, asked: Asked) -> Json:
        body: cosmos.RepositoryDeleteRequest = asked.body
        left = await self._list.change(lambda entries: repositories.removed(entries, body.name, body.uri))
        self._shelf.forget(left)
        return _shown(left)

    # ---- plain GETs ----

    async def _capabilities(self, request: web.Request) -> web.Response:
        chosen = _chosen(request, (vendor("capabilities", 1),))
        return _answer({"capabilities": [{"name": name} for name in CAPABILITIES]}, chosen)

    async def _builtin(self, request: web.Request) -> web.Response:
        """The built-in repository as any other Cosmos could add it: chosen and written for its DC/OS, as its headers say."""
        offered = tuple(cosmos.universe_repository(schema) for schema in SCHEMAS)
        chosen = _chosen(request, offered)
        schema = SCHEMAS[offered.index(chosen)]
        kept = self._shelf.files  # what lies in this service, others' clients could not reach
        release = _release(request.headers.get("User-Agent", ""))
        packages: list[Package] = []
        for one in self._shelf.own.packages:
            fitting = for_schema(one, schema) if release is None or runs_on(one, release) else None
            if fitting is not None and kept.keys().isdisjoint(urls_of(fitting.resource)):
                packages.append(fitting)
        return _answer({"packages": [to_json(one) for one in packages]}, chosen)

    async def _resource(self, request: web.Request) -> web.StreamResponse:
        """A file that some package names, fetched for clients that cannot reach it."""
        url = request.query.get("url")
        if not url:
            raise CatalogError("not_present", "Required param 'url' not present in the request")
        if url not in (await self._collection()).resource_urls:
            raise resource_forbidden(url)
        if (here := self._shelf.files.get(url)) is not None:
            return given_out(here, url)
        return await passed_on(request, self._neighbours.session, url)


def _plain(body: Any) -> Json:
    """A request body as JSON again, absent fields left out."""
    fields: Json = msgspec.to_builtins(body)
    return {key: value for key, value in fields.items() if value is not None}


def _shown(entries: tuple[RepositoryEntry, ...]) -> Json:
    return {"repositories": entries}


def _answer(value: Json, kind: MediaType, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, headers={"Content-Type": str(kind)})


def _failure(error: CatalogError) -> web.Response:
    answer = _answer(error.body(), cosmos.ERROR, error.status)
    answer.headers.update(error.headers)
    return answer


def _media_types(request: web.Request, endpoint: Endpoint) -> MediaType:
    """What to answer with.   Errors: not_present, not_valid; multiple_errors where both headers are wrong."""
    wrong: list[CatalogError] = []
    try:
        _check_content_type(request, endpoint.request_type)
    except CatalogError as error:
        wrong.append(error)
    try:
        chosen = _chosen(request, endpoint.response_types)
    except CatalogError as error:
        raise several([*wrong, error]) if wrong else error from None
    if wrong:
        raise wrong[0]
    return chosen


def _check_content_type(request: web.Request, expected: MediaType) -> None:
    """Errors: not_present, not_valid."""
    actual = request.headers.get("Content-Type")
    if not actual:
        raise header_absent("Content-Type")
    if not cosmos.accepts_body(expected, actual):
        raise header_wrong("Content-Type", f"should match {expected}")


def _chosen(request: web.Request, offered: tuple[MediaType, ...]) -> MediaType:
    """Errors: not_valid."""
    rule = f"should match one of {', '.join(map(str, offered))}"
    try:
        chosen = cosmos.negotiate(offered, request.headers.get("Accept"))
    except WireError:
        chosen = None
    if chosen is None:
        raise header_wrong("Accept", rule)
    return chosen


def _decoded(raw: bytes, kind: type[Any]) -> Any:
    """Errors: json_error."""
    try:
        return cosmos.decode(raw, kind)
    except WireError as error:
        raise body_wrong(error.rule, error.path, parsed=bool(error.path)) from None


def _release(user_agent: str) -> str | None:
    """That of a Cosmos's DC/OS: ``cosmos/1.0 dcos/1.13.2``; None where none is told."""
    found = re.search(r"\bdcos/([0-9][0-9A-Za-z.-]*)", user_agent)
    return found.group(1) if found else None


def _base(request: web.Request) -> str:
    scheme = request.headers.get("X-Forwarded-Proto", "http")
    return f"{scheme if scheme in ('http', 'https') else 'http'}://{request.host}"
