"""An event loop whose time is a number: when nothing is ready it jumps to the next timer. No sockets, no threads, no signals.

Source: asyncio's own base loop, of which only what tasks and futures use is kept; timers of one moment run in the order
in which they were set.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import Handle, TimerHandle
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVarTuple

Ts = TypeVarTuple("Ts")


class Stalled(RuntimeError):
    """Nothing is ready and no timer is set: every task waits for ever."""


class Spinning(RuntimeError):
    """Tasks run on and on without any time passing."""


_SPINS = 20_000


class VirtualLoop(asyncio.BaseEventLoop):
    """Seconds start at 0. Equal programs run in equal order."""

    _ready: Any
    _stopping: bool

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self.jumps = 0
        """How often time went on."""
        self._spins = 0
        self._timers: list[tuple[float, int, TimerHandle]] = []
        self._order = 0

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None) -> Handle:
        handle = Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> TimerHandle:
        timer = TimerHandle(when, callback, args, self, context)
        self._order += 1
        heapq.heappush(self._timers, (when, self._order, timer))
        return timer

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _run_once(self) -> None:
        """One turn: jump if nothing is ready, then run what is due.   Errors: Stalled, Spinning."""
        ready, timers = self._ready, self._timers
        if ready or self._stopping:
            self._spins += 1
            if self._spins > _SPINS:
                self._spins = -10 * _SPINS
                raise Spinning(f"over and over: {list(ready)}")
        else:
            while timers and timers[0][2]._cancelled:
                heapq.heappop(timers)
            if not timers:
                raise Stalled("every task waits for ever")
            self._now = max(self._now, timers[0][0])
            self.jumps += 1
            self._spins = 0
        until = self._now + 1e-9
        while timers and timers[0][0] <= until:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""

    def _timer_handle_cancelled(self, handle: TimerHandle) -> None:
        """It is passed over when its time comes."""

    def run_in_executor(self, executor: Any, func: Callable[[*Ts], Any], *args: *Ts) -> asyncio.Future[Any]:
        """At once, here: a thread would be outside of virtual time."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future
