"""ZooKeeper in memory with what a network adds: latency, outages, sessions that the server ends before the client knows.

Source of the times: a client pings each third of its timeout; the server counts from the last thing it heard; ours gives
up by itself a timeout after it noticed (``dcos.store.zookeeper``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from dcos.store.base import Delete, Disconnected, Operation, SessionLost
from dcos.store.memory import MemoryEnsemble, MemoryStore
from dcos.testing.sim.process import Dead, Life

Observer = Callable[[int, Sequence[Operation]], None]


class SimEnsemble(MemoryEnsemble):
    """``observe`` sees every write that was done, with the number of its session."""

    def __init__(self, observe: Observer) -> None:
        super().__init__()
        self._observe = observe

    def session_of(self, life: Life, timeout_s: float, delay_s: Callable[[], float]) -> SimSession:
        self._sessions += 1
        return SimSession(self, self._sessions, life, timeout_s, delay_s)

    def end_of(self, session: SimSession) -> None:
        """The server ends it; the client learns when it hears of the server again."""
        if session.expired:
            return
        session.expired = True
        for path in [path for path, entry in self._entries.items() if entry.owner == session.id]:
            self._apply([Delete(path)], 0)

    def _apply(self, operations: Sequence[Operation], session: int) -> tuple[str, ...]:
        done = super()._apply(operations, session)
        self._observe(session, operations)
        return done


class SimSession(MemoryStore):
    def __init__(
        self, ensemble: SimEnsemble, id: int, life: Life, timeout_s: float, delay_s: Callable[[], float]
    ) -> None:
        super().__init__(ensemble, id)
        self.life = life
        self.expired = False
        self.timeout_s = timeout_s
        self._sim = ensemble
        self._delay_s = delay_s
        self._timers: list[asyncio.TimerHandle] = []
        self._outages = 0
        self._on_its_way: asyncio.Event | None = None
        self._arrives_at = 0.0
        life.belongings[self] = None

    # ---- faults ------------------------------------------------------------------------------------------------------

    def outage(self) -> None:
        """The server is out of reach."""
        if not self._connected.is_set() or self._lost.is_set():
            return
        loop = asyncio.get_running_loop()
        rng = self.life.rng
        self._outages += 1
        self.set_connected(False)
        noticed = rng.uniform(0.0, self.timeout_s * 2 / 3)
        self._timers = [
            loop.call_later(self.timeout_s * rng.uniform(2 / 3, 1.0), self._sim.end_of, self),
            loop.call_later(noticed + self.timeout_s, self.mark_lost),
        ]

    def back(self) -> None:
        """The server is in reach again."""
        for timer in self._timers:
            timer.cancel()
        self._timers = []
        if self.expired:
            self.mark_lost()
        self.set_connected(True)

    def died(self, *, silent: bool) -> None:
        """The server notices by silence."""
        for timer in self._timers:
            timer.cancel()
        share = self.life.process.world.rng.uniform(2 / 3, 1.0)
        asyncio.get_running_loop().call_later(self.timeout_s * share, self._sim.end_of, self)

    # ---- Store -------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        if self.life.alive and not self._lost.is_set():
            self.life.belongings.pop(self, None)
            self._sim.end_of(self)
            self.mark_lost()

    async def _turn(self) -> None:
        await self._travel()
        if not self._connected.is_set():
            await self._connected.wait()
        if not self.life.alive:
            raise Dead
        if self.expired or self._lost.is_set():
            self.mark_lost()
            raise SessionLost

    async def _travel(self) -> None:
        """To the server: in order, and what is asked at one moment goes together."""
        if self._on_its_way is None:
            loop = asyncio.get_running_loop()
            self._on_its_way = asyncio.Event()
            self._arrives_at = max(self._arrives_at + 1e-6, loop.time() + self._delay_s())
            loop.call_at(self._arrives_at, self._on_its_way.set)
            loop.call_soon(self._depart)
        await self._on_its_way.wait()

    def _depart(self) -> None:
        self._on_its_way = None

    async def _write(self, operations: Sequence[Operation]) -> tuple[str, ...]:
        done = await super()._write(operations)
        before = self._outages
        await asyncio.sleep(self._delay_s())
        if self._outages != before:
            raise Disconnected("the answer was lost")
        return done

    async def _wait(self, changed: asyncio.Event) -> None:
        await super()._wait(changed)
        await asyncio.sleep(self._delay_s())
