"""The account behind the allocator: which agents there are, what is free on them, who holds what, who is next.

Everything that is offered or used is *charged* to a framework in a role on an agent until it is *recovered*. Sorters, quota
account and free amounts move along. A shared resource stays free while it is held; it counts once for each client and agent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TypedDict

from dcos.master.core.quota_account import Quota, QuotaAccount
from dcos.master.core.sorter import RandomSorter, Sorter, Totals
from dcos.model.resources import EMPTY, Resources

Quantities = Mapping[str, int]
"""Thousandths by name."""


class Abilities(TypedDict):
    """Of an agent."""

    remote: bool
    """In another region than the master."""
    multi_role: bool
    hierarchical: bool


@dataclass(slots=True)
class RoleEntry:
    sorter: Sorter
    """Its frameworks."""
    subscribed: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Slot:
    """An agent."""

    id: str
    hostname: str
    total: Resources
    active: bool
    remote: bool
    """In another region than the master."""
    multi_role: bool
    hierarchical: bool
    free: Resources = EMPTY
    """Total less ``used``; shared volumes are always here."""
    used: Resources = EMPTY
    """What somebody holds, shared volumes aside."""
    listed: bool = True
    """On the whitelist, if there is one."""
    has_gpus: bool = False
    special: bool = False
    """Whether anything of it is reserved, revocable or shared, so that not everybody may have everything."""
    filters: dict[tuple[str, str], list[tuple[float, Resources]]] = field(default_factory=dict)
    """By (framework, role): until when which resources are refused, in the order of the ends: the last one that covers
    something tells until when that is refused."""
    cooling: set[tuple[str, str]] = field(default_factory=set)
    wake_at: float = 0.0
    """The earliest entry that the heap holds for it."""

    def look(self) -> None:
        """After a change of ``total``."""
        self.has_gpus = self.total.scalar("gpus") > 0
        self.special = any(kind.reservations or kind.revocable or kind.shared for kind, _ in self.total)


until_of = itemgetter(0)
"""The end of a filter."""


class Ledger:
    """Base of the allocator."""

    def __init__(
        self,
        *,
        weights: Mapping[str, float] | None = None,
        excluded: frozenset[str] = frozenset(),
        random_roles: bool = False,
        random_frameworks: bool = False,
        draw: Callable[[], float] = lambda: 0.5,
    ) -> None:
        """``random_roles``, ``random_frameworks``: draw the order instead of sorting by share."""
        self.totals = Totals(excluded)
        self._draw = draw
        self._random_frameworks = random_frameworks
        self._roles_sorter = (
            RandomSorter(self.totals, weights, draw=draw) if random_roles else Sorter(self.totals, weights)
        )
        self._roles: dict[str, RoleEntry] = {}
        self._slots: dict[str, Slot] = {}
        self._held: dict[tuple[str, str], int] = {}
        """How many agents hold something for (framework, role)."""
        self._allocations: dict[tuple[str, str, str], Resources] = {}
        """By (framework, role, agent)."""
        self.account = QuotaAccount()

    # ---- views -------------------------------------------------------------------------------------------------------

    def free(self, agent: str) -> Resources:
        return self._slots[agent].free

    def allocation(self, framework: str, role: str, agent: str) -> Resources:
        return self._allocations.get((framework, role, agent), EMPTY)

    def roles(self) -> tuple[str, ...]:
        """Roles with frameworks or allocations."""
        return tuple(self._roles)

    def share_of(self, role: str) -> float:
        return self._roles_sorter.share(role)

    # ---- roles -------------------------------------------------------------------------------------------------------

    def _track(self, framework: str, role: str) -> RoleEntry:
        known = self._roles.get(role)
        if known is None:
            sorter = RandomSorter(self.totals, draw=self._draw) if self._random_frameworks else Sorter(self.totals)
            known = self._roles[role] = RoleEntry(sorter)
            self._roles_sorter.add(role)
            self._roles_sorter.activate(role)
        if framework not in known.sorter:
            known.sorter.add(framework)
        return known

    def _forget_role(self, framework: str, role: str) -> None:
        """Let go of what no longer is subscribed nor holds anything."""
        known = self._roles.get(role)
        if known is None or framework in known.subscribed or self._held.get((framework, role)):
            return
        if framework in known.sorter:
            known.sorter.remove(framework)
        if not len(known.sorter):
            del self._roles[role]
            self._roles_sorter.remove(role)

    def _replace_quotas(self, quotas: Mapping[str, Quota]) -> None:
        self.account.start(
            quotas,
            (slot.total for slot in self._slots.values()),
            ((role, held) for (_, role, _), held in self._allocations.items()),
        )

    # ---- agents ------------------------------------------------------------------------------------------------------

    def _add_slot(self, slot: Slot) -> None:
        slot.free = slot.total
        slot.look()
        self._slots[slot.id] = slot
        self._count_total(slot.total, 1)

    def _set_total(self, slot: Slot, total: Resources) -> None:
        self._count_total(slot.total, -1)
        self._count_total(total, 1)
        slot.total = total
        slot.free = total - slot.used
        slot.look()

    def _remove_slot(self, agent: str) -> Slot:
        slot = self._slots.pop(agent)
        self._count_total(slot.total, -1)
        return slot

    def _count_total(self, total: Resources, sign: int) -> None:
        self.totals.add(total, sign)
        if self.account.quotas:
            self.account.total(total, sign)

    # ---- held --------------------------------------------------------------------------------------------------------

    def charge(self, framework: str, role: str, agent: str, resources: Resources) -> None:
        """Count ``resources`` as held: offered, or used by tasks that an agent brings along."""
        if not resources:
            return
        slot = self._slots[agent]
        own = resources.exclusive()
        slot.used += own
        slot.free -= own
        key = (framework, role, agent)
        before = self._allocations.get(key)
        if before is None:
            self._track(framework, role)
            self._held[framework, role] = self._held.get((framework, role), 0) + 1
            after = resources
        else:
            after = before + resources
        self._allocations[key] = after
        if own is resources:
            amounts = resources.scalar_quantities()
            self._roles_sorter.allocated(role, amounts)
            self._roles[role].sorter.allocated(framework, amounts)
        else:
            self._weigh(key, before or EMPTY, after)
        if self.account.quotas:
            self.account.allocated(role, resources, 1)

    def _uncharge(self, framework: str, role: str, agent: str, resources: Resources) -> None:
        """The reverse of ``charge``."""
        slot = self._slots[agent]
        own = resources.exclusive()
        slot.used -= own
        slot.free = slot.total - slot.used
        key = (framework, role, agent)
        before = self._allocations[key]
        after = before - resources
        if after:
            self._allocations[key] = after
        else:
            del self._allocations[key]
        if own is resources:
            amounts = resources.scalar_quantities()
            self._roles_sorter.unallocated(role, amounts)
            self._roles[role].sorter.unallocated(framework, amounts)
        else:
            self._weigh(key, before, after)
        if self.account.quotas:
            self.account.allocated(role, resources, -1)
        if not after:
            count = self._held[framework, role] - 1
            if count:
                self._held[framework, role] = count
            else:
                del self._held[framework, role]
                self._forget_role(framework, role)

    def convert(self, framework: str, role: str, agent: str, consumed: Resources, converted: Resources) -> None:
        """An operation of ``framework`` turned ``consumed``, which it holds, into ``converted``, which it then holds."""
        slot = self._slots[agent]
        key = (framework, role, agent)
        before = self._allocations[key]
        after = before - consumed + converted
        self._allocations[key] = after
        slot.used = slot.used - consumed.exclusive() + converted.exclusive()
        self._set_total(slot, slot.total - consumed + converted)
        self._weigh(key, before, after)
        if self.account.quotas:
            self.account.allocated(role, consumed, -1)
            self.account.allocated(role, converted, 1)

    def convert_free(self, agent: str, consumed: Resources, converted: Resources) -> None:
        """An operator's operation turned ``consumed``, which nobody holds, into ``converted``."""
        slot = self._slots[agent]
        self._set_total(slot, slot.total - consumed + converted)

    def _weigh(self, key: tuple[str, str, str], before: Resources, after: Resources) -> None:
        """What (framework, role, agent) holds changed in a way that counts differently from its quantities."""
        framework, role, agent = key
        self._reweigh(self._roles[role].sorter, framework, before, after)
        others: set[object] = set()
        """Shared volumes that other frameworks of the role hold there: they count for the role already."""
        for other in self._roles[role].sorter.clients():
            if other != framework and (held := self._allocations.get((other, role, agent))) is not None:
                others.update(kind for kind, _ in held if kind.shared)
        if others:
            before, after = (one.filter(lambda kind: kind not in others) for one in (before, after))
        self._reweigh(self._roles_sorter, role, before, after)

    @staticmethod
    def _reweigh(sorter: Sorter, client: str, before: Resources, after: Resources) -> None:
        if less := _more(before, after):
            sorter.unallocated(client, less)
        if more := _more(after, before):
            sorter.allocated(client, more)


def _more(left: Resources, right: Resources) -> dict[str, int]:
    """By how much ``left`` weighs more than ``right``; names where it does not are left out."""
    have, other = left.scalar_quantities(), right.scalar_quantities()
    return {name: amount - other.get(name, 0) for name, amount in have.items() if amount > other.get(name, 0)}
