"""Answers that never end: RecordIO records queued by the writer and pumped out by the request's own task.

A reader that lets too much wait, or takes nothing for too long, is cut off: its connection is broken, so that it hears of
it, and nothing more is kept for it. Nobody else notices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from aiohttp import web

from dcos.master.core.viewer import Viewer
from dcos.model.permissions import Grants
from dcos.wire import recordio
from dcos.wire.mesos_codec import JSON, Codec
from dcos.wire.spliced import Spliced

MAX_WAITING = 64 * 1024 * 1024
"""Bytes that may wait for a reader; one record may be bigger."""
STALL_S = 75.0
"""How long a reader may take nothing while something waits: five heartbeats."""
_PIECE = 256 * 1024


class Outlet(Protocol):
    """Where records go; also an agent's ``DirectLink``."""

    def send(self, payload: bytes) -> None: ...

    def close(self) -> None: ...


class Stream:
    """One endless answer."""

    def __init__(self, stream_id: str, codec: Codec = JSON, turns: asyncio.Lock | None = None) -> None:
        """``turns``: shared by those that send big records, so that one slice is made in a turn of the loop."""
        self.id = stream_id
        self._turns = turns or asyncio.Lock()
        self.codec = codec
        """What its reader asked for."""
        self.viewer: Viewer | None = None
        """Set where its reader may not see everything."""
        self.asker: tuple[str, Grants] | None = None
        """Whose it is and what it might do as it began, where permissions are checked."""
        self.extensions = False
        """Whether its reader asked for events that upstream does not send."""
        self._waiting: list[bytes | Spliced] = []
        self._size = 0
        self._abort: Callable[[], None] | None = None
        self.stall_s = STALL_S
        self.beats = 0
        """Heartbeats sent."""
        self._wake = asyncio.Event()
        self.closed = False

    def send(self, payload: bytes) -> None:
        """Queue one record; a reader too far behind is cut off."""
        if self.closed:
            return
        if self._size > MAX_WAITING:
            self.cut()
            return
        record = recordio.frame(payload)
        self._waiting.append(record)
        self._size += len(record)
        self._wake.set()

    def send_spliced(self, payload: Spliced) -> None:
        """Queue one big record, whose fragments others share: it does not count as waiting."""
        framed = Spliced(recordio.head(payload.size))
        framed.add(payload)
        self._waiting.append(framed)
        self._wake.set()

    def cut(self) -> None:
        """End at once, whatever waits."""
        self._waiting.clear()
        self._size = 0
        self.close()
        if self._abort is not None:
            self._abort()

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
        self._abort = request.transport.abort if request.transport is not None else None
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
                if not await self._write_all(write, waiting):
                    return
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
                self.beats += 1
                self.send(heartbeat)

    async def _write_all(self, write: Callable[[bytes], Awaitable[None]], waiting: list[bytes | Spliced]) -> bool:
        """False for a reader that stands still. Big records are joined slice by slice, one slice of all streams a turn."""
        waiting.reverse()
        while waiting:
            records: list[bytes] = []
            while waiting and isinstance(record := waiting[-1], bytes):
                records.append(record)
                waiting.pop()
            if records:
                if not await self._write(write, b"".join(records)):
                    return False
                continue
            big = waiting.pop()
            assert isinstance(big, Spliced)
            slices = big.slices()
            while True:
                async with self._turns:
                    part = next(slices, None)
                    await asyncio.sleep(0)
                if part is None:
                    break
                if not await self._write(write, part):
                    return False
        return True

    async def _write(self, write: Callable[[bytes], Awaitable[None]], data: bytes) -> bool:
        """False for a reader that stands still."""
        for start in range(0, len(data), _PIECE):
            try:
                async with asyncio.timeout(self.stall_s):
                    await write(data[start : start + _PIECE])
            except TimeoutError:
                self.cut()
                return False
        return True
