"""Marathon and Metronome as processes: what both have of an election, a session, and a way to the leading master."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from dcos.client.scheduler import SchedulerClient
from dcos.client.scheduler_http import Reply
from dcos.client.scheduler_service import EXIT_FRAMEWORK, EXIT_LEADERSHIP
from dcos.model.v1.types import FrameworkInfo, MasterInfo
from dcos.runtime.app import Exit
from dcos.store.detect import follow_sessions, watch_leading_master
from dcos.testing.sim.network import Refused
from dcos.testing.sim.process import Life, Process

if TYPE_CHECKING:
    from dcos.testing.sim.world import World

StateT = TypeVar("StateT")
StateT_co = TypeVar("StateT_co", covariant=True)


class Leads(Protocol[StateT_co]):
    @property
    def state(self) -> StateT_co: ...


class Serves(Protocol[StateT_co]):
    """What a scheduler shows of itself; ``leader`` while it leads."""

    @property
    def leader(self) -> Leads[StateT_co] | None: ...


class SchedulerProcess(Process, Generic[StateT]):
    """One of several instances that share a framework."""

    kind = "framework"

    service: Serves[StateT] | None

    def __init__(self, world: World, name: str, host: str) -> None:
        super().__init__(world, name, host)
        self.service = None
        self.client: SchedulerClient | None = None
        """Of the newest subscription."""
        self.session: Any = None

    @property
    def state(self) -> StateT | None:
        """Of the one that leads, as far as it knows."""
        leader = self.service.leader if self.running and self.service is not None else None
        return leader.state if leader is not None else None

    def subscribe(self, life: Life, framework: FrameworkInfo) -> SchedulerClient:
        transport = SimTransport(self.world, life)
        masters = _masters(self.world, life)
        self.client = SchedulerClient(masters, framework, jitter=life.rng.random, transport=transport)
        return self.client

    def ended(self, reason: Exit) -> None:
        if reason.code not in (0, EXIT_LEADERSHIP, EXIT_FRAMEWORK):
            self.world.trace.violation(self.name, f"ended itself with code {reason.code}: {reason.reason}")


class SimTransport:
    """The scheduler client's way to a master over the simulated network."""

    def __init__(self, world: World, life: Life) -> None:
        self._network = world.network
        self._life = life

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    @contextlib.asynccontextmanager
    async def subscribe(self, base: str, body: bytes) -> AsyncIterator[Reply]:
        async def text() -> str:
            return ""

        async def nothing() -> bytes:
            return b""

        try:
            end = await self._network.connect(self._life, base.removeprefix("http://"), "/subscribe", body)
        except Refused as error:
            yield Reply(error.status, "", None, text, nothing)
            return
        try:
            yield Reply(200, "", end.greeting, text, end.read)
        finally:
            if self._life.alive:
                end.close()

    async def call(self, base: str, body: bytes, stream_id: str, timeout_s: float) -> tuple[int, str]:
        try:
            async with asyncio.timeout(timeout_s):
                end = await self._network.connect(self._life, base.removeprefix("http://"), "/call", (stream_id, body))
        except Refused as error:
            return error.status, error.text
        end.close()
        return 202, end.greeting


async def _masters(world: World, life: Life) -> AsyncIterator[MasterInfo | None]:
    """The leading master as ``life`` sees it, for ever."""

    async def connect() -> Any:
        return world.session(life)

    async for info in follow_sessions(
        connect, lambda store: watch_leading_master(store, "/mesos"), rng=life.rng, name="sim"
    ):
        yield info


def fresh_ids(life: Life) -> Iterator[str]:
    while True:
        yield str(uuid.UUID(int=life.rng.getrandbits(128), version=4))
