"""Who is offered what: event-driven, incremental, coarse grained.

Every change marks the agents that it touches; ``run`` looks at those only. On an agent, roles are tried in fair order, in a
role its frameworks in fair order; the first that can use what is free there and has not refused it gets all of it that
fits its role. An agent that a whole run left alone is *settled*: it is looked at again when something of it changes, when
a filter ends, or, for one framework only, when that framework comes or asks again.

What a framework returned without a filter is kept from it, but from nobody else, until the next cycle (1 s): upstream's
cycle has the same effect, and without it two sides could throw an offer to and fro as fast as they can.

Source: hierarchical DRF of Mesos 1.11 (filters, min_allocatable_resources, reservations, capabilities); upstream waits for
its cycle where this one offers at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field

from dcos.master.core.sorter import Sorter, Totals
from dcos.model.resources import EMPTY, Kind, Resources, may_use

DEFAULT_REFUSE_S = 5.0
MAX_REFUSE_S = 365 * 86400.0

Quantities = Mapping[str, int]
"""Thousandths by name."""


@dataclass(frozen=True, slots=True)
class Grant:
    """``resources`` of ``agent`` are ``framework``'s, for ``role``, until recovered."""

    framework: str
    role: str
    agent: str
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a framework can take."""

    gpus: bool = False
    revocable: bool = False
    shared: bool = False
    refined: bool = False
    """Resources reserved more than once (RESERVATION_REFINEMENT)."""
    region_aware: bool = False
    multi_role: bool = True
    enough: Mapping[str, tuple[Quantities, ...]] = field(default_factory=dict)
    """By role: its own alternatives to ``min_allocatable_resources``; an empty tuple takes anything."""
    wants: Callable[[str, str], bool] | None = None
    """Offer constraints: (role, agent) to whether it wants offers there."""


@dataclass(slots=True)
class _Client:
    id: str
    traits: Traits
    active: bool
    suppressed: dict[str, bool]
    """Subscribed roles."""


@dataclass(slots=True)
class _Role:
    sorter: Sorter
    """Its frameworks."""
    subscribed: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Slot:
    """An agent."""

    id: str
    total: Resources
    free: Resources
    """Total less ``used``; shared volumes are always here."""
    active: bool
    remote: bool
    multi_role: bool
    has_gpus: bool = False
    used: Resources = EMPTY
    """What somebody holds, shared volumes aside."""
    special: bool = False
    """Whether anything of it is reserved, revocable or shared, so that not everybody may have everything."""
    filters: dict[tuple[str, str], list[tuple[float, Resources]]] = field(default_factory=dict)
    """By (framework, role): until when which resources are refused."""
    cooling: set[tuple[str, str]] = field(default_factory=set)
    wake_at: float = 0.0
    """The earliest entry that the heap holds for it."""


class Allocator:
    """The account of what is free, and the decisions on it."""

    def __init__(
        self,
        *,
        enough: tuple[Quantities, ...],
        interval_s: float = 1.0,
        weights: Mapping[str, float] | None = None,
        excluded: frozenset[str] = frozenset(),
        hide_gpus: bool = True,
        shuffle: Callable[[list[str]], None] = lambda _: None,
    ) -> None:
        self._enough = enough
        self._interval_s = interval_s
        self._hide_gpus = hide_gpus
        self._shuffle = shuffle
        self.totals = Totals(excluded)
        self._roles_sorter = Sorter(self.totals, weights)
        self.weights: dict[str, float] = dict(weights or {})
        self._roles: dict[str, _Role] = {}
        self._clients: dict[str, _Client] = {}
        self._slots: dict[str, _Slot] = {}
        self._pending: dict[str, set[str] | None] = {}
        """Agents to look at; the frameworks that may have become able to take something there (None: all)."""
        self._cooling: set[str] = set()
        self._wake: list[tuple[float, str]] = []
        """Heap of when a filter on a settled agent ends."""
        self._filtered: dict[tuple[str, str], set[str]] = {}
        """Agents on which (framework, role) has filters."""
        self._held: dict[tuple[str, str], int] = {}
        """How many agents hold something for (framework, role)."""
        self._allocations: dict[tuple[str, str, str], Resources] = {}
        """By (framework, role, agent)."""
        self.runs = 0

    # ---- frameworks --------------------------------------------------------------------------------------------------

    def add_framework(
        self,
        framework: str,
        roles: Iterable[str],
        *,
        suppressed: Iterable[str] = (),
        traits: Traits,
        active: bool = True,
    ) -> None:
        hushed = frozenset(suppressed)
        client = _Client(framework, traits, active, {role: role in hushed for role in roles})
        self._clients[framework] = client
        for role in client.suppressed:
            self._subscribe(client, role)
        if active:
            self._wants(framework)

    def update_framework(
        self, framework: str, roles: Iterable[str], *, suppressed: Iterable[str] = (), traits: Traits
    ) -> None:
        """New roles and traits; roles that leave suppression lose their filters."""
        client = self._clients[framework]
        hushed = frozenset(suppressed)
        before = client.suppressed
        client.traits = traits
        client.suppressed = {role: role in hushed for role in roles}
        for role in before:
            if role not in client.suppressed:
                self._unfilter(framework, role)
                self._roles[role].subscribed.discard(framework)
                self._roles[role].sorter.deactivate(framework)
                self._forget_role(framework, role)
        for role in client.suppressed:
            if role not in before:
                self._subscribe(client, role)
            elif before[role] and not client.suppressed[role]:
                self._unfilter(framework, role)
            self._activate(client, role)
        self._wants(framework)

    def remove_framework(self, framework: str) -> None:
        """Everything it held must have been recovered before."""
        client = self._clients.pop(framework)
        for role in client.suppressed:
            self._unfilter(framework, role)
            self._roles[role].subscribed.discard(framework)
            self._forget_role(framework, role)

    def activate_framework(self, framework: str) -> None:
        client = self._clients[framework]
        client.active = True
        for role in client.suppressed:
            self._activate(client, role)
        self._wants(framework)

    def deactivate_framework(self, framework: str) -> None:
        """No more offers, its filters are forgotten; what it holds still counts."""
        client = self._clients[framework]
        client.active = False
        for role in client.suppressed:
            self._unfilter(framework, role)
            self._activate(client, role)

    def suppress(self, framework: str, roles: Iterable[str]) -> None:
        client = self._clients[framework]
        for role in roles:
            client.suppressed[role] = True
            self._activate(client, role)

    def revive(self, framework: str, roles: Iterable[str]) -> None:
        """Offer to ``roles`` again, whatever was refused."""
        client = self._clients[framework]
        for role in roles:
            client.suppressed[role] = False
            self._unfilter(framework, role)
            self._activate(client, role)
        self._wants(framework)

    def set_weight(self, role: str, weight: float) -> None:
        self.weights[role] = weight
        self._roles_sorter.set_weight(role, weight)

    def suppressed_roles(self, framework: str) -> frozenset[str]:
        return frozenset(role for role, hushed in self._clients[framework].suppressed.items() if hushed)

    def roles(self) -> tuple[str, ...]:
        """Roles with frameworks or allocations."""
        return tuple(self._roles)

    def _subscribe(self, client: _Client, role: str) -> None:
        self._track(client.id, role)
        self._roles[role].subscribed.add(client.id)
        self._activate(client, role)

    def _track(self, framework: str, role: str) -> None:
        known = self._roles.get(role)
        if known is None:
            known = self._roles[role] = _Role(Sorter(self.totals))
            self._roles_sorter.add(role)
            self._roles_sorter.activate(role)
        if framework not in known.sorter:
            known.sorter.add(framework)

    def _activate(self, client: _Client, role: str) -> None:
        sorter = self._roles[role].sorter
        if client.active and not client.suppressed[role]:
            sorter.activate(client.id)
        else:
            sorter.deactivate(client.id)

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

    # ---- agents ------------------------------------------------------------------------------------------------------

    def add_agent(
        self,
        agent: str,
        total: Resources,
        *,
        used: Iterable[tuple[str, str, Resources]] = (),
        active: bool = True,
        remote: bool = False,
        multi_role: bool = True,
    ) -> None:
        """``used``: (framework, role, resources) already running there; the frameworks must be known."""
        slot = _Slot(agent, total, total, active, remote, multi_role)
        self._slots[agent] = slot
        self._look(slot)
        self.totals.add(total)
        for framework, role, resources in used:
            self.charge(framework, role, agent, resources)
        self._pending[agent] = None

    def update_agent(self, agent: str, total: Resources) -> None:
        slot = self._slots[agent]
        self._set_total(slot, total)
        self._pending[agent] = None

    def _set_total(self, slot: _Slot, total: Resources) -> None:
        self.totals.add(slot.total, -1)
        self.totals.add(total)
        slot.total = total
        slot.free = total - slot.used
        self._look(slot)

    def convert(self, framework: str, role: str, agent: str, consumed: Resources, converted: Resources) -> None:
        """An operation of ``framework`` turned ``consumed``, which it holds, into ``converted``, which it then holds."""
        slot = self._slots[agent]
        key = (framework, role, agent)
        held = self._allocations[key]
        after = held - consumed + converted
        self._allocations[key] = after
        slot.used = slot.used - consumed.exclusive() + converted.exclusive()
        self._set_total(slot, slot.total - consumed + converted)
        self._weigh(framework, role, held, after)

    def convert_free(self, agent: str, consumed: Resources, converted: Resources) -> None:
        """An operator's operation turned ``consumed``, which nobody holds, into ``converted``."""
        slot = self._slots[agent]
        self._set_total(slot, slot.total - consumed + converted)
        self._pending[agent] = None

    def remove_agent(self, agent: str) -> None:
        """Everything on it must have been recovered before."""
        slot = self._slots.pop(agent)
        self.totals.add(slot.total, -1)
        for key in slot.filters:
            self._filtered[key].discard(agent)
        self._pending.pop(agent, None)
        self._cooling.discard(agent)

    def activate_agent(self, agent: str) -> None:
        self._slots[agent].active = True
        self._pending[agent] = None

    def deactivate_agent(self, agent: str) -> None:
        self._slots[agent].active = False

    def free(self, agent: str) -> Resources:
        return self._slots[agent].free

    def _look(self, slot: _Slot) -> None:
        slot.has_gpus = slot.total.scalar("gpus") > 0
        slot.special = any(kind.reservations or kind.revocable or kind.shared for kind, _ in slot.total)

    # ---- the account -------------------------------------------------------------------------------------------------

    def charge(self, framework: str, role: str, agent: str, resources: Resources) -> None:
        """Count ``resources`` as held, without an offer (tasks that an agent brings along)."""
        if not resources:
            return
        slot = self._slots[agent]
        own = resources.exclusive()
        slot.used += own
        slot.free -= own
        key = (framework, role, agent)
        held = self._allocations.get(key)
        if held is None:
            self._track(framework, role)
            self._held[framework, role] = self._held.get((framework, role), 0) + 1
            self._allocations[key] = resources
        else:
            self._allocations[key] = held + resources
        amounts = resources.scalar_quantities() if own is resources else _more(self._allocations[key], held or EMPTY)
        self._roles_sorter.allocated(role, amounts)
        self._roles[role].sorter.allocated(framework, amounts)

    def _weigh(self, framework: str, role: str, before: Resources, after: Resources) -> None:
        """What is held has another weight in the shares (it rarely has: operations keep quantities)."""
        for sorter, client in ((self._roles_sorter, role), (self._roles[role].sorter, framework)):
            if less := _more(before, after):
                sorter.unallocated(client, less)
            if more := _more(after, before):
                sorter.allocated(client, more)

    def recover(
        self,
        framework: str,
        role: str,
        agent: str,
        resources: Resources,
        *,
        refuse_s: float | None = None,
        now: float = 0.0,
        offered: bool = False,
    ) -> None:
        """``resources`` are free again.

        ``refuse_s``: seconds for which the framework does not want them (0 none). ``offered``: they come from an offer,
        so that without a filter the framework gets them again at the next cycle at the earliest.
        """
        if not resources:
            return
        key = (framework, role, agent)
        slot = self._slots[agent]
        own = resources.exclusive()
        slot.used -= own
        slot.free = slot.total - slot.used
        held = self._allocations[key]
        left = held - resources
        amounts = resources.scalar_quantities() if own is resources else _more(held, left)
        self._roles_sorter.unallocated(role, amounts)
        self._roles[role].sorter.unallocated(framework, amounts)
        if left:
            self._allocations[key] = left
        else:
            del self._allocations[key]
            count = self._held[framework, role] - 1
            if count:
                self._held[framework, role] = count
            else:
                del self._held[framework, role]
                client = self._clients.get(framework)
                if client is None or role not in client.suppressed:
                    self._forget_role(framework, role)
        self._pending[agent] = None
        where = (framework, role)
        if refuse_s is not None and refuse_s > 0 and framework in self._clients:
            until = now + max(refuse_s, self._interval_s)
            slot.filters.setdefault(where, []).append((until, resources))
            self._filtered.setdefault(where, set()).add(agent)
        elif offered:
            slot.cooling.add(where)
            self._cooling.add(agent)

    def unfilter_agent(self, agent: str) -> None:
        """The agent's attributes changed: what was refused of it counts no more."""
        slot = self._slots[agent]
        for key in slot.filters:
            self._filtered[key].discard(agent)
        slot.filters.clear()
        self._pending[agent] = None

    def _unfilter(self, framework: str, role: str) -> None:
        key = (framework, role)
        for agent in self._filtered.pop(key, ()):
            self._slots[agent].filters.pop(key, None)

    def _wants(self, framework: str) -> None:
        """``framework`` may take what others left: look at every agent with something free, for it alone."""
        for agent, slot in self._slots.items():
            if slot.free and slot.active:
                if agent not in self._pending:
                    self._pending[agent] = {framework}
                elif (some := self._pending[agent]) is not None:
                    some.add(framework)

    # ---- decisions ---------------------------------------------------------------------------------------------------

    def cycle(self, now: float) -> None:
        """To be called each ``interval_s``: returned offers may go to the same framework again, filters end."""
        for agent in self._cooling:
            self._slots[agent].cooling.clear()
            self._pending[agent] = None
        self._cooling.clear()
        while self._wake and self._wake[0][0] <= now:
            _, agent = heapq.heappop(self._wake)
            if agent in self._slots:
                self._pending[agent] = None

    @property
    def has_work(self) -> bool:
        return bool(self._pending)

    def run(self, now: float) -> list[Grant]:
        """Decide over everything marked; the grants are accounted for already."""
        if not self._pending:
            return []
        self.runs += 1
        pending, self._pending = self._pending, {}
        agents = list(pending)
        self._shuffle(agents)
        grants: list[Grant] = []
        for agent in agents:
            slot = self._slots[agent]
            if slot.active and slot.free:
                self._carve(slot, pending[agent], now, grants)
        return grants

    def _carve(self, slot: _Slot, only: set[str] | None, now: float, grants: list[Grant]) -> None:
        """Offer what is free on one agent to everybody (or ``only``) in fair order, and note when to look again."""
        wake = 0.0
        quantities = slot.free.quantities()
        given: set[Kind] = set()
        """Shared volumes in this run's offers: one offer each."""
        for role in list(self._roles_sorter.order()):
            for framework in list(self._roles[role].sorter.order()):
                if only is not None and framework not in only:
                    continue
                traits = self._clients[framework].traits
                if (
                    (slot.has_gpus and self._hide_gpus and not traits.gpus)
                    or (slot.remote and not traits.region_aware)
                    or (traits.multi_role and not slot.multi_role)
                ):
                    continue
                where = (framework, role)
                if where in slot.cooling or (traits.wants is not None and not traits.wants(role, slot.id)):
                    continue
                enough = traits.enough.get(role, self._enough)
                if slot.special:
                    resources = slot.free.filter(_takes(traits, role, given))
                    if not resources.exclusive() or not _suffices(resources.quantities(), enough):
                        continue
                else:
                    resources = slot.free
                    if not _suffices(quantities, enough):
                        continue
                if where in slot.filters:
                    until = self._refused_until(slot, where, resources, now)
                    if until:
                        wake = min(wake, until) if wake else until
                        continue
                self.charge(framework, role, slot.id, resources)
                if slot.special:
                    given.update(kind for kind, _ in resources if kind.shared)
                grants.append(Grant(framework, role, slot.id, resources))
                if not slot.free:
                    return
                quantities = slot.free.quantities()
        if wake and (slot.wake_at <= now or wake < slot.wake_at):
            slot.wake_at = wake
            heapq.heappush(self._wake, (wake, slot.id))

    def _refused_until(self, slot: _Slot, where: tuple[str, str], resources: Resources, now: float) -> float:
        """When the filters of ``where`` that refuse ``resources`` end; 0 when none does."""
        alive = [entry for entry in slot.filters[where] if entry[0] > now]
        if alive:
            slot.filters[where] = alive
        else:
            del slot.filters[where]
            self._filtered[where].discard(slot.id)
        return max((until for until, refused in alive if refused.contains(resources)), default=0.0)

    # ---- views -------------------------------------------------------------------------------------------------------

    def allocation(self, framework: str, role: str, agent: str) -> Resources:
        return self._allocations.get((framework, role, agent), EMPTY)

    def filters_active(self) -> dict[str, int]:
        """By role: how many agents some framework has filters on."""
        out: dict[str, int] = {}
        for (_, role), agents in self._filtered.items():
            out[role] = out.get(role, 0) + len(agents)
        return out

    def share_of(self, role: str) -> float:
        return self._roles_sorter.share(role)


def _suffices(have: Quantities, alternatives: tuple[Quantities, ...]) -> bool:
    """Whether ``have`` reaches any of the alternatives; none given means anything does."""
    if not alternatives:
        return True
    return any(all(have.get(name, 0) >= amount for name, amount in wanted.items()) for wanted in alternatives)


def _more(left: Resources, right: Resources) -> dict[str, int]:
    """By how much ``left`` weighs more than ``right``; names where it does not are left out."""
    have, other = left.scalar_quantities(), right.scalar_quantities()
    return {name: amount - other.get(name, 0) for name, amount in have.items() if amount > other.get(name, 0)}


def _takes(traits: Traits, role: str, given: Set[Kind]) -> Callable[[Kind], bool]:
    """``given``: shared volumes that are in another offer of this run."""

    def takes(kind: Kind) -> bool:
        return (
            may_use(kind.role, role)
            and (traits.revocable or not kind.revocable)
            and (not kind.shared or (traits.shared and kind not in given))
            and (traits.refined or len(kind.reservations) <= 1)
        )

    return takes


def refuse_seconds(given: float | None) -> float:
    """What a framework's ``refuse_seconds`` means: default 5 s, also for nonsense; at most a year.

    Source: Mesos ``Filters``; 0 is no filter.
    """
    if given is None or given != given or given < 0:
        return DEFAULT_REFUSE_S
    return min(given, MAX_REFUSE_S)
