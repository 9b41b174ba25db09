"""The registry in ZooKeeper.

    <zk path>-registry/epoch               whose version the leader holds; every transaction checks it first
    <zk path>-registry/pages/<n>           {"schema": 2, "agents": {<id>: AgentEntry}}: many agents each (``pages``)
    <zk path>-registry/agents/00/moved     keeps out masters of before that would look for agents here (``legacy``)
    <zk path>-registry/quota/<role>        {"schema": 1, "entry": QuotaConfig}, names percent-encoded
    <zk path>-registry/weights/<role>      WeightEntry
    <zk path>-registry/machines/<machine>  MachineEntry

No node and no listing grows towards ZooKeeper's 1 MB. What a version of before stored is taken over when a master leads.
Decision: docs/decisions/0010-agents-lie-on-pages.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote

import msgspec

from dcos.master import legacy_registry
from dcos.master.core.effects import Keep, Write
from dcos.master.core.registry import (
    ENTRY_TYPES,
    AgentEntry,
    MachineEntry,
    Settings,
    Shelf,
    WeightEntry,
)
from dcos.master.legacy_registry import RegistryError, entry_in
from dcos.master.pages import Pages
from dcos.model.v1.quota import QuotaConfig
from dcos.store.base import Create, Delete, Disconnected, NodeExists, NoNode, Operation, Set, Store
from dcos.store.election import Epoch

E = TypeVar("E")

SCHEMA = 2
_MAX_OPERATIONS = 500
_MAX_BYTES = 500_000
_AT_ONCE = 500
"""Entries that are decoded before others have a turn."""


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    schema: int
    agents: dict[str, msgspec.Raw]


_decode_page = msgspec.json.Decoder(_Page).decode
_decode_entry = msgspec.json.Decoder(AgentEntry).decode
_encode = msgspec.json.Encoder().encode


def registry_path(zk_path: str) -> str:
    """Beside the election's path, whose listing belongs to upstream's format."""
    return zk_path.rstrip("/") + "-registry"


def epoch_path(zk_path: str) -> str:
    return registry_path(zk_path) + "/epoch"


def _page_in(data: bytes) -> Mapping[str, msgspec.Raw]:
    """Errors: msgspec.MsgspecError; RegistryError for a schema newer than ours."""
    page = _decode_page(data)
    if page.schema != SCHEMA:
        raise RegistryError(f"schema {page.schema} is not known to this version (knows {SCHEMA})")
    return page.agents


class Registry:
    """The leader's hold of the registry."""

    def __init__(self, store: Store, zk_path: str, epoch: Epoch) -> None:
        self._store = store
        self._base = registry_path(zk_path)
        self._epoch = epoch
        self._pages = Pages()
        self._known: dict[str, int] = {}
        """Nodes that are there, with the sizes of their data."""
        self.writes = 0
        """Transactions so far."""
        self.waiting = 0
        """Entries that are being written."""

    @property
    def size_bytes(self) -> int:
        """Of all data in it."""
        return sum(self._known.values())

    def page_path(self, page: int) -> str:
        return f"{self._base}/pages/{page:04d}"

    def shelf_path(self, shelf: Shelf, key: str) -> str:
        return f"{self._base}/{shelf}/{quote(key, safe='')}"

    # ---- reading -----------------------------------------------------------------------------------------------------

    async def recover(self) -> tuple[tuple[str, AgentEntry], ...]:
        """Everything stored.   Errors: StoreError; RegistryError."""
        self._pages, self._known = Pages(), {}
        folders = (f"{self._base}/pages", *(f"{self._base}/{shelf}" for shelf in Shelf))
        await asyncio.gather(*(legacy_registry.make(self._store, folder) for folder in folders))
        names = await self._store.children(folders[0]) or ()
        await asyncio.gather(*(self._read(int(name)) for name in names if name.isdecimal()))
        await self._take_over(await legacy_registry.stored(self._store, self._base))
        found = []
        for count, (agent, entry) in enumerate(self._pages.entries(), 1):
            found.append((agent, self._decoded(agent, entry)))
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return tuple(found)

    async def _read(self, page: int) -> None:
        path = self.page_path(page)
        node = await self._store.get(path)
        if node is None:
            return
        try:
            self._pages.load(page, {agent: bytes(entry) for agent, entry in _page_in(node.data).items()})
        except (msgspec.MsgspecError, RegistryError) as error:
            raise RegistryError(f"{path}: {error}") from error
        self._known[path] = len(node.data)

    def _decoded(self, agent: str, entry: bytes) -> AgentEntry:
        try:
            return _decode_entry(entry)
        except msgspec.MsgspecError as error:
            raise RegistryError(f"{self._base}/pages: agent {agent}: {error}") from error

    async def _take_over(self, found: legacy_registry.Found) -> None:
        """From the layout of before, page by page, each in one transaction with the end of its old nodes."""
        if not found.barred:
            await self._commit({found.barrier: legacy_registry.BARRIER})
        moved: dict[int, list[str]] = {}
        for path, (agent, entry) in found.entries.items():
            for page in self._pages.put(agent, entry):
                moved.setdefault(page, []).append(path)
        self._known.update(dict.fromkeys(found.entries, 0))
        for page, paths in moved.items():
            for start in range(0, len(paths), _MAX_OPERATIONS):
                await self._commit(self._stored([page]) | dict.fromkeys(paths[start : start + _MAX_OPERATIONS]))
        self._known.update(dict.fromkeys(found.folders, 0))
        if found.folders:
            await self._commit(dict.fromkeys(found.folders))

    async def recover_settings(self) -> Settings:
        """What operators have set.   Errors: StoreError; RegistryError."""
        return Settings(
            quotas=await self._recover_shelf(Shelf.QUOTA, QuotaConfig),
            weights=await self._recover_shelf(Shelf.WEIGHTS, WeightEntry),
            machines=await self._recover_shelf(Shelf.MACHINES, MachineEntry),
        )

    async def _recover_shelf(self, shelf: Shelf, kind: type[E]) -> tuple[E, ...]:
        assert ENTRY_TYPES[shelf] is kind
        folder = f"{self._base}/{shelf}"
        paths = [f"{folder}/{name}" for name in sorted(await self._store.children(folder) or ())]
        nodes = await asyncio.gather(*(self._store.get(path) for path in paths))
        found = []
        for path, node in zip(paths, nodes, strict=True):
            if node is None:
                continue
            try:
                found.append(msgspec.json.decode(entry_in(node.data), type=kind))
            except (msgspec.MsgspecError, RegistryError) as error:
                raise RegistryError(f"{path}: {error}") from error
            self._known[path] = len(node.data)
        return tuple(found)

    # ---- writing -----------------------------------------------------------------------------------------------------

    async def write(self, writes: Sequence[Write | Keep]) -> None:
        """Make ``writes`` durable, in one transaction unless it would be too big.

        Errors: BadVersion when another master took the epoch; SessionLost.
        """
        last = {(one.agent if isinstance(one, Write) else self.shelf_path(one.shelf, one.key)): one for one in writes}
        self.waiting = len(last)
        try:
            wanted: dict[str, bytes | None] = {}
            pages: dict[int, None] = {}
            for path, one in last.items():
                if isinstance(one, Write):
                    changed = self._pages.take(path) if one.entry is None else self._pages.put(path, _encode(one.entry))
                    pages.update(dict.fromkeys(changed))
                    if len(changed) > 1:
                        await self._commit(self._stored(changed))
                else:
                    wanted[path] = None if one.entry is None else legacy_registry.write(one.entry)
            for part in _parts(wanted | self._stored(pages)):
                await self._commit(part)
        finally:
            self.waiting = 0

    def _stored(self, pages: Iterable[int]) -> dict[str, bytes | None]:
        return {self.page_path(page): self._pages.data(page, SCHEMA) for page in pages}

    async def _commit(self, wanted: dict[str, bytes | None]) -> None:
        while True:
            try:
                await self._store.transact([self._epoch.check(), *self._operations(wanted)])
                break
            except Disconnected:
                await self._look(wanted)
            except (NodeExists, NoNode):
                await self._look(wanted)
        self.writes += 1
        for path, data in wanted.items():
            if data is None:
                self._known.pop(path, None)
            else:
                self._known[path] = len(data)

    def _operations(self, wanted: dict[str, bytes | None]) -> Iterable[Operation]:
        for path, data in wanted.items():
            if data is None:
                if path in self._known:
                    yield Delete(path)
            elif path in self._known:
                yield Set(path, data)
            else:
                yield Create(path, data)

    async def _look(self, wanted: Iterable[str]) -> None:
        """See anew what is there: an answer was lost."""
        while True:
            try:
                for path in wanted:
                    node = await self._store.get(path)
                    if node is None:
                        self._known.pop(path, None)
                    else:
                        self._known[path] = len(node.data)
                return
            except Disconnected:
                continue


def _parts(wanted: dict[str, bytes | None]) -> Iterable[dict[str, bytes | None]]:
    part: dict[str, bytes | None] = {}
    size = 0
    for path, data in wanted.items():
        length = len(path) + len(data or b"")
        if part and (len(part) >= _MAX_OPERATIONS or size + length > _MAX_BYTES):
            yield part
            part, size = {}, 0
        part[path] = data
        size += length
    if part:
        yield part
