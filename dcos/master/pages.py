"""Which agent's entry lies on which page of the registry.

A page is one node of ZooKeeper with the entries of many agents. A new leader reads ten thousand agents in a hundred requests
instead of ten thousand; a change of one agent writes its page. New entries fill one page after the other, so that agents that
come together are written together. Entries are kept as the bytes that they are stored as.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

PAGE_BYTES: Final = 64 * 1024
"""Up to which a page takes new entries."""
_CROWDED: Final = 2 * PAGE_BYTES
"""Beyond which an entry that grew leaves for another page."""
_encode = msgspec.json.Encoder().encode


class Pages:
    """In memory what is stored, and where what is new will be."""

    def __init__(self) -> None:
        self._pages: dict[int, dict[str, bytes]] = {}
        self._sizes: dict[int, int] = {}
        self._home: dict[str, int] = {}
        self._filling = 0

    def __contains__(self, agent: str) -> bool:
        return agent in self._home

    def load(self, page: int, entries: Mapping[str, bytes]) -> None:
        """As found in the store."""
        for agent, entry in entries.items():
            self._place(agent, entry, page)

    def put(self, agent: str, entry: bytes) -> tuple[int, ...]:
        """The pages that changed; two when the entry moved: those must be written in one transaction."""
        home = self._home.get(agent)
        if home is None:
            self._filling = self._with_room(len(entry))
            self._place(agent, entry, self._filling)
            return (self._filling,)
        before = self._pages[home][agent]
        grown = self._sizes[home] + len(entry) - len(before)
        if len(entry) <= len(before) or grown <= _CROWDED or len(self._pages[home]) == 1:
            self._pages[home][agent] = entry
            self._sizes[home] = grown
            return (home,)
        self.take(agent)
        page = self._with_room(len(entry))
        self._place(agent, entry, page)
        return home, page

    def take(self, agent: str) -> tuple[int, ...]:
        """Forget an agent; the page that changed, if it was on any."""
        home = self._home.pop(agent, None)
        if home is None:
            return ()
        self._sizes[home] -= len(agent) + len(self._pages[home].pop(agent))
        return (home,)

    def data(self, page: int, schema: int) -> bytes | None:
        """What is to be stored, None for a page that is empty."""
        entries = self._pages.get(page)
        if not entries:
            return None
        listed = b",".join(_encode(agent) + b":" + entry for agent, entry in entries.items())
        return b'{"schema":%d,"agents":{%b}}' % (schema, listed)

    def entries(self) -> Iterable[tuple[str, bytes]]:
        for entries in self._pages.values():
            yield from entries.items()

    def _place(self, agent: str, entry: bytes, page: int) -> None:
        self._pages.setdefault(page, {})[agent] = entry
        self._sizes[page] = self._sizes.get(page, 0) + len(agent) + len(entry)
        self._home[agent] = page

    def _with_room(self, length: int) -> int:
        """The page that is being filled, or one less than half full, or the first that does not exist."""
        if self._sizes.get(self._filling, 0) + length <= PAGE_BYTES:
            return self._filling
        for page, size in self._sizes.items():
            if size + length <= PAGE_BYTES // 2:
                return page
        return next(number for number in range(len(self._sizes) + 1) if number not in self._sizes)
