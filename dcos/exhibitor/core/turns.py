"""Turns: when each server may be down for a moment, so that never two are. All masters reckon alike by their clocks."""

from __future__ import annotations


def wait_s(now: float, index: int, count: int, turn_s: float) -> float:
    """Seconds until it is this server's turn; 0 in the first half of one, the rest is for getting up again.

    ``index`` of ``count`` servers; ``now``: seconds since 1970.
    """
    round_s = count * turn_s
    begin, position = index * turn_s, now % round_s
    if begin <= position < begin + turn_s / 2:
        return 0.0
    return (begin - position) % round_s
