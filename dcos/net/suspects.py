"""Which agents are said to be silent, in ZooKeeper: whoever finds one tells all others, and they ask it themselves.

Path: ``/dcos-net/silent/<address>``, a node of the session of whoever found it first; it goes when that one gets an answer again,
or ends: then the next that still finds it silent says so. Nothing is concluded from it but whom to ask now.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from typing import Final

from dcos.net.core.vips import is_address
from dcos.runtime.log import get_logger
from dcos.store.base import NodeExists, NoNode, Store, StoreError
from dcos.store.shared import SharedSession
from dcos.store.tree import join

PATH: Final = "/dcos-net/silent"
_RETRY_S: Final = 1.0


class Suspects:
    """One node's part. ``ask``: is given the addresses that anybody says are silent, at each change."""

    def __init__(self, ask: Callable[[Collection[str]], None]) -> None:
        self._ask = ask
        self._found: frozenset[str] = frozenset()
        self._told: set[str] = set()
        """Nodes of this session."""
        self._listed: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self._log = get_logger("suspects")

    def find(self, silent: frozenset[str]) -> None:
        """This node's own findings, all of them."""
        self._found = silent
        self._changed.set()

    async def run(self, zk: SharedSession) -> None:
        """For ever."""
        while True:
            with contextlib.suppress(StoreError):
                async with zk.borrow() as store:
                    await self.follow(store)
            await asyncio.sleep(_RETRY_S)

    async def follow(self, store: Store) -> None:
        """As long as the session lives; ends by StoreError."""
        self._told, self._listed = set(), frozenset()
        hearing = asyncio.ensure_future(self._hear(store.watch_children(PATH)))
        try:
            while True:
                self._changed.clear()
                await self._tell(store)
                waiting = asyncio.ensure_future(self._changed.wait())
                try:
                    await asyncio.wait({waiting, hearing}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiting.cancel()
                if hearing.done():
                    hearing.result()
                    return
        finally:
            hearing.cancel()

    async def _hear(self, changes: AsyncIterator[tuple[str, ...] | None]) -> None:
        async for names in changes:
            listed = frozenset(name for name in names or () if is_address(name))
            new = listed - self._listed
            self._listed = listed
            if new:
                self._ask(new - self._told)
            self._changed.set()

    async def _tell(self, store: Store) -> None:
        for ip in sorted(self._found - self._listed - self._told):
            try:
                await store.create(join(PATH, ip), ephemeral=True, parents=True)
            except NodeExists:
                continue  # somebody was faster
            self._told.add(ip)
        for ip in sorted(self._told - self._found):
            with contextlib.suppress(NoNode):
                await store.delete(join(PATH, ip))
            self._told.discard(ip)
