"""Streams of process I/O over HTTP: a container's output to a client, a client's input to a container.

Source: Mesos's I/O switchboard (records, heartbeats, what ends which stream).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp import web

from dcos.agent.core.nested import io_problem
from dcos.agent.io_output import Chunk, Listener
from dcos.agent.io_session import ProcessIo
from dcos.model.v1 import agent as v1
from dcos.model.v1.types import DurationInfo
from dcos.wire import recordio
from dcos.wire.errors import WireError
from dcos.wire.mesos_codec import Codec

MAX_RECORD: Final = 4 * 1024 * 1024
"""Bytes of one record of input."""
CLOSED: Final = (ConnectionError, aiohttp.ClientError, web.HTTPException)
_LOOK_S = 0.5
_GRACE_S = 1.0
"""After the end of the container, for input that is still on its way."""


@dataclass(frozen=True, slots=True)
class Media:
    """``codec`` of each message; ``streaming``: the client asked for records by name."""

    codec: Codec
    streaming: bool


async def send_output(
    request: web.Request, io: ProcessIo, listener: Listener, media: Media, heartbeat_s: float
) -> web.StreamResponse:
    """Until the container's output ends or the client goes away."""
    kind = "application/recordio" if media.streaming else media.codec.content_type
    headers = {"Content-Type": kind}
    if media.streaming:
        headers["Message-Content-Type"] = media.codec.content_type
    response = web.StreamResponse(headers=headers)
    response.enable_chunked_encoding()
    try:
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            await _write(request, response, listener, media.codec, heartbeat_s)
    finally:
        io.leave(listener)
    return response


async def _write(
    request: web.Request, response: web.StreamResponse, listener: Listener, codec: Codec, heartbeat_s: float
) -> None:
    """The client's socket is looked at twice a second while there is nothing to say."""
    quiet_s = 0.0
    beat = codec.encode(_heartbeat(heartbeat_s), v1.ProcessIO)
    while request.transport is not None and not request.transport.is_closing():
        try:
            async with asyncio.timeout(_LOOK_S):
                chunk = await listener.next()
        except TimeoutError:
            quiet_s += _LOOK_S
            if quiet_s >= heartbeat_s:
                quiet_s = 0.0
                await response.write(recordio.frame(beat))
            continue
        if chunk is None:
            if listener.lost and request.transport is not None:
                # it was too slow: it must not take what it has for all there was
                request.transport.close()
                return
            await response.write_eof()
            return
        await response.write(recordio.frame(codec.encode(_data(chunk), v1.ProcessIO)))


def _data(chunk: Chunk) -> v1.ProcessIO:
    data = v1.ProcessIOData(type=v1.ProcessIODataType(chunk[0].value), data=chunk[1])
    return v1.ProcessIO(type=v1.ProcessIOType.DATA, data=data)


def _heartbeat(interval_s: float) -> v1.ProcessIO:
    beat = v1.ProcessIOControlHeartbeat(interval=DurationInfo(nanoseconds=int(interval_s * 1e9)))
    control = v1.ProcessIOControl(type=v1.ProcessIOControlType.HEARTBEAT, heartbeat=beat)
    return v1.ProcessIO(type=v1.ProcessIOType.CONTROL, control=control)


class InputStream:
    """The records of a request."""

    def __init__(self, request: web.Request, codec: Codec) -> None:
        self._request = request
        self._content = request.content
        self._codec = codec
        self._decoder = recordio.Decoder(MAX_RECORD)
        self._records: deque[bytes] = deque()

    async def next(self) -> v1.Call | None:
        """None at the end.   Errors: WireError, ConnectionError and what else ``CLOSED`` names."""
        while not self._records:
            data = await self._content.readany()
            if not data:
                return None
            self._records.extend(self._decoder.feed(data))
        return self._codec.decode(self._records.popleft(), v1.Call)

    async def feed(self, io: ProcessIo) -> tuple[int, str]:
        """Type what comes, until it ends, or the container's output, or the client; the answer's status and text."""
        if io.typing:
            return 409, "Multiple input connections are not allowed"
        io.typing = True
        loop = asyncio.get_running_loop()
        typing = loop.create_task(self._type(io), name="attach-input")
        over = loop.create_task(_over(io), name="attach-end")
        gone = loop.create_task(gone_away(self._request), name="attach-gone")
        try:
            await asyncio.wait({typing, over, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not typing.done():
                await asyncio.wait({typing}, timeout=_GRACE_S)
            return typing.result() if typing.done() else (200, "")
        finally:
            io.typing = False
            for task in (typing, over, gone):
                task.cancel()
            await asyncio.gather(typing, over, gone, return_exceptions=True)

    async def _type(self, io: ProcessIo) -> tuple[int, str]:
        while True:
            try:
                call = await self.next()
            except WireError as error:
                return 400, str(error)
            except CLOSED:
                return 200, ""
            if call is None:
                return 200, ""
            if call.type is not v1.CallType.ATTACH_CONTAINER_INPUT:
                return 400, f"Expecting 'type' to be ATTACH_CONTAINER_INPUT, not {call.type}"
            problem = io_problem(call.attach_container_input)
            if problem is not None:
                return 400, problem
            assert call.attach_container_input is not None
            message = call.attach_container_input.process_io
            assert message is not None
            refused = await _one(io, message)
            if refused is not None:
                return refused


async def _one(io: ProcessIo, message: v1.ProcessIO) -> tuple[int, str] | None:
    if message.control is not None and message.type is v1.ProcessIOType.CONTROL:
        tty = message.control.tty_info
        size = tty.window_size if tty is not None else None
        if message.control.type is v1.ProcessIOControlType.TTY_INFO and size is not None:
            try:
                io.resize(size.rows, size.columns)
            except OSError as error:
                return 400, f"Unable to set the window size: {error}"
        return None
    data = message.data.data if message.data is not None else None
    if not data:
        io.end_input()
        return None
    try:
        await io.write(data)
    except OSError as error:
        return 500, f"Failed writing to stdin: {error}"
    return None


async def gone_away(request: web.Request) -> None:
    """Wait for the end of the client: it may leave while what it asked for takes its time."""
    while True:
        if request.transport is None or request.transport.is_closing():
            return
        await asyncio.sleep(_LOOK_S)


async def _over(io: ProcessIo) -> None:
    """Wait for the end of the container's output."""
    listener = io.listen()
    try:
        while await listener.next() is not None:
            pass
    finally:
        io.leave(listener)
