"""An event loop whose time is a number: when nothing is ready it jumps to the next timer. No sockets, no threads, no signals.

Source: asyncio's own base loop does all the work; only waiting is replaced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVarTuple

Ts = TypeVarTuple("Ts")


class Stalled(RuntimeError):
    """Nothing is ready and no timer is set: every task waits for ever."""


class Spinning(RuntimeError):
    """Tasks run on and on without any time passing."""


_SPINS = 20_000


class VirtualLoop(asyncio.BaseEventLoop):
    """Seconds start at 0. Equal programs run in equal order."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self
        self._clock_resolution = 1e-9
        self.jumps = 0
        """How often time went on."""
        self._spins = 0

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        """What the base loop asks instead of sleeping."""
        if timeout is None:
            raise Stalled("every task waits for ever")
        if timeout > 0:
            self._now = max(self._now, self._scheduled[0].when())  # type: ignore[attr-defined]
            self.jumps += 1
            self._spins = 0
        else:
            self._spins += 1
            if self._spins > _SPINS:
                self._spins = -10 * _SPINS
                raise Spinning(f"over and over: {list(self._ready)}")  # type: ignore[attr-defined]
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""

    def run_in_executor(self, executor: Any, func: Callable[[*Ts], Any], *args: *Ts) -> asyncio.Future[Any]:
        """At once, here: a thread would be outside of virtual time."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future
