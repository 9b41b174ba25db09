"""One session with the store for several parts of a process, which come and go on their own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from dcos.store.base import Store, StoreError


class SharedSession:
    """``connect``: opens a session. Whoever has trouble with it ends it for all: they come again and share the next."""

    def __init__(self, connect: Callable[[], Awaitable[Store]]) -> None:
        self._connect = connect
        self._store: Store | None = None
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def borrow(self) -> AsyncIterator[Store]:
        """The session, opened if there is none.   Errors: StoreError."""
        async with self._lock:
            if self._store is None:
                self._store = await self._connect()
            store = self._store
        try:
            yield store
        except StoreError:
            await self._end(store)
            raise

    async def close(self) -> None:
        """End it; the next to come opens another."""
        if self._store is not None:
            await self._end(self._store)

    async def _end(self, store: Store) -> None:
        if self._store is store:
            self._store = None
            await store.close()
