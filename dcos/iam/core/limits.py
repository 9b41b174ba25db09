"""How often somebody may fail to log in.

Each pair of uid and source address has a bucket of ``burst`` failures that drains by one every ``interval_s``; a full bucket
refuses further tries until it drained, whether they would succeed or not. Only failures fill it; a success empties it.
The memory is bounded: beyond ``capacity`` pairs the one untouched longest is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


class FailureLimit:
    """Buckets of failures. Times are monotonic seconds."""

    def __init__(self, *, burst: int = 10, interval_s: float = 6.0, capacity: int = 10_000) -> None:
        self._burst = burst
        self._interval_s = interval_s
        self._capacity = capacity
        self._empty_at: OrderedDict[Hashable, float] = OrderedDict()

    def wait_s(self, who: Hashable, now: float) -> float:
        """Seconds until ``who`` may try again; 0 for at once."""
        level = self._level_s(who, now)
        return max(0.0, level - (self._burst - 1) * self._interval_s)

    def failed(self, who: Hashable, now: float) -> None:
        self._empty_at[who] = now + self._level_s(who, now) + self._interval_s
        self._empty_at.move_to_end(who)
        while len(self._empty_at) > self._capacity:
            self._empty_at.popitem(last=False)

    def succeeded(self, who: Hashable) -> None:
        self._empty_at.pop(who, None)

    def _level_s(self, who: Hashable, now: float) -> float:
        return max(0.0, self._empty_at.get(who, now) - now)

    def __len__(self) -> int:
        return len(self._empty_at)
