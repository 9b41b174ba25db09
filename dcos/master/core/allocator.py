"""Who is offered what: event-driven, incremental, coarse grained.

``run`` looks only at the agents that are marked (see ``agenda``). On an agent, roles are tried in fair order, in a role its
frameworks in fair order; the first that can use what is free there and has not refused it gets all of it that fits its role.

Where roles have quota, a first pass over the marked agents serves roles whose guarantee is not met yet; in the second pass
what is neither reserved nor revocable is cut to the role's limit and to what no guarantee needs.

Source: hierarchical DRF of Mesos 1.11 (quota, filters, min_allocatable_resources, reservations, capabilities); upstream
waits for its cycle where this one offers at once.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import islice

from dcos.master.core.agenda import Agenda
from dcos.master.core.clients import Traits
from dcos.master.core.ledger import Quantities, Slot, until_of
from dcos.master.core.quota_account import chop, is_open, open_quantities
from dcos.model.resource_kinds import Kind, may_use
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1.types import ValueType

_NONE: frozenset[Kind] = frozenset()
_FEW = 8


@dataclass(frozen=True, slots=True)
class Grant:
    """``resources`` of ``agent`` are ``framework``'s, for ``role``, until recovered."""

    framework: str
    role: str
    agent: str
    resources: Resources


class Allocator(Agenda):
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
            interval_s=interval_s,
            weights=weights,
            excluded=excluded,
            random_roles=random_roles,
            random_frameworks=random_frameworks,
            draw=draw,
        )
        self._enough = enough
        self._hide_gpus = hide_gpus
        self._shuffle = shuffle
        self._grants: dict[tuple[str, str, str], Resources] = {}
        """Of the current run."""
        self._given: dict[str, set[Kind]] = {}
        """By agent, shared volumes in offers of the current run: each goes into one."""
        self.runs = 0

    def run(self, now: float, most: int | None = None) -> list[Grant]:
        """Decide over everything marked; the grants are accounted for already.

        ``most``: at most so many agents, the rest at the next run; all of them while a guarantee is not met, because that goes
        before everything else anywhere.
        """
        if not self.has_work:
            return []
        self.runs += 1
        self._mark_for_wanting()
        pending, self._pending = self._pending, {}
        if most is not None and len(pending) > most and not self.account.missing:
            self._pending = dict(islice(pending.items(), most, None))
            pending = dict(islice(pending.items(), most))
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
        filters = slot.filters[where]
        over = bisect_right(filters, now, key=until_of)
        if over == len(filters):
            del slot.filters[where]
            self._filtered[where].discard(slot.id)
            return 0.0
        del filters[:over]
        return next((until for until, refused in reversed(filters) if refused.contains(resources)), 0.0)


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
