"""Readers of event streams that are slow or stand still: cut off, without others noticing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from dcos.master import streams
from dcos.master.streams import Stream
from dcos.testing.patience import PATIENCE_S
from dcos.wire import recordio
from tests.unit.master.served import JSON, Master, serving
from tests.unit.master.test_access import stream, wanted

SUBSCRIBE = json.dumps({"type": "SUBSCRIBE"}).encode()


@contextlib.asynccontextmanager
async def deaf(master: Master, path: str = "/api/v1", body: bytes = SUBSCRIBE) -> AsyncIterator[asyncio.StreamReader]:
    """A subscriber that reads the head of the answer and nothing more."""
    host, port = master.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    assert b"200" in await reader.readline()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    try:
        yield reader
    finally:
        writer.transport.abort()


async def until_gone(master: Master, stream_: Stream) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while stream_.id in master.api.writer.subscribers:
            await asyncio.sleep(0.01)


async def one_subscriber(master: Master) -> Stream:
    async with asyncio.timeout(PATIENCE_S):
        while not master.api.writer.subscribers:
            await asyncio.sleep(0.01)
    return next(iter(master.api.writer.subscribers.values()))


async def test_one_that_stands_still_is_cut() -> None:
    async with serving() as master, deaf(master):
        found = await one_subscriber(master)
        found.stall_s = 0.2
        async with stream(master, "/api/v1", {"type": "SUBSCRIBE"}) as (_, queue):
            await wanted(queue, "SUBSCRIBED")
            # more than the sockets' buffers take
            for _ in range(200):
                found.send(b"x" * 100_000)
            await until_gone(master, found)
            assert found.closed
            assert len(master.api.writer.subscribers) == 1, "the other one stays"
            assert (await master.get("/state")).status == 200


async def test_one_that_lets_too_much_wait_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_WAITING", 2_000_000)
    async with serving() as master, deaf(master):
        found = await one_subscriber(master)
        for _ in range(20_000):
            found.send(b"x" * 10_000)
            if found.closed:
                break
            await asyncio.sleep(0)
        assert found.closed
        await until_gone(master, found)
        assert (await master.get("/health")).status == 200


async def test_one_record_may_be_bigger_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_WAITING", 1_000)
    written = bytearray()

    async def write(data: bytes) -> None:
        written.extend(data)

    made = Stream("s")
    made.send(b"x" * 1_000_000)
    pumping = asyncio.create_task(made.pump(write))
    made.close()
    await pumping
    assert recordio.Decoder().feed(bytes(written)) == [b"x" * 1_000_000]
    late = Stream("t")
    late.send(b"x" * 2_000)
    late.send(b"y")
    assert late.closed, "a second one on top is too much"
