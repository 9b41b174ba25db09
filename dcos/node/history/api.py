"""``/history/...``, for Admin Router's ``/dcos-history-service/``.   Source: dcos-history-service.

GET /               what there is
GET /ping           pong
GET /history/last   the newest state summary, as Mesos told it; {} if it did not
GET /history/minute the last 30, one every 2 s, oldest first
GET /history/hour   the last 60, one a minute
"""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler

from dcos.node.core.slots import HOUR, MINUTE, Window
from dcos.node.history.store import Store
from dcos.runtime import http
from dcos.runtime.clock import Clock

_ANYWHERE = {"Access-Control-Allow-Origin": "*"}
_HELP = """The state summary of Mesos:
  /history/last    the newest
  /history/minute  the last minute, every two seconds
  /history/hour    the last hour, every minute
  /ping            pong
"""


def application(store: Store, clock: Clock) -> web.Application:
    async def last(request: web.Request) -> web.Response:
        answer = web.Response(body=store.last, content_type=http.JSON, headers=_ANYWHERE)
        answer.enable_compression()
        return answer

    def text(words: str) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            return web.Response(text=words, headers=_ANYWHERE)

        return answer

    app = http.application()
    app.router.add_get("/", text(_HELP))
    app.router.add_get("/ping", text("pong"))
    app.router.add_get("/history/last", last)
    for window in (MINUTE, HOUR):
        app.router.add_get(f"/history/{window.name}", _window(store, window, clock))
    return app


def _window(store: Store, window: Window, clock: Clock) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=_ANYWHERE)
        response.content_type = http.JSON
        response.enable_compression()
        await response.prepare(request)
        samples = store.read(window, clock.now())
        before = b"["
        while (sample := await asyncio.to_thread(next, samples, None)) is not None:
            await response.write(before + sample)
            before = b","
        await response.write(b"]")
        await response.write_eof()
        return response

    return answer
