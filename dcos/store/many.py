"""Reading many nodes in one request: what ZooKeeper has since 3.6 and kazoo does not offer.

A request is a row of reads; each has an answer of its own, also where there is no such node. The classes are requests as
kazoo takes them.   Source: ZooKeeper's protocol, MultiOperationRecord and MultiResponse of operation 22.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, ClassVar

from kazoo.exceptions import EXCEPTIONS
from kazoo.protocol import serialization
from kazoo.protocol.states import ZnodeStat

PART = 200
"""Reads in one request, so that what comes back at once stays small beside what the client has anyway."""

_jute: Any = serialization  # untyped
_HEADER = struct.Struct("!iBi")
_INT = struct.Struct("!i")
_ERROR = -1
_END = _HEADER.pack(-1, True, -1)
_NO_WATCH = b"\0"


class _ManyReads:
    type = 22
    one: ClassVar[int]
    """The operation of each read."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths

    def serialize(self) -> bytes:
        head = _HEADER.pack(self.one, False, -1)
        return b"".join(head + _jute.write_string(path) + _NO_WATCH for path in self._paths) + _END

    def deserialize(self, data: bytes, offset: int) -> list[Any]:
        """The value of each read, or its exception."""
        found: list[Any] = []
        while True:
            kind, done, _ = _HEADER.unpack_from(data, offset)
            offset += _HEADER.size
            if done:
                return found
            if kind == _ERROR:
                found.append(EXCEPTIONS[_INT.unpack_from(data, offset)[0]]())
                offset += _INT.size
            else:
                value, offset = self.read(data, offset)
                found.append(value)

    def read(self, data: bytes, offset: int) -> tuple[Any, int]:
        """One answer, and where the next begins."""
        raise AssertionError("of a class below")


class GetMany(_ManyReads):
    """Answers (data, stat) of each."""

    one = 4

    def read(self, data: bytes, offset: int) -> tuple[Any, int]:
        raw, offset = _jute.read_buffer(data, offset)
        return (raw, ZnodeStat._make(_jute.stat_struct.unpack_from(data, offset))), offset + _jute.stat_struct.size


class ChildrenOfMany(_ManyReads):
    """Answers the names below each."""

    one = 8

    def read(self, data: bytes, offset: int) -> tuple[Any, int]:
        (count,) = _INT.unpack_from(data, offset)
        offset += _INT.size
        names = []
        for _ in range(count):
            name, offset = _jute.read_string(data, offset)
            names.append(name)
        return names, offset
