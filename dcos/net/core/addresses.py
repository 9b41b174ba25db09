"""Addresses of named virtual IPs, followed from one set of names to the next.

Gives what ``vips.assign`` gives for each set (a property test says so), for the price of what came and went: an address nobody
has is nobody's second choice, so a name whose first choice is free takes it and disturbs nobody; and where the address
behind a name's is free, nobody ever went on because of that name. All else, clashes and numeric virtual IPs within the range, is
worked out anew.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from dcos.net.core import vips


class Assignment:
    """Of one family; ``given`` is the answer, changed in place."""

    def __init__(self, lowest: str, highest: str) -> None:
        self.given: dict[str, str] = {}
        self._lowest, self._highest = lowest, highest
        first = ipaddress.ip_address(lowest)
        self._make = type(first)
        self._first = int(first)
        self._size = int(ipaddress.ip_address(highest)) - self._first
        self._numeric: frozenset[int] = frozenset()
        self._used: set[int] = set()
        """Places in the range that a name or a numeric virtual IP has."""
        self._place: dict[str, int] = {}
        self._names: set[str] = set()

    def take(self, come: Iterable[str], gone: Iterable[str], numeric: Iterable[str]) -> set[str]:
        """Change the set of names; those whose address is another now. ``numeric``: addresses of all other virtual IPs."""
        coming, going = set(come) - self._names, set(gone) & self._names
        waiting = len(self._names) > len(self._place)
        self._names -= going
        self._names |= coming
        places = self._places(numeric)
        easy = not waiting and places == self._numeric and all(map(self._drop, going)) and all(map(self._add, coming))
        return coming | going if easy else coming | going | self._anew(places)

    def _places(self, numeric: Iterable[str]) -> frozenset[int]:
        """Those in the range."""
        offsets = (
            int(address) - self._first for text in numeric if type(address := ipaddress.ip_address(text)) is self._make
        )
        return frozenset(one for one in offsets if 0 <= one < self._size)

    def _drop(self, name: str) -> bool:
        """False: others may have to move."""
        place = self._place[name]
        if (place + 1) % self._size in self._used:
            return False
        self._used.discard(place)
        del self._place[name], self.given[name]
        return True

    def _add(self, name: str) -> bool:
        """False: it is not its first choice that it gets."""
        place = vips.first_choice(name, self._size)
        if place in self._used:
            return False
        self._used.add(place)
        self._place[name] = place
        self.given[name] = str(self._make(self._first + place))
        return True

    def _anew(self, numeric: frozenset[int]) -> set[str]:
        """All of it; names that have another address than before."""
        before = dict(self.given)
        taken = [str(self._make(self._first + place)) for place in numeric]
        self.given.clear()
        self.given.update(vips.assign(self._names, self._lowest, self._highest, taken))
        self._place = {name: int(ipaddress.ip_address(ip)) - self._first for name, ip in self.given.items()}
        self._numeric, self._used = numeric, {*numeric, *self._place.values()}
        return {name for name in before.keys() | self.given.keys() if before.get(name) != self.given.get(name)}
