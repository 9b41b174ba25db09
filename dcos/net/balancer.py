"""Virtual IPs in the kernel: nftables tables and routes made equal to what is wanted.

Between changes the tables are read back now and then and repaired. At the end of the process they stay, so that restarting this
service disturbs no new connection either; ``remove`` is for when the service goes for good.
Where several share a place, those whose turn it is not only remember what is wanted.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Mapping

from dcos.net.core import ruleset
from dcos.net.core.ruleset import Table
from dcos.net.core.vips import Ranges, Service, Target
from dcos.net.place import USUAL, Place, Turn
from dcos.runtime import links
from dcos.runtime.log import get_logger
from dcos.runtime.nft import Nft, NftError


class Balancer:
    """One writer of the tables; ``versions``: IP versions in use."""

    def __init__(
        self, nft: Nft, ranges: Ranges, *, node_ip: str, versions: tuple[int, ...] = (4, 6), place: Place = USUAL
    ) -> None:
        self.changes = 0
        self.repairs = 0
        self.failures = 0
        self._nft = nft
        self._ranges = ranges
        self._node_ip = node_ip
        self._versions = versions
        self._place = place
        self._turn = Turn(place.table) if place.shared else None
        self._found: dict[int, Table | None] = {}
        self._wanted: Mapping[Service, tuple[Target, ...]] | None = None
        self._hosts: frozenset[str] = frozenset()
        self._routed: set[str] | None = None
        """Destinations that were given routes; None: look at the kernel's."""
        self._lock = asyncio.Lock()
        self._log = get_logger("l4lb")

    async def want(self, wanted: Mapping[Service, tuple[Target, ...]], hosts: Iterable[str] = ()) -> None:
        """Make the kernel do ``wanted``. ``hosts``: addresses of real machines, which get no route of ours."""
        async with self._lock:
            self._wanted = wanted
            self._hosts = frozenset(hosts)
            if self._turn is not None and not self._turn.is_mine():
                return
            try:
                await self._routes()
                for version in self._versions:
                    await self._apply(version)
            except (NftError, links.LinkError) as error:
                self.failures += 1
                self._found.clear()
                self._log.error("apply_failed", error=str(error))

    async def _apply(self, version: int) -> None:
        assert self._wanted is not None
        found = self._found.get(version)
        if found is None:
            found = await self._read(version)
        wanted = ruleset.of_version(self._wanted, version)
        if version == 6 and not wanted and not found.sound:
            return  # no table where nobody uses IPv6
        commands, after = await asyncio.to_thread(ruleset.transaction, wanted, found, version, self._place.table)
        if commands:
            await self._nft.apply(commands)
            self.changes += 1
            self._log.info("applied", version=version, vips=len(after.vips), targets=len(after.targets))
        self._found[version] = after

    async def _read(self, version: int) -> Table:
        objects = await self._nft.objects(ruleset.FAMILIES[version], self._place.table)
        return await asyncio.to_thread(ruleset.read_table, objects) if objects is not None else Table()

    async def repair(self) -> None:
        """Compare with the kernel's own tables, put right what somebody else changed."""
        async with self._lock:
            if self._wanted is None or (self._turn is not None and not self._turn.is_mine()):
                return
            try:
                self._routed = None
                await self._routes()
                for version in self._versions:
                    believed = self._found.get(version)
                    found = await self._read(version)
                    if believed is not None and found != believed and (found.sound or believed.sound):
                        self.repairs += 1
                        self._log.warning("repaired", version=version)
                    self._found[version] = found
                    await self._apply(version)
            except (NftError, links.LinkError) as error:
                self.failures += 1
                self._found.clear()
                self._log.error("repair_failed", error=str(error))

    async def _routes(self) -> None:
        """Every virtual address needs a route, or this node's own processes could not even send to it."""
        wanted = self._wanted or {}
        networks = _networks(self._ranges.min4, self._ranges.max4)
        if any(":" in one.ip for one in wanted):
            networks |= _networks(self._ranges.min6, self._ranges.max6)
        singles = {
            f"{one.ip}/{128 if ':' in one.ip else 32}"
            for one in wanted
            if one.ip not in self._hosts and not _within(one.ip, networks)
        }
        goal = networks | singles
        if goal == self._routed:
            return
        self._routed = None
        device, protocol = self._place.device, self._place.protocol
        if not self._place.shared:
            await links.ensure_device(device)
        held = await links.routes(device, protocol=protocol)
        if goal != held:
            await links.change_routes(
                device, add=goal - held, remove=held - goal, source=self._node_ip, protocol=protocol
            )
        self._routed = goal

    def end(self) -> None:
        """Let another write; what is in the kernel stays."""
        if self._turn is not None:
            self._turn.end()

    async def keep_repaired(self, every_s: float) -> None:
        """Compare for ever."""
        while True:
            await asyncio.sleep(every_s)
            await self.repair()


def _networks(low: str, high: str) -> set[str]:
    """The range from ``low`` to ``high`` as networks."""
    first, last = ipaddress.ip_address(low), ipaddress.ip_address(high)
    return {str(network) for network in ipaddress.summarize_address_range(first, last)}


def _within(ip: str, networks: Iterable[str]) -> bool:
    address = ipaddress.ip_address(ip)
    return any(address in ipaddress.ip_network(network) for network in networks)


async def remove(nft: Nft, place: Place) -> None:
    """Take everything of the balancer out of the kernel.   Errors: NftError, LinkError."""
    for version in ruleset.FAMILIES:
        await nft.apply(ruleset.removal(version, place.table))
    if place.shared:
        routes = await links.routes(place.device, protocol=place.protocol)
        await links.change_routes(place.device, remove=routes, protocol=place.protocol)
    else:
        await links.remove_device(place.device)
