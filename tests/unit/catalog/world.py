"""Everything around one Cosmos: a store in memory, a Marathon, a Mesos and a repository that keep state."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from dcos.catalog.api import Api
from dcos.catalog.core.contents import Contents
from dcos.catalog.fetch import Fetcher, Limits
from dcos.catalog.operations import Neighbours
from dcos.catalog.persist import RepositoryList
from dcos.catalog.repository import Shelf
from dcos.catalog.service import BUILTIN
from dcos.client.mesos import MesosMaster, master_at
from dcos.model.v1.types import MasterInfo
from dcos.runtime import http
from dcos.runtime.clock import SystemClock
from dcos.runtime.log import get_logger
from dcos.store.memory import MemoryEnsemble
from dcos.testing.marathon import FakeMarathon
from dcos.testing.packages import CONFIG, package
from dcos.wire.universe import to_json

PLAIN = package("demo", "1.0", 0, postInstallNotes="hi", postUninstallNotes="bye")
CLI = {"binaries": {"linux": {"x86-64": {"kind": "zip", "url": "http://h/c.zip", "contentHash": []}}}}
ONLY_CLI = package("only-cli", template=None, config=None, resource={"cli": CLI})
FRAMEWORK_TEMPLATE = '{"id": "{{name}}", "instances": 1, "labels": {"DCOS_PACKAGE_FRAMEWORK_NAME": "fw"}}'
FRAMEWORK = package("frame", template=FRAMEWORK_TEMPLATE, framework=True, config=CONFIG)
UPGRADING = package("up-gr", upgradesFrom=["*"])


class FakeMesos:
    """Names of frameworks by id, all of the principal ``data``; teardown takes them away."""

    def __init__(self) -> None:
        self.frameworks: dict[str, str] = {}

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/v1", self._call)
        return app

    def _shown(self) -> web.Response:
        infos = [
            {"id": {"value": key}, "name": name, "user": "root", "principal": "data"}
            for key, name in self.frameworks.items()
        ]
        frameworks = [{"framework_info": one, "active": True, "connected": True, "recovered": False} for one in infos]
        return web.json_response({"type": "GET_FRAMEWORKS", "get_frameworks": {"frameworks": frameworks}})

    async def _call(self, request: web.Request) -> web.Response:
        call = await request.json()
        if call["type"] == "GET_FRAMEWORKS":
            return self._shown()
        assert call["type"] == "TEARDOWN"
        del self.frameworks[call["teardown"]["framework_id"]["value"]]
        return web.Response(status=202)


class FakeDoor:
    """What of Admin Router the catalog uses: services that uninstall themselves, package managers."""

    def __init__(self) -> None:
        self.framework_ids: list[str] | None = ["id-1"]
        self.deploy_status = 202
        self.plans = 0
        """How often the plan was asked for."""
        self.missing: str | None = None
        """The permission that whoever asks for framework ids has not."""
        self.passed_on: list[tuple[str, dict[str, Any]]] = []

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/service/sdk/v1/state/frameworkId", self._framework_ids)
        app.router.add_get("/service/sdk/v1/plans/deploy", self._plan)
        app.router.add_post("/service/the-manager/{path:.+}", self._manager)
        return app

    async def _framework_ids(self, _: web.Request) -> web.Response:
        if self.missing is not None:
            return web.Response(status=403, headers={"X-Dcos-Missing-Permission": self.missing})
        return web.Response(status=404) if self.framework_ids is None else web.json_response(self.framework_ids)

    async def _plan(self, _: web.Request) -> web.Response:
        self.plans += 1
        return web.json_response({"status": "COMPLETE"}, status=self.deploy_status)

    async def _manager(self, request: web.Request) -> web.Response:
        self.passed_on.append((request.path, await request.json()))
        if (await request.json())["packageName"] == "broken":
            return web.Response(status=500, text="broken manager")
        return web.json_response({"packageName": "managed", "packageVersion": "1.0"})


class FakeRepository:
    """A catalog on the net; ``status`` other than 200 breaks it."""

    def __init__(self) -> None:
        self.packages = [package("far", "9", 1)]
        self.status = 200
        self.content_type = "application/vnd.dcos.universe.repo+json;charset=utf-8;version=v4"
        self.fetched = 0
        self.accept = ""
        self.gate: asyncio.Event | None = None
        self.archive = b""

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/repo", self._repo)
        app.router.add_get("/moved", self._moved)
        app.router.add_get("/far", self._far)
        app.router.add_get("/file.bin", self._file)
        app.router.add_get("/cut", self._cut)
        return app

    async def _repo(self, request: web.Request) -> web.Response:
        self.fetched += 1
        self.accept = request.headers["Accept"]
        if self.gate is not None:
            await self.gate.wait()
        broken = [{"name": "twisted", "version": "3"}, {"broken": True}]
        body = self.archive or json.dumps({"packages": [*map(to_json, self.packages), *broken]}).encode()
        return web.Response(status=self.status, body=body, headers={"Content-Type": self.content_type})

    async def _moved(self, _: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/repo"})

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return answer

    async def _far(self, _: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "ftp://elsewhere/repo"})

    async def _file(self, _: web.Request) -> web.Response:
        return web.Response(body=b"0123456789", content_type="image/png")


class World:
    """Everything around one Cosmos."""

    def __init__(self) -> None:
        self.marathon = FakeMarathon(token="good")
        self.mesos = FakeMesos()
        self.repository = FakeRepository()
        self.door = FakeDoor()
        self.later: list[Coroutine[Any, Any, None]] = []
        """What goes on after an answer."""
        self.ensemble = MemoryEnsemble()
        self.store = self.ensemble.session()
        self.list = RepositoryList((BUILTIN,), self.store)
        self.clock = SystemClock()
        self.url = ""
        self.far = ""
        self.session: aiohttp.ClientSession
        self.shelf: Shelf

    async def call(
        self,
        path: str,
        body: dict[str, Any],
        *,
        version: int = 1,
        token: str | None = "good",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any, Any]:
        """Status, JSON, headers of one RPC with exact media types."""
        kind = path.removeprefix("/").replace("/", ".")
        sent = {
            "Content-Type": f"application/vnd.dcos.{kind}-request+json;charset=utf-8;version=v1",
            "Accept": f"application/vnd.dcos.{kind}-response+json;charset=utf-8;version=v{version}",
        }
        if token:
            sent["Authorization"] = f"token={token}"
        sent |= headers or {}
        async with self.session.post(self.url + path, data=json.dumps(body), headers=sent) as answer:
            return answer.status, json.loads(await answer.read()), answer.headers

    async def ok(self, path: str, body: dict[str, Any], *, version: int = 1) -> Any:
        status, answer, headers = await self.call(path, body, version=version)
        assert status == 200, answer
        kind = path.removeprefix("/").replace("/", ".")
        expected = f"application/vnd.dcos.{kind}-response+json;charset=utf-8;version=v{version}"
        assert headers["Content-Type"] == expected
        return answer

    async def error(self, path: str, body: dict[str, Any], *, version: int = 1) -> tuple[int, str, Any]:
        """Status, type and data of a refusal."""
        status, answer, headers = await self.call(path, body, version=version)
        assert headers["Content-Type"] == "application/vnd.dcos.package.error+json;charset=utf-8;version=v1"
        assert answer["message"]
        return status, answer["type"], answer.get("data")


@asynccontextmanager
async def a_world() -> AsyncIterator[World]:
    """A Cosmos that answers, and what is around it."""
    made = World()
    async with AsyncExitStack() as stack:
        marathon = await stack.enter_async_context(http.listen(made.marathon.application(), host="127.0.0.1", port=0))
        mesos = await stack.enter_async_context(http.listen(made.mesos.application(), host="127.0.0.1", port=0))
        far = await stack.enter_async_context(http.listen(made.repository.application(), host="127.0.0.1", port=0))

        async def leader() -> AsyncIterator[MasterInfo | None]:
            yield master_at(*mesos)

        master = await stack.enter_async_context(MesosMaster(leader()))
        await master.leader_changed(None)
        made.session = await stack.enter_async_context(http.session())
        made.far = f"http://{far[0]}:{far[1]}"
        picture = package("pic-ture", resource={"images": {"icon-small": f"{made.far}/file.bin"}})
        made.shelf = Shelf(
            builtin=BUILTIN.uri,
            own=Contents((PLAIN, ONLY_CLI, FRAMEWORK, UPGRADING, picture)),
            fetcher=Fetcher(made.session, release="3.0.0", user_agent="cosmos/test", limits=Limits(tries=1)),
            clock=made.clock,
            log=get_logger("test"),
        )

        def spawn(work: Coroutine[Any, Any, None]) -> object:
            made.later.append(work)
            return None

        door = await stack.enter_async_context(http.listen(made.door.application(), host="127.0.0.1", port=0))
        neighbours = Neighbours(
            made.session, f"http://{marathon[0]}:{marathon[1]}", f"http://{door[0]}:{door[1]}", master
        )
        api = Api(
            shelf=made.shelf, repository_list=made.list, neighbours=neighbours, spawn=spawn, log=get_logger("test")
        )
        host, port = await stack.enter_async_context(http.listen(api.application(), host="127.0.0.1", port=0))
        made.url = f"http://{host}:{port}"
        yield made
