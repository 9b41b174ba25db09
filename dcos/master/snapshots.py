"""One moment of the state for many: what the big reads and the event streams of the operators' API begin with.

Fragments are made ready in slices; then, in one step, the snapshot is put together and given to everybody who waits for
one of its kind, so that a subscriber stands among the listeners from the very moment that he is shown.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Final

from dcos.master.core.viewer import ALL, Viewer
from dcos.master.kept import in_slices
from dcos.master.reads import READS, Fragments
from dcos.master.writer import Writer
from dcos.model.v1.master import CallType
from dcos.wire.mesos_codec import Codec
from dcos.wire.spliced import Spliced

_AT_ONCE: Final = 16
"""Fragments between two looks at the clock."""
_FEW: Final = 100
"""Fragments that may be outdated when the snapshot is taken, and are made in that step."""
_MOST_PASSES: Final = 8
"""However much changes meanwhile, after so many it is taken."""

_Key = tuple[CallType, Codec, str | None]
Then = Callable[[Spliced], None]


class Snapshots:
    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.turns = asyncio.Lock()
        """Held for each slice that is sent of a snapshot: many who begin at once do not make the loop wait for all of them."""
        self._fragments: dict[Codec, Fragments] = {}
        """For those who may see all."""
        self._waiting: dict[_Key, list[Then]] = {}
        self._locks: weakref.WeakValueDictionary[_Key, asyncio.Lock] = weakref.WeakValueDictionary()
        self._sent: weakref.WeakValueDictionary[_Key, Spliced] = weakref.WeakValueDictionary()
        """Those that somebody still holds, and the revision that each shows."""
        self._revisions: dict[_Key, int] = {}

    async def give(self, what: CallType, codec: Codec, viewer: Viewer, then: Then) -> None:
        """Call ``then`` with a snapshot at the moment that it shows, before anything else happens."""
        key = what, codec, viewer.principal if viewer.limited else None
        waiting = self._waiting.setdefault(key, [])
        waiting.append(then)
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                if then in waiting:
                    body = await self._snapshot(key, viewer)
                    while waiting:
                        waiting.pop(0)(body)
        finally:
            if then in waiting:
                waiting.remove(then)
            if not waiting and self._waiting.get(key) is waiting:
                del self._waiting[key]

    async def _snapshot(self, key: _Key, viewer: Viewer) -> Spliced:
        """Nothing happens between the moment that it shows and the return."""
        what, codec, _ = key
        await self._writer.settled()
        known = self._sent.get(key)
        if known is not None and self._revisions[key] == self._writer.revision:
            return known
        made = Fragments(codec, viewer) if viewer.limited else self._fragments.get(codec)
        if made is None:
            made = self._fragments[codec] = Fragments(codec, ALL)
        read = READS[what]
        for _ in range(_MOST_PASSES):
            before = made.made
            await in_slices(read.make(self._writer.state, made), _AT_ONCE)
            if made.made - before <= _FEW:
                break
        await self._writer.settled()
        body = read.body(self._writer.state, made)
        if not viewer.limited:
            self._sent[key] = body
            self._revisions[key] = self._writer.revision
        return body
