"""Answers that are written piece by piece: no more waits in memory for a slow reader than one piece."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Iterator

from aiohttp import web

from dcos.node.logs.sandboxes import SandboxError
from dcos.runtime import log
from dcos.runtime.journal import JournalError

_log = log.get_logger("logs")
HEADERS = {"Cache-Control": "no-cache", "Access-Control-Allow-Origin": "*", "X-Accel-Buffering": "no"}
ALIVE_S = 20.0


class Crowded(Exception):
    """As many answers are on their way as may be."""


class Places:
    """How many may be read to at the same time."""

    def __init__(self, count: int) -> None:
        self._free = count

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Errors: Crowded."""
        if self._free <= 0:
            raise Crowded
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


async def send(
    request: web.Request,
    pieces: AsyncIterator[bytes],
    *,
    content_type: str,
    headers: dict[str, str],
    gzip: bool = False,
) -> web.StreamResponse:
    """The answer, as long as ``pieces`` come and the reader is there. ``gzip``: what is sent is a file of that kind.

    Trouble on the way breaks the connection: what was sent does not look like all there is.
    """
    answer = web.StreamResponse(headers=HEADERS | headers | {"Content-Type": content_type})
    await answer.prepare(request)
    packer = zlib.compressobj(6, zlib.DEFLATED, 31) if gzip else None
    try:
        async for piece in pieces:
            if packer is not None:
                piece = await asyncio.to_thread(packer.compress, piece)
            if piece:
                await answer.write(piece)
    except (SandboxError, JournalError) as error:
        _log.warning("answer_broken", path=request.path, error=str(error).strip())
        if request.transport is not None:
            request.transport.abort()
        return answer
    if packer is not None:
        await answer.write(packer.flush())
    await answer.write_eof()
    return answer
