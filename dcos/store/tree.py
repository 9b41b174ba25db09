"""What any store does the same way: walks over several nodes."""

from __future__ import annotations

import asyncio

from dcos.store.base import NodeExists, NoNode, NotEmpty, Store


def parent_of(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def join(parent: str, name: str) -> str:
    return f"{parent.rstrip('/')}/{name}"


async def make_parents(store: Store, path: str) -> None:
    """Make every missing node above ``path``; somebody else making it meanwhile is as good."""
    missing = []
    above = parent_of(path)
    while above != "/" and not await store.exists(above):
        missing.append(above)
        above = parent_of(above)
    for parent in reversed(missing):
        try:
            await store.create(parent)
        except NodeExists:
            continue


async def delete_tree(store: Store, path: str, *, version: int = -1) -> None:
    """Delete ``path`` and all below it, leaves first; nodes that others add or take meanwhile are followed.

    Errors: NoNode if there is no ``path`` at first, BadVersion of ``path`` itself.
    """
    names = await store.children(path)
    if names is None:
        raise NoNode(path)
    while True:
        below = await asyncio.gather(*(delete_tree(store, join(path, name)) for name in names), return_exceptions=True)
        for trouble in below:
            if isinstance(trouble, BaseException) and not isinstance(trouble, NoNode):
                raise trouble
        try:
            await store.delete(path, version=version)
            return
        except NotEmpty:
            names = await store.children(path) or ()
