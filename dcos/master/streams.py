"""Answers that never end: RecordIO records queued by the writer and pumped out by the request's own task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from dcos.master.core.viewer import Viewer
from dcos.wire import recordio
from dcos.wire.mesos_codec import JSON, Codec

MAX_WAITING = 64 * 1024 * 1024
"""Bytes that a reader may be behind before its stream is cut."""


class Stream:
    """One endless answer."""

    def __init__(self, stream_id: str, codec: Codec = JSON) -> None:
        self.id = stream_id
        self.codec = codec
        """What its reader asked for."""
        self.viewer: Viewer | None = None
        """Set where its reader may not see everything."""
        self._waiting: list[bytes] = []
        self._size = 0
        self._wake = asyncio.Event()
        self.closed = False

    def send(self, payload: bytes) -> None:
        """Queue one record; a reader too far behind is cut off."""
        if self.closed:
            return
        record = recordio.frame(payload)
        self._waiting.append(record)
        self._size += len(record)
        if self._size > MAX_WAITING:
            self._waiting.clear()
            self.closed = True
        self._wake.set()

    def close(self) -> None:
        """End after what is queued."""
        self.closed = True
        self._wake.set()

    async def answer(
        self,
        request: web.Request,
        content_type: str,
        *,
        headers: Mapping[str, str] | None = None,
        heartbeat: bytes | None = None,
        every_s: float = 15.0,
    ) -> web.StreamResponse:
        """Send the head and then everything queued, until closed or the peer is gone."""
        response = web.StreamResponse(headers=headers)
        response.content_type = content_type
        response.enable_chunked_encoding()
        await response.prepare(request)
        await self.pump(response.write, heartbeat=heartbeat, every_s=every_s)
        await response.write_eof()
        return response

    async def pump(
        self, write: Callable[[bytes], Awaitable[None]], *, heartbeat: bytes | None = None, every_s: float = 15.0
    ) -> None:
        """Write everything queued, until closed.   Errors: those of ``write`` when the peer is gone."""
        loop = asyncio.get_running_loop()
        next_beat = loop.time() + every_s
        while True:
            if self._waiting:
                waiting, self._waiting, self._size = self._waiting, [], 0
                await write(b"".join(waiting))
                continue
            if self.closed:
                return
            self._wake.clear()
            if heartbeat is None:
                await self._wake.wait()
                continue
            try:
                async with asyncio.timeout_at(next_beat):
                    await self._wake.wait()
            except TimeoutError:
                next_beat = loop.time() + every_s
                self.send(heartbeat)
