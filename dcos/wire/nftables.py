"""nftables as the kernel tells and takes it by netlink: elements of sets and maps, and what rules there are.

Text for ``nft`` costs ten times as much for many elements, and a listing of them fifteen times. Tables, chains and rules are made
by text all the same. Keys and data are bytes as the kernel keeps them: fields one after another, each filled up with
zeros to four bytes.

Source: linux/netfilter/nf_tables.h, nfnetlink.h and netlink.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from dcos.wire.netlink import HEAD, NESTED, attribute, attributes

_SUBSYSTEM: Final = 10
_BEGIN, _END = 0x10, 0x11
_GET_CHAIN, _GET_RULE = (_SUBSYSTEM << 8) | 4, (_SUBSYSTEM << 8) | 7
_NEW, _GET, _DELETE = (_SUBSYSTEM << 8) | 12, (_SUBSYSTEM << 8) | 13, (_SUBSYSTEM << 8) | 14
_NEW_GENERATION, _GET_GENERATION = (_SUBSYSTEM << 8) | 15, (_SUBSYSTEM << 8) | 16
ERROR, DONE = 2, 3
_REQUEST, _ACK, _CREATE, _DUMP = 1, 4, 0x400, 0x300
_HEADER: Final = struct.Struct("=IHHIIBB")
_RESOURCE: Final = struct.pack("!H", _SUBSYSTEM)
_TABLE, _SET, _ELEMENTS = 1, 2, 3
_CHAIN_NAME = 3
_RULE_CHAIN, _RULE_EXPRESSIONS = 2, 4
_LIST_ELEMENT, _KEY, _DATA = 1, 1, 2
_VALUE, _VERDICT = 1, 2
_CHAIN = 2
_GENERATION = 1
_FAMILIES: Final = {"ip": 2, "ip6": 10}
_MOST: Final = 60_000
"""Bytes of elements a message: the length of an attribute has 16 bits."""


class Change(NamedTuple):
    """Elements that come to a set, or go. Each is what ``element`` made."""

    come: bool
    set: str
    elements: Sequence[bytes]


class Element(NamedTuple):
    """As listed; empty what it does not have."""

    key: bytes
    data: bytes
    chain: str


class Message(NamedTuple):
    """One of the kernel's; ``error``: its number, 0 where all went well."""

    kind: int
    number: int
    error: int
    body: bytes
    """Attributes."""


def _text(kind: int, text: str) -> bytes:
    return attribute(kind, text.encode() + b"\0")


def _head(kind: int, size: int) -> bytes:
    """Of an attribute with another in it that holds ``size`` bytes."""
    return HEAD.pack(8 + size, kind | NESTED) + HEAD.pack(4 + size, _VALUE)


_heads: dict[tuple[int, int], tuple[bytes, bytes]] = {}


def element(key: bytes, data: bytes = b"") -> bytes:
    """With ``data`` where it is one of a map. Both have whole fields."""
    sizes = len(key), len(data)
    heads = _heads.get(sizes)
    if heads is None:
        mapped = _head(_DATA, sizes[1]) if data else b""
        whole = 12 + sizes[0] + (len(mapped) + sizes[1])
        heads = _heads[sizes] = HEAD.pack(whole, _LIST_ELEMENT | NESTED) + _head(_KEY, sizes[0]), mapped
    return heads[0] + key + heads[1] + data


def _message(kind: int, flags: int, number: int, family: int, body: bytes = b"", resource: bytes = b"\0\0") -> bytes:
    return _HEADER.pack(20 + len(body), kind, flags, number, 0, family, 0) + resource + body


def transaction(family: str, table: str, changes: Iterable[Change]) -> tuple[bytes, int]:
    """What makes all of ``changes``, in their order, or none; and the number of the message that is acknowledged: 0 if there
    is nothing to do. A transaction that fails as a whole is told with number 0."""
    messages = list(_messages(family, table, changes))
    parts = [_message(_BEGIN, _REQUEST, 0, 0, resource=_RESOURCE)]
    for number, (kind, body) in enumerate(messages, 1):
        flags = _REQUEST | (_CREATE if kind == _NEW else 0) | (_ACK if number == len(messages) else 0)
        parts.append(_message(kind, flags, number, _FAMILIES[family], body))
    parts.append(_message(_END, _REQUEST, len(parts), 0, resource=_RESOURCE))
    return b"".join(parts), len(messages)


def _messages(family: str, table: str, changes: Iterable[Change]) -> Iterator[tuple[int, bytes]]:
    for come, name, elements in changes:
        start = _text(_TABLE, table) + _text(_SET, name)
        most = max(1, _MOST // max(map(len, elements), default=1))
        for first in range(0, len(elements), most):
            body = start + attribute(_ELEMENTS | NESTED, b"".join(elements[first : first + most]))
            yield (_NEW if come else _DELETE), body


def list_elements(family: str, table: str, name: str) -> bytes:
    """Ask for a set's."""
    return _message(_GET, _REQUEST | _DUMP, 1, _FAMILIES[family], _text(_TABLE, table) + _text(_SET, name))


def list_rules(family: str, table: str) -> bytes:
    return _message(_GET_RULE, _REQUEST | _DUMP, 1, _FAMILIES[family], _text(_TABLE, table))


def list_chains(family: str) -> bytes:
    """Ask for those of all tables."""
    return _message(_GET_CHAIN, _REQUEST | _DUMP, 1, _FAMILIES[family])


def ask_generation() -> bytes:
    """How many transactions there were."""
    return _message(_GET_GENERATION, _REQUEST, 1, 0)


def messages(data: bytes) -> Iterator[Message]:
    """Of one reading."""
    at = 0
    while at + 16 <= len(data):
        length, kind, _, number = struct.unpack_from("=IHHI", data, at)
        error = -int(struct.unpack_from("=i", data, at + 16)[0]) if kind == ERROR else 0
        yield Message(kind, number, error, b"" if kind == ERROR else data[at + 20 : at + length])
        at += max(16, (length + 3) & ~3)


def elements(body: bytes) -> Iterator[Element]:
    """Of a listing's message."""
    for kind, inside in attributes(body):
        if kind == _ELEMENTS:
            for _, raw in attributes(inside):
                yield _element(raw)


def _element(raw: bytes) -> Element:
    key, data, chain = b"", b"", ""
    for kind, inside in attributes(raw):
        if kind == _KEY:
            key = inside[4:]
        elif kind == _DATA:
            ((what, value),) = attributes(inside)
            if what == _VALUE:
                data = value
            else:
                chain = _string(dict(attributes(value)).get(_CHAIN, b""))
    return Element(key, data, chain)


def chain_of(body: bytes, table: str) -> str | None:
    """The chain's name; None: it is another table's."""
    found = dict(attributes(body))
    return _string(found.get(_CHAIN_NAME, b"")) if _string(found.get(_TABLE, b"")) == table else None


def rule_of(body: bytes) -> tuple[str, bytes]:
    """Its chain, and what it does in the kernel's own words."""
    found = dict(attributes(body))
    return _string(found.get(_RULE_CHAIN, b"")), found.get(_RULE_EXPRESSIONS, b"")


def generation_of(message: Message) -> int | None:
    if message.kind != _NEW_GENERATION:
        return None
    found = dict(attributes(message.body)).get(_GENERATION, b"")
    return int.from_bytes(found, "big") if len(found) == 4 else None


def _string(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode(errors="replace")
