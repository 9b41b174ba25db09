"""DNS messages of others: where each record lies, whatever the bytes; names read with their compression; names exchanged.

A message from outside may be anything: every length is checked, and a compression pointer may only lead back.
Source: RFC 1035 section 4.1, 2782, 2308.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from dcos.wire.dns import OPT, SOA, SRV
from dcos.wire.errors import WireError

NS, CNAME, PTR, MX, DNAME = 2, 5, 12, 15, 39
_ONE_NAME = frozenset({NS, CNAME, PTR, DNAME})
"""Records whose data is a name."""
_MAX_JUMPS = 64
_HEADER = struct.Struct("!HHHHHH")
_FIXED = struct.Struct("!HHIH")


class Record(NamedTuple):
    """Where a record lies: ``owner``, ``ttl`` and ``data`` are offsets; ``end`` is where the next one begins."""

    owner: int
    rtype: int
    rclass: int
    ttl: int
    data: int
    end: int


class Message(NamedTuple):
    """``questions`` are offsets; the rest by section."""

    questions: tuple[int, ...]
    answers: tuple[Record, ...]
    authority: tuple[Record, ...]
    additional: tuple[Record, ...]
    end: int

    def records(self) -> tuple[Record, ...]:
        return (*self.answers, *self.authority, *self.additional)


def layout(data: bytes) -> Message:
    """Errors: WireError."""
    if len(data) < 12:
        raise WireError("message", "too short")
    _, _, questions, *counts = _HEADER.unpack_from(data)
    at = 12
    asked = []
    for _ in range(questions):
        asked.append(at)
        at = _after_name(data, at) + 4
    if at > len(data):
        raise WireError("question", "cut off")
    sections: list[tuple[Record, ...]] = []
    for count in counts:
        found = []
        for _ in range(count):
            record = _record(data, at)
            found.append(record)
            at = record.end
        sections.append(tuple(found))
    return Message(tuple(asked), sections[0], sections[1], sections[2], at)


def _record(data: bytes, owner: int) -> Record:
    at = _after_name(data, owner)
    if at + 10 > len(data):
        raise WireError("record", "cut off")
    rtype, rclass, _, length = _FIXED.unpack_from(data, at)
    end = at + 10 + length
    if end > len(data):
        raise WireError("record", "cut off")
    return Record(owner, rtype, rclass, at + 4, at + 10, end)


def _after_name(data: bytes, at: int) -> int:
    while at < len(data):
        length = data[at]
        if length >= 0xC0:
            return at + 2
        if length > 63:
            raise WireError("name", "bad label")
        at += 1 + length
        if length == 0:
            return at
    raise WireError("name", "cut off")


def name_at(data: bytes, at: int) -> bytes:
    """A name without compression, as bytes of a packet.   Errors: WireError."""
    labels = []
    size = 1
    for _ in range(_MAX_JUMPS):
        while at < len(data) and 0 < data[at] < 64:
            label = data[at : at + 1 + data[at]]
            size += len(label)
            if size > 255 or len(label) <= data[at]:
                raise WireError("name", "too long or cut off")
            labels.append(label)
            at += len(label)
        if at < len(data) and data[at] == 0:
            return b"".join(labels) + b"\0"
        if at + 2 > len(data) or data[at] < 0xC0:
            raise WireError("name", "bad label")
        target = struct.unpack_from("!H", data, at)[0] & 0x3FFF
        if target >= at:
            raise WireError("name", "a pointer that does not lead back")
        at = target
    raise WireError("name", "too many pointers")


def least_ttl_s(data: bytes, message: Message) -> int:
    """How long an answer may be kept: the least of all its records; an answer that there is nothing, as its SOA says, without
    one not at all.   Errors: WireError."""
    ttls = [struct.unpack_from("!I", data, one.ttl)[0] for one in message.records() if one.rtype != OPT]
    if not message.answers:
        authorities = [one for one in message.authority if one.rtype == SOA and one.end - one.data >= 22]
        if not authorities:
            return 0
        ttls += [struct.unpack_from("!I", data, one.end - 4)[0] for one in authorities]
    return min((ttl if ttl < 1 << 31 else 0 for ttl in ttls), default=0)


def aged(data: bytes, message: Message, by_s: int) -> bytes:
    """The same answer ``by_s`` seconds later."""
    return data if by_s <= 0 else _with_ttls(data, message, lambda ttl: max(0, ttl - by_s))


def short_lived(data: bytes, message: Message, most_s: int) -> bytes:
    """The same answer with no time to live above ``most_s``."""
    return _with_ttls(data, message, lambda ttl: min(ttl, most_s))


def _with_ttls(data: bytes, message: Message, change: Callable[[int], int]) -> bytes:
    changed = bytearray(data)
    for record in message.records():
        if record.rtype != OPT:
            (ttl,) = struct.unpack_from("!I", data, record.ttl)
            struct.pack_into("!I", changed, record.ttl, change(ttl))
    return bytes(changed)


def exchanged(data: bytes, question: bytes, rename: Callable[[bytes], bytes], limit: int) -> bytes:
    """An answer with another question section and every name in it renamed (owners, targets, what aliases and name servers
    point to); names are written out in full. What does not fit into ``limit`` bytes becomes an empty answer with TC.
    Errors: WireError."""
    message = layout(data)
    parts = [question]
    for record in message.records():
        name = b"\0" if record.rtype == OPT else rename(name_at(data, record.owner))
        raw = data[record.data : record.end]
        if record.rtype in _ONE_NAME:
            raw = rename(name_at(data, record.data))
        elif record.rtype == SRV and len(raw) > 6:
            raw = raw[:6] + rename(name_at(data, record.data + 6))
        elif record.rtype == MX and len(raw) > 2:
            raw = raw[:2] + rename(name_at(data, record.data + 2))
        elif record.rtype == SOA:
            second = _after_name(data, record.data)
            raw = name_at(data, record.data) + name_at(data, second) + data[_after_name(data, second) : record.end]
        fixed = data[record.ttl - 4 : record.ttl + 4]
        parts.append(name + fixed + struct.pack("!H", len(raw)) + raw)
    body = b"".join(parts)
    counts = (len(message.answers), len(message.authority), len(message.additional))
    flags = data[2:4]
    if 12 + len(body) > limit:
        body, counts, flags = question, (0, 0, 0), bytes((data[2] | 0x02, data[3]))
    return data[:2] + flags + struct.pack("!HHHH", 1, *counts) + body
