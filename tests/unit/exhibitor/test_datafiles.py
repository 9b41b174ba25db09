"""ZooKeeper's file formats, from bytes put together here by their description. Real files: tests/integration/exhibitor."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcos.exhibitor.core.datafiles import Damaged, Log, holds_nothing, read_log, read_snapshot, zxid_of


def text(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


def entry(zxid: int, payload: bytes = b"", when: int = 7) -> bytes:
    body = struct.pack(">qiqqi", 1, 2, zxid, when, 1) + payload
    return struct.pack(">qi", zlib.adler32(body), len(body)) + body + b"B"


def log(*entries: bytes) -> bytes:
    return struct.pack(">4siq", b"ZKLG", 2, 0) + b"".join(entries)


def snapshot(nodes: dict[bytes, int], *, digest: bool = True) -> bytes:
    """``nodes``: zxid of the last change by path."""
    data = struct.pack(">4siq", b"ZKSN", 2, -1) + struct.pack(">i", 1) + struct.pack(">qi", 9, 4000)
    data += struct.pack(">i", 1) + struct.pack(">qi", 1, 1) + struct.pack(">i", 31) + text(b"world") + text(b"anyone")
    for path, zxid in nodes.items():
        data += text(path) + text(b"data") + struct.pack(">qqqqqiiiqq", 1, 1, zxid, 0, 0, 0, 0, 0, 0, 1)
    data += text(b"/")
    data += struct.pack(">q", zlib.adler32(data)) + text(b"/")
    if digest:
        data += struct.pack(">qiq", 3, 2, 77)
        data += struct.pack(">q", zlib.adler32(data)) + text(b"/")
    return data


def seen(data: bytes) -> Log:
    return read_log(memoryview(data))


@pytest.mark.parametrize("digest", [True, False])
def test_a_snapshot_is_read_to_its_end(digest: bool) -> None:
    found = read_snapshot(3, memoryview(snapshot({b"": 1, b"/a": 8}, digest=digest)))
    assert (found.zxid, found.newest, found.nodes, found.sessions) == (3, 8, 2, 1)


@given(st.data())
def test_any_changed_byte_of_a_snapshot_is_seen(data: st.DataObject) -> None:
    raw = bytearray(snapshot({b"": 1, b"/a": 8, b"/a/b": 2}))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Damaged):
        read_snapshot(3, memoryview(bytes(raw)))


@given(st.data())
def test_a_shortened_snapshot_is_seen(data: st.DataObject) -> None:
    whole = snapshot({b"": 1, b"/a": 8})
    first_seal = len(snapshot({b"": 1, b"/a": 8}, digest=False))
    length = data.draw(st.integers(0, len(whole) - 1).filter(lambda n: n != first_seal))
    with pytest.raises(Damaged):
        read_snapshot(3, memoryview(whole[:length]))


@pytest.mark.parametrize("tail", [b"", bytes(4096)])
def test_a_log_ends_where_its_zeros_begin(tail: bytes) -> None:
    found = seen(log(entry(4), entry(5, b"x" * 50, when=99)) + tail)
    assert found == Log(4, 5, 2, len(log(entry(4), entry(5, b"x" * 50))), False, 99)


def test_an_empty_log() -> None:
    assert seen(log()).count == 0


@given(st.integers(1, len(entry(5)) - 1))
def test_a_torn_end_is_no_damage(length: int) -> None:
    found = seen(log(entry(4)) + entry(5)[:length] + bytes(64))
    assert (found.last, found.count) == (4, 1)


def test_a_broken_transaction_among_whole_ones_is() -> None:
    broken = bytearray(entry(5))
    broken[20] ^= 1
    with pytest.raises(Damaged, match="broken transaction at byte 61, after zxid 4"):
        seen(log(entry(4), bytes(broken), entry(6)))


@pytest.mark.parametrize(
    "data", [b"", b"ZKLG", struct.pack(">4siq", b"ZKSN", 2, 0), struct.pack(">4siq", b"ZKLG", 3, 0)]
)
def test_bad_headers(data: bytes) -> None:
    with pytest.raises(Damaged):
        seen(data)


def test_zxids_do_not_go_back() -> None:
    with pytest.raises(Damaged, match="goes back from zxid 5 to 4"):
        seen(log(entry(5), entry(4)))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("snapshot.1f", ("snapshot", 31)),
        ("log.0", ("log", 0)),
        ("log.X", None),
        ("currentEpoch", None),
        ("log.1.gz", None),
    ],
)
def test_names(name: str, found: tuple[str, int] | None) -> None:
    assert zxid_of(name) == found


@pytest.mark.parametrize(
    ("data", "nothing"),
    [(b"", True), (b"ZKLG", True), (bytes(4096), True), (log(), False), (bytes(4000) + b"x", False)],
)
def test_logs_that_were_only_begun(data: bytes, nothing: bool) -> None:
    assert holds_nothing(memoryview(data)) is nothing
