"""What ZooKeeper's snapshots and transaction logs hold, and whether they are whole.

Both are Jute: big-endian numbers, byte strings behind their length. A snapshot is a header, sessions, access lists, nodes up to
the path ``/``, then a seal: Adler-32 of all before it. Newer servers add a digest of the tree and a second seal. A log is a
header and entries of checksum, length, bytes and ``B``; it is made longer with zeros ahead of its use, and a server that died
leaves its last entry torn. A snapshot is taken while transactions go on: it may hold changes newer than the zxid in its name,
so it is good only together with the log up to its newest change.
Source: ZooKeeper 3.8, FileSnap, FileTxnLog, DataTree; read by its file format.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import Final

SNAPSHOT_MAGIC: Final = b"ZKSN"
LOG_MAGIC: Final = b"ZKLG"
_VERSION: Final = 2
_HEADER: Final = struct.Struct(">4siq")
_INT: Final = struct.Struct(">i")
_LONG: Final = struct.Struct(">q")
_NODE: Final = struct.Struct(">qqqqqiiiqq")
"""Of its access list's number, czxid, mzxid, ctime, mtime, three versions, owner, pzxid."""
_ENTRY: Final = struct.Struct(">qi")
_TRANSACTION: Final = struct.Struct(">qiqqi")
"""Session, request number, zxid, time in ms, type."""
_END_OF_ENTRY: Final = 0x42
_SLASH: Final = 0x2F
_NAME: Final = re.compile(r"(snapshot|log)\.([0-9a-f]{1,16})")


class Damaged(Exception):
    """The file is not whole: says where and what."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole one. ``zxid``: of its name, where the log is read from; ``newest``: of any change in it."""

    zxid: int
    newest: int
    nodes: int
    sessions: int


@dataclass(frozen=True, slots=True)
class Log:
    """``first`` and ``last`` zxid (0 if it has no transaction), ``length`` bytes of whole entries. ``torn``: bytes follow that
    are no whole entry, as after a server's death or while one is written."""

    first: int
    last: int
    count: int
    length: int
    torn: bool
    last_ms: int
    """When its last transaction was made, milliseconds since 1970."""


def zxid_of(name: str) -> tuple[str, int] | None:
    """``snapshot.1f`` to ("snapshot", 31); None for any other file."""
    match = _NAME.fullmatch(name)
    return (match[1], int(match[2], 16)) if match else None


class _Reader:
    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.at = 0

    def read(self, form: struct.Struct) -> tuple[int, ...]:
        try:
            values = form.unpack_from(self.data, self.at)
        except struct.error:
            raise Damaged(f"ends at byte {len(self.data)} in the middle of a record") from None
        self.at += form.size
        return values

    def number(self) -> int:
        return self.read(_INT)[0]

    def length(self) -> int:
        """Of a vector or a byte string; -1 is none at all."""
        size = self.number()
        if size < -1 or size > len(self.data) - self.at:
            raise Damaged(f"has an impossible length {size} at byte {self.at - _INT.size}")
        return max(0, size)

    def skip_bytes(self) -> int:
        size = self.length()
        self.at += size
        return size

    def seal(self, name: str) -> None:
        found = zlib.adler32(self.data[: self.at])
        (told,) = self.read(_LONG)
        size = self.length()
        end = bytes(self.data[self.at : self.at + size])
        self.at += size
        if told != found or end != b"/":
            raise Damaged(f"has the wrong {name}: {told:x} instead of {found:x}")


def _header(data: memoryview, magic: bytes) -> None:
    if len(data) < _HEADER.size:
        raise Damaged(f"has {len(data)} bytes, fewer than a header")
    found, version, _ = _HEADER.unpack_from(data)
    if found != magic or version != _VERSION:
        raise Damaged(f"begins with {found!r} version {version} instead of {magic!r} version {_VERSION}")


def read_snapshot(zxid: int, data: memoryview) -> Snapshot:
    """``zxid``: of the file's name; ``data``: the whole file.   Errors: Damaged."""
    _header(data, SNAPSHOT_MAGIC)
    reader = _Reader(data)
    reader.at = _HEADER.size
    sessions = reader.length()
    reader.at += sessions * 12
    access: set[int] = set()
    for _ in range(reader.length()):
        access.add(reader.read(_LONG)[0])
        for _ in range(reader.length()):
            reader.number()
            reader.skip_bytes()
            reader.skip_bytes()
    nodes, newest = 0, zxid
    while True:
        size = reader.length()
        if size == 1 and reader.data[reader.at] == _SLASH:
            reader.at += 1
            break
        reader.at += size
        reader.skip_bytes()
        rights, created, changed, _, _, _, _, _, _, below = reader.read(_NODE)
        if rights != -1 and rights not in access:
            raise Damaged(f"names an unknown access list {rights} before byte {reader.at}")
        newest = max(newest, created, changed, below)
        nodes += 1
    reader.seal("checksum")
    if reader.at != len(data):
        reader.at += _LONG.size + _INT.size + _LONG.size  # a digest of the tree
        reader.seal("second checksum")
    if reader.at != len(data):
        raise Damaged(f"goes on after its end at byte {reader.at}")
    return Snapshot(zxid, newest, nodes, sessions)


def holds_nothing(data: memoryview) -> bool:
    """Whether a log has not even a header: its server died in the moment it began. ZooKeeper up to 3.8 does not start with one
    (ZOOKEEPER-2332). One that was made longer already is zeros throughout."""
    return len(data) < _HEADER.size or (not any(data[: _HEADER.size]) and not data.tobytes().strip(b"\0"))


def read_log(data: memoryview) -> Log:
    """``data``: the whole file, or what is there of it while it grows.

    Errors: Damaged (its header; a broken entry with whole ones after it is more than a torn end).
    """
    _header(data, LOG_MAGIC)
    at, first, last, count, last_ms = _HEADER.size, 0, 0, 0, 0
    while True:
        entry = _entry(data, at)
        if entry is None:
            break
        end, zxid, when = entry
        if count and zxid <= last:
            raise Damaged(f"goes back from zxid {last:x} to {zxid:x} at byte {at}")
        first = first or zxid
        last, last_ms, at = zxid, when, end
        count += 1
    torn = any(data[at : at + _ENTRY.size])
    if torn and _goes_on(data, at):
        raise Damaged(f"has a broken transaction at byte {at}, after zxid {last:x}")
    return Log(first, last, count, at, torn, last_ms)


def _entry(data: memoryview, at: int) -> tuple[int, int, int] | None:
    """(end, zxid, time) of the whole entry there."""
    if at + _ENTRY.size > len(data):
        return None
    checksum, size = _ENTRY.unpack_from(data, at)
    begin = at + _ENTRY.size
    if size < _TRANSACTION.size or begin + size >= len(data):
        return None
    body = data[begin : begin + size]
    if data[begin + size] != _END_OF_ENTRY or zlib.adler32(body) != checksum:
        return None
    _, _, zxid, when, _ = _TRANSACTION.unpack_from(body)
    return begin + size + 1, zxid, when


def _goes_on(data: memoryview, at: int) -> bool:
    """Whether a whole entry follows the broken one: then it is no torn end."""
    _, size = _ENTRY.unpack_from(data, at) if at + _ENTRY.size <= len(data) else (0, 0)
    after = at + _ENTRY.size + size + 1
    return size > 0 and _entry(data, after) is not None
