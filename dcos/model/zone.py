"""A DNS zone: records by who gives them, so that one source's change costs what it changes and nothing else.

A zone is the sum of its sources (a task, the agents, the leader ...). ``put`` replaces what one source gives. Several sources may
give the same record: records are counted. What sources give that are *held back* (a task known to be unhealthy) shows at a name
only while nobody else gives anything there. Zones have one owner, who alone changes them, on the thread that answers from them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

MAX_NAME = 253
"""Characters of a whole name, without the final dot."""

R = TypeVar("R", bound=Hashable)


class Srv(NamedTuple):
    """Where a service answers: a host name (lower case, no final dot) and a port."""

    target: str
    port: int

    def __str__(self) -> str:
        return f"{self.target}:{self.port}"


class Record(NamedTuple):
    """One resource record. ``data``: an address, or ``target:port`` for SRV; ``rtype`` is A, AAAA or SRV."""

    name: str
    rtype: str
    data: str


class Given(NamedTuple):
    """What one source gives: addresses (A or AAAA by their family) and services by name, each pair once."""

    addresses: tuple[tuple[str, str], ...] = ()
    services: tuple[tuple[str, Srv], ...] = ()
    held: bool = False
    """Held back: shows at a name only where nobody else gives anything."""


_NOTHING = Given()


@dataclass(frozen=True, slots=True, kw_only=True)
class Soa:
    """Start of authority; ``mname`` and ``rname`` without final dot, times in seconds."""

    mname: str
    rname: str
    serial: int = 1
    refresh: int = 60
    retry: int = 600
    expire: int = 86400
    minimum: int = 60


class Table(Mapping[str, tuple[R, ...]], Generic[R]):
    """The records of one type by name, in the order they came; only those that show."""

    __slots__ = ("_held", "_shown")

    def __init__(self) -> None:
        self._shown: dict[str, dict[R, int]] = {}
        self._held: dict[str, dict[R, int]] = {}

    def add(self, name: str, record: R, *, held: bool = False) -> bool:
        """Count a record once more; tells whether it is the first that the name has here."""
        table = self._held if held else self._shown
        records = table.get(name)
        if records is None:
            table[name] = {record: 1}
            return name not in (self._shown if held else self._held)
        records[record] = records.get(record, 0) + 1
        return False

    def remove(self, name: str, record: R, *, held: bool = False) -> bool:
        """Undo one ``add``; tells whether the name has nothing left here."""
        table = self._held if held else self._shown
        records = table[name]
        if records[record] > 1:
            records[record] -= 1
            return False
        del records[record]
        if records:
            return False
        del table[name]
        return name not in (self._shown if held else self._held)

    def __getitem__(self, name: str) -> tuple[R, ...]:
        records = self._shown.get(name) or self._held.get(name)
        if records is None:
            raise KeyError(name)
        return tuple(records)

    def __contains__(self, name: object) -> bool:
        return name in self._shown or name in self._held

    def __iter__(self) -> Iterator[str]:
        yield from self._shown
        for name in self._held:
            if name not in self._shown:
                yield name

    def __len__(self) -> int:
        return len(self._shown) + sum(name not in self._shown for name in self._held)


class Zone:
    """Names are lower case, without the final dot, each equal to ``apex`` or below it.

    ``ttl``: seconds, of every A, AAAA and SRV record; ``apex_ttl``: of SOA and NS. ``parts``: names below the apex that have SOA
    and NS as well, as if they were zones of their own.
    """

    srv_weight = 0
    truncate_bit = True
    """Say so where answers did not fit."""
    recursion_bit = True
    """Say that other names are answered too."""

    def __init__(self, *, apex: str, soa: Soa, ttl: int, apex_ttl: int = 60, parts: Iterable[str] = ()) -> None:
        self.apex = apex
        self.apexes = frozenset((apex, *parts))
        self.soa = soa
        self.ttl = ttl
        self.apex_ttl = apex_ttl
        self.a: Table[str] = Table()
        self.aaaa: Table[str] = Table()
        self.srv: Table[Srv] = Table()
        self._given: dict[Hashable, Given] = {}
        self._children: dict[str, int] = {}
        """How many names are right below each name, counting those without records that have names below them."""
        self._touched: set[str] = set()

    def put(self, source: Hashable, given: Given) -> None:
        """Let ``source`` give this from now on, and nothing else. A name that does not fit DNS is left out."""
        before = self._given.get(source, _NOTHING)
        if before == given:
            return
        if given.addresses or given.services:
            self._given[source] = given
        else:
            self._given.pop(source, None)
        self.swap(before, given)

    def swap(self, before: Given, given: Given) -> None:
        """The same for a source that is not remembered: ``before`` is exactly what it gave."""
        all_of_it = before.held != given.held
        self._take(before, Given() if all_of_it else given)
        self._add(given, Given() if all_of_it else before)

    def drop(self, source: Hashable) -> None:
        self.put(source, _NOTHING)

    def given(self, source: Hashable) -> Given:
        """What ``source`` gives."""
        return self._given.get(source, _NOTHING)

    def touched(self) -> set[str]:
        """Names whose records may have changed since the last call."""
        found, self._touched = self._touched, set()
        return found

    def _add(self, given: Given, kept: Given) -> None:
        for table, name, record in self._beside(given, kept):
            if table.add(name, record, held=given.held):
                self._appear(name)

    def _take(self, given: Given, kept: Given) -> None:
        for table, name, record in self._beside(given, kept):
            if table.remove(name, record, held=given.held):
                self._vanish(name)

    def _beside(self, given: Given, kept: Given) -> Iterator[tuple[Table[Any], str, Hashable]]:
        """What ``given`` has that ``kept`` has not and that fits DNS; its names count as touched."""
        for pair in given.addresses:
            name, ip = pair
            if pair not in kept.addresses and len(name) <= MAX_NAME:
                self._touched.add(name)
                yield self.aaaa if ":" in ip else self.a, name, ip
        for offer in given.services:
            name, srv = offer
            if offer not in kept.services and len(name) <= MAX_NAME and len(srv.target) <= MAX_NAME:
                self._touched.add(name)
                yield self.srv, name, srv

    def _appear(self, name: str) -> None:
        """A name has records of one more type: the names above it exist as well. A child counts once a type."""
        children = self._children
        while len(name) > len(self.apex):
            name = name.partition(".")[2]
            count = children.get(name, 0)
            children[name] = count + 1
            if count:
                return

    def _vanish(self, name: str) -> None:
        children = self._children
        while len(name) > len(self.apex):
            name = name.partition(".")[2]
            count = children[name] - 1
            if count:
                children[name] = count
                return
            del children[name]

    def exists(self, name: str) -> bool:
        """Has the name records, or a name below it that has (then it is empty, not unknown)?"""
        return name in self.a or name in self._children or name in self.srv or name in self.aaaa or name in self.apexes

    def apex_of(self, name: str) -> str:
        """The nearest of the apexes, at the name or above it."""
        while name and name not in self.apexes:
            name = name.partition(".")[2]
        return name or self.apex

    def records(self) -> Iterator[Record]:
        """All of A, AAAA and SRV, by name within each."""
        tables: tuple[tuple[str, Mapping[str, tuple[Hashable, ...]]], ...] = (
            ("A", self.a),
            ("AAAA", self.aaaa),
            ("SRV", self.srv),
        )
        for rtype, table in tables:
            for name in sorted(table):
                for data in table[name]:
                    yield Record(name, rtype, str(data))


class ZoneBuilder:
    """Collects what one source gives, each record once, in the order they came."""

    def __init__(self) -> None:
        self._addresses: dict[tuple[str, str], None] = {}
        self._services: dict[tuple[str, Srv], None] = {}

    def address(self, name: str, ip: str) -> bool:
        """An A or AAAA record by the family of ``ip``; tells whether it is new."""
        new = (name, ip) not in self._addresses
        self._addresses[name, ip] = None
        return new

    def addresses(self, name: str, ips: Iterable[str]) -> None:
        for ip in ips:
            self.address(name, ip)

    def service(self, name: str, target: str, port: int) -> None:
        self._services[name, Srv(target, port)] = None

    def given(self, *, held: bool = False) -> Given:
        return Given(tuple(self._addresses), tuple(self._services), held)

    def zone(self, apex: str, soa: Soa, *, ttl: int, apex_ttl: int) -> Zone:
        """A zone of this one source."""
        zone = Zone(apex=apex, soa=soa, ttl=ttl, apex_ttl=apex_ttl)
        zone.put("all", self.given())
        return zone
