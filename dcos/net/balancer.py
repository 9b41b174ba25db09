"""Virtual IPs in the kernel: nftables tables and routes made equal to what is wanted.

Between changes the tables are read back and repaired once anybody has changed any table, which the kernel's count of transactions
tells for next to nothing. At the end of the process they stay, so that restarting this
service disturbs no new connection either; ``remove`` is for when the service goes for good.
Where several share a place, those whose turn it is not only remember what is wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping

from dcos.net import passage
from dcos.net.core import elements, ruleset
from dcos.net.core.ruleset import Counts, Difference, Table
from dcos.net.core.vips import Ranges, Service, Target
from dcos.net.place import USUAL, Place, Turn
from dcos.net.routed import Routed
from dcos.runtime import conntrack, links
from dcos.runtime.conntrack import Turned
from dcos.runtime.log import get_logger
from dcos.runtime.nft import Nft, NftError
from dcos.runtime.nft_netlink import Netlink

_LOOK_S = 1.0
_FEW = 100
"""Changed VIPs that are not worth a thread."""


class Balancer:
    """One writer of the tables; ``versions``: IP versions in use."""

    def __init__(
        self, nft: Nft, ranges: Ranges, *, node_ip: str, versions: tuple[int, ...] = (4, 6), place: Place = USUAL
    ) -> None:
        self.changes = 0
        self.repairs = 0
        self.failures = 0
        self._nft = nft
        self._netlink = Netlink(place.inside)
        self._ranges = Routed(ranges)
        self._node_ip = node_ip
        self._versions = versions
        self._place = place
        self._turn = Turn(place.table) if place.shared else None
        self._found: dict[int, Table] = {}
        self._generation: int | None = None
        """The kernel's count of transactions when ``_found`` was true; None: others may have come in between."""
        self._applied = 0
        self._wanted: Mapping[Service, tuple[Target, ...]] | None = None
        self._hosts: frozenset[str] = frozenset()
        self._routed: set[str] | None = None
        """Destinations that were given routes; None: look at the kernel's."""
        self._lock = asyncio.Lock()
        self._log = get_logger("l4lb")

    async def want(
        self,
        wanted: Mapping[Service, tuple[Target, ...]],
        hosts: Iterable[str] = (),
        changed: Collection[Service] | None = None,
        lost: Collection[tuple[Service, Target]] = (),
    ) -> None:
        """Make the kernel do ``wanted``. ``hosts``: addresses of real machines, which get no route of ours.

        ``changed``: what is otherwise than the time before; None: look at everything. ``lost``: targets that nobody
        answers at any more, whose datagrams and opening connections are to go elsewhere.
        """
        async with self._lock:
            before, self._wanted = self._hosts, wanted
            self._hosts = frozenset(hosts)
            if self._turn is not None and not self._turn.is_mine():
                return
            try:
                routed = self._routed or set()
                if (
                    changed is None
                    or before != self._hosts
                    or not all(self._ranges.covers(one.ip, routed) for one in changed)
                ):
                    await self._routes()
                begin = self._generation if len(self._found) == len(self._versions) else self._netlink.generation()
                await self._apply_all(begin, changed)
                if lost:
                    await self._forget(lost)
            except (NftError, OSError, links.LinkError) as error:
                self.failures += 1
                self._found.clear()
                self._generation = None
                self._log.error("apply_failed", error=str(error))

    async def _forget(self, lost: Collection[tuple[Service, Target]]) -> None:
        turned = [Turned(*service, *target) for service, target in lost]
        try:
            count = await asyncio.to_thread(conntrack.forget, turned, self._place.inside)
        except OSError as error:
            self._log.warning("not_forgotten", error=str(error))
            return
        if count:
            self._log.info("forgotten", connections=count, targets=len(turned))

    async def _apply_all(self, begin: int | None, changed: Collection[Service] | None = None) -> None:
        """``begin``: the kernel's count when what is believed of the tables was, or will be, true."""
        before = self._applied
        for version in self._versions:
            await self._apply(version, changed)
        now = self._netlink.generation()
        self._generation = now if begin is not None and now == begin + self._applied - before else None

    async def _apply(self, version: int, changed: Collection[Service] | None) -> None:
        wanted = self._wanted
        assert wanted is not None
        found = self._found.get(version)
        if found is None:
            found, changed = await self._read(version), None
        # of containers' networks there may be many: none of them keeps the loop
        few = found.made and changed is not None and len(changed) < _FEW and not self._place.inside
        if version == 6 and not found.sound:
            news = wanted if changed is None or not found.made else changed
            if not any(":" in one.ip for one in news):
                found.made = True
                self._found[version] = found
                return  # no table where nobody uses IPv6

        def decide() -> Difference:
            return ruleset.difference(wanted, found, version, changed)

        made = decide() if few else await asyncio.to_thread(decide)
        opened = [one for one, count in made.vips.items() if count and one.protocol == "udp" and one not in found.vips]
        if made:
            await self._perform(made, found, version, few=few)
        found.take(made)
        if opened:  # who asked before there was anybody, from a port that stays, would be refused for ever
            await self._forget([(one, Target(one.ip, one.port)) for one in opened])
        if made.anew or made.classes:
            found.rules = await asyncio.to_thread(self._rules, version)
        if made:
            self.changes += 1
            self._log.info("applied", version=version, vips=len(found.vips), targets=len(found.targets))
        self._found[version] = found

    async def _perform(self, made: Difference, found: Table, version: int, *, few: bool) -> None:
        """In one transaction, but for a table where there was none and chains that nobody uses yet."""
        name = self._place.table
        if made.anew and found.there:
            await self._nft.apply(await asyncio.to_thread(ruleset.commands, made, found, version, name))
            self._applied += 1
            return
        frame = ruleset.frame(made, version, name)
        if frame:
            await self._nft.apply(frame)
            self._applied += 1

        def change() -> bool:
            changes = elements.changes(made, found)
            self._netlink.change(ruleset.FAMILIES[version], name, changes)
            return bool(changes)

        if change() if few else await asyncio.to_thread(change):
            self._applied += 1

    async def _read(self, version: int) -> Table:
        """What the kernel has."""

        def read() -> Table:
            family, name = ruleset.FAMILIES[version], self._place.table
            rules = self._rules(version)
            try:
                listed = {one: self._netlink.elements(family, name, one) for one in elements.SETS} if rules else None
            except FileNotFoundError:
                listed = None
            return elements.read_table(rules, listed, version)

        return await asyncio.to_thread(read)

    def _rules(self, version: int) -> Mapping[str, list[bytes]]:
        return self._netlink.rules(ruleset.FAMILIES[version], self._place.table)

    async def repair(self) -> None:
        """Compare with the kernel's own tables, put right what somebody else changed."""
        async with self._lock:
            if self._wanted is None or (self._turn is not None and not self._turn.is_mine()):
                return
            try:
                self._routed = None
                await self._routes()
                if not self._is_touched():
                    return
                begin, differs = self._netlink.generation(), False
                for version in self._versions:
                    believed = self._found.get(version)
                    found = await self._read(version)
                    if found.sound and believed is not None and believed.sound and found.rules != believed.rules:
                        found = Table(there=True)  # somebody gave a chain other rules
                    if believed is None or found != believed:
                        self._found[version], differs = found, True
                        if believed is not None and (found.sound or believed.sound):
                            self.repairs += 1
                            self._log.warning("repaired", version=version)
                await self._apply_all(begin, None if differs else ())
            except (NftError, OSError, links.LinkError) as error:
                self.failures += 1
                self._found.clear()
                self._generation = None
                self._log.error("repair_failed", error=str(error))

    def _is_touched(self) -> bool:
        """Whether anybody may have changed the tables since they were known."""
        return self._generation is None or self._netlink.generation() != self._generation

    async def _routes(self) -> None:
        """Every virtual address needs a route, or this node's own processes could not even send to it."""
        goal = self._ranges.networks({one.ip for one in self._wanted or ()}, self._hosts)
        goal = {one for one in goal if (6 if ":" in one else 4) in self._versions}
        if self._place.own and any(":" in one for one in goal) and links.enable_forwarding(6):
            self._log.info("forwarding_enabled", version=6)
        if goal == self._routed:
            return
        if self._place.own:
            await self._let_pass(goal)
        self._routed = None
        device, protocol, inside = self._place.device, self._place.protocol, self._place.inside
        if self._place.own:
            await links.ensure_device(device)
        held = await links.routes(device, protocol=protocol, inside=inside)
        if goal != held:
            source = None if inside else self._node_ip
            await links.change_routes(
                device, add=goal - held, remove=held - goal, source=source, protocol=protocol, inside=inside
            )
        self._routed = goal

    async def _let_pass(self, goal: set[str]) -> None:
        """Not being able to stops nothing else. That the kernel counts these transactions too is no news of our tables."""
        untouched = self._generation is not None and self._netlink.generation() == self._generation
        try:
            if await passage.let_pass(passage.VIPS, passage.to_virtual(goal)):
                self._log.info("passage_made", networks=len(goal))
                if untouched:
                    self._generation = self._netlink.generation()
        except links.LinkError as error:
            self._log.warning("no_passage", error=str(error))

    async def counts(self) -> dict[Service, Counts]:
        """Of the VIPs that were used, by the kernel; empty where they cannot be read."""
        found: dict[Service, Counts] = {}
        for version in self._versions:
            if version in self._found and not self._found[version].sound:
                continue
            family, table = ruleset.FAMILIES[version], self._place.table
            try:
                objects = {name: await self._nft.objects(family, table, set=name) or () for name in ruleset.COUNTED}
            except NftError as error:
                self._log.warning("no_counts", error=str(error))
                continue
            found |= ruleset.read_counts(objects)
        return found

    def end(self) -> None:
        """Let another write; what is in the kernel stays."""
        self._netlink.close()
        if self._turn is not None:
            self._turn.end()

    async def keep_repaired(self, every_s: float) -> None:
        """Compare for ever: soon after anybody changed any table, routes every ``every_s``. A twentieth of the time at most."""
        loop = asyncio.get_running_loop()
        took, due = 0.0, loop.time() + every_s
        while True:
            await asyncio.sleep(max(min(_LOOK_S, every_s), 20 * took))
            before = loop.time()
            if self._wanted is not None and (before >= due or self._is_touched()):
                await self.repair()
                took, due = loop.time() - before, loop.time() + every_s


async def remove(nft: Nft, place: Place) -> None:
    """Take everything of the balancer out of the kernel.   Errors: NftError, LinkError."""
    for version in ruleset.FAMILIES:
        await nft.apply(ruleset.removal(version, place.table))
    if place.own:
        await links.remove_device(place.device)
        return
    routes = await links.routes(place.device, protocol=place.protocol, inside=place.inside)
    await links.change_routes(place.device, remove=routes, protocol=place.protocol, inside=place.inside)
