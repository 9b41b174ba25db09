"""Sealed secrets in ZooKeeper: one node each below the path of the URL, ``/<store>/<path with its slashes escaped>``."""

from __future__ import annotations

import contextlib
from urllib.parse import quote, unquote

from dcos.store.base import NodeExists, NoNode, Store


class Unknown(Exception):
    """There is no such secret."""


class Exists(Exception):
    """There is one of that path."""


def node(store: str, path: str) -> str:
    return f"/{store}/s:{quote(path, safe='@:+=~,')}"


async def prepare(zk: Store, store: str) -> None:
    """Make the store's own node: a parent that is ours and never empty can be neither deleted nor made by others."""
    with contextlib.suppress(NodeExists):
        await zk.create(f"/{store}", parents=True)


async def read(zk: Store, store: str, path: str) -> bytes:
    """Errors: Unknown."""
    found = await zk.get(node(store, path))
    if found is None:
        raise Unknown
    return found.data


async def add(zk: Store, store: str, path: str, sealed: bytes) -> None:
    """Errors: Exists."""
    try:
        await zk.create(node(store, path), sealed, parents=True)
    except NodeExists:
        raise Exists from None


async def replace(zk: Store, store: str, path: str, sealed: bytes) -> None:
    """Errors: Unknown."""
    try:
        await zk.set(node(store, path), sealed)
    except NoNode:
        raise Unknown from None


async def delete(zk: Store, store: str, path: str) -> None:
    """Errors: Unknown."""
    try:
        await zk.delete(node(store, path))
    except NoNode:
        raise Unknown from None


async def names(zk: Store, store: str) -> list[str]:
    """Paths of all secrets, sorted."""
    return sorted(unquote(name[2:]) for name in await zk.children(f"/{store}") or ())
