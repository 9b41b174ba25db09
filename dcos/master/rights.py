"""Streams of events show what their readers might see when they began. When that becomes something else, they end: who still may
subscribes again and sees what there is to see then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from dcos.master.streams import Stream
from dcos.master.writer import Writer
from dcos.model.mesos_permissions import Granted
from dcos.runtime.log import get_logger

EVERY_S: Final = 2.0
_log = get_logger("master")


def note(stream: Stream, known: object, principal: str | None) -> None:
    """What ``principal``, whose stream this is, may do as it begins."""
    if isinstance(known, Granted) and principal is not None:
        stream.asker = principal, known.rights(principal)


def end_outdated(writer: Writer, known: Granted) -> None:
    for stream in list(writer.subscribers.values()):
        if stream.asker is not None and known.rights(stream.asker[0]) != stream.asker[1]:
            _log.info("stream_ended", principal=stream.asker[0], why="its rights changed")
            stream.close()


async def keep_true(writer: Writer, known: Granted, learn: Callable[[Collection[str]], Awaitable[None]]) -> None:
    """For ever. ``learn``: asks what these may do, and tells ``known``."""
    while True:
        await asyncio.sleep(EVERY_S)
        readers = {stream.asker[0] for stream in writer.subscribers.values() if stream.asker is not None}
        if readers:
            await learn(readers)
            end_outdated(writer, known)
