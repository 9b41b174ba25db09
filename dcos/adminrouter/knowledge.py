"""What the front door knows of the cluster, kept fresh beside the requests.

A ``Knowledge`` holds the last good value of one source. It is refreshed by a timer, by a nudge (an event came), and by a
request that found nothing, at most every ``_MISS_S``. Several who want a refresh at once share one fetch. A failed fetch
keeps the old value until the hard limit of age.   Source of the limits: Admin Router's cache.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import aiohttp

from dcos.adminrouter.core.services import StateError
from dcos.runtime.clock import Clock
from dcos.runtime.log import Logger

T = TypeVar("T")
_MISS_S = 1.0
"""A request that finds nothing asks the source again only when what is known is older."""
_SETTLE_S = 0.1
"""Events come in bunches."""


class FetchError(Exception):
    """The source did not answer as it should."""


class Knowledge(Generic[T]):
    """One source. ``fetch`` raises FetchError, StateError or aiohttp's errors when there is no news."""

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Awaitable[T]],
        *,
        clock: Clock,
        log: Logger,
        soft_limit_s: float,
        hard_limit_s: float,
        timeout_s: float,
    ) -> None:
        self.on_change: Callable[[], None] = lambda: None
        """Called when the value is another than before."""
        self.took_s = 0.0
        """How long the last fetch took."""
        self._name = name
        self._fetch = fetch
        self._clock = clock
        self._log = log
        self._soft_limit_s = soft_limit_s
        self._hard_limit_s = hard_limit_s
        self._timeout_s = timeout_s
        self._value: T | None = None
        self._fetched_at = 0.0
        self._tried_at = -_MISS_S
        self._running: asyncio.Task[None] | None = None
        self._nudged = asyncio.Event()
        self._failing = False

    async def get(self) -> T | None:
        """What is known; fetches if that is nothing. None: nothing, or too old."""
        if self._value is None and self._clock.monotonic() - self._tried_at >= _MISS_S:
            await self.refresh()
        return self.peek()

    def peek(self) -> T | None:
        """What is known, without waiting."""
        age = self._clock.monotonic() - self._fetched_at
        return self._value if age <= self._hard_limit_s else None

    async def after_miss(self) -> bool:
        """Fetch again because something was not found; False if what is known was new enough."""
        if self._clock.monotonic() - self._tried_at < _MISS_S:
            return False
        await self.refresh()
        return True

    def nudge(self) -> None:
        """Fetch soon."""
        self._nudged.set()

    async def keep(self, period_s: Callable[[], float], *, first_s: float) -> None:
        """Refresh for ever: after ``first_s``, then every ``period_s()`` and at nudges."""
        pause = first_s
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._nudged.wait()
                    await asyncio.sleep(_SETTLE_S)
            self._nudged.clear()
            await self.refresh()
            pause = period_s()

    async def refresh(self) -> None:
        """One fetch, shared by all who ask meanwhile; trouble is logged, once per run of it."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._refresh(), name=f"fetch {self._name}")
        await asyncio.shield(self._running)

    async def _refresh(self) -> None:
        begin = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                value = await self._fetch()
        except (aiohttp.ClientError, FetchError, StateError, TimeoutError, OSError) as error:
            self._failed(error)
        else:
            before, self._value, self._fetched_at = self._value, value, self._clock.monotonic()
            self.took_s = self._fetched_at - begin
            if value != before:
                self.on_change()
            if self._failing:
                self._failing = False
                self._log.info("source_is_back", source=self._name)
        finally:
            self._tried_at = self._clock.monotonic()

    def _failed(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            self._log.info("source_is_away", source=self._name, error=f"{type(error).__name__} {error}")
        age = self._clock.monotonic() - self._fetched_at
        if self._value is not None and age > self._soft_limit_s:
            self._log.warning("stale", source=self._name, age_s=int(age))
