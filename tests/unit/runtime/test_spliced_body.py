"""Big answers that are joined while they are sent."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web

from dcos.runtime import http
from dcos.runtime.mesos_http import spliced_body
from dcos.wire.spliced import Spliced


def made(count: int) -> Spliced:
    out = Spliced(b"[")
    out.run([b'"%040d"' % number for number in range(count)])
    out.text(b"]")
    return out


@pytest.mark.parametrize("count", [10, 60_000])
async def test_small_or_big_it_is_the_same(count: int) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await spliced_body(request, made(count))

    app = http.application()
    app.router.add_get("/", handle)
    wanted = made(count).joined()
    async with http.listen(app, host="127.0.0.1", port=0) as (host, port), http.session() as session:
        url = f"http://{host}:{port}/"
        for zipped in ("identity", "gzip"):
            async with session.get(url, headers={"Accept-Encoding": zipped}) as answer:
                assert answer.headers.get("Content-Encoding", "identity") == ("identity" if count < 20 else zipped)
                assert answer.content_type == "application/json"
                assert await answer.read() == wanted
        async with session.get(url, params={"jsonp": "told"}, headers={"Accept-Encoding": "identity"}) as answer:
            assert answer.content_type == "text/javascript"
            assert await answer.read() == b"told(" + wanted + b")"
            assert int(answer.headers["Content-Length"]) == len(wanted) + 6
        async with session.head(url) as answer:
            assert answer.status == 200
        async with session.get(url) as answer:
            assert await answer.read() == wanted


async def test_a_reader_that_leaves_disturbs_nobody() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await spliced_body(request, made(200_000))

    app = http.application()
    app.router.add_get("/", handle)
    async with http.listen(app, host="127.0.0.1", port=0) as (host, port), aiohttp.ClientSession() as session:
        answer = await session.get(f"http://{host}:{port}/")
        await answer.content.read(10)
        answer.close()
        async with session.get(f"http://{host}:{port}/") as again:
            assert await again.read() == made(200_000).joined()
