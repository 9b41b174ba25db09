"""Backups of all that Marathon stores, made and brought back by whoever leads next.

``DELETE /v2/leader?backup=file:///path`` notes what shall be done and abdicates; the next leader does it before it loads
anything. ``backup`` comes before ``restore``. The path is on the machine of that leader.   Source: Marathon's backup and restore.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from dcos.runtime.files import write_atomic
from dcos.runtime.log import get_logger
from dcos.store import archive
from dcos.store.base import NodeExists, Store
from dcos.store.election import Epoch
from dcos.store.tree import join

NODE = "runtime-configuration"
OWN = frozenset({"epoch", "journal", NODE})
"""Not part of a backup: whose turn it is, and what is to be done."""

_log = get_logger("marathon")


class BadLocation(ValueError):
    """No location that backups can have: says why."""


class Wish(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the next leader shall do."""

    backup: str | None = None
    restore: str | None = None


def path_of(location: str) -> Path:
    """Errors: BadLocation."""
    parts = urlsplit(location)
    path = Path(unquote(parts.path))
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not path.is_absolute() or path.name == "":
        raise BadLocation(f"'{location}' is no file:///absolute/path")
    return path


async def note(store: Store, base: str, wish: Wish) -> None:
    """Have the next leader do it.   Errors: StoreError."""
    path, data = join(base, NODE), msgspec.json.encode(wish)
    try:
        await store.create(path, data, parents=True)
    except NodeExists:
        await store.set(path, data)


async def fulfil(store: Store, base: str, epoch: Epoch) -> None:
    """Do what was noted. What fails is logged and left; the stored state is then as it was.   Errors: StoreError."""
    node = await store.get(join(base, NODE))
    if node is None:
        return
    wish = msgspec.json.decode(node.data, type=Wish)
    try:
        if wish.backup is not None:
            made = await archive.dump(store, base, without=OWN)
            await asyncio.to_thread(write_atomic, path_of(wish.backup), made, mode=0o600)
            _log.info("backed_up", to=wish.backup, size_bytes=len(made))
        if wish.restore is not None:
            wanted = archive.read(await asyncio.to_thread(path_of(wish.restore).read_bytes))
            if "schema" not in wanted:
                raise archive.BadArchive("it holds no state of Marathon")
            await archive.restore(store, base, wanted, epoch, without=OWN)
            _log.info("restored", source=wish.restore, nodes=len(wanted))
    except (archive.BadArchive, BadLocation, OSError) as error:
        _log.error("backup_failed", backup=wish.backup or "", restore=wish.restore or "", error=str(error))
    await store.delete(join(base, NODE))
