"""A whole leading Marathon on the store's twin and a fake Mesos, with its real HTTP API."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from dcos.client.scheduler_service import fresh_ids
from dcos.marathon import api, api_apps, api_groups, api_pods, api_system, api_tasks, backup
from dcos.marathon.api import Service
from dcos.marathon.asking import over_network
from dcos.marathon.config import Config
from dcos.marathon.core import events
from dcos.marathon.core.scheduler import Scheduler
from dcos.marathon.core.state import CoreSettings
from dcos.marathon.leader import Leader
from dcos.marathon.metrics import Metrics
from dcos.marathon.persist import Repository
from dcos.marathon.probes import Prober
from dcos.marathon.service import core_settings
from dcos.marathon.stream import Bus
from dcos.store.memory import MemoryEnsemble
from dcos.testing.fake_mesos import FakeMesos
from dcos.testing.leading import HandClock, Served, at_work, elected

ZK = "zk://127.0.0.1:2181/marathon"


BEGIN = 1_700_000_000.0


@dataclass
class Running(Served):
    """One leading instance."""

    leader: Leader
    service: Service

    async def tick(self, seconds: float) -> None:
        self.clock.time += seconds
        await self.leader.ask(events.Tick())

    async def settled(self) -> None:
        await self.until("deployments end", lambda: not self.leader.state.deployments)

    def running(self, app: str = "") -> int:
        return len(self.mesos.running(app))


@dataclass
class House:
    """What outlives an instance: the store, Mesos, the time."""

    ensemble: MemoryEnsemble = field(default_factory=MemoryEnsemble)
    mesos: FakeMesos = field(default_factory=FakeMesos)
    clock: HandClock = field(default_factory=lambda: HandClock(BEGIN))
    settings: dict[str, Any] = field(default_factory=dict)
    core: CoreSettings | None = None

    @asynccontextmanager
    async def marathon(self) -> AsyncIterator[Running]:
        config = Config(master="zk://127.0.0.1:2181/mesos", zk=ZK, min_revive_offers_interval=0.0, **self.settings)
        async with (
            elected(self.ensemble, "/marathon", b"me") as (store, epoch),
            aiohttp.ClientSession() as http,
        ):
            repository = Repository(store, "/marathon/state", marker=f"m{store.id}")
            await backup.fulfil(store, "/marathon/state", epoch)
            state = await repository.load(epoch)
            core = Scheduler(state, replace(core_settings(config), min_revive_interval_s=0.0), fresh_ids())
            bus = Bus(self.clock.now, 100)
            prober = Prober(state, lambda event: leader.tell(event), random.Random(1), over_network)
            metrics = Metrics(self.clock.monotonic)
            metrics.leads(state)
            leader = Leader(core, repository, bus, metrics, self.clock, prober.changed)
            proxy = api.leader_proxy(http, lambda: None, "me:1", connect_s=1, read_s=1)

            async def wish(wanted: backup.Wish) -> None:
                await backup.note(store, "/marathon/state", wanted)

            service = Service(config, "me:1", bus, proxy, metrics, lambda: None, wish, leader=leader, leading="me:1")
            application = api.application(service)
            for resources in (api_system, api_apps, api_pods, api_tasks, api_groups):
                resources.add_routes(application)
            await leader.start()
            async with (
                TestClient(TestServer(application)) as client,
                at_work(self.mesos, leader.run(), prober.run(), leader.listen(self.mesos), leader.send(self.mesos)),
            ):
                yield Running(client, self.mesos, self.clock, store, leader, service)
                assert +state.conditions == Counter(one.condition for one in state.instances.values())
                assert state.queue.launches == sum(one.total for one in state.queue.values())


@pytest.fixture
def house() -> House:
    made = House()
    for number in (1, 2, 3):
        made.mesos.agent(number, rack=f"r{number}")
    return made


@pytest.fixture
async def marathon(house: House) -> AsyncIterator[Running]:
    async with house.marathon() as running:
        yield running
