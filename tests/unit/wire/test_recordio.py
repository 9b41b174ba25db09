from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcos.wire.errors import WireError
from dcos.wire.recordio import Decoder, frame


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6), st.lists(st.integers(1, 40), min_size=1))
def test_every_split_gives_the_same_records(payloads: list[bytes], sizes: list[int]) -> None:
    data = b"".join(frame(payload) for payload in payloads)
    decoder, got, turn = Decoder(), [], 0
    while data:
        size = sizes[turn % len(sizes)]
        got += decoder.feed(data[:size])
        data, turn = data[size:], turn + 1
    assert got == payloads


@pytest.mark.parametrize("raw", [b"0\n", b"x\n", b"-1\n", b"1 \n", b"9" * 21, b"99999999999\n"])
def test_bad_lengths_are_refused(raw: bytes) -> None:
    with pytest.raises(WireError):
        Decoder().feed(raw)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_records_or_a_wire_error(raw: bytes) -> None:
    with contextlib.suppress(WireError):
        Decoder(max_record=1000).feed(raw)
