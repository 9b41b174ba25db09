"""A DNS zone as a value: built whole, never changed, swapped for the next one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

MAX_NAME = 253
"""Characters of a whole name, without the final dot."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """Names are lower case, without the final dot, each equal to ``apex`` or below it."""

    apex: str
    soa: Soa
    ttl: int
    """Seconds, of every A, AAAA and SRV record."""
    apex_ttl: int = 60
    """Seconds, of SOA and NS."""
    a: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    aaaa: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    srv: Mapping[str, tuple[Srv, ...]] = field(default_factory=lambda: MappingProxyType({}))
    inner: frozenset[str] = frozenset()
    """Names without records of their own that have names below them: they exist, so the answer is empty, not NXDOMAIN."""

    def exists(self, name: str) -> bool:
        return name in self.a or name in self.srv or name in self.aaaa or name in self.inner or name == self.apex

    def records(self) -> Iterator[Record]:
        """All of A, AAAA and SRV, by name within each."""
        for rtype, table in (("A", self.a), ("AAAA", self.aaaa), ("SRV", self.srv)):
            for name in sorted(table):
                for data in table[name]:
                    yield Record(name, rtype, str(data))


class ZoneBuilder:
    """Collects records, each kept once, in the order they came."""

    def __init__(self) -> None:
        self._a: dict[str, dict[str, None]] = {}
        self._aaaa: dict[str, dict[str, None]] = {}
        self._srv: dict[str, dict[Srv, None]] = {}

    def address(self, name: str, ip: str) -> bool:
        """An A or AAAA record by the family of ``ip``; tells whether it is new. A name that does not fit DNS is left out."""
        if len(name) > MAX_NAME:
            return False
        table = self._aaaa if ":" in ip else self._a
        known = table.setdefault(name, {})
        if ip in known:
            return False
        known[ip] = None
        return True

    def addresses(self, name: str, ips: Iterable[str]) -> None:
        for ip in ips:
            self.address(name, ip)

    def service(self, name: str, target: str, port: int) -> bool:
        if len(name) > MAX_NAME or len(target) > MAX_NAME:
            return False
        known = self._srv.setdefault(name, {})
        srv = Srv(target, port)
        if srv in known:
            return False
        known[srv] = None
        return True

    def zone(self, apex: str, soa: Soa, *, ttl: int, apex_ttl: int) -> Zone:
        inner: set[str] = set()
        for table in (self._a, self._aaaa, self._srv):
            for name in table:
                parent = name.partition(".")[2]
                while len(parent) > len(apex) and parent not in inner:
                    inner.add(parent)
                    parent = parent.partition(".")[2]
        return Zone(
            apex=apex,
            soa=soa,
            ttl=ttl,
            apex_ttl=apex_ttl,
            a=MappingProxyType({name: tuple(found) for name, found in self._a.items()}),
            aaaa=MappingProxyType({name: tuple(found) for name, found in self._aaaa.items()}),
            srv=MappingProxyType({name: tuple(found) for name, found in self._srv.items()}),
            inner=frozenset(inner),
        )
