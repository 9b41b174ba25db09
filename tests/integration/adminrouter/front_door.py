"""A real Admin Router (process and nginx) between mock upstreams, for the tests in this folder.

Every upstream tells what reached it: the answer is JSON with its name, the method, the raw path and the headers.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from kazoo.client import KazooClient

from dcos.testing import zookeeper
from dcos.testing.cluster import eventually
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port
from dcos.wire import jwt

KEY = jwt.generate_key()
TOKEN = jwt.sign("bob", None, KEY)
BAD_TOKEN = jwt.sign("bob", None, jwt.generate_key())
OLD_TOKEN = jwt.sign("bob", 1_000, KEY)
AUTH = {"Authorization": f"token={TOKEN}"}
SOCKETS = (
    "pkgpanda-api",
    "dcos-checks-api",
    "dcos-history",
    "dcos-log",
    "telegraf-dcos-metrics",
    "dcos-ui-update-service",
    "dcos-diagnostics",
)
"""Services on unix sockets below /run/dcos."""
UPSTREAMS = (
    "dcos-exhibitor",
    "dcos-marathon",
    "dcos-mesos-dns",
    "dcos-net",
    "dcos-bouncer",
    "dcos-cosmos",
    "dcos-diagnostics",
    "master",
    "agent",
    "app",
    "unbuffered",
    "other-router",
)


def why_not() -> str | None:
    """Why these tests cannot run here."""
    if shutil.which("nginx") is None:
        return "no nginx on PATH (nginx-light)"
    return zookeeper.why_not()


@dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def seen(self) -> dict[str, Any]:
        """What the upstream saw."""
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


@dataclass
class State:
    """What the mock cluster says; tests change it."""

    apps: list[dict[str, Any]] = field(default_factory=list)
    frameworks: list[dict[str, Any]] = field(default_factory=list)
    srv: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    marathon_leader: str | None = None
    away: bool = False
    """Marathon answers 500 when it is asked for apps."""
    fetches: int = 0
    state_fetches: int = 0
    listeners: set[asyncio.Queue[bytes]] = field(default_factory=set)


class World:
    """Mock upstreams on one loop in a thread of its own."""

    def __init__(self) -> None:
        self.ports = {name: free_port() for name in UPSTREAMS}
        self.state = State()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._runners: list[web.AppRunner] = []
        self._heard = asyncio.Semaphore(0)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self.loop).result(PATIENCE_S)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self.loop).result(PATIENCE_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def furnish(self) -> None:
        """Apps, frameworks and a leading Marathon, for the cases about routes."""
        self.state.apps = [
            app("web", self.ports["app"]),
            app("group/web", self.ports["app"]),
            app("raw", self.ports["app"], DCOS_SERVICE_REWRITE_REQUEST_URLS=False),
            app("big", self.ports["unbuffered"], DCOS_SERVICE_REQUEST_BUFFERING="false"),
            app("bad", self.ports["app"], DCOS_SERVICE_PORT_INDEX="x"),
            app("gone", 1),
        ]
        self.state.frameworks = [
            {"id": "fw-1", "name": "spark", "webui_url": f"http://127.0.0.1:{self.ports['app']}/ui/"},
            {"id": "fw-2", "name": "dev/kafka", "webui_url": ""},
            {"id": "fw-3", "name": "hidden", "webui_url": None},
            {"id": "fw-4", "name": "dev/lost", "webui_url": ""},
        ]
        self.state.srv = {"_kafka.dev._tcp.marathon.mesos": [{"ip": "127.0.0.1", "port": str(self.ports["app"])}]}
        self.state.marathon_leader = "127.0.0.1:8080"

    def event(self, text: str = "status_update_event") -> None:
        """Marathon says that something happened."""

        def tell() -> None:
            for queue in self.state.listeners:
                queue.put_nowait(f"event: {text}\r\ndata: {{}}\r\n\r\n".encode())

        self.loop.call_soon_threadsafe(tell)

    def heard(self) -> None:
        """Who listens to ``/sse`` has the last word: the next may come."""
        self.loop.call_soon_threadsafe(self._heard.release)

    def listen_below(self, run: Path, names: Iterable[str] = SOCKETS) -> None:
        """The services on unix sockets, below ``run``."""
        asyncio.run_coroutine_threadsafe(self._listen_below(run, names), self.loop).result(10)

    async def _listen_below(self, run: Path, names: Iterable[str]) -> None:
        for name in names:
            app = web.Application()
            app.router.add_get("/redirect", self._redirect)
            app.router.add_get("/unbuffered", self._unbuffered)
            app.router.add_get("/broken", self._broken)
            app.router.add_route("*", r"/{rest:[\s\S]*}", _telling(name))
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            path = run / f"{name}.sock"
            await web.UnixSite(runner, str(path)).start()
            path.chmod(0o666)
            self._runners.append(runner)

    async def _once(self, request: web.Request) -> web.Response:
        """Says that the connection is kept, and closes it."""
        transport = request.transport
        assert transport is not None
        self.loop.call_later(0.2, transport.close)
        return web.json_response({"connection": transport.get_extra_info("peername")[1]})

    async def _unbuffered(self, _: web.Request) -> web.Response:
        return web.Response(text="{}", headers={"X-Accel-Buffering": "no"})

    async def _broken(self, _: web.Request) -> web.Response:
        return web.Response(status=502, text="my own trouble")

    async def _start(self) -> None:
        for name, port in self.ports.items():
            app = web.Application(client_max_size=2**30)
            app.router.add_get("/redirect", self._redirect)
            if name == "dcos-marathon":
                app.router.add_get("/v2/apps", self._apps)
                app.router.add_get("/v2/leader", self._leader)
                app.router.add_get("/v2/events", self._events)
            elif name == "master":
                app.router.add_get("/master/state-summary", self._summary)
            elif name == "dcos-mesos-dns":
                app.router.add_get("/v1/services/{name}", self._srv)
            elif name == "dcos-bouncer":
                app.router.add_get("/acs/api/v1/auth/jwks", self._jwks)
            elif name in ("app", "unbuffered"):
                app.router.add_get("/once", self._once)
                app.router.add_get("/ws", self._ws)
                app.router.add_get("/sse", self._sse)
                app.router.add_post("/upload", self._upload)
            app.router.add_route("*", r"/{rest:[\s\S]*}", _telling(name))
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            self._runners.append(runner)

    async def _stop(self) -> None:
        for queue in self.state.listeners:
            queue.put_nowait(b"")
        for runner in self._runners:
            await runner.cleanup()
        await asyncio.sleep(0)

    async def _apps(self, request: web.Request) -> web.StreamResponse:
        if "embed" not in request.query:
            return await _telling("dcos-marathon")(request)
        assert request.headers["User-Agent"] == "Master Admin Router"
        if self.state.away:
            return web.Response(status=500)
        self.state.fetches += 1
        return web.json_response({"apps": self.state.apps})

    async def _leader(self, _: web.Request) -> web.Response:
        leader = self.state.marathon_leader
        return web.json_response({"leader": leader}) if leader else web.json_response({"message": "no"}, status=404)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.state.listeners.add(queue)
        try:
            while chunk := await queue.get():
                await response.write(chunk)
        finally:
            self.state.listeners.discard(queue)
        return response

    async def _summary(self, request: web.Request) -> web.StreamResponse:
        if "told" in request.query:
            self.state.state_fetches += 1
            return await _telling("master")(request)
        agents = [
            {"id": "agent-1", "pid": f"slave(1)@127.0.0.1:{self.ports['agent']}"},
            {"id": "away", "pid": "slave(1)@127.0.0.1:1"},
        ]
        return web.json_response({"cluster": "test", "frameworks": self.state.frameworks, "slaves": agents})

    async def _srv(self, request: web.Request) -> web.Response:
        nothing = [{"service": "", "host": "", "ip": "", "port": ""}]
        return web.json_response(self.state.srv.get(request.match_info["name"], nothing))

    async def _jwks(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": [jwt.to_jwk(KEY.public_key())]})

    async def _ws(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"you said {message.data}")
        return socket

    async def _sse(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(3):
            await response.write(f"data: {number}\n\n".encode())
            await self._heard.acquire()
        return response

    async def _redirect(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": request.query["to"]})

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        """Answers after the first bytes: shows whether they came before the rest was sent."""
        response = web.StreamResponse()
        first = await request.content.readany()
        await response.prepare(request)
        await response.write(f"first {len(first)}\n".encode())
        total = len(first)
        async for chunk in request.content.iter_any():
            total += len(chunk)
        await response.write(f"total {total}\n".encode())
        return response


def _telling(name: str) -> Any:
    async def tell(request: web.Request) -> web.Response:
        body = await request.read()
        return web.json_response(
            {
                "upstream": name,
                "method": request.method,
                "path": request.raw_path,
                "headers": dict(request.headers),
                "length": len(body),
                "connection": (request.transport.get_extra_info("peername") or ("", 0))[1] if request.transport else 0,
            },
            headers={"Set-Cookie": f"from={name}", "Cache-Control": "max-age=60"},
        )

    return tell


class FrontDoor:
    """One dcos-adminrouter process."""

    def __init__(self, folder: Path, world: World, zk: str, *flags: str, role: str = "master") -> None:
        self.folder = folder
        self.world = world
        self.port, self.tls_port = free_port(), free_port()
        etc = folder / "opt/mesosphere/etc"
        (folder / "opt/mesosphere/active/dcos-metadata/etc").mkdir(parents=True)
        etc.mkdir()
        (etc / "dcos-version.json").write_text('{"version": "3.0.0"}')
        (folder / "opt/mesosphere/active/dcos-metadata/etc/other.json").write_text("{}")
        (folder / "opt/mesosphere/active.buildinfo.full.json").write_text('{"built": true}')
        (folder / "var/lib/dcos").mkdir(parents=True)
        (folder / "run/dcos").mkdir(parents=True)
        (folder / "var/lib/dcos/cluster-id").write_text("the-id\n")
        os.chmod(folder, 0o755)
        upstreams = ",".join(
            f"{name}=127.0.0.1:{port}" for name, port in world.ports.items() if name.startswith("dcos-")
        )
        self.argv = [
            sys.executable,
            "-c",
            "import sys; from dcos.adminrouter.service import main; sys.exit(main())",
            f"--role={role}",
            "--ip=127.0.0.1",
            f"--zk=zk://{zk}/mesos",
            f"--http_port={self.port}",
            f"--https_port={self.tls_port}",
            f"--agent_router_port={world.ports['other-router']}",
            f"--leader_router_port={world.ports['other-router']}",
            f"--upstreams={upstreams}",
            "--cluster_name=Test & Co",
            "--cache_first_poll_delay=0.2",
            "--events_poll_period=1",
            "--access_log=off",
            *flags,
        ]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / "router.log"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.argv, env={**os.environ, "DCOS_ROOT": str(self.folder)}, stderr=log)

    def wait(self, path: str = "/dcos-metadata/dcos-version.json", headers: Mapping[str, str] | None = None) -> None:
        def answers() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text(errors="replace")
            return self.ask(path, headers=headers).status == 200

        eventually(f"{path} answers", answers, within_s=60, every_s=0.1)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def nginx_pid(self) -> int:
        return int(next((self.folder / "run/dcos").glob("*/nginx.pid")).read_text())

    def ask(
        self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        """One request, the path sent as it is."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as link:
            link.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": "cluster.test", **(headers or {})}.items():
                link.putheader(name, value)
            if body is not None:
                link.putheader("Content-Length", str(len(body)))
            link.endheaders(body)
            reply = link.getresponse()
            return Reply(reply.status, reply.headers, reply.read())


def announce_master(zk: str, port: int) -> None:
    """Write what the leading master writes."""
    client = KazooClient(hosts=zk)
    client.start()
    try:
        info = {
            "address": {"ip": "127.0.0.1", "port": port},
            "id": "m",
            "ip": 16777343,
            "port": port,
            "version": "1.11.0",
        }
        client.create("/mesos/json.info_", json.dumps(info).encode(), sequence=True, makepath=True)
    finally:
        client.stop()
        client.close()


def app(name: str, port: int, **labels: Any) -> dict[str, Any]:
    """A Marathon app on the host network that wants to be found as ``name``."""
    return {
        "id": f"/{name}",
        "labels": {
            "DCOS_SERVICE_NAME": name,
            "DCOS_SERVICE_SCHEME": "http",
            "DCOS_SERVICE_PORT_INDEX": "0",
            **labels,
        },
        "tasks": [{"id": "t", "host": "127.0.0.1", "ports": [port], "state": "TASK_RUNNING"}],
        "networks": [{"mode": "host"}],
    }


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[tuple[World, str]]:
    """Mock upstreams and a real ZooKeeper that names the mock master as leader."""
    world = World()
    with zookeeper.ensemble(folder) as ensemble:
        announce_master(ensemble.hosts, world.ports["master"])
        world.start()
        try:
            yield world, ensemble.hosts
        finally:
            world.stop()


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that everybody can look into, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="dcos-adminrouter-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextlib.contextmanager
def opened(door: FrontDoor) -> Iterator[FrontDoor]:
    with started(door):
        door.wait()
        yield door


@contextlib.contextmanager
def started(door: FrontDoor) -> Iterator[FrontDoor]:
    """As ``opened``, without waiting until it answers."""
    door.start()
    try:
        yield door
    finally:
        if door.process is not None and door.process.poll() is None:
            door.stop()
