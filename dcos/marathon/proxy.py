"""What an instance does that does not lead: it forwards requests to the leader; event streams are redirected.

A leader that cannot be determined is asked for again for some seconds.   Source: Marathon's LeaderProxyFilter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
from aiohttp import web
from yarl import URL

from dcos.runtime.http import json_response

RETRIES = 10
RETRY_S = 0.25
VIA = "X-Marathon-Via"
LEADER = "X-Marathon-Leader"
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
    """``leader`` tells host:port of the leader that the election knows, ``own`` is ours."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        leader: Callable[[], str | None],
        own: str,
        *,
        connect_s: float,
        read_s: float,
    ) -> None:
        self._session = session
        self._leader = leader
        self._own = own
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
            return _bad("Could not determine the current leader")
        target = f"http://{leader}{request.raw_path}"
        if request.path.startswith("/v2/events"):
            return web.Response(status=302, headers={"Location": target})
        if self._own in request.headers.getall(VIA, []):
            return _bad("Detected proxying loop. Maybe the leader changed meanwhile")
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP]
        headers.append((VIA, self._own))
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
            return _bad("The leader did not answer in time", 504)
        except (aiohttp.ClientError, OSError) as error:
            return _bad(f"The leader cannot be reached: {type(error).__name__}")


def _bad(text: str, status: int = 502) -> web.Response:
    return json_response({"message": text}, status=status)
