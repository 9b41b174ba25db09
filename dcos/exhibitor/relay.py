"""ZooKeeper on 127.0.0.1 as well: tools look there by habit, but zoo.cfg knows one client address.

Nothing of the cluster itself comes this way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

_CONNECT_S = 5.0


@contextlib.asynccontextmanager
async def relay(host: str, port: int, to_host: str, to_port: int) -> AsyncIterator[None]:
    """Pass connections on while the block runs.   Errors: OSError (the address is taken)."""
    open_now: set[asyncio.Task[None]] = set()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_now.add(task)
        try:
            await _join(reader, writer, to_host, to_port)
        finally:
            open_now.discard(task)

    server = await asyncio.start_server(accepted, host, port)
    try:
        yield
    finally:
        server.close()
        for task in open_now:
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to_host: str, to_port: int) -> None:
    far: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(_CONNECT_S):
            far_reader, far = await asyncio.open_connection(to_host, to_port)
        async with asyncio.TaskGroup() as both:
            both.create_task(_pump(reader, far))
            both.create_task(_pump(far_reader, writer))
    except* (OSError, TimeoutError):
        pass  # either end went away: so does the other
    finally:
        for end in (writer, far):
            if end is not None:
                end.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Until the source ends, which is passed on (a four-letter word is answered after it)."""
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    with contextlib.suppress(OSError):
        sink.write_eof()
