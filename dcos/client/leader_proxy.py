"""What an instance of a scheduler does that does not lead: it forwards requests to the leader; event streams are redirected.

A leader that cannot be determined is asked for again for some seconds.   Source: Marathon's LeaderProxyFilter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum

import aiohttp
from aiohttp import web
from yarl import URL

from dcos.runtime.tls import scheme


class Trouble(StrEnum):
    """Why a request was not passed on; the value is what a client may be told."""

    NO_LEADER = "Could not determine the current leader"
    LOOP = "Detected proxying loop. Maybe the leader changed meanwhile"
    SLOW = "The leader did not answer in time"
    UNREACHABLE = "The leader cannot be reached"


RETRIES = 10
RETRY_S = 0.25
_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
        "content-encoding",
    }
)


class LeaderProxy:
    """``leader`` tells host:port of the leader that the election knows, ``own`` is ours.

    ``via`` is the header that names who passed a request on; paths that begin with ``streams`` are redirected; ``answer``
    makes the response to a request that could not be passed on.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        leader: Callable[[], str | None],
        own: str,
        *,
        via: str,
        answer: Callable[[Trouble], web.Response],
        connect_s: float,
        read_s: float,
        streams: str | None = None,
    ) -> None:
        self._session = session
        self._leader = leader
        self._own = own
        self._via = via
        self._streams = streams
        self._answer = answer
        self._timeout = aiohttp.ClientTimeout(sock_connect=connect_s, sock_read=read_s)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        leader = None
        for _ in range(RETRIES):
            leader = self._leader()
            if leader is not None and leader != self._own:
                break
            leader = None
            await asyncio.sleep(RETRY_S)
        if leader is None:
            return self._answer(Trouble.NO_LEADER)
        target = f"{scheme()}://{leader}{request.raw_path}"
        if self._streams is not None and request.path.startswith(self._streams):
            return web.Response(status=302, headers={"Location": target})
        if self._own in request.headers.getall(self._via, []):
            return self._answer(Trouble.LOOP)
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP]
        headers.append((self._via, self._own))
        try:
            async with self._session.request(
                request.method,
                URL(target, encoded=True),
                data=await request.read(),
                headers=headers,
                allow_redirects=False,
                timeout=self._timeout,
            ) as answer:
                made = web.Response(status=answer.status, body=await answer.read())
                for name, value in answer.headers.items():
                    if name.lower() not in _HOP:
                        made.headers[name] = value
                return made
        except TimeoutError:
            return self._answer(Trouble.SLOW)
        except (aiohttp.ClientError, OSError):
            return self._answer(Trouble.UNREACHABLE)
