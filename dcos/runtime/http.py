"""HTTP by aiohttp: listening with a clean end, JSON by msgspec, errors that show nothing of the inside."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from dcos.registry import NodeRole
from dcos.runtime import log
from dcos.runtime.accepting import accepting
from dcos.runtime.tls import Caller, caller, own

_log = log.get_logger("http")
_encode = msgspec.json.Encoder(order=None).encode

JSON = "application/json"
Admits = Callable[[web.Request, Caller], Awaitable[bool]]
"""Whether a service of the cluster may ask this."""
Named = Callable[[web.Request], Awaitable[web.Response | None]]
"""The refusal of who shows no certificate, or one that is not enough; None: it proved otherwise who it is."""
_LINE_BYTES = 8190
Serve = Callable[[], asyncio.BaseProtocol]
"""Makes one end of a new connection."""


def json_response(
    value: Any, *, status: int = 200, content_type: str = JSON, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Any msgspec-encodable value as JSON."""
    return web.Response(body=_encode(value), status=status, content_type=content_type, headers=headers)


@web.middleware
async def errors(request: web.Request, handler: Any) -> web.StreamResponse:
    """Unknown trouble becomes a logged 500 without internals; cancellation and HTTP answers pass.

    A body that is not what its headers say (damaged compression, an end too early) is its sender's fault: 400.
    """
    try:
        response: web.StreamResponse = await handler(request)
    except web.HTTPException:
        raise
    except ConnectionResetError:
        raise
    except web.RequestPayloadError:
        request.content.feed_eof()  # nothing more of it can be read, and nobody shall try
        refused = json_response({"message": "the body is not what its Content-Encoding and length say"}, status=400)
        refused.force_close()
        return refused
    except Exception:
        _log.exception("request_failed", method=request.method, path=request.path)
        return json_response({"message": "internal error"}, status=500)
    return response


def application(*, client_max_size: int = 16 * 1024**2, middlewares: tuple[Any, ...] = ()) -> web.Application:
    """An aiohttp application with the house's error handling. ``client_max_size``: bytes of a request body."""
    return web.Application(middlewares=(errors, *middlewares), client_max_size=client_max_size)


@contextlib.asynccontextmanager
async def _running(
    app: web.Application, *, cancel_on_disconnect: bool = False, line_bytes: int = _LINE_BYTES
) -> AsyncIterator[web.AppRunner]:
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=1.0,
        handler_cancellation=cancel_on_disconnect,
        max_line_size=line_bytes,
        max_field_size=line_bytes,
    )
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


async def masters_only(_: web.Request, caller: Caller) -> bool:
    """The usual rule: nothing on agents asks others, but for the links and names that have rules of their own."""
    return caller.unit == NodeRole.MASTER


def _only(admits: Admits, named: Named | None = None) -> Any:
    @web.middleware
    async def check(request: web.Request, handler: Any) -> web.StreamResponse:
        who = caller(request.transport)
        if who is None or not await admits(request, who):
            if named is not None:
                refused = await named(request)
                if refused is None:
                    proved: web.StreamResponse = await handler(request)
                    return proved
                if who is None:
                    return refused
            shown = f"{who.service} on a {who.unit}" if who is not None else "nobody known"
            _log.warning("not_admitted", caller=shown, method=request.method, path=request.path)
            return json_response({"message": f"{shown} may not ask this"}, status=403)
        response: web.StreamResponse = await handler(request)
        return response

    return check


@contextlib.asynccontextmanager
async def listen(
    app: web.Application,
    *,
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    cancel_on_disconnect: bool = False,
    front: Callable[[Serve], Serve] = lambda serve: serve,
    admits: Admits = masters_only,
    named: Named | None = None,
    secured: tuple[str, int, ssl.SSLContext] | None = None,
) -> AsyncIterator[tuple[str, int]]:
    """Serve ``app`` on one address while the block runs; yields (host, port), port 0 picks a free one. With TLS where ``tls`` is
    given or this process has an identity (``tls.own``).

    ``cancel_on_disconnect``: a handler is cancelled when its client goes away (for servers of endless answers). ``front``: makes
    what meets new connections, from what makes the server's end of them. ``admits``: what is asked where callers must show a
    certificate of the cluster (its authorities vouch for them already). ``named``: where they may show something else
    instead: what is asked then. ``secured``: (host, port, context) where the same is served over TLS besides.
    """
    identity = own()
    if tls is None and identity is not None and (identity.settings.asks_callers or named is not None):
        app.middlewares.insert(0, _only(admits, named))
    async with _running(app, cancel_on_disconnect=cancel_on_disconnect) as runner:
        assert runner.server is not None
        plain_too = False
        if tls is None and identity is not None:
            tls, plain_too = identity.server, identity.plain_too
        async with contextlib.AsyncExitStack() as doors:
            if secured is not None:
                other, number, context = secured
                await doors.enter_async_context(accepting(other, number, front(runner.server), tls=context))
            yield await doors.enter_async_context(
                accepting(host, port, front(runner.server), tls=tls, plain_too=plain_too)
            )


@contextlib.asynccontextmanager
async def serve_on(app: web.Application, doors: Iterable[socket.socket]) -> AsyncIterator[None]:
    """Serve ``app`` on sockets that listen already, while the block runs; they are closed after it."""
    async with _running(app) as runner:
        for door in doors:
            await web.SockSite(runner, door).start()
        yield


@contextlib.asynccontextmanager
async def listen_unix(
    app: web.Application, *, path: Path, mode: int = 0o660, line_bytes: int = _LINE_BYTES
) -> AsyncIterator[Path]:
    """Serve ``app`` on a unix socket with permission bits ``mode``. ``line_bytes``: of a request's first line or a header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    async with _running(app, line_bytes=line_bytes) as runner:
        before = os.umask(0o177)
        try:
            await web.UnixSite(runner, str(path), backlog=1024).start()
        finally:
            os.umask(before)
        path.chmod(mode)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def listen_on(
    app: web.Application,
    listening: socket.socket,
    *,
    line_bytes: int = _LINE_BYTES,
    cancel_on_disconnect: bool = False,
) -> AsyncIterator[None]:
    """Serve ``app`` on a socket that listens already. ``line_bytes``, ``cancel_on_disconnect`` as above."""
    async with _running(app, line_bytes=line_bytes, cancel_on_disconnect=cancel_on_disconnect) as runner:
        await web.SockSite(runner, listening).start()
        yield


def basic(credential: tuple[str, str] | None) -> dict[str, str]:
    """The header that names (principal, secret), or none."""
    return {"Authorization": aiohttp.encode_basic_auth(*credential)} if credential is not None else {}


def session(
    *,
    timeout_s: float | None = 30.0,
    headers: Mapping[str, str] | None = None,
    unix: Path | None = None,
    tls: ssl.SSLContext | None = None,
) -> aiohttp.ClientSession:
    """A client session; ``timeout_s`` None is for streams (connecting still has 10 s); ``tls``: for HTTPS. Without it, what
    others show is checked against the cluster's authorities where this process has an identity, else the system's."""
    identity = own()
    if tls is None and identity is not None:
        tls = identity.client
    connector = (
        aiohttp.UnixConnector(path=str(unix))
        if unix
        else aiohttp.TCPConnector(limit=0, ttl_dns_cache=5, ssl=True if tls is None else tls)
    )
    timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=10.0)
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, headers=headers, auto_decompress=True, read_bufsize=2**18
    )
