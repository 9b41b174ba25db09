"""DNS packets: queries read, answers built from zones and kept ready.

Theory: an answer depends on the question, the sender's EDNS and the records of a few names. So a packet is built at the first
such question and kept, without its first two bytes (the id), until one of these names is touched; the hot path is one dictionary
look-up with everything after the id as the key. Names with several addresses keep one packet a rotation.

Source: RFC 1035, 2308 (negative answers carry the SOA), 2782 (SRV targets uncompressed), 6891 (EDNS0), 8020.
"""

from __future__ import annotations

import functools
import ipaddress
import itertools
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from dcos.model.zone import Soa, Srv, Zone
from dcos.wire.errors import WireError

_I = TypeVar("_I")

A, NS, SOA, AAAA, SRV, OPT, ANY = 1, 2, 6, 28, 33, 41, 255
IN = 1

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16

_QR, _AA, _TC, _RD, _RA = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
_OPCODE = 0x7800
_DO = 0x8000
"""In the time to live of an OPT record."""
_ONE_AND_OPT = b"\0\1\0\0\0\0\0\1"
"""Counts of a header: one question, one additional record."""
_ROOT_OPT = b"\0\0\x29"
"""How an OPT record begins: the root's name, its type."""
_EMPTY_OPT = 11
"""Bytes of an OPT record without options."""
_OWNER = b"\xc0\x0c"
"""A pointer to the question's name."""
PLAIN_UDP = 512
MAX_UDP = 4096
MAX_TCP = 65535
MAX_PACKETS = 100_000
"""Ready packets kept; random names from outside must not fill the memory."""
_MAX_ROTATIONS = 16

_HEADER = struct.Struct("!HHHHHH")
_FIXED = struct.Struct("!HHIH")


@dataclass(frozen=True, slots=True)
class Query:
    """A question as asked. ``name`` is lower case without the final dot; ``question`` the section's bytes."""

    id: int
    flags: int
    name: str
    qtype: int
    qclass: int
    question: bytes
    udp_size: int = PLAIN_UDP
    edns: bool = False
    edns_version: int = 0
    plain: bool = True
    """Nothing in it but the question and perhaps an OPT record without options: equal bytes mean an equal answer."""
    options: tuple[int, ...] = ()
    """Codes of the options where there is nothing else but the question and an OPT record."""
    dnssec: bool = False
    """The DO bit, which an answer repeats."""


def parse_query(data: bytes) -> Query:
    """Errors: WireError (answer FORMERR, or nothing at all when it is no query; so is a second OPT record, RFC 6891 6.1.1)."""
    if len(data) < 17:
        raise WireError("query", "too short")
    ident, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(data)
    if flags & _QR:
        raise WireError("flags", "a response, not a query")
    if questions != 1:
        raise WireError("question", "exactly one is answered")
    name, end = _read_name(data, 12)
    if end + 4 > len(data):
        raise WireError("question", "cut off")
    qtype, qclass = struct.unpack_from("!HH", data, end)
    end += 4
    question = data[12:end]
    size, edns, version, dnssec = PLAIN_UDP, False, 0, False
    options: tuple[int, ...] = ()
    simple = answers == authorities == 0
    for _ in range(answers + authorities + additionals):
        owner = end
        end = _skip_name(data, end)
        if end + 10 > len(data):
            raise WireError("record", "cut off")
        rtype, rclass, ttl, length = _FIXED.unpack_from(data, end)
        end += 10 + length
        if end > len(data):
            raise WireError("record", "cut off")
        if rtype != OPT or data[owner]:
            simple = False
            continue
        if edns:
            raise WireError("OPT", "given twice")
        edns, size, version, dnssec = True, max(PLAIN_UDP, rclass), ttl >> 16 & 0xFF, bool(ttl & _DO)
        options = tuple(_option_codes(data, end - length, end))
    simple = simple and end == len(data)
    plain = simple and not options
    return Query(
        ident, flags, name, qtype, qclass, question, size, edns, version, plain, options if simple else (), dnssec
    )


def _option_codes(data: bytes, at: int, end: int) -> Iterator[int]:
    while at < end:
        if at + 4 > end:
            raise WireError("OPT.option", "cut off")
        code, length = struct.unpack_from("!HH", data, at)
        at += 4 + length
        if at > end:
            raise WireError("OPT.option", "cut off")
        yield code


def without_options(data: bytes, query: Query) -> bytes:
    """The same query with no options in its OPT record, which then is ``plain``; ``query``: what ``data`` was read as, with
    options.

    A server that knows none of them answers both alike: unknown options are ignored (RFC 6891 6.1.2), cookies among them
    (RFC 7873 5.2), and the answer's OPT record has none.
    """
    end = 12 + len(query.question)
    return data[: end + _EMPTY_OPT - 2] + b"\0\0"


def _read_name(data: bytes, at: int) -> tuple[str, int]:
    """A name without compression (as in a question) and where it ends."""
    parts = []
    start = at
    while True:
        if at >= len(data):
            raise WireError("question.name", "cut off")
        length = data[at]
        if length == 0:
            break
        if length > 63:
            raise WireError("question.name", "compressed or bad label")
        parts.append(data[at + 1 : at + 1 + length].replace(b".", b"\\046"))  # a dot within a label separates nothing
        at += 1 + length
        if at - start > 254:
            raise WireError("question.name", "longer than 255 bytes")
    return b".".join(parts).decode("latin-1").lower(), at + 1


def _skip_name(data: bytes, at: int) -> int:
    while at < len(data):
        length = data[at]
        if length >= 0xC0:
            return at + 2
        at += 1 + length
        if length == 0:
            return at
    raise WireError("record.name", "cut off")


@functools.lru_cache(maxsize=16384)
def name_bytes(name: str) -> bytes:
    """Wire form of a name without compression.   Errors: WireError for labels over 63 or names over 255 bytes."""
    parts = [part.encode("latin-1", "replace") for part in name.split(".")] if name else []
    if any(not 0 < len(part) < 64 for part in parts) or sum(len(part) + 1 for part in parts) > 254:
        raise WireError("name", f"{name!r} does not fit DNS")
    return b"".join(bytes((len(part),)) + part for part in parts) + b"\0"


def make_query(ident: int, name: str, qtype: int, *, udp_size: int | None = None) -> bytes:
    """A question with recursion desired; with EDNS0 where ``udp_size`` is given."""
    head = _HEADER.pack(ident, _RD, 1, 0, 0, 0 if udp_size is None else 1)
    body = name_bytes(name) + struct.pack("!HH", qtype, IN)
    return head + body + (b"" if udp_size is None else b"\0" + _FIXED.pack(OPT, udp_size, 0, 0))


def failure(data: bytes, rcode: int) -> bytes | None:
    """An answer that says only ``rcode``; None where ``data`` is no query that could be answered."""
    if len(data) < 12 or data[2] & 0x80:
        return None
    ident, flags = struct.unpack_from("!HH", data)
    try:
        query = parse_query(data)
    except WireError:
        return _HEADER.pack(ident, _QR | flags & (_OPCODE | _RD) | _RA | rcode, 0, 0, 0, 0)
    return _HEADER.pack(ident, _QR | flags & (_OPCODE | _RD) | _RA | rcode, 1, 0, 0, 0) + query.question


def rcode_of(answer: bytes) -> int:
    return answer[3] & 0x0F


def answers(question: bytes, answer: bytes) -> bool:
    """Is ``answer`` a response to the query ``question``: same id, same question (any case)?"""
    if len(answer) < 12 or not answer[2] & 0x80 or answer[:2] != question[:2]:
        return False
    if answer[4:6] == b"\0\0":
        return (answer[3] & 0x0F) != 0  # errors may leave the question out
    end = _skip_name(question, 12) + 4
    return answer[4:6] == b"\0\1" and answer[12:end].lower() == question[12:end].lower()


# ---- answers from zones ----------------------------------------------------------------------------------------------

FindZone = Callable[[str], tuple[Zone, str] | None]
"""The zone that answers for a name, and the name to look up in it; None: not ours."""


def build(query: Query, find: FindZone, *, udp: bool, turn: int = 0) -> bytes | None:
    """A whole answer, with answers rotated by ``turn``; None where no zone of ours is asked."""
    found = find(query.name)
    if found is None:
        return None
    zone, name = found
    limit = min(query.udp_size, MAX_UDP) if udp else MAX_TCP
    if query.edns_version > 0:
        return _packet(query, BADVERS, (), [], zone, limit)
    if query.flags & _OPCODE:
        return _packet(query, NOTIMP, (), [], zone, limit)
    if query.qclass not in (IN, ANY):
        return _packet(query, REFUSED, (), [], zone, limit)
    records = _answer_records(zone, name, query.qtype, turn)
    first = next(records, None)
    if first is not None:
        return _packet(query, NOERROR, itertools.chain((first,), records), [], zone, limit)
    negative = _rr(name_bytes(zone.apex_of(name)), SOA, min(zone.apex_ttl, zone.soa.minimum), _soa(zone.soa))
    return _packet(query, NOERROR if zone.exists(name) else NXDOMAIN, (), [negative], zone, limit)


def turns(zone: Zone, name: str, qtype: int) -> int:
    """In how many orders the answer is worth being given; 0: there is none."""
    count = 0
    for wanted, table in ((A, zone.a), (AAAA, zone.aaaa), (SRV, zone.srv)):
        if qtype in (wanted, ANY):
            count = max(count, len(table.get(name, ())))
    return min(count, _MAX_ROTATIONS)


class _Answer(NamedTuple):
    """One answer record, and the host whose addresses belong beside it."""

    raw: bytes
    target: str = ""


def _answer_records(zone: Zone, name: str, qtype: int, turn: int) -> Iterator[_Answer]:
    """Made one by one: of a long list only what fits is."""
    if qtype in (A, ANY):
        for ip in _rotated(zone.a.get(name, ()), turn):
            yield _Answer(_rr(_OWNER, A, zone.ttl, _ip(ip)))
    if qtype in (AAAA, ANY):
        for ip in _rotated(zone.aaaa.get(name, ()), turn):
            yield _Answer(_rr(_OWNER, AAAA, zone.ttl, _ip(ip)))
    if qtype in (SRV, ANY):
        for srv in _rotated(zone.srv.get(name, ()), turn):
            yield _Answer(_rr(_OWNER, SRV, zone.ttl, _srv(srv, zone.srv_weight)), srv.target)
    if name in zone.apexes:
        if qtype in (SOA, ANY):
            yield _Answer(_rr(_OWNER, SOA, zone.apex_ttl, _soa(zone.soa)))
        if qtype in (NS, ANY):
            yield _Answer(_rr(_OWNER, NS, zone.apex_ttl, name_bytes(zone.soa.mname)))


def _additional(zone: Zone, targets: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Addresses of the hosts that SRV records name; ``targets``: each with how its name is written in the packet."""
    for target, owner in targets:
        for rtype, table in ((A, zone.a), (AAAA, zone.aaaa)):
            for ip in table.get(target, ()):
                yield _rr(owner, rtype, zone.ttl, _ip(ip))


def _rotated(items: Sequence[_I], turn: int) -> Sequence[_I]:
    at = turn % len(items) if items else 0
    return (*items[at:], *items[:at]) if at else items


def _packet(
    query: Query,
    rcode: int,
    records: Iterable[_Answer],
    authority: list[bytes],
    zone: Zone,
    limit: int,
) -> bytes:
    """Put together what fits: additional records are left out first, then answers, the latter with TC."""
    opt = b"\0" + _FIXED.pack(OPT, MAX_UDP, rcode >> 4 << 24 | (_DO if query.dnssec else 0), 0) if query.edns else b""
    at = 12 + len(query.question)
    end = limit - len(opt)
    kept: list[bytes] = []
    targets: dict[str, bytes] = {}
    truncated = False
    for raw, target in records:
        if at + len(raw) > end:
            truncated = zone.truncate_bit
            targets = {}
            break
        if target and target not in targets:
            # the target's name lies in the SRV record: pointer (2), type, class, ttl, length (10), three numbers (6)
            targets[target] = struct.pack("!H", 0xC000 | at + 18) if at + 18 < 0x4000 else raw[18:]
        kept.append(raw)
        at += len(raw)
    below = [record for record in authority if at + len(record) <= end]
    at += sum(map(len, below))
    added: list[bytes] = []
    for record in _additional(zone, targets.items()):
        if at + len(record) > end:
            break
        added.append(record)
        at += len(record)
    flags = _QR | _AA | query.flags & (_OPCODE | _RD) | (_TC if truncated else 0) | rcode & 0x0F
    if zone.recursion_bit:
        flags |= _RA
    head = _HEADER.pack(query.id, flags, 1, len(kept), len(below), len(added) + (1 if opt else 0))
    return b"".join((head, query.question, *kept, *below, *added, opt))


def _rr(owner: bytes, rtype: int, ttl: int, data: bytes) -> bytes:
    return owner + _FIXED.pack(rtype, IN, ttl, len(data)) + data


@functools.lru_cache(maxsize=16384)
def _ip(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def _srv(srv: Srv, weight: int) -> bytes:
    return struct.pack("!HHH", 0, weight, srv.port) + name_bytes(srv.target)


def _soa(soa: Soa) -> bytes:
    numbers = struct.pack("!IIIII", soa.serial & 0xFFFFFFFF, soa.refresh, soa.retry, soa.expire, soa.minimum)
    return name_bytes(soa.mname) + name_bytes(soa.rname) + numbers


def _key_without_options(data: bytes) -> bytes:
    """The key of the same query without its options; empty: it is not one question and an OPT record with options.

    What is taken for the end of the question's name may lie within a label. Then the key is nobody's: a key that is known is that
    of a well-formed query, which cannot be read in two ways.
    """
    end = data.find(b"\0", 12) + 5
    if data[4:12] != _ONE_AND_OPT or data[end : end + 3] != _ROOT_OPT:
        return b""
    at = end + _EMPTY_OPT
    if len(data) <= at or len(data) != at + (data[at - 2] << 8 | data[at - 1]):
        return b""
    last = len(data) - 4
    while at <= last:
        at += 4 + (data[at + 2] << 8 | data[at + 3])
    return data[2 : end + _EMPTY_OPT - 2] + b"\0\0" if at == len(data) else b""


class ReadyAnswers:
    """Answers for some zones, each built once and kept until ``forget`` names what it was made of (or ``swap``)."""

    def __init__(self, find: FindZone) -> None:
        self._find = find
        self._kept: dict[bytes, list[bytes]] = {}
        """Answers that hold records, one a rotation, by their question without id."""
        self._growing: dict[bytes, list[bytes]] = {}
        """The same, some rotations still to be made: one each time it is asked."""
        self._made_of: dict[str, set[bytes]] = {}
        """Which of them hold records of a name."""
        self._passing: dict[bytes, bytes] = {}
        """Answers that any change may change: that there is nothing, or what the zone's apex says."""
        self._turn = 0

    def swap(self, find: FindZone) -> None:
        """Everything may have changed."""
        self._find = find
        self._kept, self._growing, self._made_of, self._passing = {}, {}, {}, {}

    def forget(self, names: Iterable[str]) -> None:
        """The records of these names have changed (names as ``find`` gives them), and the apex of their zone."""
        self._passing = {}
        made_of, kept, growing = self._made_of, self._kept, self._growing
        for name in names:
            for key in made_of.pop(name, ()):
                kept.pop(key, None)
                growing.pop(key, None)

    def answer(self, data: bytes, *, udp: bool = True) -> bytes | None:
        """The answer to a query; None: no zone of ours (or no query at all)."""
        if udp:
            key = data[2:]
            ready = self._kept.get(key)
            if ready is not None:
                self._turn = turn = self._turn + 1
                return data[:2] + ready[turn % len(ready)]
            passing = self._passing.get(key)
            if passing is not None:
                return data[:2] + passing
            key = _key_without_options(data)
            if key in self._kept or key in self._passing:
                return self.answer(data[:2] + key)
        return self._build(data, udp=udp)

    def _build(self, data: bytes, *, udp: bool) -> bytes | None:
        try:
            query = parse_query(data)
        except WireError:
            return failure(data, FORMERR)
        found = self._find(query.name)
        if found is None:
            return None
        zone, name = found
        self._turn += 1
        if not udp or not (query.plain or query.options):
            return build(query, lambda _: found, udp=udp, turn=self._turn)
        lower = query.question[:-4].lower() + query.question[-4:]
        if query.options or lower != query.question:
            # cookies differ each time, and resolvers try many spellings: neither must fill the memory
            usual = without_options(data, query) if query.options else data
            end = 12 + len(lower)
            reply = self.answer(usual[:12] + lower + usual[end:])
            return None if reply is None else reply[:12] + query.question + reply[end:]
        count = turns(zone, name, query.qtype)
        if not count or name in zone.apexes:
            reply = build(query, lambda _: found, udp=True, turn=self._turn)
            if reply is not None:
                self._make_room()
                self._passing[data[2:]] = reply[2:]
            return reply
        key = data[2:]
        made = self._growing.get(key)
        if made is None:
            self._make_room()
            made = self._growing[key] = []
            for part in {name, *(srv.target for srv in zone.srv.get(name, ()) if query.qtype in (SRV, ANY))}:
                self._made_of.setdefault(part, set()).add(key)
        reply = build(query, lambda _: found, udp=True, turn=len(made))
        assert reply is not None
        made.append(reply[2:])
        if len(made) >= count:
            self._kept[key] = self._growing.pop(key)
        return reply

    def _make_room(self) -> None:
        if len(self._kept) + len(self._growing) + len(self._passing) >= MAX_PACKETS:
            self._kept, self._growing, self._made_of, self._passing = {}, {}, {}, {}
