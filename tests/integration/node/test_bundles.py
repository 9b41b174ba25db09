"""Bundles of two masters and an agent, processes of their own; some things are away."""

from __future__ import annotations

import asyncio
import contextlib
import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from dcos.registry import NodeRole
from dcos.runtime import http
from dcos.store.zookeeper import connect
from dcos.testing.ports import free_port
from dcos.testing.zookeeper import ZooKeeperEnsemble, why_not
from tests.integration.node.test_diagnostics import Asked, Mesos, Node, contend, folder, zk

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(why_not() is not None, reason=why_not() or ""),
]
__all__ = ["folder", "zk"]  # fixtures

BASE = "/system/health/v1"
FIRST, SECOND, AGENT, GONE = "127.0.43.1", "127.0.43.2", "127.0.43.3", "127.0.43.4"
SECRET = "not-for-anybody"


@contextlib.asynccontextmanager
async def front_door(node: Node, port: int) -> AsyncIterator[None]:
    """The agent's Admin Router: TCP to the socket, any method, whatever size."""
    async with http.session(unix=node.socket, timeout_s=None) as session:

        async def pass_on(request: web.Request) -> web.Response:
            async with session.request(
                request.method, f"http://node{request.path_qs}", data=await request.read()
            ) as answer:
                return web.Response(body=await answer.read(), status=answer.status, content_type=answer.content_type)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", pass_on)
        async with http.listen(app, host=node.ip, port=port):
            yield


class Service:
    """Answers everything with what holds a secret; can be slow."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def handle(self, request: web.Request) -> web.Response:
        await self.may_answer.wait()
        return web.json_response({"path": request.path, "env": {"PASSWORD": SECRET}, "password": SECRET})

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.handle)
        return app


class World:
    def __init__(self, first: Asked, second: Asked, service: Service, session: aiohttp.ClientSession, url: str) -> None:
        self.first, self.second, self.service = first, second, service
        self.session, self.url = session, url

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with self.session.request(method, f"{self.url}{BASE}{path}", json=body) as answer:
            raw = await answer.read()
            if answer.content_type == "application/json":
                return answer.status, await answer.json()
            return answer.status, raw

    async def done(self, asked: Asked, id: str) -> dict[str, Any]:
        found: dict[str, Any] = await asked.eventually(
            f"{BASE}/diagnostics/{id}", lambda one: one["status"] in ("Done", "Failed", "Canceled")
        )
        return found


@pytest.fixture
async def world(folder: Path, zk: ZooKeeperEnsemble) -> AsyncIterator[World]:
    port, agent_port, mesos_port, service_port = free_port(), free_port(), free_port(), free_port()
    services = ("dcos-mesos-master", "dcos-marathon", "dcos-exhibitor", "dcos-mesos-dns", "dcos-metronome", "dcos-net")
    flags = (
        f"--port={port}",
        f"--agent_port={agent_port}",
        f"--zk={zk.url}/mesos",
        f'--master_list=["{FIRST}","{SECOND}"]',
        "--ports=" + ",".join(f"{name}={FIRST}:{service_port}" for name in (*services, "dcos-mesos-slave")),
    )
    first, second = (Node(folder, ip, NodeRole.MASTER, *flags) for ip in (FIRST, SECOND))
    agent = Node(folder, AGENT, NodeRole.AGENT, *flags)
    mesos, service = Mesos(), Service()
    mesos.add(AGENT, "S1")
    mesos.add(GONE, "S2")
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(http.listen(mesos.application(), host=FIRST, port=mesos_port))
        await stack.enter_async_context(http.listen(service.application(), host=FIRST, port=service_port))
        store = await connect(zk.hosts)
        stack.push_async_callback(store.close)
        await contend(store, FIRST, mesos_port, "M1")
        for node in (first, second, agent):
            node.start()
            stack.callback(node.stop)
        session = await stack.enter_async_context(http.session(timeout_s=60))
        while not agent.socket.exists():
            await asyncio.sleep(0.05)
        await stack.enter_async_context(front_door(agent, agent_port))
        one, two = (Asked(session, f"http://{ip}:{port}") for ip in (FIRST, SECOND))
        for asked in (one, two):
            await asked.eventually(f"{BASE}/nodes", lambda found: len(found["nodes"]) == 4)
        yield World(one, two, service, session, f"http://{SECOND}:{port}")


async def test_a_bundle_of_the_cluster(world: World) -> None:
    status, made = await world.call("PUT", "/diagnostics/b1")
    assert (status, made["id"], made["type"]) == (200, "b1", "Cluster")
    assert (await world.call("PUT", "/diagnostics/b1"))[0] == 409
    done = await world.done(world.first, "b1")  # the other master has it
    assert done["status"] == "Done"
    assert len(done["errors"]) == 1
    assert done["errors"][0].startswith(GONE)
    assert done["size"] > 0
    assert done["stopped_at"] >= done["started_at"]
    assert [one["id"] for one in await world.first.get(f"{BASE}/diagnostics")] == ["b1"]
    for asked in (world.first, world.second):
        async with world.session.get(f"{asked._base}{BASE}/diagnostics/b1/file") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Disposition"] == "attachment; filename=b1.zip"
            archive = zipfile.ZipFile(io.BytesIO(await answer.read()))
    names = set(archive.namelist())
    assert {name.partition("/")[0] for name in names if "/" in name} == {
        f"{FIRST}_master",
        f"{SECOND}_master",
        f"{AGENT}_agent",
    }
    assert f"{FIRST}_master/dcos-marathon/apps.json" in names
    assert f"{AGENT}_agent/dcos-mesos-slave/state.json" in names
    assert f"{SECOND}_master/commands/ip-address.txt" in names
    assert f"{SECOND}_master/files/meminfo" in names
    assert GONE in archive.read("summaryErrorsReport.txt").decode()
    assert not [name for name in names if SECRET.encode() in archive.read(name)]

    assert (await world.call("DELETE", "/diagnostics/b1"))[1]["status"] == "Deleted"
    assert (await world.call("GET", "/diagnostics/b1/file"))[0] == 410
    assert (await world.call("GET", "/diagnostics/b1"))[1]["status"] == "Deleted"
    for path in ("/diagnostics/b9", "/diagnostics/b9/file"):
        assert (await world.call("GET", path))[0] == 404
    assert (await world.call("DELETE", "/diagnostics/b9"))[0] == 404


async def test_what_makes_no_sense(world: World) -> None:
    assert (await world.call("PUT", "/diagnostics/..%2Fx"))[0] in (400, 404)
    assert (await world.call("PUT", "/diagnostics/a%20b"))[0] == 400
    status, told = await world.call("PUT", "/diagnostics/b", {"masters": "yes"})
    assert status == 400
    assert "masters" in told["error"]


async def test_a_bundle_is_given_up(world: World) -> None:
    world.service.may_answer.clear()
    await world.call("PUT", "/diagnostics/b2", {"masters": True, "agents": False})
    await world.second.eventually(f"{BASE}/diagnostics/b2", lambda one: one["status"] == "InProgress")
    assert (await world.call("GET", "/diagnostics/b2/file"))[0] == 404
    # (the first master sends it on)
    async with world.session.delete(f"{world.first._base}{BASE}/diagnostics/b2") as answer:
        assert (await answer.json())["status"] == "Canceled"
    for asked in (world.first, world.second):
        await asked.eventually(
            f"{BASE}/node/diagnostics", lambda all_: all(one["status"] in ("Canceled", "Deleted") for one in all_)
        )
    assert (await world.call("GET", "/diagnostics/b2/file"))[0] == 410
    world.service.may_answer.set()


async def test_the_api_of_older_command_lines(world: World) -> None:
    old = "/report/diagnostics"
    status, made = await world.call("POST", f"{old}/create", {"nodes": ["masters", "S1"]})
    assert (status, made["status"]) == (200, "Job has been successfully started")
    name = made["extra"]["bundle_name"]
    listed = await world.first.eventually(f"{BASE}{old}/list/all", lambda found: bool(found[SECOND]))
    assert [one["file_name"] for one in listed[SECOND]] == [name]
    assert listed[FIRST] == []
    told = (await world.call("GET", f"{old}/status"))[1]
    assert (told["is_running"], told["job_progress_percentage"]) == (False, 100)
    assert set((await world.call("GET", f"{old}/status/all"))[1]) == {FIRST, SECOND}
    async with world.session.get(f"{world.first._base}{BASE}{old}/serve/{name}") as answer:
        archive = zipfile.ZipFile(io.BytesIO(await answer.read()))
    assert any(one.startswith(f"{AGENT}_agent/") for one in archive.namelist())
    assert (await world.call("POST", f"{old}/delete/x.zip"))[0] == 400
    assert (await world.call("POST", f"{old}/delete/{name}"))[0] == 200
    assert (await world.call("POST", f"{old}/delete/{name}"))[0] == 404
    assert (await world.call("POST", f"{old}/create", {"nodes": ["10.9.9.9"]}))[0] == 404
    assert (await world.call("POST", f"{old}/cancel"))[0] == 503
