"""LAUNCH_GROUP by a scheduler, twice into one default executor, through a real ZooKeeper, master and agent."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec
import pytest

from dcos.client.scheduler import SchedulerClient
from dcos.model.v1.scheduler import Event
from dcos.model.v1.types import (
    AgentID,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    FrameworkInfo,
    FrameworkInfoCapability,
    FrameworkInfoCapabilityType,
    OfferOperation,
    OfferOperationLaunchGroup,
    OfferOperationType,
    Resource,
    ResourceAllocationInfo,
    TaskGroupInfo,
    TaskID,
    TaskInfo,
    ValueScalar,
    ValueType,
)
from dcos.store.detect import follow_leading_master
from dcos.store.url import ZkUrl
from dcos.testing import zookeeper
from dcos.testing.agent_containers import Containers
from dcos.testing.patience import PATIENCE_S

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(zookeeper.why_not() is not None, reason=str(zookeeper.why_not())),
]


def resources(**amounts: float) -> tuple[Resource, ...]:
    return tuple(
        Resource(
            name=name,
            type=ValueType.SCALAR,
            scalar=ValueScalar(value=value),
            allocation_info=ResourceAllocationInfo(role="web"),
        )
        for name, value in amounts.items()
    )


async def until(events: asyncio.Queue[Event], wanted: Callable[[Event], bool], timeout_s: float = PATIENCE_S) -> Event:
    async with asyncio.timeout(timeout_s):
        while True:
            event = await events.get()
            if wanted(event):
                return event


async def test_two_groups_of_one_executor(
    real_master: Any, agent: Any, zk: str, make_task: Callable[..., TaskInfo]
) -> None:
    agent.master = zk
    await agent.start()
    capabilities = tuple(
        FrameworkInfoCapability(type=FrameworkInfoCapabilityType(name)) for name in ("MULTI_ROLE", "PARTITION_AWARE")
    )
    framework = FrameworkInfo(user="root", name="test", checkpoint=True, roles=("web",), capabilities=capabilities)
    detect = follow_leading_master(ZkUrl.parse(zk), rng=random.Random(1), session_timeout_s=10.0)
    async with SchedulerClient(detect, framework, backoff_s=(0.1, 0.5)) as client, aiohttp.ClientSession() as session:
        events: asyncio.Queue[Event] = asyncio.Queue()

        async def pump() -> None:
            async for event in client.events():
                if event.update is not None and event.update.status.uuid:
                    await client.acknowledge(event.update.status)
                events.put_nowait(event)

        async def state() -> Any:
            async with session.get(f"http://127.0.0.1:{real_master.port}/state") as answer:
                return json.loads(await answer.read())

        async def launch(*names: str) -> set[str]:
            """The root containers that the tasks run in."""
            offers = (await until(events, lambda one: one.offers is not None)).offers
            assert offers is not None
            offer = offers.offers[0]
            executor = ExecutorInfo(
                executor_id=ExecutorID(value="pod"),
                type=ExecutorInfoType.DEFAULT,
                framework_id=offer.framework_id,
                resources=resources(cpus=0.1, mem=32.0, disk=10.0),
            )
            tasks = tuple(msgspec.structs.replace(make_task(name), agent_id=offer.agent_id) for name in names)
            group = OfferOperationLaunchGroup(executor=executor, task_group=TaskGroupInfo(tasks=tasks))
            await client.accept([offer.id], [OfferOperation(type=OfferOperationType.LAUNCH_GROUP, launch_group=group)])
            roots = set()
            for _ in names:
                running = await until(
                    events, lambda one: one.update is not None and one.update.status.state == "TASK_RUNNING"
                )
                assert running.update is not None
                status = running.update.status.container_status
                assert status is not None
                assert status.container_id is not None
                assert status.container_id.parent is not None
                roots.add(status.container_id.parent.value)
            return roots

        pumping = asyncio.create_task(pump())
        try:
            first = await launch("a", "b")
            second = await launch("c")
            assert first == second
            assert len(first) == 1
            (known,) = (await state())["frameworks"]
            assert [one["executor_id"] for one in known["executors"]] == ["pod"]
            used = (await state())["slaves"][0]["used_resources"]
            assert (used["cpus"], used["mem"], used["disk"]) == (pytest.approx(0.4), 32 + 3 * 32, 10)
            containers = Containers(agent.url, session)
            assert await containers.containers() == list(first)

            (agent_id,) = {one["slave_id"] for one in known["tasks"]}
            agent_of = AgentID(value=agent_id)
            await client.kill(TaskID(value="a"), agent_of)
            ends: set[str] = set()
            while len(ends) < 2:
                event = await until(
                    events, lambda one: one.update is not None and one.update.status.state == "TASK_KILLED"
                )
                assert event.update is not None
                ends.add(event.update.status.task_id.value)
            assert ends == {"a", "b"}
            await client.kill(TaskID(value="c"), agent_of)
            await until(events, lambda one: one.failure is not None and one.failure.executor_id is not None)
            async with asyncio.timeout(PATIENCE_S):
                while (await state())["slaves"][0]["used_resources"]["cpus"]:
                    await asyncio.sleep(0.1)
        finally:
            pumping.cancel()
            await asyncio.gather(pumping, return_exceptions=True)
