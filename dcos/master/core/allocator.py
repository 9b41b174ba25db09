"""Who is offered what: event-driven, incremental, coarse grained.

Every change marks the agents that it touches; ``run`` looks at those only. On an agent, roles are tried in fair order, in a
role its frameworks in fair order; the first that can use what is free there and has not refused it gets all of it that
fits its role. An agent that a whole run left alone is *settled*: it is looked at again when something of it changes, when
a filter ends, or, for one framework only, when that framework comes or asks again.

Where roles have quota, a first pass over the marked agents serves roles whose guarantee is not met yet; in the second pass
what is neither reserved nor revocable is cut to the role's limit and to what no guarantee needs. An agent of which
something was *withheld* that way is looked at again when resources come back anywhere: a few at once, all at the next
cycle.

What a framework returned without a filter is kept from it, but from nobody else, until the next cycle (1 s): upstream's
cycle has the same effect, and without it two sides could throw an offer to and fro as fast as they can.

Source: hierarchical DRF of Mesos 1.11 (quota, filters, min_allocatable_resources, reservations, capabilities); upstream
waits for its cycle where this one offers at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from itertools import islice

from dcos.master.core.ledger import Ledger, Quantities, Slot
from dcos.master.core.quota_account import Quota, chop, is_open, open_quantities, top_of
from dcos.model.resources import EMPTY, Kind, Resources, may_use
from dcos.model.v1.types import ValueType

DEFAULT_REFUSE_S = 5.0
MAX_REFUSE_S = 365 * 86400.0
_NONE: frozenset[Kind] = frozenset()
_FEW = 8
_STIRRED = 64
"""Agents with something withheld that are looked at again at once when resources come back."""


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


class Allocator(Ledger):
    """The decisions on what is free."""

    def __init__(
        self,
        *,
        enough: tuple[Quantities, ...],
        interval_s: float = 1.0,
        weights: Mapping[str, float] | None = None,
        excluded: frozenset[str] = frozenset(),
        hide_gpus: bool = True,
        shuffle: Callable[[list[str]], None] = lambda _: None,
        random_roles: bool = False,
        random_frameworks: bool = False,
        draw: Callable[[], float] = lambda: 0.5,
    ) -> None:
        super().__init__(
            weights=weights,
            excluded=excluded,
            random_roles=random_roles,
            random_frameworks=random_frameworks,
            draw=draw,
        )
        self._enough = enough
        self._interval_s = interval_s
        self._hide_gpus = hide_gpus
        self._shuffle = shuffle
        self.weights: dict[str, float] = dict(weights or {})
        self._clients: dict[str, _Client] = {}
        self._pending: dict[str, set[str] | None] = {}
        """Agents to look at; the frameworks that may have become able to take something there (None: all)."""
        self._wanting: set[str] = set()
        """Frameworks that may take something on any agent."""
        self._cooling: set[str] = set()
        self._wake: list[tuple[float, str]] = []
        """Heap of when a filter on a settled agent ends."""
        self._filtered: dict[tuple[str, str], set[str]] = {}
        """Agents on which (framework, role) has filters."""
        self._withheld: dict[str, None] = {}
        """Agents of which quota withheld something, those looked at again longest ago first."""
        self._freed: set[str] | None = set()
        """Roles with limits that gave something back since the last cycle; None: all may get more."""
        self._whitelist: frozenset[str] | None = None
        self._awaited: int | None = None
        """No decisions before so many agents are there."""
        self._grants: dict[tuple[str, str, str], Resources] = {}
        """Of the current run."""
        self._given: dict[str, set[Kind]] = {}
        """By agent, shared volumes in offers of the current run: each goes into one."""
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

    def replace_weights(self, weights: Mapping[str, float]) -> None:
        """These, and 1 for every other role."""
        for role in list(self.weights):
            if role not in weights:
                self._roles_sorter.set_weight(role, 1.0)
        self.weights = dict(weights)
        for role, weight in weights.items():
            self._roles_sorter.set_weight(role, weight)

    def set_quotas(self, quotas: Mapping[str, Quota]) -> None:
        """All there are, by top-level role."""
        self._replace_quotas(quotas)
        self._withheld.clear()
        self._look_everywhere()

    def suppressed_roles(self, framework: str) -> frozenset[str]:
        return frozenset(role for role, hushed in self._clients[framework].suppressed.items() if hushed)

    def _subscribe(self, client: _Client, role: str) -> None:
        self._track(client.id, role).subscribed.add(client.id)
        self._activate(client, role)

    def _activate(self, client: _Client, role: str) -> None:
        sorter = self._roles[role].sorter
        if client.active and not client.suppressed[role]:
            sorter.activate(client.id)
        else:
            sorter.deactivate(client.id)

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
        hierarchical: bool = True,
        hostname: str = "",
    ) -> None:
        """``used``: (framework, role, resources) already running there; the frameworks must be known."""
        slot = Slot(agent, hostname, total, active, remote, multi_role, hierarchical)
        slot.listed = self._whitelist is None or hostname in self._whitelist
        self._add_slot(slot)
        for framework, role, resources in used:
            self.charge(framework, role, agent, resources)
        self._pending[agent] = None
        self._stir_all()
        if self._awaited is not None and len(self._slots) >= self._awaited:
            self.resume()

    def update_agent(self, agent: str, total: Resources) -> None:
        self._set_total(self._slots[agent], total)
        self._pending[agent] = None
        self._stir_all()

    def remove_agent(self, agent: str) -> None:
        """Everything on it must have been recovered before."""
        slot = self._remove_slot(agent)
        for key in slot.filters:
            self._filtered[key].discard(agent)
        self._pending.pop(agent, None)
        self._withheld.pop(agent, None)
        self._cooling.discard(agent)

    def activate_agent(self, agent: str) -> None:
        self._slots[agent].active = True
        self._pending[agent] = None

    def deactivate_agent(self, agent: str) -> None:
        self._slots[agent].active = False

    def describe_agent(self, agent: str, *, remote: bool, multi_role: bool, hierarchical: bool) -> None:
        """The agent came back with another domain or other capabilities."""
        slot = self._slots[agent]
        if (slot.remote, slot.multi_role, slot.hierarchical) != (remote, multi_role, hierarchical):
            slot.remote, slot.multi_role, slot.hierarchical = remote, multi_role, hierarchical
            self._pending[agent] = None

    def set_whitelist(self, hosts: frozenset[str] | None) -> None:
        """Only agents of ``hosts`` are offered; None for all."""
        self._whitelist = hosts
        for slot in self._slots.values():
            listed = hosts is None or slot.hostname in hosts
            if listed and not slot.listed:
                self._pending[slot.id] = None
            slot.listed = listed

    def pause(self, awaited: int) -> None:
        """Decide nothing before ``awaited`` agents are there, or ``resume``."""
        self._awaited = awaited

    def resume(self) -> None:
        self._awaited = None

    # ---- give and take -----------------------------------------------------------------------------------------------

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
        self._uncharge(framework, role, agent, resources)
        self._pending[agent] = None
        if self._withheld:
            self._stir(role)
        slot = self._slots[agent]
        where = (framework, role)
        client = self._clients.get(framework)
        if refuse_s is not None and refuse_s > 0 and client is not None and role in client.suppressed:
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
        """``framework`` may take what others left: the next run looks at every agent with something free, for it alone."""
        self._wanting.add(framework)

    def _mark_for_wanting(self) -> None:
        """Once for all frameworks that came or asked again since the last run."""
        wanting, self._wanting = self._wanting, set()
        if not wanting:
            return
        for agent, slot in self._slots.items():
            if slot.free and slot.active:
                some = self._pending.get(agent, set())
                if some is not None:
                    self._pending[agent] = wanting | some if some else wanting

    def _look_everywhere(self) -> None:
        for agent, slot in self._slots.items():
            if slot.free and slot.active:
                self._pending[agent] = None

    def _mark(self, agent: str, frameworks: Iterable[str] | None) -> None:
        """Look at an agent, for ``frameworks`` only unless None."""
        if frameworks is None:
            self._pending[agent] = None
        elif agent not in self._pending:
            self._pending[agent] = set(frameworks)
        elif (some := self._pending[agent]) is not None:
            some.update(frameworks)

    def _stir(self, role: str) -> None:
        """``role`` gave something back, so that what quota withheld may be given now."""
        top = top_of(role)
        if self.account.required:
            self._stir_all()
        elif self.account.room(top) and top in self._roles:
            if self._freed is not None:
                self._freed.add(top)
            self._look_at_withheld(self._roles[top].subscribed, _STIRRED)

    def _stir_all(self) -> None:
        """There may be more for everybody whom the guarantees of others kept from it."""
        if self._withheld and (self.account.required or self.account.eased):
            self._freed = None
            self._look_at_withheld(None, _STIRRED)

    def _count_total(self, total: Resources, sign: int) -> None:
        """What is reserved on agents counts as consumed: with less of it there may be room again."""
        super()._count_total(total, sign)
        if sign < 0 and self._withheld:
            self._freed = None

    def _look_at_withheld(self, frameworks: Iterable[str] | None, count: int | None) -> None:
        for agent in list(islice(self._withheld, count)):
            del self._withheld[agent]
            self._withheld[agent] = None
            self._mark(agent, frameworks)

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
        if self._freed is None or self.account.eased:
            self.account.eased = False
            self._look_at_withheld(None, None)
        else:
            for role in self._freed & self._roles.keys():
                self._look_at_withheld(self._roles[role].subscribed, None)
        self._freed = set()

    @property
    def has_work(self) -> bool:
        return bool(self._pending or self._wanting) and self._awaited is None

    def run(self, now: float) -> list[Grant]:
        """Decide over everything marked; the grants are accounted for already."""
        if not self.has_work:
            return []
        self.runs += 1
        self._mark_for_wanting()
        pending, self._pending = self._pending, {}
        agents = [agent for agent in pending if self._slots[agent].active and self._slots[agent].listed]
        self._shuffle(agents)
        self._grants, self._given = {}, {}
        if self.account.missing:
            for agent in agents:
                self._guarantee(self._slots[agent], pending[agent], now)
            self._shuffle(agents)
        for agent in agents:
            slot = self._slots[agent]
            if slot.free:
                self._carve(slot, pending[agent], now)
        return [Grant(*key, resources) for key, resources in self._grants.items()]

    def _guarantee(self, slot: Slot, only: set[str] | None, now: float) -> None:
        """First pass: to roles whose guarantee is not met, what it lacks, and what goes with it."""
        account = self.account
        for role, framework in self._turns(only):
            missing = account.missing.get(role)
            if missing is None:
                continue
            if not slot.free:
                return
            traits = self._clients[framework].traits
            if not self._fits(slot, framework, role, traits):
                continue
            enough = traits.enough.get(role, self._enough)
            resources = self._usable(slot, traits, role)
            if not _suffices(resources.quantities(), enough):
                continue
            free = resources.filter(_is_open_scalar)
            guaranteed = chop(free, missing, others=False)
            if not guaranteed:
                continue
            whole = resources.filter(lambda kind, role=role: _goes_along(kind, role))  # type: ignore[misc]
            resources = whole + guaranteed + self._allowed(role, free - guaranteed, given=guaranteed)
            if not _suffices(resources.quantities(), enough):
                continue
            where = (framework, role)
            until = self._refused_until(slot, where, resources, now) if where in slot.filters else 0.0
            if until:
                self._wake_up(slot, until, now)
            else:
                self._give(slot, framework, role, resources)

    def _carve(self, slot: Slot, only: set[str] | None, now: float) -> None:
        """Offer what is free on one agent to everybody (or ``only``) in fair order, and note when to look again."""
        wake = 0.0
        withheld = blocked = foreign = False
        looked_at = ""
        quotas = bool(self.account.quotas)
        quantities = slot.free.quantities()
        if only is None:
            self._withheld.pop(slot.id, None)
        for role, framework in self._turns(only):
            if role != looked_at:
                looked_at = role
                foreign = slot.special and not any(may_use(kind.role, role) for kind, _ in slot.free)
                blocked = quotas and not foreign and self._blocked(slot, role, quantities)
            if foreign:
                continue
            traits = self._clients[framework].traits
            if blocked and role not in traits.enough:
                withheld = True
                continue
            if not self._fits(slot, framework, role, traits):
                continue
            enough = traits.enough.get(role, self._enough)
            if slot.special:
                resources = self._usable(slot, traits, role)
                if not resources.exclusive() or not _suffices(resources.quantities(), enough):
                    continue
            else:
                resources = slot.free
                if not _suffices(quantities, enough):
                    continue
            if quotas:
                free = resources.filter(_is_open_scalar)
                allowed = self._allowed(role, free)
                if allowed is not free:
                    withheld = True
                    resources = resources.filter(_not_open_scalar) + allowed
                    if not resources.exclusive() or not _suffices(resources.quantities(), enough):
                        continue
            where = (framework, role)
            if where in slot.filters:
                until = self._refused_until(slot, where, resources, now)
                if until:
                    wake = min(wake, until) if wake else until
                    continue
            self._give(slot, framework, role, resources)
            if not slot.free:
                return
            quantities, looked_at = slot.free.quantities(), ""
        if withheld:
            self._withheld[slot.id] = None
        if wake:
            self._wake_up(slot, wake, now)

    def _turns(self, only: set[str] | None) -> Iterator[tuple[str, str]]:
        """(role, framework) in fair order, of all or ``only``; each role's frameworks are ordered when it is reached."""
        if only is not None and len(only) <= _FEW:
            found = [
                (role, framework)
                for framework in only
                if (client := self._clients.get(framework)) is not None
                for role in client.suppressed
                if self._roles[role].sorter.is_active(framework)
            ]
            roles = {role for role, _ in found}
            if len(roles) == 1 and len(found) > 1:
                (role,) = roles
                yield from ((role, framework) for framework in self._roles[role].sorter.order() if framework in only)
                return
            if len(found) <= 1:
                yield from found
                return
        for role in self._roles_sorter.each():
            for framework in self._roles[role].sorter.each():
                if only is None or framework in only:
                    yield role, framework

    def _fits(self, slot: Slot, framework: str, role: str, traits: Traits) -> bool:
        """Whether the framework may have anything of this agent now."""
        if (
            (slot.has_gpus and self._hide_gpus and not traits.gpus)
            or (slot.remote and not traits.region_aware)
            or (traits.multi_role and not slot.multi_role)
            or (not slot.hierarchical and "/" in role)
            or (framework, role) in slot.cooling
        ):
            return False
        return traits.wants is None or traits.wants(role, slot.id)

    def _usable(self, slot: Slot, traits: Traits, role: str) -> Resources:
        """What of the free resources the framework could have."""
        return slot.free.filter(_takes(traits, role, self._given.get(slot.id, _NONE))) if slot.special else slot.free

    def _allowed(self, role: str, free: Resources, *, given: Resources = EMPTY) -> Resources:
        """What of ``free`` limits and the guarantees of others let ``role`` have; ``free`` itself when all of it.

        ``given``: what it gets for its own guarantee in the same offer.
        """
        account = self.account
        room = account.room(role)
        if room and given:
            taken = open_quantities(given)
            room = {name: max(0, left - taken.get(name, 0)) for name, left in room.items()}
        have = open_quantities(free)
        most = {name: left for name, left in room.items() if have.get(name, 0) > left}
        for name, left in account.surplus().items():
            if have.get(name, 0) > left:
                most[name] = min(left, most.get(name, left))
        return chop(free, most, others=True) if most else free

    def _blocked(self, slot: Slot, role: str, quantities: Quantities) -> bool:
        """Whether limits and guarantees leave ``role`` less of the agent than anybody takes."""
        room, surplus = self.account.room(role), self.account.surplus()
        if not room and not surplus:
            return False
        have = open_quantities(slot.free)
        most = dict(quantities)
        for name, amount in have.items():
            left = min(room.get(name, amount), surplus.get(name, amount))
            if left < amount:
                most[name] -= amount - left
        return not _suffices(most, self._enough)

    def _give(self, slot: Slot, framework: str, role: str, resources: Resources) -> None:
        self.charge(framework, role, slot.id, resources)
        key = (framework, role, slot.id)
        before = self._grants.get(key)
        self._grants[key] = resources if before is None else before + resources
        if slot.special:
            self._given.setdefault(slot.id, set()).update(kind for kind, _ in resources if kind.shared)

    def _wake_up(self, slot: Slot, at: float, now: float) -> None:
        if slot.wake_at <= now or at < slot.wake_at:
            slot.wake_at = at
            heapq.heappush(self._wake, (at, slot.id))

    def _refused_until(self, slot: Slot, where: tuple[str, str], resources: Resources, now: float) -> float:
        """When the filters of ``where`` that refuse ``resources`` end; 0 when none does."""
        alive = [entry for entry in slot.filters[where] if entry[0] > now]
        if alive:
            slot.filters[where] = alive
        else:
            del slot.filters[where]
            self._filtered[where].discard(slot.id)
        return max((until for until, refused in alive if refused.contains(resources)), default=0.0)

    # ---- views -------------------------------------------------------------------------------------------------------

    def filters_active(self) -> dict[str, int]:
        """By role: how many agents some framework has filters on."""
        out: dict[str, int] = {}
        for (_, role), agents in self._filtered.items():
            out[role] = out.get(role, 0) + len(agents)
        return out


def _suffices(have: Quantities, alternatives: tuple[Quantities, ...]) -> bool:
    """Whether ``have`` reaches any of the alternatives; none given means anything does."""
    if not alternatives:
        return True
    return any(all(have.get(name, 0) >= amount for name, amount in wanted.items()) for wanted in alternatives)


def _is_open_scalar(kind: Kind) -> bool:
    return kind.type is ValueType.SCALAR and is_open(kind)


def _not_open_scalar(kind: Kind) -> bool:
    return not _is_open_scalar(kind)


def _goes_along(kind: Kind, role: str) -> bool:
    """Whether it is offered whole together with something for the role's guarantee."""
    return kind.type is not ValueType.SCALAR or kind.revocable or (bool(kind.reservations) and kind.role == role)


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
