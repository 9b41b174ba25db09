"""What probes find out: real servers of HTTP, HTTPS and plain connections on this machine."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from dcos.agent.checks import Checker
from dcos.agent.core.events import Checked, Probed
from dcos.model.v1.types import (
    AgentID,
    CheckInfo,
    CheckInfoCommand,
    CheckInfoHttp,
    CheckInfoTcp,
    CheckInfoType,
    CheckStatusInfoCommand,
    CheckStatusInfoHttp,
    CheckStatusInfoTcp,
    CommandInfo,
    HealthCheck,
    HealthCheckHTTPCheckInfo,
    HealthCheckTCPCheckInfo,
    HealthCheckType,
    NetworkInfoProtocol,
    TaskID,
    TaskInfo,
)
from dcos.runtime.clock import SystemClock
from dcos.testing.answering import answering
from dcos.testing.certificates import self_signed
from dcos.testing.ports import free_port


@dataclass
class Servers:
    http: int
    https: int
    v6: int | None
    closed: int


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[Servers]:
    """``/N`` answers with that status; ``/to/N`` leads there; ``/slow`` never answers."""

    async def answer(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name == "slow":
            await asyncio.sleep(3600)
        return web.Response(status=int(name))

    async def lead(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"/{request.match_info['name']}")

    app = web.Application()
    app.router.add_get("/to/{name}", lead)
    app.router.add_get("/{name}", answer)
    self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    made = Servers(free_port(), free_port(), None, free_port())
    await web.TCPSite(runner, "127.0.0.1", made.http).start()
    await web.TCPSite(runner, "127.0.0.1", made.https, ssl_context=tls).start()
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
            made.v6 = probe.getsockname()[1]
        except OSError:
            pass
    if made.v6 is not None:
        await web.TCPSite(runner, "::1", made.v6).start()
    yield made
    await runner.cleanup()


async def first(checker_work: str, task: TaskInfo, code: int = 0) -> Any:
    """The first result."""
    results: asyncio.Queue[Any] = asyncio.Queue()

    async def execute(container_id: str, command: CommandInfo, timeout_s: float | None) -> int:
        if command.value == "slow":
            await asyncio.sleep(3600)
        return code

    checker = Checker(execute, results.put_nowait, SystemClock(), lambda container_id: None)
    running = asyncio.create_task(getattr(checker, checker_work)("c", task))
    try:
        async with asyncio.timeout(60):
            return await results.get()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def health(**more: Any) -> str | None:
    check = HealthCheck(delay_seconds=0.0, **more)
    task = TaskInfo(name="t", task_id=TaskID(value="t"), agent_id=AgentID(value="S"), health_check=check)
    found = await first("health", task, code=more.pop("code", 0))
    assert isinstance(found, Probed)
    return found.failure


def http(port: int, path: str, **more: Any) -> dict[str, Any]:
    return {"type": HealthCheckType.HTTP, "http": HealthCheckHTTPCheckInfo(port=port, path=path, **more)}


async def test_health_by_http(servers: Servers) -> None:
    """200 to 399, after redirections; ``statuses`` say nothing; nobody vouches for a certificate."""
    for path, failure in (
        ("/200", None),
        ("/399", None),
        ("/to/204", None),
        ("/400", "HTTP answered 400"),
        ("/to/503", "HTTP answered 503"),
    ):
        assert await health(**http(servers.http, path, statuses=(418,))) == failure
    assert await health(**http(servers.https, "/200", scheme="https")) is None
    assert await health(**http(servers.https, "/200")) is not None, "not by http"
    assert await health(**http(servers.closed, "/200")) is not None
    assert await health(**http(servers.http, "/slow"), timeout_seconds=0.2) == "timed out after 0.2 s"
    if servers.v6 is not None:
        assert await health(**http(servers.v6, "/200", protocol=NetworkInfoProtocol.IPv6)) is None
        assert await health(**http(servers.v6, "/200")) is not None


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (HINTS + b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HINTS + b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 503),
        (HINTS, None),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", None),
        (b"", None),
    ],
    ids=["hints, then 204", "hints, then 503", "hints alone", "another protocol", "nothing"],
)
async def test_what_is_found_is_what_curl_says(answer: bytes, code: int | None) -> None:
    """Upstream's checks are curl's: the program with its words, and ours, at the same server."""
    async with answering(answer) as (port, _):
        curl = await asyncio.create_subprocess_exec(
            *("curl", "-s", "-S", "-L", "-k", "-w", "%{http_code}", "-o", "/dev/null", "-g"),
            f"http://127.0.0.1:{port}/",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        said, _ = await curl.communicate()
        assert (int(said) if curl.returncode == 0 else None) == code
        assert (await health(**http(port, "/")) is None) is (code is not None and 200 <= code < 400)
        check = CheckInfo(type=CheckInfoType.HTTP, http=CheckInfoHttp(port=port), delay_seconds=0.0)
        told = await first(
            "check", TaskInfo(name="t", task_id=TaskID(value="t"), agent_id=AgentID(value="S"), check=check)
        )
        assert told.status.http == CheckStatusInfoHttp(status_code=code)


async def test_health_by_tcp_and_command(servers: Servers) -> None:
    tcp, command = HealthCheckType.TCP, HealthCheckType.COMMAND
    assert await health(type=tcp, tcp=HealthCheckTCPCheckInfo(port=servers.http)) is None
    assert await health(type=tcp, tcp=HealthCheckTCPCheckInfo(port=servers.closed)) is not None
    assert await health(type=command, command=CommandInfo(value="x")) is None
    slow = CommandInfo(value="slow")
    assert await health(type=command, command=slow, timeout_seconds=0.2) == "timed out after 0.2 s"


async def test_checks(servers: Servers) -> None:
    """Whatever is found is told; a timeout finds nothing."""
    kinds = CheckInfoType
    slow = CheckInfoCommand(command=CommandInfo(value="slow"))
    for check, found in (
        (CheckInfo(type=kinds.HTTP, http=CheckInfoHttp(port=servers.http, path="/to/404")), 404),
        (CheckInfo(type=kinds.HTTP, http=CheckInfoHttp(port=servers.http, path="slow"), timeout_seconds=0.2), None),
        (CheckInfo(type=kinds.HTTP, http=CheckInfoHttp(port=servers.closed)), None),
        (CheckInfo(type=kinds.TCP, tcp=CheckInfoTcp(port=servers.http)), True),
        (CheckInfo(type=kinds.TCP, tcp=CheckInfoTcp(port=servers.closed)), False),
        (CheckInfo(type=kinds.COMMAND, command=CheckInfoCommand(command=CommandInfo(value="x"))), 7),
        (CheckInfo(type=kinds.COMMAND, command=slow, timeout_seconds=0.2), None),
    ):
        now = CheckInfo(**{one: getattr(check, one) for one in check.__struct_fields__} | {"delay_seconds": 0.0})
        told = await first(
            "check", TaskInfo(name="t", task_id=TaskID(value="t"), agent_id=AgentID(value="S"), check=now), code=7
        )
        assert isinstance(told, Checked)
        assert told.status.type is check.type
        wanted: dict[Any, Any] = {
            kinds.HTTP: CheckStatusInfoHttp(status_code=found),
            kinds.TCP: CheckStatusInfoTcp(succeeded=found),
            kinds.COMMAND: CheckStatusInfoCommand(exit_code=found),
        }
        assert check.type is not None
        assert getattr(told.status, check.type.lower()) == wanted[check.type]
