"""``--http_executor_domain_sockets``: executors reach the agent by a unix socket, and need no network for it.

It is found by ``MESOS_DOMAIN_SOCKET``: at ``--domain_socket_location``, or as systemd hands it over (``systemd:NAME``). An
executor in an image sees the folder of a second one, below ``--runtime_dir``: a socket that is mounted by itself would be
that of a dead agent after a restart.   Source: Mesos agent (domain sockets), docs/executor-http-api.md.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from dcos.agent.config import Config, location_problem
from dcos.agent.core.environment import SOCKET_NAME
from dcos.runtime import http
from dcos.runtime.app import App
from dcos.runtime.unix_sockets import listening

_BY_SYSTEMD = "systemd:"
_FIRST_FD = 3
_EVERYBODY = 0o666
"""Executors run as users of their own, and prove who they are as over TCP."""


@dataclass(frozen=True, slots=True)
class ExecutorSockets:
    """``path``: told to executors; ``folder``: mounted for those in images."""

    path: str
    folder: Path
    handed: socket.socket | None = None
    """systemd's, which outlives the agent."""

    @contextlib.asynccontextmanager
    async def serve(self, app: web.Application) -> AsyncIterator[None]:
        """While the block runs.   Errors: ValueError."""
        own = [self.folder / SOCKET_NAME, *(() if self.handed is not None else (Path(self.path),))]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            doors = [listening(one, mode=_EVERYBODY) for one in own]
        except OSError as error:
            raise ValueError(f"--domain_socket_location: {self.path}: {error}") from error
        if self.handed is not None:
            doors.append(self.handed)
        async with http.serve_on(app, doors):
            try:
                yield
            finally:
                for one in own:
                    one.unlink(missing_ok=True)


def asked_for(app: App[Config], runtime: Path) -> ExecutorSockets | None:
    """None: executors come over TCP alone.   Errors: ValueError."""
    config = app.config
    if not config.http_executor_domain_sockets:
        return None
    try:
        return made(config.domain_socket_location, runtime, os.environ)
    except ValueError as error:
        if config.domain_socket_location is not None:
            raise
        # nobody chose that place
        app.log.warning("no_executor_socket", why=str(error))
        return None


def made(location: str | None, runtime: Path, environment: Mapping[str, str]) -> ExecutorSockets:
    """As the flag says.   Errors: ValueError."""
    folder = runtime / "executors"
    if location is None or not location.startswith(_BY_SYSTEMD):
        path = location or str(runtime / SOCKET_NAME)
        if (problem := location_problem(path)) is not None:
            raise ValueError(f"--domain_socket_location: {path!r}: {problem}")
        return ExecutorSockets(path, folder)
    name = location.removeprefix(_BY_SYSTEMD)
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    if environment.get("LISTEN_PID") != str(os.getpid()) or name not in names:
        raise ValueError(
            f"--domain_socket_location: systemd handed over no socket named {name!r} (FileDescriptorName=)"
        )
    door = socket.socket(fileno=os.dup(_FIRST_FD + names.index(name)))
    if door.family != socket.AF_UNIX:
        door.close()
        raise ValueError(f"--domain_socket_location: the socket {name!r} of systemd is not a unix socket")
    door.setblocking(False)
    return ExecutorSockets(str(door.getsockname()), folder, door)
