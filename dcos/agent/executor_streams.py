"""The connections of custom executors: who hears events, and who has been replaced.

A connection is numbered when it arrives and heard of by the core; only when the core opens it do events go there.
"""

from __future__ import annotations

import asyncio
import itertools

from dcos.model.v1 import executor as v1

Events = asyncio.Queue[v1.Event | None]
"""None ends the stream."""
MOST_WAITING = 10_000
"""Events that may wait for an executor; one that lets more wait is cut off, and may subscribe again."""


class ExecutorStreams:
    """Connections by number; the open ones by (framework id, executor id)."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Events] = {}
        self._open: dict[tuple[str, str], tuple[int, Events]] = {}

    def arrive(self) -> tuple[int, Events]:
        """A new connection's number and what is to be written to it."""
        number, events = next(self._numbers), Events()
        self._waiting[number] = events
        return number, events

    def leave(self, number: int) -> None:
        """The connection is closed."""
        self._waiting.pop(number, None)
        for key, (open_number, _) in list(self._open.items()):
            if open_number == number:
                del self._open[key]

    def open(self, framework_id: str, executor_id: str, number: int) -> None:
        """Events go to ``number`` from here on; the older connection ends."""
        self.close(framework_id, executor_id)
        events = self._waiting.pop(number, None)
        if events is not None:
            self._open[framework_id, executor_id] = (number, events)

    def tell(self, framework_id: str, executor_id: str, event: v1.Event) -> bool:
        """False when nobody hears it."""
        found = self._open.get((framework_id, executor_id))
        if found is None:
            return False
        if found[1].qsize() >= MOST_WAITING:
            while not found[1].empty():
                found[1].get_nowait()
            self.close(framework_id, executor_id)
            return False
        found[1].put_nowait(event)
        return True

    def close(self, framework_id: str, executor_id: str) -> None:
        """What was told is still delivered."""
        found = self._open.pop((framework_id, executor_id), None)
        if found is not None:
            found[1].put_nowait(None)
