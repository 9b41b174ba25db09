"""Virtual IPs inside containers whose network does not reach the node: the same tables and routes in their own namespaces.

The CNI plugin ``dcos-l4lb`` puts a file into ``/var/run/dcos/cni/l4lb`` for each such container: its name is the container's id,
its text the path of the network namespace, in which the plugin has made the device ``minuteman`` (or makes it a moment later).
The container's balancer begins when both are there, and ends with the file. Several containers may be in one namespace.

Every namespace has all virtual IPs, as upstream: with 10,000 of them and very many such containers that is much memory.
Source: 6.2 of the cluster facts; dcos-net's watcher of the folder, which also leaves hidden files alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from dcos.net import balancer
from dcos.net.balancer import Balancer
from dcos.net.core.vips import Ranges, Service, Target
from dcos.net.place import OWN_DEVICE, Place
from dcos.runtime import links, netns
from dcos.runtime.log import get_logger
from dcos.runtime.nft import Nft, NftError

_LOOK_S = 0.25
_SETTLED_S = 1.0
"""A folder that has not changed for so long holds what was read of it."""
_DEVICE_S = 5.0
"""A device that is not there for so long is worth a line in the log, and is looked for more slowly."""

Identity = tuple[int, int]


class Balancing(Protocol):
    """What keeps one namespace."""

    async def want(
        self,
        wanted: Mapping[Service, tuple[Target, ...]],
        hosts: Iterable[str] = (),
        changed: Collection[Service] | None = None,
        lost: Collection[tuple[Service, Target]] = (),
    ) -> None: ...

    async def keep_repaired(self, every_s: float) -> None: ...

    def end(self) -> None: ...


class Doing(Protocol):
    """What is done with namespaces, by their paths."""

    async def begin(self, path: str) -> Balancing: ...

    async def remove(self, path: str) -> None: ...

    def is_ready(self, path: str) -> bool:
        """Whether the plugin has made its device.   Errors: OSError where there is no such namespace."""
        ...


class Kernel:
    """The real thing. ``versions``: IP versions in use, where the namespace has them."""

    def __init__(self, ranges: Ranges, node_ip: str, versions: tuple[int, ...]) -> None:
        self._ranges = ranges
        self._node_ip = node_ip
        self._versions = versions

    async def begin(self, path: str) -> Balancing:
        versions = self._versions if 6 not in self._versions or await _has_ipv6(path) else (4,)
        return Balancer(
            Nft(inside=path), self._ranges, node_ip=self._node_ip, versions=versions, place=Place(inside=path)
        )

    async def remove(self, path: str) -> None:
        await balancer.remove(Nft(inside=path), Place(inside=path))

    def is_ready(self, path: str) -> bool:
        return netns.has_device(path, OWN_DEVICE)


async def _has_ipv6(path: str) -> bool:
    switch = await links.program("cat", "/proc/sys/net/ipv6/conf/all/disable_ipv6", inside=path)
    return switch.ok and switch.stdout.strip() == b"0"


class _Goal(NamedTuple):
    wanted: Mapping[Service, tuple[Target, ...]]
    hosts: frozenset[str]


@dataclass(slots=True)
class _Kept:
    path: str
    balance: Balancing
    repairing: asyncio.Task[None]


def listed(folder: Path) -> dict[str, str]:
    """Container ids and the paths of their namespaces; empty files are still being written."""
    found = {}
    try:
        files = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    for file in files:
        if file.name.startswith("."):
            continue
        try:
            text = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            text = ""
        found[file.name] = text
    return found


class Namespaces:
    """All of one node. ``own``: the node's own namespace, which is never taken for a container's."""

    def __init__(
        self,
        folder: Path,
        doing: Doing,
        *,
        repair_s: float,
        clock: Callable[[], float],
        identify: Callable[[str], Identity] = netns.identity,
        own: Identity | None = None,
    ) -> None:
        self._folder = folder
        self._doing = doing
        self._repair_s = repair_s
        self._clock = clock
        self._identify = identify
        self._own = own if own is not None else identify("/proc/self/ns/net")
        self._kept: dict[Identity, _Kept] = {}
        self._goal: _Goal | None = None
        self._stamp = -1
        self._read_until = 0.0
        self._again_at = 0.0
        self._waiting: dict[str, float] = {}
        """Containers whose namespace cannot be kept yet, and since when."""
        self._told: set[str] = set()
        self._lock = asyncio.Lock()
        self._log = get_logger("namespaces")

    def __len__(self) -> int:
        return len(self._kept)

    async def want(
        self,
        wanted: Mapping[Service, tuple[Target, ...]],
        hosts: Iterable[str] = (),
        changed: Collection[Service] | None = None,
        lost: Collection[tuple[Service, Target]] = (),
    ) -> None:
        """As of a ``Balancer``, in every namespace. What goes wrong in one is its own affair."""
        async with self._lock:
            self._goal = _Goal(wanted, frozenset(hosts))
            hosts = self._goal.hosts
            await asyncio.gather(*(one.balance.want(wanted, hosts, changed, lost) for one in self._kept.values()))

    async def run(self) -> None:
        """Follow the folder, for ever."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(_LOOK_S)
        finally:
            for one in self._kept.values():
                one.repairing.cancel()
                one.balance.end()

    async def look(self) -> None:
        """Begin and end what the folder says now."""
        now = self._clock()
        gone = [one for one in self._kept.items() if not self._is_there(*one)]
        if not self._is_changed(now) and not gone and (not self._waiting or now < self._again_at):
            return
        files = await asyncio.to_thread(listed, self._folder)
        wanted: dict[Identity, str] = {}
        waiting: dict[str, float] = {}
        for container, path in files.items():
            found = self._namespace(path)
            if found is not None:
                wanted.setdefault(found, path)
            else:
                waiting[container] = self._waiting.get(container, now)
        self._waiting = waiting
        self._complain(files, now)
        for identity in [one for one in self._kept if one not in wanted]:
            await self._end(identity)
        for identity, path in wanted.items():
            if identity not in self._kept:
                await self._begin(identity, path)

    def _is_changed(self, now: float) -> bool:
        """Whether there may be other files than those that were read."""
        try:
            stamp = self._folder.stat().st_mtime_ns
        except OSError:
            stamp = 0
        if stamp != self._stamp:
            self._stamp, self._read_until = stamp, now + _SETTLED_S
        return now < self._read_until

    def _is_there(self, identity: Identity, kept: _Kept) -> bool:
        try:
            return self._identify(kept.path) == identity
        except OSError:
            return False

    def _namespace(self, path: str) -> Identity | None:
        """None: there is none (yet), it has no device (yet), or it is the node's own."""
        if not path.startswith("/"):
            return None
        try:
            found = self._identify(path)
            if found == self._own:
                return None
            return found if found in self._kept or self._doing.is_ready(path) else None
        except OSError:
            return None

    def _complain(self, files: Mapping[str, str], now: float) -> None:
        late = {container for container, since in self._waiting.items() if now - since >= _DEVICE_S}
        for container in sorted(late - self._told):
            needs = f"a network that is not the node's, with a device {OWN_DEVICE}"
            self._log.warning("not_balanced", container=container, namespace=files[container], needs=needs)
        self._told = late
        self._again_at = now + _DEVICE_S if late == self._waiting.keys() else now

    async def _begin(self, identity: Identity, path: str) -> None:
        try:
            balance = await self._doing.begin(path)
        except (OSError, links.LinkError) as error:
            self._log.warning("not_begun", namespace=path, error=str(error))
            return
        while True:
            goal = self._goal
            if goal is not None:
                await balance.want(goal.wanted, goal.hosts)
            async with self._lock:
                if self._goal is goal:  # else something else is wanted meanwhile
                    repairing = asyncio.create_task(balance.keep_repaired(self._repair_s))
                    self._kept[identity] = _Kept(path, balance, repairing)
                    break
        self._log.info("begun", namespace=path)

    async def _end(self, identity: Identity) -> None:
        async with self._lock:
            kept = self._kept.pop(identity)
        kept.repairing.cancel()
        await asyncio.gather(kept.repairing, return_exceptions=True)
        kept.balance.end()
        if self._is_there(identity, kept):
            try:
                await self._doing.remove(kept.path)
            except (OSError, NftError, links.LinkError) as error:
                self._log.info("not_removed", namespace=kept.path, error=str(error))
        self._log.info("ended", namespace=kept.path)


async def remove(folder: Path) -> None:
    """Take everything out of the namespaces that are listed; those that are gone do not matter."""
    for path in set((await asyncio.to_thread(listed, folder)).values()):
        try:
            if path.startswith("/") and netns.identity(path) != netns.identity("/proc/self/ns/net"):
                await balancer.remove(Nft(inside=path), Place(inside=path))
        except (OSError, NftError, links.LinkError):
            continue
