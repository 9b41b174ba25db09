"""The repository list in ZooKeeper: one node, ``/package/repositories`` below the chroot, in upstream's envelope.

No node means the default list. A write succeeds only on what was read: somebody else's change is an error to retry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dcos.catalog.core.errors import concurrent_access
from dcos.store.base import BadVersion, Disconnected, NodeExists, NoNode, Store
from dcos.wire.cosmos import RepositoryEntry, decode_repositories, encode_repositories

PATH: Final = "/package/repositories"

Entries = tuple[RepositoryEntry, ...]


class RepositoryList:
    """``store`` is the present session; None while there is none (then everything raises Disconnected)."""

    def __init__(self, default: Entries, store: Store | None = None) -> None:
        self.store = store
        self._default = default

    async def read(self) -> Entries:
        """Errors: StoreError, WireError."""
        return (await self._read(self._session()))[0]

    async def change(self, edit: Callable[[Entries], Entries]) -> Entries:
        """Write what ``edit`` makes of the list; returns it.   Errors: ConcurrentAccess, StoreError, whatever ``edit`` raises."""
        store = self._session()
        entries, version = await self._read(store)
        new = edit(entries)
        data = encode_repositories(new)
        try:
            if version is None:
                await store.create(PATH, data, parents=True)
            else:
                await store.set(PATH, data, version=version)
        except (BadVersion, NodeExists, NoNode):
            raise concurrent_access() from None
        return new

    async def _read(self, store: Store) -> tuple[Entries, int | None]:
        """The list and its node's version; None where there is no node."""
        node = await store.get(PATH)
        return (self._default, None) if node is None else (decode_repositories(node.data), node.version)

    def _session(self) -> Store:
        if self.store is None:
            raise Disconnected("no session with ZooKeeper")
        return self.store
