"""The store's twin in memory: several sessions on one ensemble, faults on demand.

    ensemble = MemoryEnsemble()
    one, two = ensemble.session(), ensemble.session()
    ensemble.expire(one)        # its ephemeral nodes go, all its calls raise SessionLost
    ensemble.disconnect(two)    # its calls wait until ensemble.reconnect(two)
    two.fail_next_write(applied=True)   # Disconnected, though the write happened

Both this and the real one pass tests/unit/store/contract.py.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from dcos.store.base import (
    BadVersion,
    Check,
    Create,
    Delete,
    Disconnected,
    Node,
    NodeExists,
    NoNode,
    NotEmpty,
    Operation,
    SessionLost,
    Set,
    StoreError,
    check_operations,
    check_path,
)
from dcos.store.tree import delete_tree, make_parents, parent_of


@dataclass(slots=True)
class _Entry:
    data: bytes
    birth: int
    owner: int = 0
    version: int = 0
    modified: int = 0
    created_children: int = 0
    children: set[str] = field(default_factory=set)


class MemoryEnsemble:
    """The tree that all sessions share. Time is the transaction number: one "millisecond" each."""

    def __init__(self) -> None:
        self._entries = {"/": _Entry(b"", 0)}
        self._transaction = 0
        self._sessions = 0
        self._watchers: defaultdict[str, dict[asyncio.Event, None]] = defaultdict(dict)
        self.writes = 0
        """Successful writing requests so far (a transaction counts once)."""

    def session(self) -> MemoryStore:
        self._sessions += 1
        return MemoryStore(self, self._sessions)

    def expire(self, session: MemoryStore) -> None:
        """End the session as the server would after its timeout."""
        session.mark_lost()
        for path in [path for path, entry in self._entries.items() if entry.owner == session.id]:
            self._apply([Delete(path)], 0)

    def disconnect(self, session: MemoryStore) -> None:
        """Cut the connection; the session and its ephemeral nodes stay."""
        session.set_connected(False)

    def reconnect(self, session: MemoryStore) -> None:
        session.set_connected(True)

    def tree(self) -> dict[str, bytes]:
        """Every path and its data, for a test to look at."""
        return {path: entry.data for path, entry in sorted(self._entries.items()) if path != "/"}

    def node(self, path: str, session: int) -> Node | None:
        entry = self._entries.get(path)
        if entry is None:
            return None
        return Node(
            data=entry.data,
            version=entry.version,
            created_ms=entry.birth,
            modified_ms=entry.modified,
            ephemeral=entry.owner != 0,
            owned=entry.owner == session,
            birth=entry.birth,
        )

    def names(self, path: str) -> tuple[str, ...] | None:
        entry = self._entries.get(path)
        return None if entry is None else tuple(sorted(entry.children))

    @contextlib.contextmanager
    def watching(self, path: str) -> Iterator[asyncio.Event]:
        """An event set whenever the node or its children change."""
        event = asyncio.Event()
        self._watchers[path][event] = None
        try:
            yield event
        finally:
            del self._watchers[path][event]
            if not self._watchers[path]:
                del self._watchers[path]

    def _apply(self, operations: Sequence[Operation], session: int) -> tuple[str, ...]:
        """All or nothing: each operation is checked against the tree as the ones before it left it, then undone on error."""
        before = self._transaction
        undo: list[tuple[str, _Entry | None]] = []
        touched: list[str] = []
        self._transaction += 1
        try:
            paths = tuple(self._one(operation, session, undo, touched) for operation in operations)
        except StoreError:
            self._transaction = before
            for path, entry in reversed(undo):
                if entry is None:
                    del self._entries[path]
                else:
                    self._entries[path] = entry
            raise
        self.writes += 1
        for path in touched:
            for event in tuple(self._watchers.get(path, ())):
                event.set()
        return paths

    def _one(
        self, operation: Operation, session: int, undo: list[tuple[str, _Entry | None]], touched: list[str]
    ) -> str:
        path = operation.path
        if isinstance(operation, Create):
            above = self._saved(parent_of(path), undo)
            if above.owner:
                raise StoreError(f"{parent_of(path)} is ephemeral and has no children")
            if operation.sequence:
                path = f"{path}{above.created_children:010d}"
            if path in self._entries:
                raise NodeExists(path)
            above.created_children += 1
            above.children.add(path.rpartition("/")[2])
            undo.append((path, None))
            owner = session if operation.ephemeral else 0
            self._entries[path] = _Entry(operation.data, self._transaction, owner, modified=self._transaction)
            touched += (path, parent_of(path))
            return path
        entry = self._saved(path, undo)
        if operation.version not in (-1, entry.version):
            raise BadVersion(f"{path}: version {entry.version}, expected {operation.version}")
        if isinstance(operation, Set):
            entry.data = operation.data
            entry.version += 1
            entry.modified = self._transaction
            touched.append(path)
        elif isinstance(operation, Delete):
            if entry.children or path == "/":
                raise NotEmpty(path)
            self._saved(parent_of(path), undo).children.discard(path.rpartition("/")[2])
            del self._entries[path]
            touched += (path, parent_of(path))
        else:
            assert isinstance(operation, Check)
        return path

    def _saved(self, path: str, undo: list[tuple[str, _Entry | None]]) -> _Entry:
        """The entry to change, its present form kept for undoing."""
        entry = self._entries.get(path)
        if entry is None:
            raise NoNode(path)
        copy = _Entry(
            entry.data,
            entry.birth,
            entry.owner,
            entry.version,
            entry.modified,
            entry.created_children,
            set(entry.children),
        )
        undo.append((path, copy))
        return entry


class MemoryStore:
    """One session. Made by ``MemoryEnsemble.session``."""

    def __init__(self, ensemble: MemoryEnsemble, id: int) -> None:
        self.id = id
        self._ensemble = ensemble
        self._connected = asyncio.Event()
        self._connected.set()
        self._lost = asyncio.Event()
        self._waiting: dict[asyncio.Event, None] = {}
        self._fault: bool | None = None

    # ---- what a test does to it ----

    def mark_lost(self) -> None:
        self._lost.set()
        self._connected.set()
        for event in self._waiting:
            event.set()

    def set_connected(self, connected: bool) -> None:
        if connected:
            self._connected.set()
        elif not self._lost.is_set():
            self._connected.clear()

    def fail_next_write(self, *, applied: bool) -> None:
        """The next write raises Disconnected, after or without happening."""
        self._fault = applied

    # ---- Store ----

    async def get(self, path: str) -> Node | None:
        check_path(path)
        await self._turn()
        return self._ensemble.node(path, self.id)

    async def exists(self, path: str) -> bool:
        return await self.get(path) is not None

    async def children(self, path: str) -> tuple[str, ...] | None:
        check_path(path)
        await self._turn()
        return self._ensemble.names(path)

    async def get_many(self, paths: Sequence[str]) -> list[Node | None]:
        for path in paths:
            check_path(path)
        await self._turn()
        return [self._ensemble.node(path, self.id) for path in paths]

    async def children_of_many(self, paths: Sequence[str]) -> list[tuple[str, ...] | None]:
        for path in paths:
            check_path(path)
        await self._turn()
        return [self._ensemble.names(path) for path in paths]

    async def create(
        self, path: str, data: bytes = b"", *, ephemeral: bool = False, sequence: bool = False, parents: bool = False
    ) -> str:
        operation = Create(path, data, ephemeral, sequence)
        check_operations([operation])
        if parents:
            await make_parents(self, path)
        return (await self._write([operation]))[0]

    async def set(self, path: str, data: bytes, *, version: int = -1) -> int:
        await self._write([Set(path, data, version)])
        node = self._ensemble.node(path, self.id)
        return node.version if node else 0

    async def delete(self, path: str, *, version: int = -1, recursive: bool = False) -> None:
        if recursive:
            await delete_tree(self, path, version=version)
        else:
            await self._write([Delete(path, version)])

    async def transact(self, operations: Sequence[Operation]) -> tuple[str, ...]:
        return await self._write(operations) if operations else ()

    async def watch_node(self, path: str) -> AsyncIterator[Node | None]:
        check_path(path)
        with self._ensemble.watching(path) as changed:
            before: Node | None = None
            first = True
            while True:
                changed.clear()
                node = await self.get(path)
                if first or node != before:
                    yield node
                    before, first = node, False
                await self._wait(changed)

    async def watch_children(self, path: str) -> AsyncIterator[tuple[str, ...] | None]:
        check_path(path)
        with self._ensemble.watching(path) as changed:
            before: tuple[str, ...] | None = None
            first = True
            while True:
                changed.clear()
                names = await self.children(path)
                if first or names != before:
                    yield names
                    before, first = names, False
                await self._wait(changed)

    async def session_lost(self) -> None:
        await self._lost.wait()

    @property
    def connected(self) -> bool:
        return self._connected.is_set() and not self._lost.is_set()

    async def close(self) -> None:
        if not self._lost.is_set():
            self._ensemble.expire(self)

    # ---- inside ----

    async def _turn(self) -> None:
        """Let others run, as any request does; wait while the connection is away."""
        await asyncio.sleep(0)
        await self._connected.wait()
        if self._lost.is_set():
            raise SessionLost

    async def _write(self, operations: Sequence[Operation]) -> tuple[str, ...]:
        check_operations(operations)
        await self._turn()
        fault, self._fault = self._fault, None
        if fault is False:
            raise Disconnected
        paths = self._ensemble._apply(operations, self.id)
        if fault:
            raise Disconnected
        return paths

    async def _wait(self, changed: asyncio.Event) -> None:
        self._waiting[changed] = None
        try:
            if not self._lost.is_set():
                await changed.wait()
            if self._lost.is_set():
                raise SessionLost
        finally:
            self._waiting.pop(changed, None)
