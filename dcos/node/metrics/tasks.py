"""statsd of tasks: a UDP port for each container, so that what it tells is known to be its own.

The agent asks before it starts a container: ``POST /container`` with ``{"container_id": ...}`` answers with ``statsd_host``
and ``statsd_port``. Ports are kept in a folder, one file a container, so that a restart takes them again. A port is given back
when the agent has not listed its container for a while.   Source: Telegraf's input dcos_statsd in DC/OS 2.x.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec
from aiohttp import web

from dcos.node.core.points import Point
from dcos.node.core.statsd import Aggregate
from dcos.runtime import http
from dcos.runtime.clock import Clock
from dcos.runtime.files import write_atomic
from dcos.runtime.log import Logger

_ID = re.compile(r"[0-9A-Za-z._-]{1,200}")
_IP_FREEBIND = 15
_UNLISTED_S = 180.0
_PACKETS_AT_ONCE = 64
_LONGEST = 65536


class Server:
    """Packets to one port, summed up. The kernel throws away what comes faster than it is read."""

    def __init__(self, host: str, port: int) -> None:
        """Errors: OSError."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            # addresses of dcos-net may come later than we
            self._socket.setsockopt(socket.SOL_IP, _IP_FREEBIND, 1)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.port = int(self._socket.getsockname()[1])
        self.told = Aggregate()
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def _read(self) -> None:
        for _ in range(_PACKETS_AT_ONCE):
            try:
                data = self._socket.recv(_LONGEST)
            except (BlockingIOError, InterruptedError):
                return
            self.told.packet(data)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()


class _Asked(msgspec.Struct, frozen=True):
    container_id: str


class _Kept(msgspec.Struct, frozen=True):
    container_id: str
    statsd_host: str
    statsd_port: int


class TaskServers:
    """``most``: containers that may have a port."""

    def __init__(self, folder: Path, host: str, *, most: int, clock: Clock, log: Logger) -> None:
        self._folder = folder
        self._host = host
        self._most = most
        self._clock = clock
        self._log = log
        self._servers: dict[str, Server] = {}
        self._listed: dict[str, float] = {}

    def load(self) -> None:
        """Take the ports again that were given before."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self._folder.glob("[!.]*")):
            try:
                kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
                self._open(kept.container_id, kept.statsd_port)
            except (OSError, msgspec.MsgspecError) as error:
                self._log.warning("statsd_port_lost", container=path.name, error=str(error))

    def _open(self, container: str, port: int = 0) -> Server:
        server = Server(self._host, port)
        self._servers[container] = server
        self._listed[container] = self._clock.monotonic()
        return server

    def points(self, now: float, tags: Mapping[str, Mapping[str, str]]) -> dict[str, list[Point]]:
        """By container. ``tags``: what is known of them."""
        return {
            id: server.told.points(now, dict(tags.get(id, {"container_id": id})))
            for id, server in self._servers.items()
        }

    def listed(self, containers: Collection[str]) -> None:
        """The agent has these; others lose their port in a while."""
        now = self._clock.monotonic()
        self._listed.update(dict.fromkeys(self._servers.keys() & set(containers), now))
        for id in [id for id, at in self._listed.items() if now - at > _UNLISTED_S]:
            self._servers.pop(id).close()
            del self._listed[id]
            (self._folder / id).unlink(missing_ok=True)

    def close(self) -> None:
        for server in self._servers.values():
            server.close()

    # ---- the agent's side

    def application(self) -> web.Application:
        app = http.application(client_max_size=64 * 1024)
        app.router.add_post("/container", self._add)
        app.router.add_get("/containers", self._list)
        return app

    async def _add(self, request: web.Request) -> web.Response:
        try:
            id = msgspec.json.decode(await request.read(), type=_Asked).container_id
        except msgspec.MsgspecError as error:
            return web.Response(status=400, text=f"{error}\n")
        if not _ID.fullmatch(id) or id.strip(".") == "":
            return web.Response(status=400, text="container_id: must be letters, digits, '.', '_' and '-'\n")
        server, status = self._servers.get(id), 200
        if server is None:
            if len(self._servers) >= self._most:
                return web.Response(status=503, text="as many containers as may have a port have one\n")
            try:
                server, status = self._open(id), 201
            except OSError as error:
                return web.Response(status=503, text=f"no port: {error}\n")
        kept = _Kept(id, self._host, server.port)
        write_atomic(self._folder / id, msgspec.json.encode(kept))
        return http.json_response(kept, status=status)

    async def _list(self, _: web.Request) -> web.Response:
        return http.json_response([_Kept(id, self._host, one.port) for id, one in sorted(self._servers.items())])
