"""The agents' links on bare transports.

Ten thousand endless exchanges as tasks of an HTTP library cost three times the memory and twice the work of this. What all
agents say is taken in by one task (``Reception.run``) in its order and in slices, so that a whole cluster that comes back at
once stops nobody.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from typing import Final, cast

import msgspec

from dcos.master import streams
from dcos.master.core.events import AgentSaid, LinkClosed
from dcos.master.writer import SLICE_S, Writer
from dcos.runtime.log import get_logger
from dcos.wire import agent_link, recordio
from dcos.wire.chunked import END, Dechunker, chunk
from dcos.wire.errors import WireError

Problem = Callable[[agent_link.AgentMessage], str | None]
_HEAD: Final = (
    f"HTTP/1.1 200 OK\r\nContent-Type: {agent_link.CONTENT_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
)
_PONG: Final = agent_link.Pong()
_PONG_RECORD: Final = agent_link.encode(_PONG)
_MOST_UNREAD: Final = 256 * 1024
"""Bytes of records that may wait to be taken in before no more is read from an agent."""
_MOST_AHEAD: Final = 64
"""Events in the writer's inbox beyond which agents wait, so that schedulers and operators need not wait behind them all."""
_numbers = itertools.count(1)
_log = get_logger("agents")


class Reception:
    """Takes in what agents say."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self._waiting: deque[tuple[DirectLink, bytes | None]] = deque()
        self._wake = asyncio.Event()

    def put(self, link: DirectLink, record: bytes | None) -> None:
        """``None`` is the end."""
        self._waiting.append((link, record))
        self._wake.set()

    async def run(self) -> None:
        """For ever."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            over = loop.time() + SLICE_S
            while self._waiting and self.writer.waiting < _MOST_AHEAD:
                self._take(*self._waiting.popleft())
                if loop.time() > over:
                    break
            if self._waiting:
                await asyncio.sleep(0)
            else:
                await self._wake.wait()

    def _take(self, link: DirectLink, record: bytes | None) -> None:
        if record is None:
            self.writer.links.pop(link.id, None)
            self.writer.put(LinkClosed(self.writer.now(), link.id))
            return
        link.taken(len(record))
        if link.refused:
            return
        message: agent_link.AgentMessage = _PONG
        if record != _PONG_RECORD:
            try:
                message = agent_link.decode_agent_message(record)
                why = link.problem(message)
            except msgspec.MsgspecError as error:
                link.refuse("bad_message_of_agent", str(error))
                return
            except Exception:  # whatever one agent says, the others go on
                _log.exception("message_of_agent_failed", link=link.id)
                link.refuse("agent_refused", "internal error")
                return
            if why is not None:
                link.refuse("agent_refused", why)
                return
        self.writer.put(AgentSaid(self.writer.now(), link.id, message))


class DirectLink(asyncio.Protocol):
    """One agent's exchange; what a ``Stream`` is to the writer elsewhere."""

    def __init__(self, reception: Reception, transport: asyncio.Transport, problem: Problem) -> None:
        """``problem``: why a message may not be taken; it ends the link."""
        self.id = f"link-{next(_numbers)}"
        self.problem = problem
        self.refused = False
        self._reception = reception
        self._transport = transport
        self._dechunker = Dechunker()
        self._decoder = recordio.Decoder()
        self._unread = 0
        self._closed = False
        self._stalled: asyncio.TimerHandle | None = None

    def begin(self, rest: bytes) -> None:
        """Answer, and take in what came with the request's head."""
        self._reception.writer.links[self.id] = self
        self._transport.write(_HEAD)
        if rest:
            self.data_received(rest)

    # ---- to the agent ------------------------------------------------------------------------------------------------

    def send(self, payload: bytes) -> None:
        """One record; a reader too far behind is cut off."""
        if self._closed:
            return
        if self._transport.get_write_buffer_size() > streams.MAX_WAITING:
            self.cut()
            return
        self._transport.write(chunk(recordio.frame(payload)))

    def close(self) -> None:
        """End after what is queued."""
        if not self._closed:
            self._closed = True
            self._transport.write(END)
            self._transport.close()

    def cut(self) -> None:
        """End at once, whatever waits."""
        self._closed = True
        self._transport.abort()

    def pause_writing(self) -> None:
        self._watch(self._transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _watch(self, waiting: int) -> None:
        """Cut it off unless it has taken something when the time is over."""

        def look() -> None:
            now = self._transport.get_write_buffer_size()
            if now >= waiting:
                self.cut()
            else:
                self._watch(now)

        self._stalled = asyncio.get_running_loop().call_later(streams.STALL_S, look)

    # ---- from the agent ----------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.refused:
            return
        try:
            records = self._decoder.feed(self._dechunker.feed(data))
        except WireError as error:
            self.refuse("bad_message_of_agent", str(error))
            return
        for record in records:
            self._unread += len(record)
            self._reception.put(self, record)
        if self._dechunker.ended:
            self.close()
        elif self._unread > _MOST_UNREAD and not self._transport.is_closing():
            self._transport.pause_reading()

    def taken(self, length: int) -> None:
        """A record was taken in."""
        before, self._unread = self._unread, self._unread - length
        if before > _MOST_UNREAD >= self._unread and not self._transport.is_closing():
            self._transport.resume_reading()

    def refuse(self, event: str, why: str) -> None:
        """Take nothing more of it, and end."""
        peer = cast("tuple[str, int] | None", self._transport.get_extra_info("peername"))
        _log.warning(event, link=self.id, peer=peer[0] if peer else "", why=why)
        self.refused = True
        self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._closed = True
        self.resume_writing()
        self._reception.put(self, None)
