"""A leading Metronome's core with its real HTTP API and store, on a fake Mesos and a clock of the test's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer

from dcos.client.scheduler_loop import SchedulerLoop
from dcos.client.scheduler_service import fresh_ids
from dcos.metronome import api
from dcos.metronome.api import Leading, Service
from dcos.metronome.config import Config
from dcos.metronome.core import events
from dcos.metronome.core.scheduler import Result, Scheduler
from dcos.metronome.core.state import State
from dcos.metronome.persist import Repository
from dcos.metronome.service import core_settings
from dcos.model.schedulers import Tick
from dcos.store.memory import MemoryEnsemble
from dcos.testing.fake_mesos import FakeMesos
from dcos.testing.leading import HandClock, Served, at_work, elected

NEW_YEAR = 1_767_225_600.0
"""2026-01-01T00:00:00Z, a Thursday."""


@dataclass
class Running(Served):
    """One leading instance."""

    loop: SchedulerLoop[events.Asked, Result]
    state: State

    async def ask(self, method: str, path: str, body: Any = None, status: int | None = 200) -> Any:
        return await super().ask(method, path, body, status)

    async def pass_time(self, seconds: float, step_s: float = 1.0) -> None:
        """Let time go on, with a tick each step."""
        end = self.clock.time + seconds
        while self.clock.time < end:
            self.clock.time = min(end, self.clock.time + step_s)
            await self.loop.ask(Tick())

    def tasks(self) -> list[str]:
        return list(self.mesos.tasks)


@dataclass
class House:
    """What outlives an instance."""

    ensemble: MemoryEnsemble = field(default_factory=MemoryEnsemble)
    mesos: FakeMesos = field(default_factory=FakeMesos)
    clock: HandClock = field(default_factory=lambda: HandClock(NEW_YEAR))

    @asynccontextmanager
    async def metronome(self, **settings: Any) -> AsyncIterator[Running]:
        config = Config(
            master="zk://127.0.0.1:2181/mesos",
            zk="zk://127.0.0.1:2181/metronome",
            min_revive_offers_interval=0.0,
            **{"features_enable": ("gpu_resources",), **settings},
        )
        async with (
            elected(self.ensemble, "/metronome", b"me:1") as (store, epoch),
            ClientSession() as http,
        ):
            repository = Repository(store, "/metronome/state", marker=f"m{store.id}")
            state = await repository.load(epoch)
            core = Scheduler(state, core_settings(config), fresh_ids())
            loop = SchedulerLoop[events.Asked, Result](
                core, repository.save, self.clock, name="metronome", on_change=lambda: None
            )
            await loop.start()
            service = Service(
                config=config,
                own="me:1",
                proxy=api.leader_proxy(http, lambda: None, "me:1", timeout_s=1),
                leader=Leading(loop, state),
                leading="me:1",
            )
            async with (
                TestClient(TestServer(api.application(service))) as client,
                at_work(self.mesos, loop.run(), loop.listen(self.mesos), loop.send(self.mesos)),
            ):
                yield Running(client, self.mesos, self.clock, store, loop, state)


@pytest.fixture
def house() -> House:
    made = House()
    made.mesos.agent(1, rack="r1")
    made.mesos.agent(2, rack="r2")
    return made


@pytest.fixture
async def metronome(house: House) -> AsyncIterator[Running]:
    async with house.metronome() as one:
        yield one
