"""Documents below one path, written by whoever leads: each batch is one transaction that fails once somebody else leads.

A transaction sets ``journal`` to a marker of its own, which tells after a broken connection whether it happened. Batches too
big for one request are split, parts first. Documents are JSON, deflated from 4 KB on.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from dcos.store.base import BadVersion, Create, Delete, Disconnected, NodeExists, NoNode, Operation, Set, Store
from dcos.store.election import Epoch
from dcos.store.tree import join

DEFLATE_FROM = 4096
MAX_BATCH_BYTES = 500_000
MAX_BATCH_OPERATIONS = 500
_BUCKETS = "0123456789abcdef"
BUCKETS = tuple(_BUCKETS)

D = TypeVar("D", bound=msgspec.Struct)
R = TypeVar("R")


class SchemaTooNew(Exception):
    """A newer version wrote this state."""


class Deposed(Exception):
    """Somebody else leads: our write was refused."""


def encode(document: Any) -> bytes:
    raw = msgspec.json.encode(document)
    return zlib.compress(raw) if len(raw) >= DEFLATE_FROM else raw


def decode(raw: bytes, kind: type[D]) -> D:
    return msgspec.json.decode(raw if raw[:1] == b"{" else zlib.decompress(raw), type=kind)


def bucket(key: str) -> str:
    """One of sixteen folders: a folder's listing must fit one answer of ZooKeeper."""
    return _BUCKETS[zlib.crc32(key.encode()) & 15]


class Journal:
    """The documents below ``base``. Reading is for any process, writing needs an epoch. ``known``: paths that exist."""

    def __init__(self, store: Store, base: str, *, marker: str) -> None:
        self.known: set[str] = set()
        self._store = store
        self._base = base
        self._marker = marker
        self._count = 0
        self._epoch: Epoch | None = None

    # ---- reading ----

    async def prepare(self, epoch: Epoch, folders: Iterable[str], *, schema: int) -> None:
        """As the new leader: check the schema, make the folders.   Errors: SchemaTooNew, StoreError."""
        self._epoch = epoch
        found = await self._store.get(join(self._base, "schema"))
        if found is not None and int(found.data) > schema:
            raise SchemaTooNew(f"the stored state has schema {int(found.data)}, this version knows {schema}")
        nodes = {"journal": b"", **dict.fromkeys(folders, b""), "schema": str(schema).encode()}
        for name, data in nodes.items():
            if not await self._store.exists(join(self._base, name)):
                try:
                    await self._store.create(join(self._base, name), data, parents=True)
                except NodeExists:
                    continue
        if found is not None and int(found.data) < schema:
            await self._store.set(join(self._base, "schema"), str(schema).encode())

    async def raw(self, path: str) -> bytes | None:
        node = await self._store.get(join(self._base, path))
        if node is None:
            return None
        self.known.add(path)
        return node.data

    async def document(self, path: str, kind: type[D]) -> D | None:
        node = await self._store.get(join(self._base, path))
        return decode(node.data, kind) if node else None

    async def names(self, path: str) -> tuple[str, ...]:
        return await self._store.children(join(self._base, path)) or ()

    async def documents(self, path: str, kind: type[D]) -> list[D]:
        """All below a folder."""
        names = await self.names(path)
        return [one for one in await self.read([f"{path}/{name}" for name in names], kind) if one is not None]

    async def read(self, paths: Sequence[str], kind: type[D]) -> list[D | None]:
        """The documents at ``paths``; None where there is none."""
        nodes = await self._store.get_many([join(self._base, path) for path in paths])
        self.known.update(path for path, node in zip(paths, nodes, strict=True) if node is not None)
        return [None if node is None else decode(node.data, kind) for node in nodes]

    async def raws(self, paths: Sequence[str]) -> list[bytes | None]:
        nodes = await self._store.get_many([join(self._base, path) for path in paths])
        self.known.update(path for path, node in zip(paths, nodes, strict=True) if node is not None)
        return [None if node is None else node.data for node in nodes]

    async def names_of_many(self, paths: Sequence[str]) -> list[tuple[str, ...]]:
        return [names or () for names in await self._store.children_of_many([join(self._base, one) for one in paths])]

    # ---- writing ----

    async def save(self, wanted: Mapping[str, bytes | None]) -> None:
        """Store data by path, in order; None removes.   Errors: Deposed, SessionLost; the process must end then."""
        operations = [one for path, data in wanted.items() if (one := self._operation(path, data)) is not None]
        for part in parts(operations):
            await self._transact(part)

    def _operation(self, path: str, data: bytes | None) -> Operation | None:
        full = join(self._base, path)
        if data is None:
            if path not in self.known:
                return None
            self.known.discard(path)
            return Delete(full)
        if path in self.known:
            return Set(full, data)
        self.known.add(path)
        return Create(full, data)

    async def _transact(self, operations: Sequence[Operation]) -> None:
        assert self._epoch is not None, "writing before loading"
        self._count += 1
        journal = join(self._base, "journal")
        marker = f"{self._marker}:{self._count}".encode()
        while True:
            try:
                await self._store.transact([self._epoch.check(), Set(journal, marker), *operations])
                return
            except (BadVersion, NoNode, NodeExists) as error:
                raise Deposed(str(error)) from error
            except Disconnected:
                node = await _retried(lambda: self._store.get(journal))
                if node is not None and node.data == marker:
                    return


async def _retried(read: Callable[[], Awaitable[R]]) -> R:
    while True:
        try:
            return await read()
        except Disconnected:
            await asyncio.sleep(0.1)


def parts(operations: Sequence[Operation]) -> Iterable[list[Operation]]:
    """Split so that each part fits a request."""
    part: list[Operation] = []
    size = 0
    for operation in operations:
        length = len(operation.data) if isinstance(operation, Create | Set) else 0
        if part and (size + length > MAX_BATCH_BYTES or len(part) >= MAX_BATCH_OPERATIONS):
            yield part
            part, size = [], 0
        part.append(operation)
        size += length + len(operation.path)
    if part:
        yield part
