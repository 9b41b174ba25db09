"""What every node tells of itself, its host name and public addresses, in ZooKeeper: so any node can show all.

Path: ``/dcos-net/nodes/<address>``, data ``{"public_ips": [...], "hostname": "...", "updated": <Unix milliseconds>}``. It stays
when its node is off and goes by ``dcos-net release``. The data of ``/dcos-net/nodes`` itself is the moment at which somebody last
wanted all of them told anew: every node watches it.

Source: ``/v1/nodes`` of dcos-net, which keeps the same in its own store; the half hour is its, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from dcos.net.core.vips import is_address
from dcos.runtime import process
from dcos.runtime.log import get_logger
from dcos.store.base import NodeExists, NoNode, Store, StoreError
from dcos.store.shared import SharedSession
from dcos.store.tree import join

PATH: Final = "/dcos-net/nodes"
EVERY_S: Final = 1800.0
_RETRY_S: Final = 5.0
_PROGRAM_S: Final = 30.0
_FORCE_S: Final = 10.0
"""So long those that do not tell are waited for."""
_LOOK_S: Final = 0.2


class Told(msgspec.Struct, frozen=True):
    """Of one node. ``updated``: Unix milliseconds."""

    public_ips: tuple[str, ...] = ()
    hostname: str = ""
    updated: int = 0


async def detect_public_ips(command: Path) -> tuple[str, ...]:
    """The addresses that the program prints, a line each; none where it fails, or where there is none."""
    if not command.exists():
        return ()
    try:
        result = await process.run([command], timeout_s=_PROGRAM_S)
    except (process.ProcessError, TimeoutError):
        return ()
    lines = result.stdout.decode(errors="replace").splitlines() if result.ok else ()
    return tuple(dict.fromkeys(line.strip() for line in lines if is_address(line.strip())))


async def write(store: Store, ip: str, told: Told) -> None:
    """Errors: StoreError."""
    path, data = join(PATH, ip), msgspec.json.encode(told)
    try:
        await store.create(path, data, parents=True)
    except NodeExists:
        await store.set(path, data)


async def everyone(store: Store) -> dict[str, Told]:
    """By address.   Errors: StoreError."""
    ips = [name for name in await store.children(PATH) or () if is_address(name)]
    nodes = await store.get_many([join(PATH, ip) for ip in ips])
    found: dict[str, Told] = {}
    for ip, node in zip(ips, nodes, strict=True):
        with contextlib.suppress(msgspec.MsgspecError):  # what another version wrote
            if node is not None:
                found[ip] = msgspec.json.decode(node.data, type=Told)
    return found


async def release(store: Store, ip: str) -> bool:
    """Forget a node that is gone for good; False: it was not known.   Errors: StoreError."""
    try:
        await store.delete(join(PATH, ip))
    except NoNode:
        return False
    return True


class Roster:
    """One node's part. ``detect``: its public addresses now; ``now``: Unix seconds."""

    def __init__(self, ip: str, detect: Callable[[], Awaitable[tuple[str, ...]]], now: Callable[[], float]) -> None:
        self.own = Told()
        """What this node told last."""
        self._ip = ip
        self._detect = detect
        self._now = now
        self._store: Store | None = None
        self._log = get_logger("roster")

    async def look(self) -> Told:
        """Find out anew what there is to tell."""
        found = await self._detect()
        if found != self.own.public_ips:
            self._log.info("public_addresses", addresses=" ".join(found) or "none")
        self.own = Told(found, socket.gethostname(), int(self._now() * 1000))
        return self.own

    async def run(self, zk: SharedSession) -> None:
        """Tell it, for ever."""
        while True:
            with contextlib.suppress(StoreError):
                async with zk.borrow() as self._store:
                    await self.tell(self._store)
            self._store = None
            await asyncio.sleep(_RETRY_S)

    async def tell(self, store: Store) -> None:
        """Now, every half hour and whenever it is wanted; ends by StoreError."""
        await write(store, self._ip, await self.look())
        wanted = store.watch_node(PATH)
        await anext(wanted)
        waiting = asyncio.ensure_future(anext(wanted))
        try:
            while True:
                await asyncio.wait({waiting}, timeout=EVERY_S)
                if waiting.done():
                    waiting.result()
                    waiting = asyncio.ensure_future(anext(wanted))
                await write(store, self._ip, await self.look())
        finally:
            waiting.cancel()

    async def shown(self, *, force: bool = False) -> Mapping[str, Told]:
        """All nodes; this one alone while ZooKeeper does not tell. ``force``: those that live tell anew first."""
        store = self._store
        found: dict[str, Told] = {}
        with contextlib.suppress(StoreError):
            if store is not None and force:
                await self._refresh(store)
            if store is not None:
                found = await everyone(store)
        return {**found, self._ip: max(self.own, found.get(self._ip, self.own), key=lambda one: one.updated)}

    async def _refresh(self, store: Store) -> None:
        before = await everyone(store)
        await store.set(PATH, str(int(self._now() * 1000)).encode())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FORCE_S):
                while any(one == before.get(ip) for ip, one in (await everyone(store)).items()):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_S)  # a watch for each node would cost more
