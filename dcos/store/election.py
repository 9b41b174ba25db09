"""One leader among several processes, by ephemeral sequential nodes.

Each candidate makes ``<path>/<label>_0000000012``; the smallest number leads. A name whose part after the last ``_`` is no
integer is none of ours. The leader also moves an epoch node (kept elsewhere: other programs list ``path``) in a
transaction that requires its own candidate node, so a leader that lost its session cannot take the epoch back, and every
later write that starts with ``epoch.check()`` fails once somebody else leads.
Source: Mesos' ZooKeeper group and contender (a leader that loses its node ends, a follower contends again).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from dcos.store.base import (
    BadVersion,
    Check,
    Disconnected,
    NodeExists,
    NoNode,
    SessionLost,
    Set,
    Store,
)
from dcos.store.tree import join


class LeadershipLost(SessionLost):
    """We led and our node is gone or somebody with a smaller number leads: end the process."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What the leader holds: ``number`` grows with each leader; put ``check()`` first in every transaction."""

    path: str
    version: int

    @property
    def number(self) -> int:
        return self.version

    def check(self) -> Check:
        return Check(self.path, self.version)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the election stands. ``leader``: data of the leading candidate's node, None if nobody leads yet."""

    leading: bool
    leader: bytes | None
    node: str
    """Our own node's name."""
    epoch: Epoch | None = None
    """Set when we lead and an epoch path was given."""


def sequence_of(name: str) -> int | None:
    """The number after the last ``_``; None if there is none."""
    label, underscore, number = name.rpartition("_")
    digits = number.removeprefix("-")
    return int(number) if label and underscore and digits.isascii() and digits.isdigit() else None


def ranked(names: Iterable[str], label: str) -> list[str]:
    """Those of ``names`` that are ``<label>_<number>``, the leader first."""
    ours = [(number, name) for name in names if (number := sequence_of(name)) is not None]
    return [name for _, name in sorted(ours) if name.rpartition("_")[0] == label]


class Candidate:
    """A process that wants to lead.

    ``label`` is the part before ``_`` (``json.info`` for a Mesos master); a trailing ``_`` is allowed. ``data`` must tell this
    candidate from all others (it carries an id or an address): others read it to reach the leader.
    """

    def __init__(self, store: Store, path: str, *, label: str, data: bytes, epoch_path: str | None = None) -> None:
        self._store = store
        self._path = path
        self._label = label.removesuffix("_")
        self._data = data
        self._epoch_path = epoch_path
        self._node: str | None = None
        self._resigned = False

    async def standings(self) -> AsyncIterator[Standing]:
        """Contend; yield the standing now and at each change, for as long as we may lead.

        Ends after ``resign`` of a follower.   Errors: SessionLost; LeadershipLost after a standing that led.
        """
        led = False
        last: Standing | None = None
        await self._enter()
        async for names in self._store.watch_children(self._path):
            order = ranked(names or (), self._label)
            if self._node not in order:
                if led:
                    raise LeadershipLost("our node is gone")
                if self._resigned:
                    return
                await self._enter()
                continue
            first = order[0]
            if led and first != self._node:
                raise LeadershipLost(f"{first} leads")
            node = await self._store.get(join(self._path, first))
            if node is None:
                continue  # gone between the two readings: the children's watch fires
            if first != self._node:
                standing = Standing(False, node.data, self._node)
            elif led:
                continue
            else:
                epoch = await self._take_epoch(self._node) if self._epoch_path else None
                standing = Standing(True, node.data, self._node, epoch)
                led = True
            if standing != last:
                last = standing
                yield standing

    async def resign(self) -> None:
        """Take our node away, so that another leads at once. The iterator then ends by LeadershipLost if we led."""
        node, self._node, self._resigned = self._node, None, True
        if node is not None:
            try:
                await self._store.delete(join(self._path, node))
            except NoNode:
                return

    async def _enter(self) -> None:
        """Make our node; after a broken connection look whether it was made."""
        while True:
            try:
                made = await self._store.create(
                    join(self._path, f"{self._label}_"), self._data, ephemeral=True, sequence=True, parents=True
                )
                self._node = made.rpartition("/")[2]
                return
            except Disconnected:
                found = await self._find()
                if found is not None:
                    self._node = found
                    return
            except NodeExists:  # of a parent, made by another candidate meanwhile
                continue

    async def _find(self) -> str | None:
        for name in ranked(await self._store.children(self._path) or (), self._label):
            node = await self._store.get(join(self._path, name))
            if node is not None and node.owned and node.data == self._data:
                return name
        return None

    async def _take_epoch(self, own: str) -> Epoch:
        """Errors: LeadershipLost when our node went away before."""
        path = self._epoch_path
        assert path is not None
        while True:
            now = await self._store.get(path)
            try:
                if now is None:
                    await self._store.create(path, parents=True)
                    continue
                await self._store.transact([Check(join(self._path, own)), Set(path, own.encode(), version=now.version)])
                return Epoch(path, now.version + 1)
            except (NodeExists, BadVersion, Disconnected):
                # An older leader's move, or ours with the answer lost: moving it once more is always safe.
                await asyncio.sleep(0)
            except NoNode as error:
                raise LeadershipLost("our node is gone") from error
