"""A real ZooKeeper, master and agent: reserve, make a volume, write, kill -9 of both, read, destroy, unreserve.

The agent comes back with more than it had (``--reconfiguration_policy=additive``).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec
import pytest

from dcos.client.scheduler import CallFailed, CallRefused, NotSubscribed, SchedulerClient
from dcos.model.resources import Resources
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import (
    FrameworkInfo,
    FrameworkInfoCapability,
    FrameworkInfoCapabilityType,
    Offer,
    OfferOperation,
    OfferOperationCreate,
    OfferOperationDestroy,
    OfferOperationLaunch,
    OfferOperationReserve,
    OfferOperationType,
    OfferOperationUnreserve,
    OperationID,
    OperationStatus,
    Resource,
    ResourceDiskInfo,
    ResourceDiskInfoPersistence,
    ResourceReservationInfo,
    ResourceReservationInfoType,
    TaskInfo,
    Volume,
    VolumeMode,
)
from dcos.store.detect import follow_leading_master
from dcos.store.url import ZkUrl
from dcos.testing import zookeeper

Make = Callable[..., TaskInfo]

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(zookeeper.why_not() is not None, reason=str(zookeeper.why_not())),
]

KINDS = OfferOperationType
GROWN = (
    *("--reconfiguration_policy=additive", "--resources=cpus:8;mem:4096;disk:2048"),
    "--attributes=rack:r1;zone:z1;level:3",
)
FRAMEWORK = FrameworkInfo(
    user="root",
    name="keeper",
    checkpoint=True,
    failover_timeout=600.0,
    roles=("web",),
    principal="keeper",
    capabilities=tuple(
        FrameworkInfoCapability(type=FrameworkInfoCapabilityType(name))
        for name in ("MULTI_ROLE", "PARTITION_AWARE", "RESERVATION_REFINEMENT")
    ),
)


def disk(volume: str | None = None) -> Resource:
    (one,) = Resources.scalars(disk=64).messages()
    info = None
    if volume is not None:
        persistence = ResourceDiskInfoPersistence(id=volume, principal="keeper")
        info = ResourceDiskInfo(persistence=persistence, volume=Volume(container_path="data", mode=VolumeMode.RW))
    entry = ResourceReservationInfo(type=ResourceReservationInfoType.DYNAMIC, role="web", principal="keeper")
    return msgspec.structs.replace(one, reservations=(entry,), disk=info)


class Keeper:
    """A framework that remembers what it was told. Operations are acknowledged when the test says so."""

    def __init__(self, client: SchedulerClient) -> None:
        self.client = client
        self.offers: dict[str, Offer] = {}
        self.states: dict[str, list[str]] = {}
        self.operations: list[OperationStatus] = []
        self.subscriptions = 0
        self._changed = asyncio.Condition()

    async def pump(self) -> None:
        async for event in self.client.events():
            if event.subscribed is not None:
                self.subscriptions += 1
                self.offers.clear()
            if event.offers is not None:
                self.offers.update((one.id.value, one) for one in event.offers.offers)
            if event.rescind is not None:
                self.offers.pop(event.rescind.offer_id.value, None)
            if event.update_operation_status is not None:
                self.operations.append(event.update_operation_status.status)
            if event.update is not None:
                status = event.update.status
                self.states.setdefault(status.task_id.value, []).append(str(status.state))
                await self.surely(lambda status=status: self.client.acknowledge(status))  # type: ignore[misc]
            async with self._changed:
                self._changed.notify_all()

    async def surely(self, call: Callable[[], Any]) -> None:
        """Updates and operations are repeated: what could not be said now is said then."""
        try:
            await call()
        except (NotSubscribed, CallFailed, CallRefused):
            return

    async def until(self, condition: Callable[[], Any], what: str) -> Any:
        try:
            async with asyncio.timeout(120), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            raise AssertionError(f"{what}: {self.states} {self.operations} {self.offers}") from None
        return condition()

    async def offer_with(self, *wanted: Resource) -> Offer:
        """Wait for an offer that holds all this, keeping those that do not."""
        bag = Resources.of(wanted) + Resources.scalars(cpus=0.1, mem=32)
        found: Offer = await self.until(
            lambda: next((one for one in self.offers.values() if Resources.of(one.resources).contains(bag)), None),
            "an offer",
        )
        return self.offers.pop(found.id.value)

    async def ended(self, name: str) -> OperationStatus:
        """The end of an operation, as it came last."""
        found: OperationStatus = await self.until(
            lambda: next(
                (one for one in reversed(self.operations) if one.operation_id == OperationID(value=name) and one.uuid),
                None,
            ),
            f"the end of operation {name}",
        )
        assert found.state == "OPERATION_FINISHED", found.message
        return found

    async def acknowledge(self, status: OperationStatus) -> None:
        assert status.uuid is not None
        assert status.operation_id is not None
        told = scheduler.CallAcknowledgeOperationStatus(
            agent_id=status.agent_id, uuid=status.uuid.value, operation_id=status.operation_id
        )
        await self.client.call(Call(type=CallType.ACKNOWLEDGE_OPERATION_STATUS, acknowledge_operation_status=told))


def launch(task: TaskInfo, offer: Offer) -> OfferOperation:
    task = msgspec.structs.replace(task, agent_id=offer.agent_id, resources=(*task.resources, disk("v")))
    return OfferOperation(type=KINDS.LAUNCH, launch=OfferOperationLaunch(task_infos=(task,)))


async def test_a_volume_from_its_making_to_its_end(real_master: Any, agent: Any, zk: str, make_task: Make) -> None:
    agent.master = zk
    await agent.start()
    detect = follow_leading_master(ZkUrl.parse(zk), rng=random.Random(1), session_timeout_s=10.0)
    async with SchedulerClient(detect, FRAMEWORK, backoff_s=(0.1, 0.5)) as client:
        keeper = Keeper(client)
        pumping = asyncio.create_task(keeper.pump())
        try:
            offer = await keeper.offer_with()
            await client.accept(
                [offer.id],
                [
                    OfferOperation(
                        type=KINDS.RESERVE,
                        id=OperationID(value="reserve"),
                        reserve=OfferOperationReserve(resources=(disk(),)),
                    ),
                    OfferOperation(
                        type=KINDS.CREATE,
                        id=OperationID(value="create"),
                        create=OfferOperationCreate(volumes=(disk("v"),)),
                    ),
                    launch(make_task("writes", "echo kept > data/file"), offer),
                ],
                refuse_s=0,
            )
            first = [await keeper.ended(name) for name in ("reserve", "create")]
            await keeper.until(lambda: "TASK_FINISHED" in keeper.states.get("writes", []), "the first task's end")
            folder = agent.work / "volumes/roles/web/v"
            assert (folder / "file").read_text() == "kept\n"

            await agent.kill()
            await real_master.kill()
            keeper.operations.clear()
            await real_master.start()
            await agent.start(*GROWN)
            await keeper.until(lambda: keeper.subscriptions >= 2, "another subscription")
            again = [await keeper.ended(name) for name in ("reserve", "create")]
            assert [one.uuid for one in again] == [one.uuid for one in first]
            for status in again:
                await keeper.acknowledge(status)

            offer = await keeper.offer_with(disk("v"))
            await client.accept([offer.id], [launch(make_task("reads", "cat data/file"), offer)], refuse_s=0)
            await keeper.until(lambda: "TASK_FINISHED" in keeper.states.get("reads", []), "the second task's end")
            (said,) = agent.work.glob("slaves/*/frameworks/*/executors/reads/runs/latest/stdout")
            assert said.read_text() == "kept\n"

            offer = await keeper.offer_with(disk("v"))
            await client.accept(
                [offer.id],
                [
                    OfferOperation(
                        type=KINDS.DESTROY,
                        id=OperationID(value="destroy"),
                        destroy=OfferOperationDestroy(volumes=(disk("v"),)),
                    ),
                    OfferOperation(
                        type=KINDS.UNRESERVE,
                        id=OperationID(value="unreserve"),
                        unreserve=OfferOperationUnreserve(resources=(disk(),)),
                    ),
                ],
                refuse_s=0,
            )
            for name in ("destroy", "unreserve"):
                await keeper.acknowledge(await keeper.ended(name))
            assert not folder.exists()
            url = f"http://127.0.0.1:{real_master.port}"
            async with aiohttp.ClientSession() as session:
                async with session.get(f"{url}/slaves") as answer:
                    (shown,) = (await answer.json())["slaves"]
                async with session.post(f"{url}/api/v1", json={"type": "GET_OPERATIONS"}) as answer:
                    operations = (await answer.json())["get_operations"]
            assert shown["reserved_resources"] == {}
            assert shown["unreserved_resources"]["disk"] == 2048
            assert shown["resources"]["cpus"] == 8
            assert shown["attributes"] == {"rack": "r1", "zone": "z1", "level": 3}
            assert operations == {}
        finally:
            pumping.cancel()
            await asyncio.gather(pumping, return_exceptions=True)
