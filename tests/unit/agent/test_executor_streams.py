from __future__ import annotations

import asyncio
from typing import Any, ClassVar, cast

import pytest
from aiohttp import web

from dcos.agent import executor_api
from dcos.agent.executor_streams import MOST_WAITING, ExecutorStreams
from dcos.model.v1 import executor as v1
from dcos.runtime.clock import SystemClock
from dcos.wire.mesos_codec import JSON
from dcos.wire.recordio import Decoder

HEARTBEAT = v1.Event(type=v1.EventType.HEARTBEAT)


def test_an_executor_that_does_not_read_is_cut_off() -> None:
    streams = ExecutorStreams()
    number, events = streams.arrive()
    streams.open("F", "E", number)
    other, heard = streams.arrive()
    streams.open("F", "other", other)
    for _ in range(MOST_WAITING):
        assert streams.tell("F", "E", HEARTBEAT)
    assert not streams.tell("F", "E", HEARTBEAT)
    assert events.qsize() == 1
    assert events.get_nowait() is None
    assert not streams.tell("F", "E", HEARTBEAT), "nobody hears it any more"
    assert streams.tell("F", "other", HEARTBEAT)
    assert heard.get_nowait() is HEARTBEAT


async def test_a_quiet_stream_has_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """One in half an hour; anything that is told counts as one."""
    assert executor_api.HEARTBEAT_S == 30 * 60
    monkeypatch.setattr(executor_api, "_LOOK_S", 0.01)
    monkeypatch.setattr(executor_api, "HEARTBEAT_S", 0.03)
    heard: asyncio.Queue[str] = asyncio.Queue()
    records = Decoder()

    class Transport:
        def is_closing(self) -> bool:
            return False

    class Request:
        transport = Transport()

    class Response:
        async def write(self, data: bytes) -> None:
            for one in records.feed(data):
                heard.put_nowait(str(JSON.decode(one, v1.Event).type))

        async def write_eof(self) -> None:
            heard.put_nowait("end")

    streams = ExecutorStreams()
    number, events = streams.arrive()
    streams.open("F", "E", number)
    streams.tell("F", "E", v1.Event(type=v1.EventType.SHUTDOWN))
    writing = asyncio.create_task(
        executor_api._write(cast(web.Request, Request()), cast(web.StreamResponse, Response()), events, JSON)
    )
    async with asyncio.timeout(60):
        assert [await heard.get() for _ in range(3)] == ["SHUTDOWN", "HEARTBEAT", "HEARTBEAT"]
        events.put_nowait(None)
        await writing
    last = ""
    while not heard.empty():
        last = heard.get_nowait()
    assert last == "end"


async def test_nobody_is_heard_before_the_agent_has_recovered() -> None:
    """Not even those who ask in the wrong way."""

    class Daemon:
        recovered = False

    class Request:
        method = "GET"
        headers: ClassVar[dict[str, str]] = {}

    api = executor_api.ExecutorApi(cast(Any, Daemon()), SystemClock())
    answer = await api.handle(cast(web.Request, Request()))
    assert isinstance(answer, web.Response)
    assert (answer.status, answer.text) == (503, "Agent has not finished recovery")
