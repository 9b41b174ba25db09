"""The escape sequence in what is typed."""

from __future__ import annotations

import itertools

import pytest

from dcos.cli.attachment import Escape

TYPED = b"a\x10b\x10\x10c"


@pytest.mark.parametrize("first", range(len(TYPED)))
def test_other_keys_pass(first: int) -> None:
    escape = Escape()
    assert escape.pass_on(TYPED[:first]) + escape.pass_on(TYPED[first:]) == TYPED
    assert not escape.found


def test_the_sequence_in_any_pieces() -> None:
    whole = b"ab\x10\x10\x11cd"
    for first, second in itertools.combinations(range(1, len(whole)), 2):
        escape, passed = Escape(), b""
        for part in (whole[:first], whole[first:second], whole[second:]):
            if not escape.found:
                passed += escape.pass_on(part)
        assert (passed, escape.found) == (b"ab\x10", True)
