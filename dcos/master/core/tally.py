"""Sums of resources over many holders that can be taken apart again.

Scalars add up. Ranges and sets of two holders may be the same (every agent has a port 31000), so that how often each is held is
counted: of ranges only where they begin and end, which makes it no matter how they are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from dcos.model.counts import shift
from dcos.model.resource_kinds import Kind, quantity
from dcos.model.resources import EMPTY, Resources
from dcos.model.values import Amount, Ranges, coalesce

K = TypeVar("K")


class Tally:
    """What is held in one role."""

    __slots__ = ("_edges", "_items", "_scalars", "_whole")

    def __init__(self) -> None:
        self._scalars: dict[Kind, int] = {}
        self._edges: dict[Kind, dict[int, int]] = {}
        """How many more ranges hold a number than the number before it."""
        self._items: dict[Kind, dict[str, int]] = {}
        self._whole: Resources | None = EMPTY

    def add(self, resources: Resources) -> None:
        self._count(resources, 1)

    def remove(self, resources: Resources) -> None:
        """They must have been added, in whatever parts."""
        self._count(resources, -1)

    def _count(self, resources: Resources, sign: int) -> None:
        self._whole = None
        for kind, amount in resources:
            if isinstance(amount, int):
                shift(self._scalars, kind, sign * amount)
            elif isinstance(amount, frozenset):
                items = self._items.setdefault(kind, {})
                for item in amount:
                    shift(items, item, sign)
            else:
                edges = self._edges.setdefault(kind, {})
                for begin, end in amount:
                    shift(edges, begin, sign)
                    shift(edges, end + 1, -sign)

    @property
    def whole(self) -> Resources:
        """The sum as a bag: what two hold is in it once."""
        if self._whole is None:
            amounts: dict[Kind, Amount] = dict(self._scalars)
            amounts.update((kind, _ranges(edges)) for kind, edges in self._edges.items())
            amounts.update((kind, frozenset(items)) for kind, items in self._items.items())
            self._whole = Resources(amounts)
        return self._whole

    def quantities(self, wanted: Callable[[Kind], bool]) -> dict[str, int]:
        """Thousandths by name: what two hold counts twice, a shared volume once."""
        out: dict[str, int] = {}
        for kind, count in self._scalars.items():
            if wanted(kind):
                shift(out, kind.name, quantity(kind, count))
        for kind, edges in self._edges.items():
            if wanted(kind):
                shift(out, kind.name, -1000 * sum(at * step for at, step in edges.items()))
        for kind, items in self._items.items():
            if wanted(kind):
                shift(out, kind.name, 1000 * sum(items.values()))
        return out


class Holdings:
    """What a framework holds, by the role that it is allocated to."""

    __slots__ = ("_by_role",)

    def __init__(self) -> None:
        self._by_role: dict[str, Tally] = {}

    def add(self, role: str, resources: Resources) -> None:
        tally = self._by_role.get(role)
        if tally is None:
            tally = self._by_role[role] = Tally()
        tally.add(resources)

    def remove(self, role: str, resources: Resources) -> None:
        self._by_role[role].remove(resources)

    def tallies(self) -> Iterator[tuple[str, Tally]]:
        """Of the roles that hold something."""
        return ((role, tally) for role, tally in self._by_role.items() if tally.whole)

    @property
    def whole(self) -> Resources:
        return Resources.total(tally.whole for tally in self._by_role.values())


def _ranges(edges: dict[int, int]) -> Ranges:
    out: list[tuple[int, int]] = []
    depth = begin = 0
    for at in sorted(edges):
        if depth == 0:
            begin = at
        depth += edges[at]
        if depth == 0:
            out.append((begin, at - 1))
    return coalesce(out)
