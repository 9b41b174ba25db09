"""5,000 tasks appear at once at the master of a booted node, and end again: what the names of them do, and everybody else's.

They run in the heads of simulated agents, which register from outside; all else is the cluster's own. Prints how long it took.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from dcos.client.mesos import redirecting
from dcos.client.scheduler import SchedulerClient, SchedulerError
from dcos.model import names
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    CommandInfo,
    FrameworkInfo,
    FrameworkInfoCapability,
    FrameworkInfoCapabilityType,
    Offer,
    OfferOperation,
    OfferOperationLaunch,
    OfferOperationType,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from dcos.net.core.names import FORWARDERS
from dcos.testing.asking import Asking
from dcos.testing.cluster import Failed, LocalCluster, eventually
from dcos.testing.fake_agent import FakeAgent
from dcos.testing.netns import Namespace
from tests.e2e.test_names import dig, named

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(shutil.which("dig") is None, reason="no dig (dnsutils)"),
]

CROWD = "crowd"
"""The framework, its role, and what its tasks are called."""
COUNT = 5000
HOSTS = tuple(f"192.0.2.{number}" for number in range(1, 6))
"""Of the simulated agents; nobody has these addresses (RFC 5737)."""
EACH = COUNT // len(HOSTS)
FIRST_PORT = 20000
ROOM = f"cpus({CROWD}):{EACH};mem({CROWD}):{EACH};ports({CROWD}):[{FIRST_PORT}-{FIRST_PORT + EACH - 1}]"
"""Reserved: no other framework of the cluster is offered anything of it."""
ACKNOWLEDGING = 8
"""So many updates at once: who hears 5,000 does not wait for each answer."""
WITHIN_S = 240.0


class Crowd:
    """The framework: takes one offer of each agent, launches all tasks then, acknowledges what it hears of them."""

    def __init__(self, client: SchedulerClient) -> None:
        self._client = client
        self._unacknowledged: asyncio.Queue[TaskStatus] = asyncio.Queue()
        self.offers: dict[str, Offer] = {}
        """By host."""
        self.states: dict[str, TaskState] = {}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(ACKNOWLEDGING):
                group.create_task(self._acknowledge())
            async for event in self._client.events():
                if event.offers is not None:
                    for offer in event.offers.offers:
                        await self._offered(offer)
                elif event.update is not None:
                    status = event.update.status
                    assert status.state is not None
                    self.states[status.task_id.value] = status.state
                    self._unacknowledged.put_nowait(status)

    async def _offered(self, offer: Offer) -> None:
        """What real agents have is for others."""
        if offer.hostname in HOSTS:
            self.offers[offer.hostname] = offer
        else:
            await self._client.decline([offer.id], refuse_s=3600)

    async def _acknowledge(self) -> None:
        while True:
            await self._client.acknowledge(await self._unacknowledged.get())

    async def launch(self) -> None:
        await self._client.suppress()
        await asyncio.gather(*(self._launch(self.offers[host], index) for index, host in enumerate(HOSTS)))

    async def _launch(self, offer: Offer, index: int) -> None:
        tasks = tuple(
            TaskInfo(
                name=f"{CROWD}-{number}",
                task_id=TaskID(value=f"{CROWD}-{number}"),
                agent_id=offer.agent_id,
                resources=Resources.parse(f"cpus:0.5;mem:0.5;ports:[{port}-{port}]", CROWD).messages(CROWD),
                command=CommandInfo(value="never run"),
            )
            for number, port in ((index * EACH + one, FIRST_PORT + one) for one in range(EACH))
        )
        launch = OfferOperationLaunch(task_infos=tasks)
        await self._client.accept([offer.id], [OfferOperation(type=OfferOperationType.LAUNCH, launch=launch)])

    def all_are(self, state: TaskState) -> bool:
        there = sum(one is state for one in self.states.values())
        if there != COUNT:
            raise Failed(f"{there} of {COUNT} are {state}")
        return True


@contextlib.asynccontextmanager
async def crowd(master: str) -> AsyncIterator[tuple[Crowd, SchedulerClient]]:
    """The framework, subscribed; removed at the end."""
    able = (
        FrameworkInfoCapabilityType.MULTI_ROLE,
        FrameworkInfoCapabilityType.PARTITION_AWARE,
        FrameworkInfoCapabilityType.RESERVATION_REFINEMENT,
    )
    info = FrameworkInfo(
        user="root", name=CROWD, roles=(CROWD,), capabilities=tuple(FrameworkInfoCapability(type=one) for one in able)
    )
    async with SchedulerClient(redirecting([(master, 5050)]), info) as client:
        made = Crowd(client)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(made.run())
            try:
                yield made, client
            finally:
                running.cancel()
                await asyncio.wait([running])
                with contextlib.suppress(SchedulerError):
                    await client.teardown()


@contextlib.asynccontextmanager
async def simulated_agents(cluster: LocalCluster) -> AsyncIterator[list[FakeAgent]]:
    """Registered; they leave at the end, for good (subscribers of the master are not told of those marked gone)."""
    made = [
        FakeAgent(f"{cluster.ip('master1')}:5050", resources=ROOM, hostname=host, pid=f"slave(1)@{host}:5051")
        for host in HOSTS
    ]
    async with contextlib.AsyncExitStack() as stack:
        for agent in made:
            await stack.enter_async_context(agent)
        try:
            async with asyncio.timeout(WITHIN_S):
                await asyncio.gather(*(agent.registered.wait() for agent in made))
            yield made
        finally:
            for agent in made:
                agent.leave()
            await soon("all have left", lambda: all(agent.shutdown is not None for agent in made))
            # it shows agents that left for an hour, unless it begins anew
            await asyncio.to_thread(cluster.sh, "master1", "systemctl restart dcos-diagnostics")


async def soon(what: str, probe: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(eventually, what, probe, within_s=WITHIN_S)


def crowd_in_zone(cluster: LocalCluster) -> int:
    """How many tasks of the crowd Mesos-DNS names."""
    zone = cluster.get("/mesos_dns/v1/axfr", token=cluster.token(), timeout_s=60).json()["Records"]["As"]
    return sum(f"{CROWD}-{number}.{CROWD}.mesos." in zone for number in range(COUNT))


def others_alone(cluster: LocalCluster) -> bool:
    """The master knows nothing of the crowd any more."""
    state = cluster.get("/mesos/state", token=cluster.token(), timeout_s=60).json()
    hosts = sorted(one["hostname"] for one in state["slaves"])
    frameworks = [one["name"] for one in state["frameworks"]]
    own = sorted(cluster.ip(one) for one in cluster.nodes() if one not in cluster.nodes("master"))
    if hosts != own or CROWD in frameworks:
        raise Failed(f"agents {hosts}, frameworks {frameworks}")
    if (found := dig(cluster, "agent1", "slave.mesos")) != own:
        raise Failed(f"slave.mesos is {found}")
    return cluster.healthy()


async def test_five_thousand_tasks_at_once(cluster: LocalCluster) -> None:
    """All are named, then none; who was there before is answered at any time."""
    node = "agent1"
    space = Namespace.named(f"dcos-{cluster.name}-{node}")
    forwarder, mesos_dns = (FORWARDERS[0], 53), (cluster.ip("master1"), 61053)
    before, last = "hello-world.marathon.mesos", f"{CROWD}-{COUNT - 1}.{CROWD}.mesos"
    await soon("hello-world has a name", lambda: len(dig(cluster, node, before)) == 1)
    picked = (0, COUNT // 2, COUNT - 1)
    with (
        Asking(before, forwarder, every_s=0.05, space=space) as others,
        Asking(before, mesos_dns, every_s=0.05, space=space) as others_behind,
        Asking(last, forwarder, every_s=0.05, space=space) as end,
    ):
        await soon("hello-world is answered", lambda: others.there and others_behind.there)
        async with crowd(cluster.ip("master1")) as (framework, client), simulated_agents(cluster) as agents:
            await soon("an offer of each agent", lambda: set(framework.offers) == set(HOSTS))
            begin = time.time()
            await framework.launch()
            await soon("the last task has a name", lambda: end.there)
            await soon("all have names", lambda: crowd_in_zone(cluster) == COUNT)
            all_s = time.time() - begin
            addresses = {(f"{CROWD}-{number}.{CROWD}.mesos", "A"): [HOSTS[number // EACH]] for number in picked}
            assert await asyncio.to_thread(named, cluster, node, addresses, at=forwarder[0])
            tag = names.agent_tag(str(agents[-1].id))
            own = f"{CROWD}-{COUNT - 1}-{names.task_tag(f'{CROWD}-{COUNT - 1}')}-{tag}.{CROWD}.slave.mesos"
            found = await asyncio.to_thread(dig, cluster, node, f"_{CROWD}-{COUNT - 1}._tcp.{CROWD}.mesos", "SRV")
            assert found == [f"0 1 {FIRST_PORT + EACH - 1} {own}."]
            assert await asyncio.to_thread(dig, cluster, node, own) == [HOSTS[-1]]
            await soon("all run", lambda: framework.all_are(TaskState.TASK_RUNNING))
            assert client.framework_id is not None
            ending = time.time()
            for index, agent in enumerate(agents):
                for number in range(index * EACH, (index + 1) * EACH):
                    agent.finish(client.framework_id.value, f"{CROWD}-{number}")
            await soon("none has a name", lambda: crowd_in_zone(cluster) == 0)
            none_s = time.time() - ending
            await soon("all have ended", lambda: framework.all_are(TaskState.TASK_FINISHED))
            nothing: dict[tuple[str, str], list[str]] = {key: [] for key in addresses}
            await soon("the forwarder knows that", lambda: named(cluster, node, nothing, at=forwarder[0]))
        await soon("the cluster is as before", lambda: others_alone(cluster))
    print(
        f"the last of {COUNT} tasks had a name {end.turns[0] - begin:.1f} s after their launch, all within {all_s:.1f} s,"
        f" none {none_s:.1f} s after their end; meanwhile, for another's name: forwarder {others}; Mesos-DNS {others_behind}"
    )
    for one in (others, others_behind):
        assert not one.lost
        assert len(one.turns) == 1, "the name was always there"
