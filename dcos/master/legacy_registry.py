"""The registry's first layout (schema 1): a node for each agent in one of 256 folders, and one for each setting.

    <base>/agents/<xx>/<id>    {"schema": 1, "entry": AgentEntry}

Settings still lie so. Agents are found here once, after an upgrade, and moved to pages; a barrier is left, which a master of
before cannot read, so that it ends with a clear word instead of leading without any agents.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec

from dcos.master.core.registry import AgentEntry, Entry
from dcos.store.base import Disconnected, NodeExists, Store

SCHEMA = 1
BARRIER = b'{"schema":2,"entry":{}}'
_AT_ONCE = 128


class RegistryError(Exception):
    """A node of the registry cannot be understood: it names the path."""


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    schema: int
    entry: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Found:
    """What is there of it."""

    barrier: str
    barred: bool
    """Whether it is there."""
    entries: dict[str, tuple[str, bytes]]
    """By path: the agent and its entry."""
    folders: tuple[str, ...]
    """Which nobody needs when the entries are gone."""


_decode_stored = msgspec.json.Decoder(_Stored).decode
_decode_entry = msgspec.json.Decoder(AgentEntry).decode
_encode = msgspec.json.Encoder().encode


def write(entry: AgentEntry | Entry) -> bytes:
    return _encode({"schema": SCHEMA, "entry": entry})


def read(data: bytes) -> AgentEntry:
    """Errors: msgspec.MsgspecError; RegistryError for another schema."""
    return _decode_entry(entry_in(data))


def entry_in(data: bytes) -> msgspec.Raw:
    """The entry of a node, whatever it is.   Errors: msgspec.MsgspecError; RegistryError for another schema."""
    stored = _decode_stored(data)
    if stored.schema != SCHEMA:
        raise RegistryError(f"schema {stored.schema} is not known to this version (knows {SCHEMA})")
    return stored.entry


async def make(store: Store, path: str) -> None:
    """A node and those above it, if they are not there."""
    while True:
        try:
            await store.create(path, parents=True)
            return
        except NodeExists:
            return
        except Disconnected:
            continue


async def stored(store: Store, base: str) -> Found:
    """All agents in this layout.   Errors: StoreError; RegistryError."""
    root = f"{base}/agents"
    home = f"{root}/00"
    await make(store, home)
    barrier = f"{home}/moved"
    folders = [f"{root}/{name}" for name in await store.children(root) or ()]
    listed = await asyncio.gather(*(store.children(folder) for folder in folders))
    paths = [f"{folder}/{name}" for folder, names in zip(folders, listed, strict=True) for name in names or ()]
    entries: dict[str, tuple[str, bytes]] = {}
    for start in range(0, len(paths), _AT_ONCE):
        part = [path for path in paths[start : start + _AT_ONCE] if path != barrier]
        nodes = await asyncio.gather(*(store.get(path) for path in part))
        for path, node in zip(part, nodes, strict=True):
            if node is not None:
                entries[path] = (path.rpartition("/")[2], _checked(path, node.data))
    return Found(barrier, barrier in paths, entries, tuple(folder for folder in folders if folder != home))


def _checked(path: str, data: bytes) -> bytes:
    """The entry as bytes, known to be one."""
    try:
        read(data)
        return bytes(entry_in(data))
    except (msgspec.MsgspecError, RegistryError) as error:
        raise RegistryError(f"{path}: {error}") from error
