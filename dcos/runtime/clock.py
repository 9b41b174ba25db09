"""Time as an interface, so that tests can own it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Unix seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...


class SystemClock:
    """The machine's."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class SteadyClock:
    """Unix seconds that never jump while this process runs: set once, then counted by the monotonic clock.

    For deadlines: a machine whose time is set must neither wait for a day nor do all at once.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._epoch = clock.now() - clock.monotonic()

    def now(self) -> float:
        return self._epoch + self._clock.monotonic()

    def monotonic(self) -> float:
        return self._clock.monotonic()
