"""A whole leading Marathon on the store's twin and a fake Mesos, with its real HTTP API."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from dcos.client.scheduler_service import fresh_ids
from dcos.marathon import api, api_apps, api_groups, api_pods, api_system, api_tasks, backup
from dcos.marathon.api import Service
from dcos.marathon.config import Config
from dcos.marathon.core import events
from dcos.marathon.core.scheduler import Scheduler
from dcos.marathon.core.state import CoreSettings
from dcos.marathon.leader import Leader
from dcos.marathon.metrics import Metrics
from dcos.marathon.persist import Repository
from dcos.marathon.probes import Prober, over_http
from dcos.marathon.service import core_settings
from dcos.marathon.stream import Bus
from dcos.store.election import Candidate
from dcos.store.memory import MemoryEnsemble
from dcos.testing.fake_mesos import FakeMesos

ZK = "zk://127.0.0.1:2181/marathon"


@dataclass
class TestClock:
    time: float = 1_700_000_000.0

    __test__ = False

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@dataclass
class Running:
    """One leading instance."""

    client: TestClient[Any, Any]
    leader: Leader
    service: Service
    mesos: FakeMesos
    clock: TestClock

    async def ask(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        async with self.client.request(method, path, json=body) as response:
            raw = await response.read()
            assert status is None or response.status == status, f"{method} {path}: {response.status} {raw!r}"
            return await response.json() if raw and response.content_type == "application/json" else raw

    async def until(self, what: str, test: Callable[[], bool], within_s: float = 60.0) -> None:
        """Let the instance work until ``test`` holds; its time goes on as ours does."""
        try:
            async with asyncio.timeout(within_s):
                while not test():
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"not within {within_s} s: {what}") from None

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
    clock: TestClock = field(default_factory=TestClock)
    settings: dict[str, Any] = field(default_factory=dict)
    core: CoreSettings | None = None

    @asynccontextmanager
    async def marathon(self) -> AsyncIterator[Running]:
        config = Config(master="zk://127.0.0.1:2181/mesos", zk=ZK, min_revive_offers_interval=0.0, **self.settings)
        store = self.ensemble.session()
        candidate = Candidate(store, "/marathon/leader", label="member", data=b"me", epoch_path="/marathon/state/epoch")
        standings = candidate.standings()
        standing = await anext(standings)
        assert standing.epoch is not None
        repository = Repository(store, "/marathon/state", marker=f"m{store.id}")
        await backup.fulfil(store, "/marathon/state", standing.epoch)
        state = await repository.load(standing.epoch)
        core = Scheduler(state, replace(core_settings(config), min_revive_interval_s=0.0), fresh_ids())
        bus = Bus(self.clock.now, 100)
        prober = Prober(state, lambda event: leader.tell(event), random.Random(1), over_http)
        metrics = Metrics(self.clock.monotonic)
        metrics.leads(state)
        leader = Leader(core, repository, bus, metrics, self.clock, prober.changed)
        async with aiohttp.ClientSession() as http:
            proxy = api.leader_proxy(
                http,
                lambda: None,
                "me:1",
                connect_s=1,
                read_s=1,
            )

            async def wish(wanted: backup.Wish) -> None:
                await backup.note(store, "/marathon/state", wanted)

            service = Service(config, "me:1", bus, proxy, metrics, lambda: None, wish, leader, "me:1")
            application = api.application(service)
            for resources in (api_system, api_apps, api_pods, api_tasks, api_groups):
                resources.add_routes(application)
            await leader.start()
            async with TestClient(TestServer(application)) as client:
                self.mesos._events = asyncio.Queue()
                tasks = [
                    asyncio.create_task(work)
                    for work in (leader.run(), prober.run(), leader.listen(self.mesos), leader.send(self.mesos))
                ]
                self.mesos.subscribe()
                try:
                    yield Running(client, leader, service, self.mesos, self.clock)
                    assert +state.conditions == Counter(one.condition for one in state.instances.values())
                    assert state.queue.launches == sum(one.total for one in state.queue.values())
                finally:
                    for task in tasks:
                        task.cancel()
                    ends = await asyncio.gather(*tasks, return_exceptions=True)
                    await standings.aclose()
                    await store.close()
                    failed = [end for end in ends if isinstance(end, Exception)]
                    assert not failed, failed


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
