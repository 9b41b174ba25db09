"""A body that takes long to decode keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from dcos.model.v1.scheduler import Call, CallType
from dcos.runtime import http
from dcos.runtime.mesos_http import decoded
from dcos.wire import mesos_codec
from dcos.wire.errors import WireError
from dcos.wire.mesos_codec import JSON


class Waiting(mesos_codec._Json):
    """Decodes once somebody else was served."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.begun = asyncio.Event()
        self.served = threading.Event()

    def decode(self, raw: bytes, kind: type[Any]) -> Any:
        if len(raw) > 1000:
            self._loop.call_soon_threadsafe(self.begun.set)
            if not self.served.wait(20):
                raise WireError("", "nobody else was served")
        return super().decode(raw, kind)


def application(codec: mesos_codec.Codec) -> web.Application:
    async def handle(request: web.Request) -> web.Response:
        call = await decoded(request, codec, Call, "Call")
        return call if isinstance(call, web.Response) else web.json_response(str(call.type))

    app = http.application()
    app.router.add_post("/", handle)
    return app


async def test_others_are_served_while_it_is_decoded() -> None:
    codec = Waiting()
    padded = msgspec.json.encode({"type": "REVIVE", "padding": "x" * 1_000_000})
    async with http.listen(application(codec), host="127.0.0.1", port=0) as (host, port), http.session() as session:
        url = f"http://{host}:{port}/"
        big = asyncio.create_task(_asked(session, url, padded))
        await codec.begun.wait()
        assert await _asked(session, url, b'{"type":"SUPPRESS"}') == CallType.SUPPRESS
        codec.served.set()
        assert await big == CallType.REVIVE


async def _asked(session: aiohttp.ClientSession, url: str, body: bytes) -> Any:
    async with session.post(url, data=body) as answer:
        return await answer.json()


@pytest.mark.parametrize("size", [10, 1_000_000])
async def test_big_or_small_mistakes_are_told_alike(size: int) -> None:
    async with http.listen(application(JSON), host="127.0.0.1", port=0) as (host, port), http.session() as session:
        answer = await session.post(f"http://{host}:{port}/", data=b" " * size + b"{")
        assert answer.status == 400
        assert (await answer.text()).startswith("Failed to parse body into JSON: syntax error at line 1")
