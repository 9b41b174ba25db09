"""Chunks in, a body out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcos.wire.chunked import END, Dechunker, chunk
from dcos.wire.errors import WireError


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.integers(1, 9))
def test_every_split_gives_the_same(parts: list[bytes], step: int) -> None:
    sent = b"".join(map(chunk, parts)) + END
    dechunker = Dechunker()
    got = b"".join(dechunker.feed(sent[at : at + step]) for at in range(0, len(sent), step))
    assert got == b"".join(parts)
    assert dechunker.ended


def test_extensions_and_what_follows_the_end_do_not_matter() -> None:
    dechunker = Dechunker()
    assert dechunker.feed(b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\nmore") == b"abc"
    assert dechunker.ended


@pytest.mark.parametrize("sent", [b"x\r\n", b"\r\n", b"-1\r\n", b"1\r\nab\r\n", b"1" * 300, b"11111111111111111\r\n"])
def test_nonsense_is_refused(sent: bytes) -> None:
    with pytest.raises(WireError):
        Dechunker().feed(sent)
