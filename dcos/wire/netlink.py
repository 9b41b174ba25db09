"""Netlink's attributes: a length, a kind and a value, filled up to four bytes; values may be attributes again.

Source: linux/netlink.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

HEAD: Final = struct.Struct("=HH")
"""Length, with this, and kind."""
NESTED: Final = 0x8000
"""In a kind: the value is attributes."""


def filled(value: bytes) -> bytes:
    """To whole four bytes."""
    return value + bytes(-len(value) % 4)


def attribute(kind: int, value: bytes) -> bytes:
    return HEAD.pack(HEAD.size + len(value), kind) + filled(value)


def attributes(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind, without its flags, and value of each."""
    at = 0
    while at + HEAD.size <= len(raw):
        length, kind = HEAD.unpack_from(raw, at)
        yield kind & 0x3FFF, raw[at + HEAD.size : at + length]
        at += max(HEAD.size, (length + 3) & ~3)
