"""Runs health checks and checks of tasks; results go to the core, which judges them.

HTTP and TCP go to 127.0.0.1 (or ::1) in the task's network, be it the machine's or its own. Commands run beside the task,
with its folder, user and environment.   Source: Mesos docs/health-checks.md.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

import aiohttp

from dcos.agent import netns
from dcos.agent.containerizer.base import ContainerError
from dcos.agent.core.events import Checked, Event, Probed
from dcos.model.v1.types import (
    CheckInfo,
    CheckInfoType,
    CheckStatusInfo,
    CheckStatusInfoCommand,
    CheckStatusInfoHttp,
    CheckStatusInfoTcp,
    CommandInfo,
    HealthCheck,
    HealthCheckType,
    NetworkInfoProtocol,
    TaskInfo,
)
from dcos.runtime.clock import Clock

Execute = Callable[[str, CommandInfo, float | None], Awaitable[int]]


class Checker:
    """Probes of one agent. ``execute`` runs a command in a container, ``post`` takes results, ``pid`` tells a process in it."""

    def __init__(
        self, execute: Execute, post: Callable[[Event], None], clock: Clock, pid: Callable[[str], int | None]
    ) -> None:
        self._execute = execute
        self._pid = pid
        self._post = post
        self._clock = clock
        self._insecure = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loads no authorities: none is asked
        self._insecure.check_hostname = False
        self._insecure.verify_mode = ssl.CERT_NONE

    async def health(self, container_id: str, task: TaskInfo) -> None:
        """For ever: after the delay, then an interval after each result."""
        check = task.health_check
        assert check is not None
        await asyncio.sleep(check.delay_seconds)
        while True:
            failure = await self._probe(container_id, check)
            self._post(Probed(container_id, failure, self._clock.now()))
            await asyncio.sleep(check.interval_seconds)

    async def check(self, container_id: str, task: TaskInfo) -> None:
        """As ``health``, for the check that only informs."""
        check = task.check
        assert check is not None
        await asyncio.sleep(check.delay_seconds)
        while True:
            status = await self._check(container_id, check)
            if status is not None:
                self._post(Checked(container_id, status, self._clock.now()))
            await asyncio.sleep(check.interval_seconds)

    async def _probe(self, container_id: str, check: HealthCheck) -> str | None:
        """Why it failed, None if healthy."""
        timeout = check.timeout_seconds or None
        try:
            async with asyncio.timeout(timeout):
                match check.type:
                    case HealthCheckType.COMMAND if check.command is not None:
                        code = await self._execute(container_id, check.command, timeout)
                        return None if code == 0 else f"command exited with status {code}"
                    case HealthCheckType.HTTP if check.http is not None:
                        http = check.http
                        code = await self._get(
                            container_id, http.scheme or "http", http.port, http.path or "/", http.protocol
                        )
                        return None if 200 <= code < 400 else f"HTTP answered {code}"
                    case HealthCheckType.TCP if check.tcp is not None:
                        await self._connect(container_id, check.tcp.port, check.tcp.protocol)
                        return None
                    case _:
                        return "the health check has no type that is known"
        except TimeoutError:
            return f"timed out after {check.timeout_seconds:g} s"
        except (ContainerError, OSError, aiohttp.ClientError) as error:
            return str(error) or type(error).__name__

    async def _check(self, container_id: str, check: CheckInfo) -> CheckStatusInfo | None:
        """The result, empty inside when there is none; None when the agent could not look."""
        timeout = check.timeout_seconds or None
        kind = check.type
        try:
            async with asyncio.timeout(timeout):
                if kind is CheckInfoType.COMMAND and check.command is not None:
                    code = await self._execute(container_id, check.command.command, timeout)
                    return CheckStatusInfo(type=kind, command=CheckStatusInfoCommand(exit_code=code))
                if kind is CheckInfoType.HTTP and check.http is not None:
                    code = await self._get(
                        container_id, "http", check.http.port, check.http.path or "/", NetworkInfoProtocol.IPv4
                    )
                    return CheckStatusInfo(type=kind, http=CheckStatusInfoHttp(status_code=code))
                if kind is CheckInfoType.TCP and check.tcp is not None:
                    try:
                        await self._connect(container_id, check.tcp.port, NetworkInfoProtocol.IPv4)
                    except OSError:
                        return CheckStatusInfo(type=kind, tcp=CheckStatusInfoTcp(succeeded=False))
                    return CheckStatusInfo(type=kind, tcp=CheckStatusInfoTcp(succeeded=True))
        except ContainerError:
            return None
        except (TimeoutError, OSError, aiohttp.ClientError):
            pass
        if kind is CheckInfoType.HTTP:
            return CheckStatusInfo(type=kind, http=CheckStatusInfoHttp())
        return CheckStatusInfo(type=kind, command=CheckStatusInfoCommand())

    async def _get(self, container_id: str, scheme: str, port: int, path: str, protocol: NetworkInfoProtocol) -> int:
        url = f"{scheme}://{_bracketed(protocol)}:{port}/{path.lstrip('/')}"
        timeout = aiohttp.ClientTimeout(total=None)
        pid = self._pid(container_id)
        make = netns.factory(pid) if pid is not None and netns.is_elsewhere(pid) else None
        connector = aiohttp.TCPConnector(force_close=True, socket_factory=make)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
            session.get(url, ssl=self._insecure, allow_redirects=True) as response,
        ):
            if response.status < 200:
                raise aiohttp.ClientError("switched protocols instead of answering")  # for curl, too, that is no answer
            return response.status

    async def _connect(self, container_id: str, port: int, protocol: NetworkInfoProtocol) -> None:
        pid = self._pid(container_id)
        family = socket.AF_INET6 if protocol is NetworkInfoProtocol.IPv6 else socket.AF_INET
        if pid is not None and netns.is_elsewhere(pid):
            made = netns.socket_in(pid, family)
        else:
            made = socket.socket(family)
            made.setblocking(False)
        with made:
            await asyncio.get_running_loop().sock_connect(made, (_host(protocol), port))


def _host(protocol: NetworkInfoProtocol) -> str:
    return "::1" if protocol is NetworkInfoProtocol.IPv6 else "127.0.0.1"


def _bracketed(protocol: NetworkInfoProtocol) -> str:
    host = _host(protocol)
    return f"[{host}]" if ":" in host else host
