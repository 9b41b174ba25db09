"""Whose turn it is to be down for a moment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcos.exhibitor.core.turns import wait_s


@pytest.mark.parametrize(
    ("now", "index", "expected"),
    [(0, 0, 0), (149, 0, 0), (150, 0, 750), (150, 1, 150), (300, 1, 0), (899, 2, 601), (900, 0, 0), (901, 2, 599)],
)
def test_three_masters(now: float, index: int, expected: float) -> None:
    assert wait_s(now, index, 3, 300.0) == expected


@given(st.integers(0, 2**31), st.integers(1, 9), st.floats(1, 1000))
def test_never_two_at_once_and_each_within_a_round(now: int, count: int, turn_s: float) -> None:
    waits = [wait_s(now, index, count, turn_s) for index in range(count)]
    assert waits.count(0.0) <= 1
    assert all(0.0 <= one <= count * turn_s for one in waits)
