"""An Admin Router in one process for tests of its clients: login, tokens, and stateful fakes behind it.

Marathon is ``FakeMarathon``, the catalog is the real one on a store in memory, Mesos's state and the nodes' health follow
from fields that a test may change at any time (they are only read by the server's thread).
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import aiohttp
from aiohttp import web

from dcos.catalog.api import Api
from dcos.catalog.fetch import Fetcher, Limits
from dcos.catalog.operations import Neighbours
from dcos.catalog.persist import RepositoryList
from dcos.catalog.repository import Shelf, read_tree
from dcos.catalog.service import BUILTIN, PACKAGES
from dcos.client.mesos import MesosMaster, master_at
from dcos.model.v1.types import MasterInfo
from dcos.runtime import http
from dcos.runtime.clock import SystemClock
from dcos.runtime.log import get_logger
from dcos.store.memory import MemoryEnsemble
from dcos.testing.marathon import FakeMarathon
from dcos.testing.operations import FakeOperations
from dcos.testing.patience import PATIENCE_S

TOKEN = "fake.token.value"
PUBLIC = frozenset(
    {"/", "/acs/api/v1/auth/login", "/acs/api/v1/auth/providers", "/dcos-metadata/dcos-version.json", "/ca/dcos-ca.crt"}
)

UNITS = ("dcos-mesos-master.service", "dcos-marathon.service", "dcos-net.service")


class FakeAdminRouter:
    def __init__(self, *, users: dict[str, str] | None = None) -> None:
        self.users = users if users is not None else {"admin": "right password"}
        self.marathon = FakeMarathon()
        self.operations = FakeOperations()
        self.cluster_id = "0a1b2c3d-0000-4000-8000-000000000001"
        self.name = "fake-cluster"
        self.authority = b""
        self.agents = [_agent("a-S0", "10.0.0.2", False), _agent("a-S1", "10.0.0.3", True)]
        self.unit_trouble: dict[tuple[str, str], str] = {}
        """(node address, unit) to the reason why it is unhealthy."""
        self.down: set[str] = set()
        """First path parts that answer 503."""
        self.files: dict[str, bytes] = {}
        """Contents by path on the agents; a task's sandbox is ``/sandbox/<task id>``."""
        self.catalog: Callable[[str, dict[str, Any]], bytes | dict[str, Any]] | None = None
        """Answers in place of the catalog: path and body in, a file or JSON out."""
        self.requests: list[str] = []
        self.torn_down: list[str] = []
        self._cosmos = ""
        self._session: aiohttp.ClientSession | None = None

    def application(self, cosmos: str, session: aiohttp.ClientSession) -> web.Application:
        """``cosmos``: where the catalog listens."""
        self._cosmos, self._session = cosmos, session
        app = web.Application(middlewares=[self._guard])
        routes = app.router
        routes.add_get("/", _empty)
        routes.add_get("/pkgpanda/active.buildinfo.full.json", _empty)
        routes.add_get("/acs/api/v1/auth/providers", self._providers)
        routes.add_post("/acs/api/v1/auth/login", self._login)
        routes.add_get("/dcos-metadata/dcos-version.json", self._version)
        routes.add_get("/ca/dcos-ca.crt", self._ca)
        routes.add_get("/metadata", self._metadata)
        routes.add_get("/mesos/state-summary", self._state)
        routes.add_get("/mesos/master/state", self._state)
        routes.add_post("/mesos/api/v1", self._call)
        routes.add_get("/mesos_dns/v1/hosts/master.mesos", self._masters)
        routes.add_get("/net/v1/nodes", self._net)
        routes.add_get("/system/health/v1/nodes", self._nodes)
        routes.add_get("/system/health/v1/units", self._units)
        routes.add_get("/system/health/v1/nodes/{ip}/units", self._units_of)
        routes.add_get("/agent/{id}/state", self._agent_state)
        routes.add_get("/agent/{id}/files/read", self._read)
        routes.add_get("/agent/{id}/files/browse", self._browse)
        routes.add_route("*", "/package/{rest:.*}", self._package)
        self.operations.add_routes(routes)
        app.add_subapp("/service/marathon", self.marathon.application())
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        if request.path.split("/")[1] in self.down or request.path in self.down:
            return web.Response(status=503, text="503 Service Unavailable")
        if request.path not in PUBLIC and request.headers.get("Authorization") != f"token={TOKEN}":
            headers = {"WWW-Authenticate": "oauthjwt", "Content-Type": "text/html; charset=UTF-8"}
            return web.Response(status=401, headers=headers, text="<html>401</html>")
        answer: web.StreamResponse = await handler(request)
        return answer

    # ---- identity ----

    async def _providers(self, _: web.Request) -> web.Response:
        provider = {"authentication-type": "dcos-uid-password", "description": "Default DC/OS login provider"}
        return web.json_response({"dcos-users": provider})

    async def _login(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self.users.get(body.get("uid")) == body.get("password"):
            return web.json_response({"token": TOKEN})
        error = {"title": "401 Unauthorized", "description": "Invalid credentials.", "code": "ERR_INVALID_CREDENTIALS"}
        return web.json_response(error, status=401, headers={"WWW-Authenticate": "acsjwt"})

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "3.0.0", "dcos-variant": "open"})

    async def _ca(self, _: web.Request) -> web.Response:
        return web.Response(body=self.authority) if self.authority else web.Response(status=404)

    async def _metadata(self, _: web.Request) -> web.Response:
        return web.json_response({"PUBLIC_IPV4": "10.0.0.1", "CLUSTER_ID": self.cluster_id})

    # ---- Mesos ----

    def _tasks(self) -> list[dict[str, Any]]:
        return [
            {
                "id": one["id"],
                "name": app["id"].strip("/").replace("/", "."),
                "framework_id": "fw-0",
                "executor_id": "",
                "slave_id": one["slaveId"],
                "state": one["state"],
                "statuses": [{"state": one["state"], "container_status": {"container_id": {"value": "c-0"}}}],
            }
            for app in self.marathon.apps.values()
            for one in self.marathon.tasks_of(app)
        ]

    async def _state(self, _: web.Request) -> web.Response:
        framework = {
            "id": "fw-0",
            "name": "marathon",
            "hostname": "10.0.0.1",
            "active": True,
            "user": "root",
            "used_resources": {"cpus": 0.5, "mem": 64, "disk": 0},
            "tasks": self._tasks(),
            "completed_tasks": [
                {"id": "gone.1", "name": "gone", "framework_id": "fw-0", "slave_id": "a-S0", "state": "TASK_FINISHED"}
            ],
        }
        away = {"id": "fw-1", "name": "away", "hostname": "", "active": False, "tasks": []}
        return web.json_response(
            {
                "cluster": self.name,
                "hostname": "10.0.0.1",
                "id": "m-1",
                "slaves": self.agents,
                "frameworks": [framework, away],
                "completed_frameworks": [],
            }
        )

    async def _call(self, request: web.Request) -> web.Response:
        call = await request.json()
        if call["type"] == "TEARDOWN":
            self.torn_down.append(call["teardown"]["framework_id"]["value"])
            return web.Response(status=202)
        answer = self.operations.call(call, self.agents)
        return web.Response() if answer is None else web.json_response(answer)

    async def _masters(self, _: web.Request) -> web.Response:
        return web.json_response([{"host": "master.mesos.", "ip": "10.0.0.1"}])

    async def _net(self, _: web.Request) -> web.Response:
        return web.json_response([{"private_ip": "10.0.0.3", "public_ips": ["192.0.2.3"]}])

    async def _agent_state(self, request: web.Request) -> web.Response:
        executors = [
            {"id": task["id"], "directory": f"/sandbox/{task['id']}"}
            for task in self._tasks()
            if task["slave_id"] == request.match_info["id"]
        ]
        return web.json_response({"frameworks": [{"id": "fw-0", "executors": executors}]})

    async def _read(self, request: web.Request) -> web.Response:
        content = self.files.get(request.query["path"])
        if content is None:
            return web.Response(status=404, text="")
        offset = int(request.query.get("offset", -1))
        if offset < 0:
            return web.json_response({"data": "", "offset": len(content)})
        length = int(request.query.get("length", len(content)))
        return web.json_response({"data": content[offset : offset + length].decode(), "offset": offset})

    async def _browse(self, request: web.Request) -> web.Response:
        folder = request.query["path"].rstrip("/")
        found = [path for path in self.files if path.rpartition("/")[0] == folder]
        if not found:
            return web.Response(status=404, text="")
        shown = [
            {
                "path": path,
                "mode": "-rw-r--r--",
                "nlink": 1,
                "uid": "root",
                "gid": "root",
                "size": len(self.files[path]),
                "mtime": 0,
            }
            for path in sorted(found)
        ]
        return web.json_response(shown)

    # ---- health ----

    def _roles(self) -> dict[str, str]:
        agents = {one["hostname"]: "agent_public" if one["attributes"] else "agent" for one in self.agents}
        return {"10.0.0.1": "master", **agents}

    def _trouble(self, ip: str) -> int:
        return int(any(node == ip for node, _ in self.unit_trouble))

    async def _nodes(self, _: web.Request) -> web.Response:
        nodes = [{"host_ip": ip, "health": self._trouble(ip), "role": role} for ip, role in self._roles().items()]
        return web.json_response({"nodes": nodes})

    async def _units(self, _: web.Request) -> web.Response:
        bad = {unit for _, unit in self.unit_trouble}
        return web.json_response({"units": [{"id": unit, "name": unit, "health": int(unit in bad)} for unit in UNITS]})

    async def _units_of(self, request: web.Request) -> web.Response:
        ip = request.match_info["ip"]
        units = [
            {
                "id": unit,
                "name": unit,
                "health": int((ip, unit) in self.unit_trouble),
                "output": self.unit_trouble.get((ip, unit), ""),
            }
            for unit in UNITS
        ]
        return web.json_response({"units": units})

    # ---- the catalog ----

    async def _package(self, request: web.Request) -> web.Response:
        assert self._session is not None
        if self.catalog is not None:
            answer = self.catalog(request.path, await request.json() if request.can_read_body else {})
            return web.Response(body=answer) if isinstance(answer, bytes) else web.json_response(answer)
        kept = ("Content-Type", "Accept", "Authorization")
        headers = {name: request.headers[name] for name in kept if name in request.headers}
        body = await request.read()
        async with self._session.request(
            request.method, self._cosmos + request.path_qs, data=body, headers=headers
        ) as reply:
            content_type = {"Content-Type": reply.headers["Content-Type"]}
            return web.Response(status=reply.status, body=await reply.read(), headers=content_type)


async def _empty(_: web.Request) -> web.Response:
    return web.Response()


def _agent(agent_id: str, ip: str, public: bool) -> dict[str, Any]:
    return {
        "id": agent_id,
        "hostname": ip,
        "pid": f"slave(1)@{ip}:5051",
        "active": True,
        "attributes": {"public_ip": "true"} if public else {},
        "domain": {"fault_domain": {"region": {"name": "r1"}, "zone": {"name": "z1"}}},
    }


async def _serve(fake: FakeAdminRouter, tls: ssl.SSLContext | None, stack: AsyncExitStack) -> str:
    """Start everything; the Admin Router's URL."""
    session = await stack.enter_async_context(http.session())
    scheduler = await stack.enter_async_context(http.listen(fake.marathon.application(), host="127.0.0.1", port=0))

    async def leader() -> Any:
        found: MasterInfo | None = master_at("127.0.0.1", 9)
        yield found

    mesos = await stack.enter_async_context(MesosMaster(leader()))
    shelf = Shelf(
        builtin=BUILTIN.uri,
        own=read_tree(PACKAGES, "3.0.0"),
        fetcher=Fetcher(session, release="3.0.0", user_agent="cosmos/test", limits=Limits()),
        clock=SystemClock(),
        log=get_logger("test"),
    )

    def spawn(work: Coroutine[Any, Any, None]) -> object:
        work.close()
        return None

    api = Api(
        shelf=shelf,
        repository_list=RepositoryList((BUILTIN,), MemoryEnsemble().session()),
        neighbours=Neighbours(session, f"http://{scheduler[0]}:{scheduler[1]}", "http://127.0.0.1:9", mesos),
        spawn=spawn,
        log=get_logger("test"),
    )
    cosmos = await stack.enter_async_context(http.listen(api.application(), host="127.0.0.1", port=0))
    door = fake.application(f"http://{cosmos[0]}:{cosmos[1]}", session)
    host, port = await stack.enter_async_context(http.listen(door, host="127.0.0.1", port=0, tls=tls))
    return f"{'https' if tls else 'http'}://{host}:{port}"


@contextmanager
def running(fake: FakeAdminRouter, *, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve ``fake`` from a thread of its own, so that blocking clients can be tested; yields its URL."""
    started: threading.Event = threading.Event()
    outcome: dict[str, Any] = {}

    async def live() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.call_soon_threadsafe(stop.set)

        async with AsyncExitStack() as stack:
            try:
                outcome["url"] = await _serve(fake, tls, stack)
                outcome["end"] = end
            finally:
                started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="fake admin router", daemon=True)
    thread.start()
    started.wait(PATIENCE_S)
    try:
        yield str(outcome["url"])
    finally:
        if "end" in outcome:
            outcome["end"]()
        thread.join(PATIENCE_S)
