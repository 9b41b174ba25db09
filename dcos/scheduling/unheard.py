"""Tasks that nobody told of since the subscription: their agent may not have come back to a new master yet.

A new master says nothing of such tasks, however often it is asked for all: ask about each until something is said.
Source: the reconciliation chapter of Mesos' guide for frameworks, with its growing pauses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

FIRST_S = 1.0
LONGEST_S = 60.0


@dataclass(slots=True)
class Unheard:
    """``task_ids`` are still to be heard of. Times are Unix seconds."""

    task_ids: set[str] = field(default_factory=set)
    _again: float = 0.0
    _pause_s: float = FIRST_S

    def begin(self, task_ids: Iterable[str], now: float) -> None:
        """All were asked about just now."""
        self.task_ids = set(task_ids)
        self._pause_s = FIRST_S
        self._again = now + FIRST_S

    def correct(self, now: float) -> None:
        """The clock was set back to ``now``: no longer than a pause is waited for."""
        self._again = min(self._again, now + self._pause_s)

    def due(self, now: float) -> frozenset[str]:
        """Those to ask about once more now; counts as asked."""
        if not self.task_ids or now < self._again:
            return frozenset()
        self._pause_s = min(2 * self._pause_s, LONGEST_S)
        self._again = now + self._pause_s
        return frozenset(self.task_ids)
