"""nginx: checked, then started as our child, watched and ended; or become, where nothing is left to do beside it.

As a child it is started by ``setpriv --pdeathsig``, so that it cannot outlive us even by ``kill -9``; one that did so
anyway (found by the pid file and by its command line naming our configuration) is ended before ours starts. Its processes
are a group of their own: workers keep the ports when their master is killed, so the whole group goes. Then nobody has
removed its socket either, and nginx will not take a socket's path that exists. Once we are nginx, all that is the matter of
who started us: systemd by the unit's cgroup, a local cluster's supervisor by the session.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import NoReturn

from dcos.adminrouter.asking import asked
from dcos.runtime import process
from dcos.runtime.log import Logger

_STOP_S = 10.0
_START_S = 30.0


class NginxError(Exception):
    """nginx refuses its configuration, does not answer, or ended by itself."""


async def check(nginx: str, prefix: Path, configuration: Path) -> None:
    """``nginx -t``.   Errors: NginxError with what it says."""
    try:
        result = await process.run([nginx, "-t", "-q", "-p", f"{prefix}/", "-c", configuration], timeout_s=60)
    except process.ProcessError as error:
        raise NginxError(str(error)) from error
    if not result.ok:
        raise NginxError(result.stderr.decode(errors="replace").strip()[-2000:])


@contextlib.asynccontextmanager
async def running(
    nginx: str, prefix: Path, configuration: Path, status_socket: Path, *, log: Logger
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start it, give its process, end it.   Errors: NginxError."""
    await _end_leftover(prefix / "nginx.pid", configuration, log)
    status_socket.unlink(missing_ok=True)
    argv = ["setpriv", "--pdeathsig", "TERM", "--", nginx, "-p", f"{prefix}/", "-c", str(configuration)]
    try:
        child = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        raise NginxError(f"{argv[0]}: {error}") from error
    try:
        yield child
    finally:
        await _end(child)


async def become(
    nginx: str,
    prefix: Path,
    configuration: Path,
    listen: Sequence[tuple[str, int]],
    *,
    ready: Callable[[], None],
    log: Logger,
) -> NoReturn:
    """Turn this process into nginx, which takes the listening sockets over: whoever connects after ``ready`` is served.

    Errors: NginxError: an address is taken, there is no such program.
    """
    await _end_leftover(prefix / "nginx.pid", configuration, log)
    sockets = []
    for host, port in listen:
        try:
            sockets.append(socket.create_server((host, port), family=_family(host), backlog=511))
        except OSError as error:
            raise NginxError(f"{host} port {port}: {error}") from error
        sockets[-1].set_inheritable(True)
    environment = {**os.environ, "NGINX": "".join(f"{one.fileno()};" for one in sockets)}
    ready()
    try:
        os.execvpe(nginx, [nginx, "-p", f"{prefix}/", "-c", str(configuration)], environment)
    except OSError as error:
        raise NginxError(f"{nginx}: {error}") from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


async def answering(child: asyncio.subprocess.Process, status_socket: Path) -> None:
    """Return when it serves.   Errors: NginxError."""
    async with asyncio.timeout(_START_S):
        while child.returncode is None:
            if await stub_status(status_socket) is not None:
                return
            await asyncio.sleep(0.05)
    raise NginxError(f"ended with {child.returncode} at start")


async def stub_status(status_socket: Path) -> str | None:
    """nginx's counters as it prints them; None when it does not answer."""
    return await asked(status_socket, "/", timeout_s=2.0)


async def _end(child: asyncio.subprocess.Process) -> None:
    """Fast end: SIGTERM closes connections at once, as systemd's stop expects within seconds."""
    try:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            async with asyncio.timeout(_STOP_S):
                await child.wait()
    except TimeoutError:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    await child.wait()


async def _end_leftover(pid_file: Path, configuration: Path, log: Logger) -> None:
    """End the nginx of an earlier run, if there is one."""
    try:
        pid = int(pid_file.read_text().strip())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return
    if b"nginx" not in command or str(configuration).encode() not in command:
        return
    log.warning("ending_leftover_nginx", pid=pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        async with asyncio.timeout(_STOP_S):
            while Path(f"/proc/{pid}").exists():  # noqa: ASYNC110 (not our child: nothing tells when it is gone)
                await asyncio.sleep(0.05)
