"""The registry in ZooKeeper.

    <zk path>-registry/epoch               whose version the leader holds; every transaction checks it first
    <zk path>-registry/agents/<xx>/<id>    one agent: {"schema": 1, "entry": AgentEntry}, in one of 256 folders by its id
    <zk path>-registry/quota/<role>        {"schema": 1, "entry": QuotaConfig}, names percent-encoded
    <zk path>-registry/weights/<role>      WeightEntry
    <zk path>-registry/machines/<machine>  MachineEntry

One node per agent and 256 folders, so that no node and no listing grows towards ZooKeeper's 1 MB. Upgrades: ``read`` takes
any schema it knows and gives the newest.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable, Sequence
from typing import TypeVar
from urllib.parse import quote

import msgspec

from dcos.master.core.effects import Keep, Write
from dcos.master.core.registry import (
    ENTRY_TYPES,
    AgentEntry,
    Entry,
    MachineEntry,
    Settings,
    Shelf,
    WeightEntry,
)
from dcos.model.v1.quota import QuotaConfig
from dcos.store.base import Create, Delete, Disconnected, NodeExists, NoNode, Operation, Set, Store
from dcos.store.election import Epoch

E = TypeVar("E")

SCHEMA = 1
FOLDERS = 256
_MAX_OPERATIONS = 500
_MAX_BYTES = 500_000


class RegistryError(Exception):
    """A node of the registry cannot be understood: it names the path."""


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    schema: int
    entry: msgspec.Raw


_decode_stored = msgspec.json.Decoder(_Stored).decode
_decode_entry = msgspec.json.Decoder(AgentEntry).decode
_encode = msgspec.json.Encoder().encode


def registry_path(zk_path: str) -> str:
    """Beside the election's path, whose listing belongs to upstream's format."""
    return zk_path.rstrip("/") + "-registry"


def epoch_path(zk_path: str) -> str:
    return registry_path(zk_path) + "/epoch"


def write(entry: AgentEntry | Entry) -> bytes:
    return _encode({"schema": SCHEMA, "entry": entry})


def read(data: bytes) -> AgentEntry:
    """Errors: msgspec.MsgspecError; RegistryError for a schema newer than ours."""
    return _decode_entry(_entry(data))


def _entry(data: bytes) -> msgspec.Raw:
    stored = _decode_stored(data)
    if stored.schema != SCHEMA:
        raise RegistryError(f"schema {stored.schema} is not known to this version (knows {SCHEMA})")
    return stored.entry


class Registry:
    """The leader's hold of the registry."""

    def __init__(self, store: Store, zk_path: str, epoch: Epoch) -> None:
        self._store = store
        self._base = registry_path(zk_path)
        self._root = self._base + "/agents"
        self._epoch = epoch
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

    def path_of(self, agent: str) -> str:
        return f"{self._root}/{zlib.crc32(agent.encode()) % FOLDERS:02x}/{agent}"

    def shelf_path(self, shelf: Shelf, key: str) -> str:
        return f"{self._base}/{shelf}/{quote(key, safe='')}"

    async def recover(self) -> tuple[tuple[str, AgentEntry], ...]:
        """Everything stored.   Errors: StoreError; RegistryError."""
        made = await self._store.children(self._root)
        missing = {f"{number:02x}" for number in range(FOLDERS)} - set(made or ())
        await asyncio.gather(*(self._folder(name) for name in sorted(missing)))
        await asyncio.gather(*(self._make(f"{self._base}/{shelf}") for shelf in Shelf))
        listed = await asyncio.gather(*(self._list(f"{number:02x}") for number in range(FOLDERS)))
        paths = [path for paths in listed for path in paths]
        entries = await asyncio.gather(*(self._read(path) for path in paths))
        return tuple((path.rpartition("/")[2], entry) for path, entry in zip(paths, entries, strict=True) if entry)

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
                found.append(msgspec.json.decode(_entry(node.data), type=kind))
            except (msgspec.MsgspecError, RegistryError) as error:
                raise RegistryError(f"{path}: {error}") from error
            self._known[path] = len(node.data)
        return tuple(found)

    async def _folder(self, name: str) -> None:
        await self._make(f"{self._root}/{name}")

    async def _make(self, path: str) -> None:
        try:
            await self._store.create(path, parents=True)
        except NodeExists:
            return

    async def _list(self, folder: str) -> list[str]:
        return [f"{self._root}/{folder}/{name}" for name in await self._store.children(f"{self._root}/{folder}") or ()]

    async def _read(self, path: str) -> AgentEntry | None:
        node = await self._store.get(path)
        if node is None:
            return None
        try:
            entry = read(node.data)
            self._known[path] = len(node.data)
            return entry
        except (msgspec.MsgspecError, RegistryError) as error:
            raise RegistryError(f"{path}: {error}") from error

    async def write(self, writes: Sequence[Write | Keep]) -> None:
        """Make ``writes`` durable, in one transaction unless it would be too big.

        Errors: BadVersion when another master took the epoch; SessionLost.
        """
        last: dict[str, AgentEntry | Entry | None] = {
            self.path_of(one.agent) if isinstance(one, Write) else self.shelf_path(one.shelf, one.key): one.entry
            for one in writes
        }
        wanted = {path: None if entry is None else write(entry) for path, entry in last.items()}
        self.waiting = len(wanted)
        try:
            for part in _parts(wanted):
                await self._commit(part)
        finally:
            self.waiting = 0

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
