"""Container calls and streams of input, whatever their bytes are: an answer, never a 500, never a hang."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dcos.agent.container_api import CALLS, ContainerApi
from dcos.agent.core.nested import text
from dcos.agent.io_output import Listener
from dcos.agent.nested_records import Launched, NestedError, NoContainer, Request, Termination
from dcos.model.v1 import agent as v1
from dcos.model.v1.types import ContainerID
from dcos.runtime import http
from dcos.wire import recordio
from dcos.wire.errors import WireError
from dcos.wire.mesos_codec import JSON, by_content_type


class Io:
    """Takes what is typed, and has a window."""

    tty = True

    def __init__(self) -> None:
        self.typing = False

    def listen(self, *, patient: bool = False) -> Listener:
        return Listener(patient=patient)

    def leave(self, listener: Listener) -> None:
        listener.end()

    async def write(self, data: bytes) -> None:
        await asyncio.sleep(0)

    def end_input(self) -> None:
        pass

    def resize(self, rows: int, columns: int) -> None:
        pass


class Table:
    """One container, ``a``, that has ended but can still be typed into; none may be launched."""

    def __init__(self) -> None:
        self._io = Io()

    async def launch(self, request: Request) -> Launched:
        raise NestedError("no")

    async def wait(self, container_id: ContainerID) -> Termination | None:
        return Termination(exit_status=0) if text(container_id) == "a" else None

    async def kill(self, container_id: ContainerID, number: int) -> bool:
        return False

    async def remove(self, container_id: ContainerID) -> None:
        return None

    def io(self, container_id: ContainerID) -> Io:
        if text(container_id) != "a":
            raise NoContainer("no")
        return self._io


@pytest.fixture(scope="module")
def api() -> ContainerApi:
    table: Any = Table()
    return ContainerApi(table, heartbeat_s=30.0)


@pytest.fixture
async def url(api: ContainerApi) -> AsyncIterator[str]:
    async def serve(request: web.Request) -> web.StreamResponse:
        kind = request.headers.get("Content-Type", "")
        if kind == "application/recordio":
            return await api.handle_stream(request)
        codec = by_content_type(kind)
        if codec is None:
            return web.Response(status=415)
        try:
            call = codec.decode(await request.read(), v1.Call)
        except WireError as error:
            return web.Response(status=400, text=str(error))
        return await api.handle(request, call) if call.type in CALLS else web.Response(status=200)

    app = http.application()
    app.router.add_post("/", serve)
    async with http.listen(app, host="127.0.0.1", port=0) as (host, port):
        yield f"http://{host}:{port}/"


leaves = (
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8) | st.sampled_from(["a", "STDIN"])
)
names = st.sampled_from(
    [
        *(
            "container_id",
            "value",
            "parent",
            "type",
            "process_io",
            "data",
            "control",
            "tty_info",
            "window_size",
            "rows",
        ),
        *("columns", "heartbeat", "interval", "nanoseconds", "command", "signal", "container", "limits"),
    ]
)
kinds = st.sampled_from(["PROCESS_IO", "CONTAINER_ID", "DATA", "CONTROL", "TTY_INFO", "HEARTBEAT", "STDIN", "STDOUT"])
trees = st.recursive(
    leaves | kinds, lambda inner: st.dictionaries(names, inner, max_size=4) | st.lists(inner, max_size=2), max_leaves=12
)
bodies = trees | st.fixed_dictionaries(
    {"container_id": st.sampled_from([{"value": "a"}, {"value": "b"}, {"value": "x", "parent": {"value": "a"}}])},
    optional={"command": trees, "container": trees, "limits": trees, "signal": leaves},
)
calls = st.sampled_from(sorted(CALLS)).flatmap(
    lambda kind: st.fixed_dictionaries({"type": st.just(str(kind)), str(kind).lower(): bodies})
)
FIRST = msgspec.json.encode(
    {
        "type": "ATTACH_CONTAINER_INPUT",
        "attach_container_input": {"type": "CONTAINER_ID", "container_id": {"value": "a"}},
    }
)
records = st.one_of(
    st.binary(max_size=40),
    st.builds(recordio.frame, st.binary(min_size=1, max_size=40)),
    st.builds(
        lambda tree: recordio.frame(
            msgspec.json.encode({"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": tree})
        ),
        trees,
    ),
)
QUIET = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


async def answer(url: str, body: bytes, **headers: str) -> int:
    async with (
        asyncio.timeout(60),
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers) as response,
    ):
        return response.status


async def test_calls(url: str) -> None:
    loop = asyncio.get_running_loop()

    @QUIET
    @given(calls)
    def one(call: dict[str, Any]) -> None:
        headers = {"Content-Type": JSON.content_type}
        sent = asyncio.run_coroutine_threadsafe(answer(url, msgspec.json.encode(call), **headers), loop)
        assert sent.result(90) in (200, 202, 400, 404, 415), call

    await asyncio.to_thread(one)


async def test_streams_of_input(url: str) -> None:
    loop = asyncio.get_running_loop()

    @QUIET
    @given(st.booleans(), st.lists(records, max_size=4))
    def one(begun: bool, rest: list[bytes]) -> None:
        headers = {"Content-Type": "application/recordio", "Message-Content-Type": JSON.content_type}
        body = (recordio.frame(FIRST) if begun else b"") + b"".join(rest)
        sent = asyncio.run_coroutine_threadsafe(answer(url, body, **headers), loop)
        assert sent.result(90) in ((200, 400, 415) if begun else (200, 400, 404, 415))

    await asyncio.to_thread(one)
