"""Runs health checks and checks of tasks; results go to the core, which judges them.

HTTP and TCP go to 127.0.0.1 (or ::1): tasks share the machine's network. Commands run beside the task, with its folder,
user and environment.   Source: Mesos docs/health-checks.md.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import aiohttp

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
    """Probes of one agent. ``execute`` runs a command in a container, ``post`` takes results."""

    def __init__(self, execute: Execute, post: Callable[[Event], None], clock: Clock) -> None:
        self._execute = execute
        self._post = post
        self._clock = clock
        self._insecure = ssl.create_default_context()
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
                        code = await self._get(http.scheme or "http", http.port, http.path or "/", http.protocol)
                        return None if 200 <= code < 400 else f"HTTP answered {code}"
                    case HealthCheckType.TCP if check.tcp is not None:
                        await self._connect(check.tcp.port, check.tcp.protocol)
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
                    code = await self._get("http", check.http.port, check.http.path or "/", NetworkInfoProtocol.IPv4)
                    return CheckStatusInfo(type=kind, http=CheckStatusInfoHttp(status_code=code))
                if kind is CheckInfoType.TCP and check.tcp is not None:
                    try:
                        await self._connect(check.tcp.port, NetworkInfoProtocol.IPv4)
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

    async def _get(self, scheme: str, port: int, path: str, protocol: NetworkInfoProtocol) -> int:
        url = f"{scheme}://{_bracketed(protocol)}:{port}/{path.lstrip('/')}"
        timeout = aiohttp.ClientTimeout(total=None)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(force_close=True)) as session,
            session.get(url, ssl=self._insecure, allow_redirects=True) as response,
        ):
            return response.status

    async def _connect(self, port: int, protocol: NetworkInfoProtocol) -> None:
        _, writer = await asyncio.open_connection(_host(protocol), port)
        writer.close()


def _host(protocol: NetworkInfoProtocol) -> str:
    return "::1" if protocol is NetworkInfoProtocol.IPv6 else "127.0.0.1"


def _bracketed(protocol: NetworkInfoProtocol) -> str:
    host = _host(protocol)
    return f"[{host}]" if ":" in host else host
