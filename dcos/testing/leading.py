"""What the tests of Marathon and Metronome have in common: a leading core with its real HTTP API, on the store's twin, a fake
Mesos and a clock of the test's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp.test_utils import TestClient

from dcos.store.election import Candidate, Epoch
from dcos.store.memory import MemoryEnsemble, MemoryStore
from dcos.testing.fake_mesos import FakeMesos
from dcos.testing.patience import PATIENCE_S


@dataclass
class HandClock:
    """Stands still until a test moves it."""

    time: float

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@dataclass
class Served:
    """One leading instance as its clients see it."""

    client: TestClient[Any, Any]
    mesos: FakeMesos
    clock: HandClock
    store: MemoryStore
    """Its session."""

    async def ask(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        """JSON, or bytes where the answer is none. ``status``: what it must be."""
        async with self.client.request(method, path, json=body) as response:
            raw = await response.read()
            assert status is None or response.status == status, f"{method} {path}: {response.status} {raw!r}"
            return await response.json() if raw and response.content_type == "application/json" else raw

    async def until(self, what: str, test: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        """Let the instance work until ``test`` holds."""
        try:
            async with asyncio.timeout(within_s):
                while not test():  # noqa: ASYNC110 - what it looks at tells nobody of its changes
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"not within {within_s} s: {what}") from None


@asynccontextmanager
async def elected(ensemble: MemoryEnsemble, base: str, data: bytes) -> AsyncIterator[tuple[MemoryStore, Epoch]]:
    """A session of its own that leads below ``base``."""
    store = ensemble.session()
    candidate = Candidate(store, f"{base}/leader", label="member", data=data, epoch_path=f"{base}/state/epoch")
    standings: Any = candidate.standings()
    standing = await anext(standings)
    assert standing.epoch is not None
    try:
        yield store, standing.epoch
    finally:
        await standings.aclose()
        await store.close()


@asynccontextmanager
async def at_work(mesos: FakeMesos, *jobs: Coroutine[Any, Any, Any]) -> AsyncIterator[None]:
    """Run ``jobs`` and let Mesos take the subscription; none of them may have failed by the end."""
    mesos._events = asyncio.Queue()
    tasks = [asyncio.create_task(one) for one in jobs]
    mesos.subscribe()
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        failed = [end for end in ends if isinstance(end, Exception)]
        assert not failed, failed
