"""Sealing: what was sealed opens with the right keys under its own path, and in no other way."""

from __future__ import annotations

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcos.wire.sealing import NONCE_BYTES, SealingError, Secret, read_keys

_KEY = base64.b64encode(bytes(32)).decode()
_OTHER = base64.b64encode(bytes(range(32))).decode()
_NONCE = bytes(NONCE_BYTES)


@given(st.binary(max_size=200), st.booleans(), st.text(max_size=40))
def test_what_is_sealed_opens(value: bytes, binary: bool, path: str) -> None:
    ring = read_keys(_KEY)
    sealed = ring.seal(path, Secret(value=value, binary=binary), os.urandom(NONCE_BYTES))
    assert ring.open(path, sealed) == Secret(value=value, binary=binary)
    assert len(value) < 4 or value not in sealed


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_no_changed_byte_goes_unseen(place: int, change: int) -> None:
    ring = read_keys(_KEY)
    sealed = bytearray(ring.seal("a/b", Secret(value=b"hidden"), _NONCE))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(SealingError):
        ring.open("a/b", bytes(sealed))


def test_a_secret_is_bound_to_its_path() -> None:
    ring = read_keys(_KEY)
    sealed = ring.seal("a/b", Secret(value=b"hidden"), _NONCE)
    with pytest.raises(SealingError, match="another path"):
        ring.open("a/c", sealed)


def test_keys_are_replaced_by_putting_new_ones_in_front() -> None:
    old, both, new = read_keys(_KEY), read_keys(f"{_OTHER}\n{_KEY}\n"), read_keys(_OTHER)
    sealed = old.seal("a", Secret(value=b"x"), _NONCE)
    assert both.open("a", sealed).value == b"x"
    again = both.seal("a", Secret(value=b"x"), _NONCE)
    assert new.open("a", again).value == b"x"
    with pytest.raises(SealingError, match="not in the key file"):
        new.open("a", sealed)


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(b"short").decode(), "ö" * 40])
def test_bad_key_files_are_refused_without_showing_them(text: str) -> None:
    with pytest.raises((SealingError, ValueError)) as caught:
        read_keys(text)
    assert not text or text not in str(caught.value)


def test_nothing_shows_keys() -> None:
    assert "AESGCM" not in repr(read_keys(_KEY))
