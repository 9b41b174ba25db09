"""A real ZooKeeper, a real master, a real agent, a scheduler: offer, task, kill -9 of both, the same task."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from dcos.agent.containerizer import processes
from dcos.client.scheduler import SchedulerClient
from dcos.model.v1.scheduler import Event
from dcos.model.v1.types import (
    FrameworkInfo,
    FrameworkInfoCapability,
    FrameworkInfoCapabilityType,
    OfferOperation,
    OfferOperationLaunch,
    OfferOperationType,
    TaskID,
    TaskInfo,
)
from dcos.store.detect import follow_leading_master
from dcos.store.url import ZkUrl
from dcos.testing import zookeeper
from dcos.testing.patience import PATIENCE_S

Make = Callable[..., TaskInfo]

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(zookeeper.why_not() is not None, reason=str(zookeeper.why_not())),
]


async def until(events: asyncio.Queue[Event], wanted: Callable[[Event], bool], timeout_s: float = PATIENCE_S) -> Event:
    async with asyncio.timeout(timeout_s):
        while True:
            event = await events.get()
            if wanted(event):
                return event


async def test_offer_task_and_both_killed(real_master: Any, agent: Any, zk: str, make_task: Make) -> None:
    agent.master = zk
    await agent.start()
    rng = random.Random(1)
    framework = FrameworkInfo(
        user="root",
        name="test",
        checkpoint=True,
        failover_timeout=60.0,
        roles=("web",),
        capabilities=(FrameworkInfoCapability(type=FrameworkInfoCapabilityType.MULTI_ROLE),),
    )
    detect = follow_leading_master(ZkUrl.parse(zk), rng=rng, session_timeout_s=10.0)
    async with SchedulerClient(detect, framework, backoff_s=(0.1, 0.5)) as client:
        events: asyncio.Queue[Event] = asyncio.Queue()
        states: list[str] = []

        async def pump() -> None:
            async for event in client.events():
                if event.update is not None:
                    states.append(str(event.update.status.state))
                    if event.update.status.uuid:
                        await client.acknowledge(event.update.status)
                events.put_nowait(event)

        pumping = asyncio.create_task(pump())
        try:
            offers = (await until(events, lambda one: one.offers is not None)).offers
            assert offers is not None
            offer = offers.offers[0]
            task = msgspec.structs.replace(make_task("real"), agent_id=offer.agent_id)
            launch = OfferOperation(type=OfferOperationType.LAUNCH, launch=OfferOperationLaunch(task_infos=(task,)))
            await client.accept([offer.id], [launch])
            running = await until(
                events, lambda one: one.update is not None and one.update.status.state == "TASK_RUNNING"
            )
            assert running.update is not None
            status = running.update.status.container_status
            assert status is not None
            assert status.executor_pid is not None

            await agent.kill()
            await real_master.kill()
            assert processes.alive(status.executor_pid)
            await agent.start()
            await real_master.start()
            await until(events, lambda one: one.subscribed is not None)
            assert processes.alive(status.executor_pid)
            assert not [one for one in states if one not in ("TASK_STARTING", "TASK_RUNNING")]
            await asyncio.sleep(1)
            while True:
                await client.kill(TaskID(value="real"), offer.agent_id)
                try:
                    await until(
                        events, lambda one: one.update is not None and one.update.status.state == "TASK_KILLED", 3
                    )
                    break
                except TimeoutError:
                    assert len(states) < 20
            assert not processes.alive(status.executor_pid)
        finally:
            pumping.cancel()
            await asyncio.gather(pumping, return_exceptions=True)
