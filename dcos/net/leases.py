"""Who has which number of the overlay, in ZooKeeper: one node a number, made by who takes it, gone when it is given back.

A node's address is the data of its number's node. ZooKeeper makes a node only once, so a number has one holder; it is kept over
restarts and reboots, for it is found again by the address.
Path: ``/dcos-net/overlay/<number>``, data ``{"ip": "<address>", "error": "<what its node could not make>"}``.
Not below ``/dcos``: whichever service comes first makes that, and identity lets nobody else write there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

import msgspec

from dcos.net.core.overlay import free_numbers
from dcos.net.core.overlay_state import Report
from dcos.store.base import BadVersion, NodeExists, NoNode, Store
from dcos.store.tree import join

PATH: Final = "/dcos-net/overlay"
_READ_ALL_EVERY_S: Final = 600.0


class Full(Exception):
    """Every number is taken: says how many there are."""


class _Lease(msgspec.Struct, omit_defaults=True):
    ip: str
    error: str = ""


async def held(store: Store, known: Mapping[int, str] | None = None) -> dict[int, str]:
    """Number to address; those in ``known`` are not read again."""
    numbers = [int(name) for name in await store.children(PATH) or () if name.isdigit()]
    found = {number: known[number] for number in numbers if known and number in known}
    missing = [number for number in numbers if number not in found]
    for number, node in zip(missing, await store.get_many([join(PATH, str(one)) for one in missing]), strict=True):
        if node is not None:
            found[number] = msgspec.json.decode(node.data, type=_Lease).ip
    return found


async def reports(store: Store) -> dict[int, Report]:
    """What every node says of itself, read now.   Errors: StoreError."""
    numbers = [int(name) for name in await store.children(PATH) or () if name.isdigit()]
    nodes = await store.get_many([join(PATH, str(one)) for one in numbers])
    leases = {
        number: msgspec.json.decode(node.data, type=_Lease)
        for number, node in zip(numbers, nodes, strict=True)
        if node is not None
    }
    return {number: Report(one.ip, one.error) for number, one in leases.items()}


async def report(store: Store, number: int, own: Report) -> bool:
    """Say it, if the number is still its own.   Errors: StoreError."""
    path = join(PATH, str(number))
    node = await store.get(path)
    if node is None or msgspec.json.decode(node.data, type=_Lease).ip != own.ip:
        return False
    wanted = msgspec.json.encode(_Lease(own.ip, own.error))
    if node.data != wanted:
        try:
            await store.set(path, wanted, version=node.version)
        except (BadVersion, NoNode):
            return False  # given back, perhaps to another, in this moment
    return True


async def take(store: Store, ip: str, capacity: int) -> int:
    """The number of the node at ``ip``, from now on its own.   Errors: Full, StoreError."""
    found = await held(store)
    own = sorted(number for number, holder in found.items() if holder == ip)
    if own:
        return own[0]
    for number in free_numbers(found, capacity):
        try:
            await store.create(join(PATH, str(number)), msgspec.json.encode(_Lease(ip)), parents=True)
        except NodeExists:
            continue  # somebody was faster
        return number
    raise Full(
        f"all {capacity} numbers of the overlay are taken; `dcos-net release ADDRESS` gives back that of a node that is gone"
    )


async def release(store: Store, ip: str) -> list[int]:
    """Give back what the node at ``ip`` has; the numbers.   Errors: StoreError."""
    own = sorted(number for number, holder in (await held(store)).items() if holder == ip)
    for number in own:
        try:
            await store.delete(join(PATH, str(number)))
        except NoNode:
            continue
    return own


async def follow(store: Store) -> AsyncIterator[dict[int, str]]:
    """Number to address now and at each change, for as long as the session lives."""
    known: dict[int, str] = {}
    read_all = asyncio.get_running_loop().time() + _READ_ALL_EVERY_S
    async for _ in store.watch_children(PATH):
        now = asyncio.get_running_loop().time()
        if now > read_all:
            known, read_all = {}, now + _READ_ALL_EVERY_S
        known = await held(store, known)
        yield known
