"""dcos-telegraf as a process beside stand-ins of what it asks; its own sockets, ports and packets are real."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from dcos.agent.statsd import StatsdPorts
from dcos.runtime import http
from dcos.runtime.log import get_logger
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port

pytestmark = pytest.mark.integration

START = "import sys; from dcos.node.metrics.service import main; sys.exit(main())"
IP = "127.0.0.1"
STATISTICS = {"timestamp": 1_700_000_000.5, "cpus_limit": 0.6, "mem_total_bytes": 1 << 20, "mem_limit_bytes": 1 << 22}
STATE = {
    "frameworks": [
        {
            "id": "F",
            "name": "marathon",
            "role": "dev",
            "principal": "p",
            "executors": [
                {
                    "id": "web.1",
                    "container": "c1",
                    "name": "Command",
                    "tasks": [{"id": "web.1", "name": "web", "labels": [{"key": "DCOS_SERVICE_NAME", "value": "w"}]}],
                }
            ],
        }
    ]
}
USED = [{"container_id": "c1", "executor_id": "web.1", "framework_id": "F", "statistics": STATISTICS}]
NGINX = '# HELP nginx_up x\n# TYPE nginx_up gauge\nnginx_up 1\n# TYPE requests counter\nrequests_total{code="200"} 5\n'


class World:
    """Everything that is asked, on one port: the paths differ."""

    def __init__(self) -> None:
        self.port = free_port()
        self.used: list[dict[str, Any]] = USED
        self.is_away = False

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._away])
        for path, body in (
            ("/containers", lambda: self.used),
            ("/state", lambda: STATE),
            ("/metrics/snapshot", lambda: {"slave/uptime_secs": 12.5, "master/elected": 1.0}),
            ("/exhibitor/v1/cluster/4ltr/mntr", lambda: "zk_avg_latency\t2\nzk_server_state\tleader\nzk_version\tx\n"),
            (
                "/exhibitor/v1/cluster/status",
                lambda: [{"code": 3, "description": "serving", "hostname": "m1", "isLeader": True}],
            ),
        ):
            app.router.add_get(path, self._json(body))
        for path in ("/nginx/metrics", "/metrics/prometheus", "/v1/metrics/{registry}"):
            app.router.add_get(path, self._text)
        return app

    @web.middleware
    async def _away(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.is_away:
            return web.Response(status=503)
        answer: web.StreamResponse = await handler(request)
        return answer

    @staticmethod
    def _json(body: Callable[[], Any]) -> Any:
        async def handle(_: web.Request) -> web.Response:
            return web.json_response(body())

        return handle

    async def _text(self, request: web.Request) -> web.Response:
        if registry := request.match_info.get("registry"):
            return web.Response(text=f"# TYPE things_{registry} gauge\nthings_{registry} 1\n")
        return web.Response(text=NGINX)


class Telegraf:
    def __init__(self, root: Path, role: str, world: World) -> None:
        self.root, self.world, self.role = root, world, role
        self.port, self.statsd = free_port(), free_port()
        (root / "etc/mesosphere/roles").mkdir(parents=True)
        (root / "etc/mesosphere/roles" / role).touch()
        (root / "run/dcos/telegraf").mkdir(parents=True)
        (root / "var/lib/dcos").mkdir(parents=True)
        (root / "var/lib/dcos/cluster-id").write_text("the-cluster\n")

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        port = self.world.port
        flags = [
            f"--ip={IP}", "--cluster_name=my cluster", f"--port={self.port}", f"--statsd_port={self.statsd}",
            f"--tasks_host={IP}", "--interval=1secs", f"--mesos_master_port={port}", f"--agent_port={port}",
            f"--marathon_port={port}", f"--exhibitor_port={port}", f"--net=http://{IP}:{port}",
            f"--admin_router=http://{IP}:{port}",
        ]  # fmt: skip
        environ = {**os.environ, "DCOS_ROOT": str(self.root)}
        process = subprocess.Popen([sys.executable, "-c", START, *flags], env=environ)
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(PATIENCE_S) == 0

    async def get(self, path: str) -> tuple[int, Any]:
        async with (
            http.session(unix=self.root / "run/dcos/telegraf-dcos-metrics.sock") as session,
            session.get(f"http://telegraf{path}") as answer,
        ):
            return answer.status, await answer.json() if answer.status == 200 else None

    async def scraped(self) -> list[Sample]:
        async with http.session() as session, session.get(f"http://{IP}:{self.port}/metrics") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            families = text_string_to_metric_families(await answer.text())
            return [sample for family in families for sample in family.samples]

    async def series(self, name: str, holds: Callable[[Sample], bool] = lambda _: True) -> Sample:
        """The first of this name, once there is one."""
        return await eventually(
            lambda samples: next((one for one in samples if one.name == name and holds(one)), None), self.scraped
        )


async def eventually(look: Callable[[Any], Any], get: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        told: Any = "nothing"
        with contextlib.suppress(aiohttp.ClientConnectionError, OSError):
            told = await get()
            if (found := look(told)) is not None:
                return found
        assert time.monotonic() < deadline, told
        await asyncio.sleep(0.1)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    async with http.listen(made.application(), host=IP, port=made.port):
        yield made


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dcos-telegraf-") as name:
        yield Path(name)


def send(port: int, text: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(text.encode(), (IP, port))


async def test_an_agent(root: Path, world: World) -> None:
    telegraf = Telegraf(root, "slave", world)
    with telegraf.running():
        used = await telegraf.series("mem_total_bytes")
        assert used.value == 1 << 20
        assert used.labels == {
            "host": IP,
            "dcos_cluster_id": "the-cluster",
            "dcos_cluster_name": "my cluster",
            "container_id": "c1",
            "service_name": "marathon",
            "executor_name": "Command",
            "task_name": "web",
            "DCOS_SERVICE_NAME": "w",
        }
        for name in (
            "cpu_usage_idle", "mem_available", "system_load1", "system_uptime_total", "disk_used", "processes_total",
            "net_bytes_recv_total", "swap_total", "dns_things_dns", "things_default",
        ):  # fmt: skip
            await telegraf.series(name)
        assert (await telegraf.series("mesos_slave_uptime_secs")).labels["role"] == "slave"
        assert (await telegraf.series("nginx_up")).labels["dcos_component_name"] == "Admin Router Agent"
        assert (await telegraf.series("requests_total")).labels["code"] == "200"

        assert (await telegraf.get("/v0/ping"))[1]["ok"] is True
        _, node = await telegraf.get("/v0/node")
        assert node["dimensions"] == {"mesos_id": "", "cluster_id": "the-cluster", "hostname": IP}
        names = {one["name"] for one in node["datapoints"]}
        assert {"load.1min", "cpu.total", "memory.total", "filesystem.capacity.total", "network.in"} <= names
        assert "/" in {one["tags"]["path"] for one in node["datapoints"] if one["name"] == "filesystem.inode.free"}
        assert await telegraf.get("/v0/containers") == (200, ["c1"])
        _, container = await telegraf.get("/v0/containers/c1")
        assert container["dimensions"]["task_name"] == "web"
        assert {one["name"]: one["value"] for one in container["datapoints"]}["cpus.limit"] == 0.6
        assert (await telegraf.get("/v0/containers/c9"))[0] == 204
        assert (await telegraf.get("/v0/containers/c1/app"))[0] == 204


async def test_what_tasks_tell_is_theirs_also_after_a_restart(root: Path, world: World) -> None:
    telegraf = Telegraf(root, "slave", world)
    ports = StatsdPorts(root / "run/dcos/telegraf/dcos_statsd.sock", get_logger("test"))
    assert await ports.variables("c1") == {}, "no telegraf, no variables, and the task starts"
    with telegraf.running():
        await telegraf.series("mem_total_bytes")
        variables = await ports.variables("c1")
        assert variables == await ports.variables("c1")
        assert variables["STATSD_UDP_HOST"] == IP
        port = int(variables["STATSD_UDP_PORT"])
        assert int((await ports.variables("c2"))["STATSD_UDP_PORT"]) != port
        assert await ports.variables("../x") == {}
        send(port, "app.requests:2|c|#colour:red\napp.wait:5|ms\nnonsense")
        send(telegraf.statsd, "marathon.things:4|g")
        told = await telegraf.series("app_requests_total")
        assert (told.value, told.labels["task_name"], told.labels["colour"]) == (2, "web", "red")
        assert (await telegraf.series("marathon_things")).value == 4
        _, app = await telegraf.get("/v0/containers/c1/app")
        assert {one["name"]: one["value"] for one in app["datapoints"]}["app.wait.count"] == 1
        assert app["dimensions"]["framework_name"] == "marathon"
        _, one = await telegraf.get("/v0/containers/c1/app/app.requests")
        assert [(each["name"], each["value"]) for each in one["datapoints"]] == [("app.requests", 2)]
    with telegraf.running():
        await telegraf.series("mem_total_bytes")
        send(port, "app.requests:1|c")
        assert (await telegraf.series("app_requests_total")).value == 1
        assert await ports.variables("c1") == variables


async def test_a_master(root: Path, world: World) -> None:
    telegraf = Telegraf(root, "master", world)
    with telegraf.running():
        assert (await telegraf.series("mesos_master_elected")).labels["state"] == "leader"
        latency = await telegraf.series("zookeeper_avg_latency")
        assert (latency.value, latency.labels["dcos_component_name"]) == (2, "ZooKeeper")
        assert latency.labels["state"] == "leader"
        assert (await telegraf.series("exhibitor_status_isleader")).labels["exhibitor_address"] == "m1"
        assert {one.labels["dcos_component_name"] for one in await telegraf.scraped() if one.name == "nginx_up"} == {
            "Admin Router",
            "Marathon",
        }
        assert await telegraf.get("/v0/containers") == (200, [])
        assert not (root / "run/dcos/telegraf/dcos_statsd.sock").exists()


async def test_who_is_away_takes_nobody_along(root: Path, world: World) -> None:
    world.is_away = True
    telegraf = Telegraf(root, "slave", world)
    with telegraf.running():
        await telegraf.series("cpu_usage_idle")
        assert not [one for one in await telegraf.scraped() if one.name == "mem_total_bytes"]
        world.is_away = False
        await telegraf.series("mem_total_bytes")
