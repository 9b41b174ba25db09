"""Cosmos's API on a store in memory, with a Marathon and a repository that keep state."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from dcos.catalog import command_line, operations
from dcos.catalog.api import Api
from dcos.catalog.core.contents import Contents
from dcos.catalog.fetch import Fetcher, Limits
from dcos.catalog.operations import Neighbours
from dcos.catalog.persist import PATH, RepositoryList
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
from dcos.testing.patience import PATIENCE_S
from dcos.wire.universe import Package, to_files, to_json

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


@pytest.fixture
async def world() -> AsyncIterator[World]:
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


# ---- the frame -------------------------------------------------------------------------------------------------------


async def test_capabilities(world: World) -> None:
    async with world.session.get(world.url + "/capabilities") as answer:
        assert answer.headers["Content-Type"] == "application/vnd.dcos.capabilities+json;charset=utf-8;version=v1"
        names = [one["name"] for one in (await answer.json(content_type=None))["capabilities"]]
    assert names == ["PACKAGE_MANAGEMENT", "SUPPORT_CLUSTER_REPORT", "METRONOME"]


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"Content-Type": "application/json"}, "not_valid"),
        ({"Accept": "text/html"}, "not_valid"),
        ({"Accept": "nonsense"}, "not_valid"),
        ({"Accept": "text/html", "Content-Type": "text/html"}, "multiple_errors"),
    ],
)
async def test_wrong_media_types(world: World, headers: dict[str, str], kind: str) -> None:
    status, answer, _ = await world.call("/package/search", {}, headers=headers)
    assert (status, answer["type"]) == (400, kind)


@pytest.mark.parametrize("body", [{}, {"packageName": 5}])
async def test_bad_bodies(world: World, body: dict[str, Any]) -> None:
    assert (await world.error("/package/describe", body, version=3))[:2] == (400, "json_error")


async def test_no_content_type(world: World) -> None:
    async with world.session.post(world.url + "/package/search", skip_auto_headers=["Content-Type"]) as answer:
        assert (answer.status, json.loads(await answer.read())["type"]) == (400, "not_present")


async def test_no_zookeeper(world: World) -> None:
    world.list.store = None
    assert await world.error("/package/search", {}) == (503, "ServiceUnavailable", {"serviceName": "zookeeper"})


# ---- packages --------------------------------------------------------------------------------------------------------


async def test_describe(world: World) -> None:
    v3 = await world.ok("/package/describe", {"packageName": "demo"}, version=3)
    plain = json.loads(json.dumps(to_json(PLAIN)))
    assert v3["package"] == plain
    v2 = await world.ok("/package/describe", {"packageName": "demo", "packageVersion": "1.0"}, version=2)
    assert v2 == {key: value for key, value in plain.items() if key != "releaseVersion"}
    refused = await world.error("/package/describe", {"packageName": "up-gr"}, version=2)
    assert refused[:2] == (400, "ConversionFromPackageToV2DescribeResponse")
    described = await world.ok("/package/describe", {"packageName": "only-cli"}, version=3)
    url = described["package"]["resource"]["cli"]["binaries"]["linux"]["x86-64"]["url"]
    assert url == f"{world.url}/package/resource?url=http%3A%2F%2Fh%2Fc.zip"


async def test_not_found(world: World) -> None:
    assert await world.error("/package/describe", {"packageName": "zz"}, version=3) == (
        400, "PackageNotFound", {"packageName": "zz"}
    )  # fmt: skip
    assert await world.error("/package/render", {"packageName": "demo", "packageVersion": "9"}) == (
        400, "VersionNotFound", {"packageName": "demo", "packageVersion": "9"}
    )  # fmt: skip


async def test_search_and_versions(world: World) -> None:
    found = await world.ok("/package/search", {"query": "demo"})
    assert [one["name"] for one in found["packages"]] == ["demo"]
    assert found["packages"][0]["versions"] == {"1.0": 0}
    versions = await world.ok("/package/list-versions", {"packageName": "demo", "includePackageVersions": False})
    assert versions == {"results": {"1.0": "0"}}


async def test_render(world: World) -> None:
    app = (await world.ok("/package/render", {"packageName": "demo", "options": {"name": "x"}, "appId": "y"}))[
        "marathonJson"
    ]
    assert app["id"] == "/y"
    assert json.loads(base64.b64decode(app["labels"]["DCOS_PACKAGE_OPTIONS"])) == {"name": "x"}
    refused = await world.error("/package/render", {"packageName": "only-cli"})
    assert refused[:2] == (400, "ServiceMarathonTemplateNotFound")
    mismatch = await world.error("/package/render", {"packageName": "demo", "options": {"instances": "two"}})
    assert mismatch[:2] == (400, "JsonSchemaMismatch")
    assert mismatch[2]["errors"][0]["instance"] == {"pointer": "/instances"}
    assert (await world.error("/package/render", {"packageName": "only-cli", "options": {"a": 1}}))[1] == (
        "ServiceMarathonTemplateNotFound"
    )


# ---- install, list, uninstall ----------------------------------------------------------------------------------------


async def test_install_list_uninstall(world: World) -> None:
    installed = await world.ok("/package/install", {"packageName": "demo"}, version=2)
    assert installed == {"packageName": "demo", "packageVersion": "1.0", "appId": "/demo", "postInstallNotes": "hi"}
    assert world.marathon.apps["/demo"]["labels"]["own"] == "1"
    assert set(world.marathon.seen_authorization) == {"token=good"}
    assert await world.error("/package/install", {"packageName": "demo"}, version=2) == (
        409, "PackageAlreadyInstalled", None
    )  # fmt: skip
    again = await world.ok("/package/install", {"packageName": "demo", "appId": "team/demo"}, version=1)
    assert again == {"packageName": "demo", "packageVersion": "1.0", "appId": "/team/demo"}

    listed = (await world.ok("/package/list", {}))["packages"]
    assert [one["appId"] for one in listed] == ["/demo", "/team/demo"]
    definition = listed[0]["packageInformation"]["packageDefinition"]
    assert definition["name"] == "demo"
    assert "marathon" not in definition
    assert [one["appId"] for one in (await world.ok("/package/list", {"appId": "team/demo"}))["packages"]] == [
        "/team/demo"
    ]
    assert (await world.ok("/package/list", {"packageName": "other"}))["packages"] == []

    assert await world.error("/package/uninstall", {"packageName": "demo"}) == (
        400, "AmbiguousAppId", {"packageName": "demo", "appIds": ["/demo", "/team/demo"]}
    )  # fmt: skip
    assert (await world.error("/package/uninstall", {"packageName": "demo", "appId": "/zz"}))[1] == (
        "UninstallNonExistentAppForPackage"
    )
    one = await world.ok("/package/uninstall", {"packageName": "demo", "appId": "team/demo"})
    assert one == {
        "results": [
            {"packageName": "demo", "appId": "/team/demo", "packageVersion": "1.0", "postUninstallNotes": "bye"}
        ]
    }
    await world.ok("/package/uninstall", {"packageName": "demo", "all": True})
    assert world.marathon.apps == {}
    assert (await world.error("/package/uninstall", {"packageName": "demo"}))[1] == "PackageNotInstalled"


async def test_install_of_only_a_command_line(world: World) -> None:
    installed = await world.ok("/package/install", {"packageName": "only-cli"}, version=2)
    assert "appId" not in installed
    assert installed["cli"]["binaries"]["linux"]["x86-64"]["kind"] == "zip"
    assert (await world.error("/package/install", {"packageName": "only-cli"}))[1] == "ServiceMarathonTemplateNotFound"


async def test_marathon_refuses(world: World) -> None:
    world.shelf.own = Contents((package("demo", template='{"cmd": "no id"}'),))
    status, kind, data = await world.error("/package/install", {"packageName": "demo"}, version=2)
    assert (status, kind) == (400, "MarathonBadResponse")
    assert data == {"errors": [{"path": "/id", "errors": ["error.path.missing"]}]}


async def test_authorization_is_the_callers(world: World) -> None:
    status, answer, headers = await world.call("/package/install", {"packageName": "demo"}, version=2, token="bad")
    assert (status, answer["type"]) == (401, "Unauthorized")
    assert headers["WWW-Authenticate"] == "acsjwt"
    assert answer["data"] == {"serviceName": "marathon", "realm": "acsjwt"}


@pytest.mark.parametrize(
    ("template", "kind"),
    [
        ("[1]", "MarathonTemplateMustBeJsonObject"),
        ("{", "JsonParsingError"),
        ("{{#a}}", "JsonParsingError"),
        ('{"labels": {"a": 1}}', "JsonDecodingError"),
    ],
)
async def test_bad_templates(world: World, template: str, kind: str) -> None:
    world.shelf.own = Contents((package("demo", template=template),))
    assert (await world.error("/package/render", {"packageName": "demo"}))[:2] == (400, kind)


async def test_uninstall_ends_the_framework(world: World) -> None:
    await world.ok("/package/install", {"packageName": "frame"}, version=2)
    world.mesos.frameworks = {"id-1": "fw", "id-2": "other"}
    await world.ok("/package/uninstall", {"packageName": "frame"})
    assert world.mesos.frameworks == {"id-2": "other"}

    await world.ok("/package/install", {"packageName": "frame"}, version=2)
    world.mesos.frameworks = {"id-1": "fw", "id-2": "fw"}
    status, kind, data = await world.error("/package/uninstall", {"packageName": "frame"})
    assert (status, kind) == (400, "MultipleFrameworkIds")
    assert data["ids"] == ["id-1", "id-2"]
    assert world.marathon.apps == {}


SDK_TEMPLATE = '{"id": "sdk", "instances": 1, "env": {"A": "b"}, "labels": {"DCOS_COMMONS_UNINSTALL": "true"}}'


async def test_uninstall_of_a_service_that_cleans_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "SDK_POLL_S", 0.0)
    world.shelf.own = Contents((package("sdk-like", template=SDK_TEMPLATE),))
    await world.ok("/package/install", {"packageName": "sdk-like"}, version=2)
    await world.ok("/package/uninstall", {"packageName": "sdk-like"})
    app = world.marathon.apps["/sdk"]
    assert app["env"] == {"A": "b", "SDK_UNINSTALL": "true"}
    assert "tasksRunning" not in app
    (work,) = world.later
    finishing = asyncio.create_task(work)
    await asyncio.sleep(0.05)
    assert "/sdk" in world.marathon.apps
    world.door.deploy_status = 200
    await asyncio.wait_for(finishing, PATIENCE_S)
    assert world.marathon.apps == {}


async def test_a_refusal_does_not_count_as_cleaned_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "SDK_POLL_S", 0.0)
    world.shelf.own = Contents((package("sdk-like", template=SDK_TEMPLATE),))
    await world.ok("/package/install", {"packageName": "sdk-like"}, version=2)
    await world.ok("/package/uninstall", {"packageName": "sdk-like"})
    (work,) = world.later
    world.door.missing = "a:right"
    world.door.deploy_status = 200
    await asyncio.wait_for(work, PATIENCE_S)
    assert "/sdk" in world.marathon.apps

    status, kind, data = await world.error("/package/uninstall", {"packageName": "sdk-like"})
    assert (status, kind) == (403, "Forbidden")
    assert data == {"serviceName": "/sdk", "reason": "the permission a:right is missing"}


async def test_a_token_that_is_over_ends_the_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "SDK_POLL_S", 0.0)
    world.shelf.own = Contents((package("sdk-like", template=SDK_TEMPLATE),))
    await world.ok("/package/install", {"packageName": "sdk-like"}, version=2)
    await world.ok("/package/uninstall", {"packageName": "sdk-like"})
    (work,) = world.later
    world.door.deploy_status = 401
    await asyncio.wait_for(work, PATIENCE_S)
    assert world.door.plans == 1
    assert "/sdk" in world.marathon.apps


async def test_an_uninstall_that_was_begun_before_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog that waited for the end is gone, and the scheduler tells nothing any more."""
    monkeypatch.setattr(operations, "SDK_POLL_S", 0.0)
    world.shelf.own = Contents((package("sdk-like", template=SDK_TEMPLATE),))
    await world.ok("/package/install", {"packageName": "sdk-like"}, version=2)
    await world.ok("/package/uninstall", {"packageName": "sdk-like"})
    world.later.pop().close()
    world.door.framework_ids = None
    world.door.deploy_status = 200
    await world.ok("/package/uninstall", {"packageName": "sdk-like"})
    (work,) = world.later
    await asyncio.wait_for(work, PATIENCE_S)
    assert world.marathon.apps == {}


async def test_uninstall_of_a_service_that_does_not_answer(world: World) -> None:
    world.shelf.own = Contents((package("sdk-like", template=SDK_TEMPLATE),))
    await world.ok("/package/install", {"packageName": "sdk-like"}, version=2)
    world.door.framework_ids = None
    assert (await world.error("/package/uninstall", {"packageName": "sdk-like"}))[1] == "FailedToStartUninstall"
    assert "/sdk" in world.marathon.apps


async def test_package_of_another_manager(world: World) -> None:
    managed = package("managed", packagingVersion="5.0", manager={"packageName": "the-manager"})
    manager = package("the-manager", template='{"id": "the-manager", "instances": 1}')
    world.shelf.own = Contents((managed, manager))
    assert await world.error("/package/install", {"packageName": "managed"}, version=2) == (
        400, "CustomPackageManagerNotFound", {"managerId": "the-manager"}
    )  # fmt: skip
    await world.ok("/package/install", {"packageName": "the-manager"}, version=2)
    done = await world.ok("/package/install", {"packageName": "managed", "options": {"a": 1}}, version=2)
    assert done == {"packageName": "managed", "packageVersion": "1.0"}
    assert world.door.passed_on == [
        ("/service/the-manager/package/install", {"packageName": "managed", "options": {"a": 1}})
    ]
    await world.ok("/package/uninstall", {"packageName": "managed"})
    asked = {"appId": "/m", "packageName": "managed", "packageVersion": "1.0"}
    await world.ok("/service/describe", asked)
    changed = {"appId": "/m", "packageName": "managed", "currentPackageVersion": "1.0", "replace": True}
    await world.ok("/service/update", changed)
    assert [path.removeprefix("/service/the-manager") for path, _ in world.door.passed_on] == [
        "/package/install", "/package/uninstall", "/service/describe", "/service/update"
    ]  # fmt: skip
    failed = await world.error("/package/uninstall", {"packageName": "broken", "managerId": "the-manager"})
    assert failed == (
        400,
        "CustomPackageManagerError",
        {"managerId": "/the-manager", "statusCode": 500, "responseContent": "broken manager"},
    )


# ---- services --------------------------------------------------------------------------------------------------------


async def test_service_describe_and_update(world: World) -> None:
    await world.ok("/package/install", {"packageName": "demo", "options": {"name": "svc"}}, version=2)
    described = await world.ok("/service/describe", {"appId": "svc"})
    assert described["package"]["name"] == "demo"
    assert described["userProvidedOptions"] == {"name": "svc"}
    assert described["resolvedOptions"] == {"name": "svc", "instances": 1}
    assert (described["upgradesTo"], described["downgradesTo"]) == ([], [])

    updated = await world.ok("/service/update", {"appId": "/svc", "options": {"instances": 4}, "replace": False})
    assert updated["resolvedOptions"] == {"name": "svc", "instances": 4}
    assert updated["marathonDeploymentId"]
    assert world.marathon.apps["/svc"]["instances"] == 4

    changed = await world.error("/service/update", {"appId": "/svc", "options": {"instances": 4}, "replace": True})
    assert changed == (400, "AppIdChanged", {"newAppId": "/demo", "oldAppId": "/svc"})
    upgrade = await world.error("/service/update", {"appId": "/svc", "packageVersion": "2", "replace": False})
    assert upgrade[1] == "VersionUpgradeNotSupportedInOpen"
    assert upgrade[2]["possible"] == []
    assert (await world.error("/service/describe", {"appId": "/zz"}))[1] == "MarathonAppNotFound"


async def test_upgrade_and_downgrade(world: World) -> None:
    old = package("demo", "1.0", 0)
    new = package("demo", "2.0", 1, upgradesFrom=["1.0"], downgradesTo=["1.0"])
    world.shelf.own = Contents((old, new, package("demo", "3.0", 2)))
    asked = {"packageName": "demo", "packageVersion": "1.0", "options": {"instances": 3}}
    await world.ok("/package/install", asked, version=2)
    assert (await world.ok("/service/describe", {"appId": "demo"}))["upgradesTo"] == ["2.0"]
    up = await world.ok("/service/update", {"appId": "demo", "packageVersion": "2.0", "replace": False})
    assert (up["package"]["version"], up["resolvedOptions"]["instances"]) == ("2.0", 3)
    assert world.marathon.apps["/demo"]["labels"]["DCOS_PACKAGE_VERSION"] == "2.0"
    described = await world.ok("/service/describe", {"appId": "demo"})
    assert (described["upgradesTo"], described["downgradesTo"]) == ([], ["1.0"])
    refused = await world.error("/service/update", {"appId": "demo", "packageVersion": "3.0", "replace": False})
    assert refused[:2] == (400, "VersionUpgradeNotSupportedInOpen")
    down = await world.ok("/service/update", {"appId": "demo", "packageVersion": "1.0", "replace": True, "options": {}})
    assert (down["package"]["version"], down["resolvedOptions"]["instances"]) == ("1.0", 1)


# ---- repositories ----------------------------------------------------------------------------------------------------


async def test_repositories(world: World) -> None:
    universe = {"name": "Universe", "uri": BUILTIN.uri}
    assert await world.ok("/package/repository/list", {}) == {"repositories": [universe]}
    far = {"name": "far", "uri": f"{world.far}/repo"}
    assert await world.ok("/package/repository/add", far | {"index": 0}) == {"repositories": [far, universe]}
    assert "version=v5" in world.repository.accept
    assert PATH in world.ensemble.tree()
    assert (await world.ok("/package/describe", {"packageName": "far"}, version=3))["package"]["version"] == "9"
    assert world.repository.fetched == 1

    assert (await world.error("/package/repository/add", far))[1] == "RepositoryAlreadyPresent"
    out = await world.error("/package/repository/add", {"name": "n", "uri": "http://127.0.0.1:9/", "index": 7})
    assert out == (400, "RepositoryAddIndexOutOfBounds", {"attempted": 7, "max": 2})
    assert (await world.error("/package/repository/add", {"name": "n", "uri": "http://127.0.0.1:9/"}))[1] == (
        "RepositoryUriConnection"
    )
    assert await world.ok("/package/repository/delete", {"name": "far"}) == {"repositories": [universe]}
    assert (await world.error("/package/repository/delete", {"name": "far"}))[1] == "RepositoryNotPresent"
    assert (await world.error("/package/repository/delete", {}))[1] == "RepoNameOrUriMissing"
    assert (await world.error("/package/describe", {"packageName": "far"}, version=3))[1] == "PackageNotFound"
    await world.ok("/package/repository/delete", {"uri": BUILTIN.uri})
    assert (await world.ok("/package/search", {}))["packages"] == []
    await world.ok("/package/repository/add", universe)
    assert (await world.ok("/package/search", {}))["packages"]


async def test_repository_that_is_none(world: World) -> None:
    uri = f"{world.far}/repo"
    world.repository.status = 404
    refused = await world.error("/package/repository/add", {"name": "n", "uri": uri})
    assert refused[:2] == (400, "UniverseClientHttpError")
    world.repository.status = 200
    world.repository.content_type = "application/x-tar"
    assert (await world.error("/package/repository/add", {"name": "n", "uri": uri}))[1] == "UnsupportedContentType"
    redirected = await world.error("/package/repository/add", {"name": "n", "uri": f"{world.far}/far"})
    assert redirected[1] == "UnsupportedRedirect"
    assert (await world.ok("/package/repository/list", {}))["repositories"] == [
        {"name": "Universe", "uri": BUILTIN.uri}
    ]


async def test_redirects_are_followed(world: World) -> None:
    await world.ok("/package/repository/add", {"name": "n", "uri": f"{world.far}/moved"})
    await world.ok("/package/describe", {"packageName": "far"}, version=3)


async def test_failing_repository(world: World) -> None:
    """Without an earlier copy it fails what needs it; with one it is used."""
    await world.ok("/package/repository/add", {"name": "n", "uri": f"{world.far}/repo"})
    world.repository.status = 503
    world.shelf._fresh_s = 0.0
    await world.ok("/package/describe", {"packageName": "far"}, version=3)
    world.shelf.forget(())
    status, kind, data = await world.error("/package/search", {})
    assert (status, kind, data["clientStatus"]) == (500, "UniverseClientHttpError", 503)


async def test_what_is_left_out_is_listed(world: World) -> None:
    far = {"name": "far", "uri": f"{world.far}/repo"}
    await world.ok("/package/repository/add", far)
    own, shown = (await world.ok("/package/repository/status", {}))["repositories"]
    assert (own["name"], own["state"], own["form"], own["packages"]) == ("Universe", "good", "tree", 5)
    assert shown.pop("fetched").endswith("Z")
    reason = "Object missing required field `packagingVersion`"
    assert shown == far | {
        "state": "good", "form": "v4", "packages": 1, "versions": 1, "tooNew": [],
        "broken": [
            {"place": "/packages(1)", "name": "twisted", "version": "3", "reason": reason},
            {"place": "/packages(2)", "reason": reason},
        ],
    }  # fmt: skip
    status, kind, data = await world.error("/package/describe", {"packageName": "twisted"}, version=3)
    assert (status, kind) == (400, "PackageNotFound")
    assert data == {"packageName": "twisted", "broken": f"/packages(1): {reason}"}

    world.repository.status = 404
    world.shelf._fresh_s = 0.0
    _, shown = (await world.ok("/package/repository/status", {}))["repositories"]
    assert (shown["state"], shown["error"]["type"], shown["packages"]) == ("copy", "UniverseClientHttpError", 1)
    world.shelf.forget(())
    _, shown = (await world.ok("/package/repository/status", {}))["repositories"]
    assert (shown["state"], shown["packages"], shown["broken"]) == ("failed", 0, [])


async def test_a_slow_repository_is_not_waited_for_where_there_is_a_copy(world: World) -> None:
    """It is asked once, however many want it; its answer is used when it comes."""
    await world.ok("/package/repository/add", {"name": "n", "uri": f"{world.far}/repo"})
    world.shelf._fresh_s = 0.0
    world.shelf._patience_s = 0.01
    world.repository.gate = asyncio.Event()
    world.repository.packages = [package("far", "10", 2)]
    for _ in range(3):
        found = await world.ok("/package/describe", {"packageName": "far"}, version=3)
        assert found["package"]["version"] == "9"
    assert world.repository.fetched == 2
    world.repository.gate.set()
    world.shelf._patience_s = PATIENCE_S
    assert (await world.ok("/package/describe", {"packageName": "far"}, version=3))["package"]["version"] == "10"


async def test_zip_repository(world: World) -> None:
    world.repository.archive = zipped(package("packed", "1", 3))
    world.repository.content_type = "application/zip"
    await world.ok("/package/repository/add", {"name": "n", "uri": f"{world.far}/repo"})
    found = await world.ok("/package/describe", {"packageName": "packed"}, version=3)
    assert found["package"]["releaseVersion"] == 3


def zipped(one: Package) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        for name, data in to_files(one).items():
            out.writestr(f"repo/packages/{one.name[0].upper()}/{one.name}/{one.release_version}/{name}", data)
    return made.getvalue()


async def test_two_writers(world: World) -> None:
    """Somebody else writes between read and write."""
    other = RepositoryList((BUILTIN,), world.ensemble.session())
    await other.change(lambda entries: entries)

    before = world.store.set

    async def raced(path: str, data: bytes, *, version: int = -1) -> int:
        await other.change(lambda entries: entries)
        return await before(path, data, version=version)

    world.store.set = raced  # type: ignore[method-assign]
    assert (await world.error("/package/repository/delete", {"name": "Universe"}))[1] == "ConcurrentAccess"


# ---- plain files -----------------------------------------------------------------------------------------------------


async def test_resource(world: World) -> None:
    async with world.session.get(world.url + "/package/resource", params={"url": f"{world.far}/file.bin"}) as answer:
        assert (answer.status, await answer.read()) == (200, b"0123456789")
        assert answer.headers["Content-Disposition"] == 'attachment; filename="file.bin"'
    async with world.session.get(world.url + "/package/resource", params={"url": f"{world.far}/repo"}) as answer:
        assert answer.status == 403
        assert json.loads(await answer.read())["type"] == "Forbidden"


async def test_a_file_of_the_catalogs_own(world: World) -> None:
    """It is given out here, and not told to other catalogs, which could not reach it."""
    archive = b"an archive"
    world.shelf.put(command_line.package(archive, "3.0.0"), {command_line.URL: archive})
    described = await world.ok("/package/describe", {"packageName": "dcos-core-cli"}, version=3)
    for system in ("linux", "darwin"):
        binary = described["package"]["resource"]["cli"]["binaries"][system]["x86-64"]
        assert binary["contentHash"] == [{"algo": "sha256", "value": hashlib.sha256(archive).hexdigest()}]
        async with world.session.get(binary["url"]) as answer:
            assert (answer.status, await answer.read()) == (200, archive)
            assert answer.headers["Content-Disposition"] == 'attachment; filename="dcos-core-cli.zip"'
    async with world.session.get(world.url + "/universe/repo") as answer:
        assert "dcos-core-cli" not in [one["name"] for one in (await answer.json(content_type=None))["packages"]]


async def test_resource_that_is_cut_short(world: World) -> None:
    """The client notices: nobody takes half a file for a whole one."""
    world.shelf.own = Contents((package("pic-ture", resource={"images": {"icon-small": f"{world.far}/cut"}}),))
    url = world.url + "/package/resource"
    with pytest.raises(aiohttp.ClientError):
        async with world.session.get(url, params={"url": f"{world.far}/cut"}) as answer:
            await answer.read()
    async with world.session.get(world.url + "/capabilities") as answer:
        assert answer.status == 200


async def test_builtin_repository_is_served(world: World) -> None:
    for schema, expected in ((5, 5), (3, 0)):
        accept = f"application/vnd.dcos.universe.repo+json;charset=utf-8;version=v{schema}"
        async with world.session.get(world.url + "/universe/repo", headers={"Accept": accept}) as answer:
            assert answer.headers["Content-Type"] == accept
            assert len(json.loads(await answer.read())["packages"]) == expected
