"""What Marathon's leader asks over the network for its probes: HTTP, HTTPS, TCP. TLS certificates are not verified, as upstream.

Of the answer to a health check only the status line counts; nothing behind it is read. An informational answer (1xx) announces
another, which counts. Where none follows until the end of the connection or of the time, the informational one is the answer: a
failure, or nothing at all with ``ignoreHttp1xx``.   Source: Marathon's health checks; RFC 9110, 15.2.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from yarl import URL

from dcos.marathon.core import events
from dcos.marathon.probes import Ask, Target
from dcos.model.marathon import CheckProtocol, HealthCheck, ReadinessCheck

MAX_BODY: Final = 2048
"""Of an answer that is shown."""
SWITCHED: Final = 101
"""After this no HTTP follows."""


@contextlib.asynccontextmanager
async def over_network() -> AsyncIterator[Ask]:
    connector = aiohttp.TCPConnector(limit=0, force_close=True, ttl_dns_cache=5)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        yield functools.partial(_ask, session, _insecure())


async def _ask(session: aiohttp.ClientSession, tls: ssl.SSLContext, target: Target) -> events.Event | None:
    check = target.check
    if isinstance(check, ReadinessCheck):
        async with asyncio.timeout(target.timeout_s):
            return await _readiness(session, target, check)
    if check.protocol is CheckProtocol.TCP:
        async with asyncio.timeout(target.timeout_s), _connected(target, None):
            return events.Probed(target.instance_id, target.index, True)
    return await _health(target, check, tls)


def _insecure() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def _url(target: Target) -> URL:
    scheme = "https" if target.check.protocol == CheckProtocol.HTTPS else "http"
    host = f"[{target.host}]" if ":" in target.host else target.host
    path = target.check.path or "/"
    return URL(f"{scheme}://{host}:{target.port}{path if path.startswith('/') else '/' + path}")


@contextlib.asynccontextmanager
async def _connected(
    target: Target, tls: ssl.SSLContext | None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(target.host, target.port, ssl=tls)
    try:
        yield reader, writer
    finally:
        writer.close()


# ---- health ----------------------------------------------------------------------------------------------------------


async def _health(target: Target, check: HealthCheck, tls: ssl.SSLContext) -> events.Probed | None:
    """Errors: OSError, TimeoutError, ValueError."""
    url = _url(target)
    request = f"GET {url.raw_path_qs} HTTP/1.1\r\nHost: {url.host_port_subcomponent}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    answer: tuple[int, str] | None = None
    try:
        async with (
            asyncio.timeout(target.timeout_s),
            _connected(target, tls if url.scheme == "https" else None) as (reader, writer),
        ):
            writer.write(request.encode())
            while (more := await _status(reader)) is not None:
                answer = more
                if not 100 <= answer[0] < 200 or answer[0] == SWITCHED:
                    break
                await _skip_fields(reader)
    except (OSError, TimeoutError):
        if answer is None:
            raise
    if answer is None:
        raise ConnectionError("the connection was closed without an answer")
    code, reason = answer
    if 100 <= code < 200 and check.ignore_http1xx:
        return None
    alive = 200 <= code < 400
    return events.Probed(target.instance_id, target.index, alive, None if alive else f"{code} {reason}".rstrip())


async def _status(reader: asyncio.StreamReader) -> tuple[int, str] | None:
    """Code and reason of the next answer; None: there is none.   Errors: ValueError."""
    line = await reader.readline()
    if not line:
        return None
    version, _, rest = line.decode("latin-1").strip().partition(" ")
    code, _, reason = rest.strip().partition(" ")
    if not version.startswith("HTTP/") or len(code) != 3 or not (code.isascii() and code.isdecimal()):
        raise ValueError("the answer is not HTTP")
    return int(code), reason.strip()


async def _skip_fields(reader: asyncio.StreamReader) -> None:
    while (await reader.readline()).strip():
        pass


# ---- readiness -------------------------------------------------------------------------------------------------------


async def _readiness(session: aiohttp.ClientSession, target: Target, check: ReadinessCheck) -> events.ReadinessProbed:
    """Errors: OSError, aiohttp.ClientError."""
    async with session.get(_url(target), ssl=False, allow_redirects=False) as response:
        shown: dict[str, object] = {}
        if check.preserve_last_response:
            body = await response.content.read(MAX_BODY)
            shown = {
                "status": response.status,
                "contentType": response.content_type,
                "body": body.decode(errors="replace"),
            }
        ready = response.status in check.http_status_codes_for_ready
        return events.ReadinessProbed(target.instance_id, ready, check.name, shown)
