"""A part of the tree as one file, and back: a gzipped tar with one member for each node that is not ephemeral."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Collection

from dcos.store.base import Create, Delete, Node, Operation, Set, Store
from dcos.store.election import Epoch
from dcos.store.journal import parts
from dcos.store.tree import join, make_parents

MAX_BYTES = 2**30
"""Of all members of an archive: more is not read."""


class BadArchive(Exception):
    """Not an archive of ours: says what is wrong."""


async def nodes_below(store: Store, path: str, *, without: Collection[str] = ()) -> dict[str, Node]:
    """Every node below ``path``, parents first, by its path from there. ``without``: children of ``path`` to leave out."""
    found: dict[str, Node] = {}
    level = [""]
    while level:
        listed = await store.children_of_many([join(path, one) if one else path for one in level])
        below = [
            f"{parent}/{name}" if parent else name
            for parent, names in zip(level, listed, strict=True)
            for name in names or ()
            if parent or name not in without
        ]
        nodes = await store.get_many([join(path, one) for one in below])
        alive = [(name, node) for name, node in zip(below, nodes, strict=True) if node is not None]
        found |= {name: node for name, node in alive if not node.ephemeral}
        level = [name for name, _ in alive]
    return found


async def dump(store: Store, path: str, *, without: Collection[str] = ()) -> bytes:
    """All below ``path``."""
    nodes = await nodes_below(store, path, without=without)
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, node in nodes.items():
            member = tarfile.TarInfo(name)
            member.size = len(node.data)
            member.mode = 0o600
            tar.addfile(member, io.BytesIO(node.data))
    return out.getvalue()


def read(archive: bytes) -> dict[str, bytes]:
    """Data by path.   Errors: BadArchive."""
    found: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            for member in tar:
                total += member.size
                if total > MAX_BYTES:
                    raise BadArchive(f"it holds more than {MAX_BYTES} bytes")
                data = tar.extractfile(member) if member.isreg() else None
                if data is None or any(part in ("", ".", "..") for part in member.name.split("/")):
                    raise BadArchive(f"{member.name!r} is no node")
                found[member.name] = data.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise BadArchive(f"no gzipped tar: {error}") from error
    for name in found:
        parent = name.rpartition("/")[0]
        if parent and parent not in found:
            raise BadArchive(f"{name!r} has no parent")
    return found


async def restore(store: Store, path: str, wanted: dict[str, bytes], epoch: Epoch, *, without: Collection[str]) -> None:
    """Make what is below ``path`` be ``wanted``; children named in ``without`` stay as they are.

    Not at one moment: who is interrupted restores again.   Errors: StoreError; BadVersion when somebody else leads.
    """
    present = await nodes_below(store, path, without=without)
    wanted = {name: data for name, data in wanted.items() if name.partition("/")[0] not in without}
    operations: list[Operation] = [Delete(join(path, name)) for name in reversed(present) if name not in wanted]
    for name in sorted(wanted, key=lambda one: (one.count("/"), one)):
        if name not in present:
            operations.append(Create(join(path, name), wanted[name]))
        elif present[name].data != wanted[name]:
            operations.append(Set(join(path, name), wanted[name]))
    await make_parents(store, join(path, "any"))
    for part in parts(operations):
        await store.transact([epoch.check(), *part])
