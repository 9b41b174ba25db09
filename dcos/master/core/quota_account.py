"""What roles with a quota have consumed, and what must stay free so that every guarantee can still be met.

Consumed is what is reserved to the role or below it (allocated or not) and what is allocated there unreserved; revocable
resources never count. ``required`` is the sum over roles of guarantee minus consumed, ``available`` what is free, unreserved
and not revocable in the whole cluster: only their difference may go to who has no claim to it.   Units: thousandths by name.

Nothing is counted while no role has a quota; the first one counts everything once.

Source: Mesos docs/quota.md; headroom as its hierarchical allocator has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from dcos.model.counts import shift
from dcos.model.resource_kinds import Kind, quantity
from dcos.model.resources import Resources

Quantities = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A name that is not in ``limits`` is not limited."""

    guarantees: Quantities = field(default_factory=dict)
    limits: Quantities = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.guarantees or self.limits)


def top_of(role: str) -> str:
    return role.partition("/")[0]


def is_open(kind: Kind) -> bool:
    """Whether it counts against quota when allocated."""
    return not kind.reservations and not kind.revocable


def open_quantities(resources: Resources) -> dict[str, int]:
    """Scalars that are neither reserved nor revocable."""
    out: dict[str, int] = {}
    for kind, amount in resources:
        if isinstance(amount, int) and is_open(kind):
            out[kind.name] = out.get(kind.name, 0) + quantity(kind, amount)
    return out


def chop(resources: Resources, most: Quantities, *, others: bool) -> Resources:
    """Of scalars, at most ``most`` of each name. ``others``: names that it does not have are kept, or left out.

    What cannot be divided and is too big is left out whole.
    """
    left = dict(most)
    out: dict[Kind, int] = {}
    for kind, amount in resources:
        assert isinstance(amount, int)
        if kind.name not in left:
            if others:
                out[kind] = amount
            continue
        room = left[kind.name]
        taken = min(amount, room // kind.size) if kind.indivisible else min(amount, room)
        if taken > 0:
            out[kind] = taken
            left[kind.name] = room - quantity(kind, taken)
    return Resources(out)


_NOTHING: Final[Quantities] = {}


class QuotaAccount:
    __slots__ = ("_rooms", "_surplus", "available", "consumed", "eased", "missing", "quotas", "required")

    def __init__(self) -> None:
        self.quotas: dict[str, Quota] = {}
        """By top-level role."""
        self.consumed: dict[str, dict[str, int]] = {}
        self.missing: dict[str, dict[str, int]] = {}
        """By role, what its guarantee still lacks; only roles that lack something."""
        self.required: dict[str, int] = {}
        self.available: dict[str, int] = {}
        self.eased = False
        """A guarantee lacks less than before, so that there may be more for others; whoever looks at it sets it back."""
        self._rooms: dict[str, dict[str, int]] = {}
        self._surplus: dict[str, int] | None = None

    def start(
        self,
        quotas: Mapping[str, Quota],
        totals: Iterable[Resources],
        allocated: Iterable[tuple[str, Resources]],
    ) -> None:
        """Count everything anew: totals of agents, and what roles hold."""
        self.quotas = {role: quota for role, quota in quotas.items() if quota}
        self.consumed = {role: {} for role in self.quotas}
        self.missing, self.required, self.available, self._rooms, self._surplus = {}, {}, {}, {}, None
        if not self.quotas:
            return
        for role in self.quotas:
            self._weigh(role)
        for total in totals:
            self.total(total, 1)
        for role, resources in allocated:
            self.allocated(role, resources, 1)

    def total(self, resources: Resources, sign: int) -> None:
        """An agent came (1) or went (-1)."""
        touched: set[str] = set()
        self._surplus = None
        for kind, amount in resources:
            if not isinstance(amount, int) or kind.revocable:
                continue
            many = sign * quantity(kind, amount)
            if not kind.reservations:
                shift(self.available, kind.name, many)
            elif (role := top_of(kind.role)) in self.consumed:
                shift(self.consumed[role], kind.name, many)
                touched.add(role)
        for role in touched:
            self._weigh(role)

    def allocated(self, role: str, resources: Resources, sign: int) -> None:
        """``role`` got (1) or gave back (-1)."""
        amounts = open_quantities(resources)
        if not amounts:
            return
        top = top_of(role)
        consumed = self.consumed.get(top)
        self._surplus = None
        for name, amount in amounts.items():
            shift(self.available, name, -sign * amount)
            if consumed is not None:
                shift(consumed, name, sign * amount)
        if consumed is not None:
            self._weigh(top)

    def _weigh(self, role: str) -> None:
        """Bring ``missing``, ``required`` and the role's room up to date."""
        before = self.missing.pop(role, {})
        for name, amount in before.items():
            shift(self.required, name, -amount)
        consumed = self.consumed[role]
        lacks = {
            name: lack
            for name, guarantee in self.quotas[role].guarantees.items()
            if (lack := guarantee - consumed.get(name, 0)) > 0
        }
        self.eased = self.eased or any(lacks.get(name, 0) < amount for name, amount in before.items())
        if lacks:
            self.missing[role] = lacks
            for name, amount in lacks.items():
                shift(self.required, name, amount)
        limits = self.quotas[role].limits
        if limits:
            self._rooms[role] = {name: max(0, limit - consumed.get(name, 0)) for name, limit in limits.items()}

    # ---- what may still be given -------------------------------------------------------------------------------------

    def room(self, role: str) -> Quantities:
        """Up to the limits of ``role``, for limited names. A role below another is not bound by that one's limits."""
        return self._rooms.get(role, _NOTHING)

    def surplus(self) -> Quantities:
        """What nobody's guarantee needs, for the names that some guarantee still lacks."""
        if self._surplus is None:
            self._surplus = {name: max(0, self.available.get(name, 0) - lacks) for name, lacks in self.required.items()}
        return self._surplus
