"""The real master over real sockets and a real ZooKeeper, with an agent that has no containers."""

from __future__ import annotations

import asyncio
import json
import random
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from dcos.client.scheduler import CallRefused, SchedulerClient
from dcos.model.v1.scheduler import Event, EventType
from dcos.model.v1.types import (
    AgentID,
    CommandInfo,
    FrameworkInfo,
    FrameworkInfoCapability,
    FrameworkInfoCapabilityType,
    Offer,
    OfferOperation,
    OfferOperationLaunch,
    OfferOperationType,
    Resource,
    TaskID,
    TaskInfo,
    TaskStatus,
    ValueScalar,
    ValueType,
)
from dcos.store.detect import follow_leading_master
from dcos.store.url import ZkUrl
from dcos.testing.fake_agent import FakeAgent
from dcos.testing.patience import PATIENCE_S
from tests.integration.master.conftest import MasterProcess, until

pytestmark = pytest.mark.integration

Start = Callable[..., MasterProcess]

FRAMEWORK = FrameworkInfo(
    user="root",
    name="test",
    roles=("test",),
    failover_timeout=60.0,
    checkpoint=True,
    capabilities=tuple(
        FrameworkInfoCapability(type=kind)
        for kind in (
            FrameworkInfoCapabilityType.MULTI_ROLE,
            FrameworkInfoCapabilityType.PARTITION_AWARE,
            FrameworkInfoCapabilityType.RESERVATION_REFINEMENT,
        )
    ),
)


class Scheduler:
    """A small framework: launches what is asked, acknowledges, keeps what it heard."""

    def __init__(self, client: SchedulerClient) -> None:
        self.client = client
        self.subscriptions = 0
        self.statuses: list[TaskStatus] = []
        self.events: list[Event] = []
        self.wanted: list[TaskInfo] = []
        self.offers: list[Offer] = []

    async def run(self) -> None:
        async for event in self.client.events():
            self.events.append(event)
            if event.type is EventType.SUBSCRIBED:
                self.subscriptions += 1
            elif event.offers is not None:
                for offer in event.offers.offers:
                    await self._use(offer)
            elif event.update is not None:
                self.statuses.append(event.update.status)
                await self.client.acknowledge(event.update.status)

    async def _use(self, offer: Offer) -> None:
        self.offers.append(offer)
        if not self.wanted:
            await self.client.decline([offer.id], refuse_s=0)
            return
        tasks = tuple(
            TaskInfo(
                name=task.name,
                task_id=task.task_id,
                agent_id=offer.agent_id,
                resources=task.resources,
                command=task.command,
            )
            for task in self.wanted
        )
        self.wanted = []
        launch = OfferOperationLaunch(task_infos=tasks)
        await self.client.accept([offer.id], [OfferOperation(type=OfferOperationType.LAUNCH, launch=launch)])

    def states(self, task: str) -> list[str]:
        return [str(status.state) for status in self.statuses if status.task_id.value == task]


@asynccontextmanager
async def scheduler(master: MasterProcess, zk: str, framework: FrameworkInfo = FRAMEWORK) -> AsyncIterator[Scheduler]:
    url = ZkUrl.parse(f"zk://{zk}{master.zk_path}")
    detect = follow_leading_master(url, rng=random.Random(1), session_timeout_s=10.0)
    async with SchedulerClient(detect, framework, backoff_s=(0.1, 0.5)) as client:
        made = Scheduler(client)
        runner = asyncio.create_task(made.run())
        try:
            await until(lambda: made.subscriptions > 0)
            yield made
        finally:
            runner.cancel()
            await asyncio.gather(runner, return_exceptions=True)


def task(name: str, cpus: float = 0.5, mem: float = 64) -> TaskInfo:
    def scalar(kind: str, value: float) -> Resource:
        return Resource(name=kind, type=ValueType.SCALAR, scalar=ValueScalar(value=value))

    return TaskInfo(
        name=name,
        task_id=TaskID(value=name),
        agent_id=AgentID(value="of the offer"),
        resources=(scalar("cpus", cpus), scalar("mem", mem)),
        command=CommandInfo(value="sleep 1000"),
    )


async def test_a_task_from_offer_to_end(start: Start, zk: str) -> None:
    master = start()
    await master.until_leading()
    async with FakeAgent(master.address) as agent, scheduler(master, zk) as framework:
        framework.wanted = [task("a"), task("b/d")]
        await until(lambda: framework.states("a") == ["TASK_STARTING", "TASK_RUNNING"])
        assert framework.states("b/d") == ["TASK_ERROR"]
        state = await asyncio.to_thread(master.get, "/master/state")
        (shown,) = state["frameworks"]
        assert [one["state"] for one in shown["tasks"]] == ["TASK_RUNNING"]
        assert shown["used_resources"]["cpus"] == 0.5
        assert state["slaves"][0]["used_resources"]["mem"] == 64
        assert state["leader"] == f"master@{master.address}"
        assert state["activated_slaves"] == 1
        await framework.client.kill(TaskID(value="a"))
        await until(lambda: "TASK_KILLED" in framework.states("a"))
        await until(lambda: not agent.tasks)
        state = await asyncio.to_thread(master.get, "/state")
        assert [one["state"] for one in state["frameworks"][0]["completed_tasks"]] == ["TASK_KILLED"]
        assert state["slaves"][0]["used_resources"]["cpus"] == 0
        metrics = await asyncio.to_thread(master.get, "/metrics/snapshot")
        assert metrics["master/tasks_killed"] == 1
        assert metrics["master/slaves_active"] == 1
        assert all(isinstance(value, float) for value in metrics.values())
        await framework.client.teardown()
        await until(lambda: len(master.get("/state")["completed_frameworks"]) == 1)
    assert master.stop() == 0


async def test_another_master_takes_over(start: Start, zk: str) -> None:
    first = start()
    await first.until_leading()
    second = start()
    await until(lambda: _code(second, "/state") == (307, f"//127.0.0.1:{first.port}/state"))
    assert _code(second, "/health") == (200, None)
    async with FakeAgent(second.address, first.address) as agent, scheduler(first, zk) as framework:
        framework.wanted = [task("stays")]
        await until(lambda: framework.states("stays")[-1:] == ["TASK_RUNNING"])
        agent_id, framework_id = agent.id, framework.client.framework_id
        first.kill()
        await second.until_leading()
        await until(lambda: framework.subscriptions == 2)
        await asyncio.wait_for(agent.registered.wait(), PATIENCE_S)
        assert agent.id == agent_id
        assert framework.client.framework_id == framework_id
        state = await asyncio.to_thread(second.get, "/state")
        assert [one["id"] for one in state["frameworks"][0]["tasks"]] == ["stays"]
        assert state["recovered_slaves"] == []
        framework.statuses.clear()
        await framework.client.reconcile()
        await until(lambda: framework.states("stays") == ["TASK_RUNNING"])
        assert "TASK_LOST" not in framework.states("stays")
        framework.wanted = [task("new")]
        await framework.client.revive()
        await until(lambda: framework.states("new")[-1:] == ["TASK_RUNNING"])


async def test_a_leader_that_lost_its_session_ends(start: Start, zk: str) -> None:
    first, second = start(), start()
    await until(lambda: first.leads() or second.leads())
    leader, other = (first, second) if first.leads() else (second, first)
    leader.process.send_signal(19)
    await other.until_leading()
    leader.process.send_signal(18)
    await until(lambda: leader.process.poll() is not None)
    assert leader.process.returncode == 3


async def test_a_silent_agent_is_unreachable_and_may_return(start: Start, zk: str) -> None:
    master = start()
    await master.until_leading()
    async with FakeAgent(master.address) as agent, scheduler(master, zk) as framework:
        framework.wanted = [task("a")]
        await until(lambda: framework.states("a")[-1:] == ["TASK_RUNNING"])
        await agent.cut()
        await until(lambda: framework.states("a")[-1:] == ["TASK_UNREACHABLE"])
        assert any(event.type is EventType.FAILURE for event in framework.events)
        state = await asyncio.to_thread(master.get, "/state")
        assert state["unreachable_slaves"] == 1
        assert [one["state"] for one in state["frameworks"][0]["unreachable_tasks"]] == ["TASK_UNREACHABLE"]
        async with agent:
            await until(lambda: framework.states("a")[-1:] == ["TASK_RUNNING"])
            state = await asyncio.to_thread(master.get, "/state")
            assert [one["state"] for one in state["frameworks"][0]["tasks"]] == ["TASK_RUNNING"]
            assert state["frameworks"][0]["unreachable_tasks"] == []


async def test_a_restarted_agent_keeps_its_tasks(start: Start, zk: str) -> None:
    master = start()
    await master.until_leading()
    async with FakeAgent(master.address) as agent, scheduler(master, zk) as framework:
        framework.wanted = [task("kept"), task("forgotten")]
        await until(lambda: framework.states("forgotten")[-1:] == ["TASK_RUNNING"])
        await until(lambda: framework.states("kept")[-1:] == ["TASK_RUNNING"])
        await agent.cut()
        await until(lambda: master.get("/state")["activated_slaves"] == 0)
        lost = next(key for key in agent.tasks if key[1] == "forgotten")
        del agent.tasks[lost]
        async with agent:
            await until(lambda: framework.states("forgotten")[-1:] == ["TASK_DROPPED"])
            assert framework.states("kept") == ["TASK_STARTING", "TASK_RUNNING"]


async def test_a_gone_agent_stays_away(start: Start, zk: str) -> None:
    master = start()
    await master.until_leading()
    async with FakeAgent(master.address) as agent, scheduler(master, zk) as framework:
        framework.wanted = [task("a")]
        await until(lambda: framework.states("a")[-1:] == ["TASK_RUNNING"])
        assert _post(master, {"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": agent.id}}}) == 200
        await until(lambda: framework.states("a")[-1:] == ["TASK_GONE_BY_OPERATOR"])
        await until(lambda: agent.shutdown is not None)
        agent.shutdown = None
        await agent.cut()
        async with agent:
            await until(lambda: agent.shutdown == "Agent has been marked gone")


async def test_a_framework_that_stays_away_is_removed(start: Start, zk: str) -> None:
    master = start()
    await master.until_leading()
    impatient = FrameworkInfo(user="root", name="brief", failover_timeout=0.5, checkpoint=True)
    async with FakeAgent(master.address) as agent:
        async with scheduler(master, zk, impatient) as framework:
            framework.wanted = [task("a")]
            await until(lambda: framework.states("a")[-1:] == ["TASK_RUNNING"])
        await until(lambda: len(master.get("/frameworks")["completed_frameworks"]) == 1)
        await until(lambda: not agent.tasks)


async def test_calls_need_the_stream(start: Start, zk: str) -> None:
    master = start()
    await master.until_leading()
    async with scheduler(master, zk) as framework:
        framework.client._stream_id = "another"
        with pytest.raises(CallRefused, match="didn't match the stream ID"):
            await framework.client.revive()


def _code(master: MasterProcess, path: str) -> tuple[int, str | None] | None:
    try:
        return master.status(path)
    except OSError:
        return None


def _post(master: MasterProcess, body: object) -> int:
    request = urllib.request.Request(
        f"http://{master.address}/api/v1",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return int(answer.status)


async def test_a_master_in_another_region_does_not_stay(start: Start, zk: str) -> None:
    def placed(region: str) -> str:
        return json.dumps({"fault_domain": {"region": {"name": region}, "zone": {"name": "z"}}})

    leader = start(f"--domain={placed('here')}")
    await leader.until_leading()
    near, far, nowhere = start(f"--domain={placed('here')}"), start(f"--domain={placed('there')}"), start()
    await until(lambda: far.process.poll() is not None)
    assert far.process.returncode == 2
    assert "is in another region" in far.log.read_text()
    for follower in (near, nowhere):
        await follower.until_following()
