"""dcos-diagnostics as processes on two masters and agents, some of them dead, with a real ZooKeeper between them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from dcos.node.core.units import UnitState, expected_units
from dcos.registry import NodeRole
from dcos.runtime import http
from dcos.runtime.files import write_atomic
from dcos.store.base import Store
from dcos.store.zookeeper import connect
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port
from dcos.testing.zookeeper import ZooKeeperEnsemble, ensemble, why_not

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(why_not() is not None, reason=why_not() or ""),
]

START = "import sys; from dcos.node.service import main; sys.exit(main())"
BASE = "/system/health/v1"


def healthy(role: NodeRole) -> dict[str, UnitState]:
    return {
        name: UnitState(
            load_state="loaded",
            active_state="active",
            sub_state="running",
            description=f"{name.partition('.')[0]}: does its work",
            pid=1,
            active_enter_timestamp=1.0,
        )
        for name in expected_units(role)
    }


class Node:
    """One machine: a root folder with the role's marker and the supervisor's file, and its dcos-diagnostics."""

    def __init__(self, folder: Path, ip: str, role: NodeRole, *flags: str) -> None:
        self.root = folder / ip
        self.ip = ip
        self.role = role
        self.flags = flags
        self.units = healthy(role)
        (self.root / "etc/mesosphere/roles").mkdir(parents=True)
        (self.root / "etc/mesosphere/roles" / role.value).touch()
        (self.root / "run/dcos").mkdir(parents=True)
        self.write()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.root / "run/dcos/dcos-diagnostics.sock"

    def write(self) -> None:
        write_atomic(self.root / "run/dcos/units.json", msgspec.json.encode(self.units))

    def change(self, unit: str, **what: Any) -> None:
        self.units[unit] = msgspec.structs.replace(self.units[unit], **what)
        self.write()

    def start(self) -> None:
        environ = {**os.environ, "DCOS_ROOT": str(self.root), "DCOS_VERSION": "3.0.0"}
        self.process = subprocess.Popen([sys.executable, "-c", START, f"--ip={self.ip}", *self.flags], env=environ)

    def stop(self) -> int:
        if self.process is None:
            return 0
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


class Mesos:
    """The leading master, as far as it is asked: ``/slaves`` and, for agents that left it, the registry."""

    def __init__(self) -> None:
        self.unreachable: list[str] = []
        self.agents: list[dict[str, Any]] = []

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/slaves", self._slaves)
        app.router.add_get("/registrar(1)/registry", self._registry)
        return app

    async def _slaves(self, _: web.Request) -> web.Response:
        return web.json_response({"slaves": self.agents, "recovered_slaves": []})

    async def _registry(self, _: web.Request) -> web.Response:
        return web.json_response({"unreachable": {"slaves": [{"id": {"value": one}} for one in self.unreachable]}})

    def add(self, ip: str, id: str, *, public: bool = False) -> None:
        attributes = {"public_ip": "true"} if public else {}
        self.agents.append({"id": id, "hostname": ip, "pid": f"slave(1)@{ip}:5051", "attributes": attributes})


@contextlib.asynccontextmanager
async def front_door(node: Node, port: int) -> AsyncIterator[None]:
    """The agent's Admin Router: TCP to the socket."""
    async with http.session(unix=node.socket) as session:

        async def pass_on(request: web.Request) -> web.Response:
            async with session.get(f"http://node{request.path_qs}") as answer:
                return web.Response(body=await answer.read(), status=answer.status, content_type=answer.content_type)

        app = web.Application()
        app.router.add_get("/{path:.*}", pass_on)
        async with http.listen(app, host=node.ip, port=port):
            yield


@contextlib.asynccontextmanager
async def hung(ip: str, port: int) -> AsyncIterator[None]:
    """Accepts and never answers."""
    open_now: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: open_now.append(writer), ip, port)
    try:
        yield
    finally:
        server.close()
        for writer in open_now:
            writer.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: the sockets below it have room for 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="dcos-diagnostics-") as name:
        yield Path(name)


@pytest.fixture
def zk(tmp_path: Path) -> Iterator[ZooKeeperEnsemble]:
    with ensemble(tmp_path) as running:
        yield running


async def contend(store: Store, ip: str, port: int, id: str) -> str:
    data = {"id": id, "ip": 0, "port": port, "address": {"ip": ip, "port": port, "hostname": ip}}
    return await store.create(
        "/mesos/json.info_", json.dumps(data).encode(), ephemeral=True, sequence=True, parents=True
    )


class Asked:
    """GETs to one master."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    async def get(self, path: str) -> Any:
        async with self._session.get(f"{self._base}{path}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def status(self, path: str) -> tuple[int, str]:
        async with self._session.get(f"{self._base}{path}") as answer:
            return answer.status, await answer.text()

    async def eventually(self, path: str, holds: Callable[[Any], bool]) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                found = await self.get(path)
                if holds(found):
                    return found
            except (aiohttp.ClientConnectionError, OSError):
                found = "no answer"
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.1)


async def test_a_cluster_with_dead_nodes(folder: Path, zk: ZooKeeperEnsemble) -> None:
    port, agent_port, mesos_port = free_port(), free_port(), free_port()
    flags = (
        f"--port={port}",
        f"--agent_port={agent_port}",
        f"--zk={zk.url}/mesos",
        '--master_list=["127.0.42.1","127.0.42.2"]',
        "--pull_timeout=1secs",
        "--forget_after=3secs",
    )
    first = Node(folder, "127.0.42.1", NodeRole.MASTER, *flags)
    second = Node(folder, "127.0.42.2", NodeRole.MASTER, *flags)
    agent = Node(folder, "127.0.42.3", NodeRole.AGENT)
    mesos = Mesos()
    mesos.add(agent.ip, "S1")
    mesos.add("127.0.42.4", "S2", public=True)  # powered off
    mesos.add("127.0.42.5", "S3")  # hung
    nodes = (first, agent)
    try:
        async with contextlib.AsyncExitStack() as stack:
            for node in nodes:
                node.start()
            await stack.enter_async_context(http.listen(mesos.application(), host=first.ip, port=mesos_port))
            await stack.enter_async_context(hung("127.0.42.5", agent_port))
            session = await stack.enter_async_context(http.session())
            store = await connect(zk.hosts)
            stack.push_async_callback(store.close)
            await store.create("/mesos/log_replicas", parents=True)
            await contend(store, first.ip, mesos_port, "M1")
            await contend(store, second.ip, mesos_port, "M2")
            await stack.enter_async_context(front_door(agent, agent_port))
            master = Asked(session, f"http://{first.ip}:{port}{BASE}")

            found = await master.eventually(
                "/nodes?cache=0", lambda seen: [node["health"] for node in seen["nodes"]] == [0, 3, 0, 3, 3]
            )
            assert [(node["host_ip"], node["role"]) for node in found["nodes"]] == [
                ("127.0.42.1", "master"),
                ("127.0.42.2", "master"),
                ("127.0.42.3", "agent"),
                ("127.0.42.4", "agent_public"),
                ("127.0.42.5", "agent"),
            ]
            # A unit fails on the agent: it shows there, in the node, in the unit over all nodes.
            agent.change("dcos-net.service", active_state="failed", sub_state="failed", exec_main_status=1, pid=0)
            units = await master.get("/units?cache=0")
            assert {unit["id"]: unit["health"] for unit in units["units"]}["dcos-net.service"] == 1
            assert await master.get("/nodes/127.0.42.3") == {"host_ip": agent.ip, "health": 1, "role": "agent"}
            assert await master.get("/units/dcos-net.service") == {
                "id": "dcos-net.service",
                "name": "dcos-net",
                "health": 1,
                "description": "does its work",
            }
            by_node = await master.get("/units/dcos-net.service/nodes")
            assert {node["host_ip"]: node["health"] for node in by_node["nodes"]} == {first.ip: 0, agent.ip: 1}
            detail = await master.get(f"/nodes/{agent.ip}/units/dcos-net.service")
            assert "failed" in detail["output"]
            assert "S1" in detail["help"]
            assert (await master.get(f"/units/dcos-net.service/nodes/{agent.ip}"))["output"] == detail["output"]
            assert (await master.get("/nodes/127.0.42.4/units")) == {"units": []}
            tree = await master.get("/report")
            assert tree["Nodes"][first.ip]["Leader"] is True
            assert tree["Nodes"][first.ip]["MesosID"] == "M1"
            assert tree["Nodes"]["127.0.42.4"]["Health"] == 3
            for path in ("/units/no.service", "/nodes/10.9.9.9", f"/nodes/{agent.ip}/units/no.service"):
                assert (await master.status(path))[0] == 404

            # The second master comes: it asks everybody too.
            second.start()
            other = Asked(session, f"http://{second.ip}:{port}{BASE}")
            await other.eventually(
                "/nodes?cache=0", lambda seen: [node["health"] for node in seen["nodes"]] == [0, 0, 1, 3, 3]
            )
            # ZooKeeper dies: what is known stays.
            zk[0].kill()
            found = await master.get("/nodes?cache=0")
            assert [node["health"] for node in found["nodes"]] == [0, 0, 1, 3, 3]
            # An agent that Mesos cannot reach is asked for a while, then forgotten.
            del mesos.agents[2]
            mesos.unreachable.append("S3")
            assert len((await master.get("/nodes?cache=0"))["nodes"]) == 5
            await master.eventually("/nodes?cache=0", lambda seen: len(seen["nodes"]) == 4)
            # One that was marked gone is forgotten at once.
            del mesos.agents[1]
            assert len((await master.get("/nodes?cache=0"))["nodes"]) == 3
    finally:
        codes = [node.stop() for node in (first, second, agent)]
    assert codes == [0, 0, 0]
    assert not agent.socket.exists()


async def test_an_agent_tells_of_itself_only(folder: Path) -> None:
    agent = Node(folder, "127.0.42.3", NodeRole.PUBLIC_AGENT)
    work = agent.root / "var/lib/mesos/slave/meta/slaves"
    work.mkdir(parents=True)
    (work / "latest").symlink_to("S7")
    agent.start()
    try:
        async with http.session(unix=agent.socket) as session:
            asked = Asked(session, f"http://node{BASE}")
            told = await asked.eventually("", lambda _: True)
            assert {key: told[key] for key in ("ip", "node_role", "mesos_id", "dcos_version")} == {
                "ip": agent.ip,
                "node_role": "agent_public",
                "mesos_id": "S7",
                "dcos_version": "3.0.0",
            }
            assert {unit["id"] for unit in told["units"]} == set(expected_units(NodeRole.PUBLIC_AGENT))
            assert {unit["health"] for unit in told["units"]} == {0}
            assert await asked.get("/nodes") == {"nodes": []}
            assert (await asked.status("/nodes?cache=0"))[0] == 503
            assert agent.socket.stat().st_mode & 0o777 == 0o660
            (agent.root / "run/dcos/units.json").unlink()
            status, text = await asked.status("")
            assert status == 500
            assert "units.json" in text
    finally:
        assert agent.stop() == 0


def test_without_a_role_it_ends(tmp_path: Path) -> None:
    environ = {**os.environ, "DCOS_ROOT": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", START], env=environ, capture_output=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 3
    assert b"no role" in done.stderr
