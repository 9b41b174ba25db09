"""How a scheduler client reaches a master: over HTTP here, over anything that says the same in a simulation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import aiohttp

from dcos.runtime import http

PATH = "/api/v1/scheduler"


@dataclass(frozen=True, slots=True)
class Reply:
    """The head of an answer to SUBSCRIBE, and its body to come."""

    status: int
    location: str
    """Of a redirect."""
    stream_id: str | None
    text: Callable[[], Awaitable[str]]
    read: Callable[[], Awaitable[bytes]]
    """The next bytes, none at the end."""


class Transport(Protocol):
    """``base`` is the master's URL.   Errors: aiohttp.ClientError, OSError, TimeoutError."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def subscribe(self, base: str, body: bytes) -> AbstractAsyncContextManager[Reply]: ...

    async def call(self, base: str, body: bytes, stream_id: str, timeout_s: float) -> tuple[int, str]:
        """Status and text."""
        ...


class HttpTransport:
    """``credential`` is (principal, secret) for HTTP Basic."""

    def __init__(self, credential: tuple[str, str] | None) -> None:
        self._named = http.basic(credential)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = http.session(timeout_s=None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def subscribe(self, base: str, body: bytes) -> AsyncIterator[Reply]:
        assert self._session is not None
        headers = {"Content-Type": http.JSON, "Accept": http.JSON, **self._named}
        async with self._session.post(base + PATH, data=body, headers=headers, allow_redirects=False) as response:
            yield Reply(
                response.status,
                response.headers.get("Location", ""),
                response.headers.get("Mesos-Stream-Id"),
                response.text,
                response.content.readany,
            )

    async def call(self, base: str, body: bytes, stream_id: str, timeout_s: float) -> tuple[int, str]:
        assert self._session is not None
        headers = {"Content-Type": http.JSON, "Accept": http.JSON, "Mesos-Stream-Id": stream_id, **self._named}
        async with self._session.post(
            base + PATH,
            data=body,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            allow_redirects=False,
        ) as response:
            return response.status, await response.text()
