"""Operations on a real agent's resources, as a master orders them."""

from __future__ import annotations

from typing import Any

import msgspec

from dcos.model.resources import Resources
from dcos.model.v1.types import (
    FrameworkID,
    OfferOperation,
    OfferOperationCreate,
    OfferOperationDestroy,
    OfferOperationReserve,
    OfferOperationType,
    OfferOperationUnreserve,
    OperationID,
    Resource,
    ResourceDiskInfo,
    ResourceDiskInfoPersistence,
    ResourceReservationInfo,
    ResourceReservationInfoType,
    TaskInfo,
    Volume,
    VolumeMode,
)
from dcos.wire import agent_link


def disk(size: float, volume: str | None = None, *, mode: VolumeMode = VolumeMode.RW, role: str = "web") -> Resource:
    (one,) = Resources.scalars(disk=size).messages()
    info = None
    if volume is not None:
        persistence = ResourceDiskInfoPersistence(id=volume)
        info = ResourceDiskInfo(persistence=persistence, volume=Volume(container_path="data", mode=mode))
    stack = (ResourceReservationInfo(type=ResourceReservationInfoType.DYNAMIC, role=role),)
    return msgspec.structs.replace(one, reservations=stack, disk=info)


def reserve(size: float) -> OfferOperation:
    return OfferOperation(
        type=OfferOperationType.RESERVE,
        reserve=OfferOperationReserve(resources=(disk(size),)),
        id=OperationID(value="r"),
    )


def unreserve(size: float) -> OfferOperation:
    return OfferOperation(type=OfferOperationType.UNRESERVE, unreserve=OfferOperationUnreserve(resources=(disk(size),)))


def create(size: float, volume: str = "v") -> OfferOperation:
    made = OfferOperationCreate(volumes=(disk(size, volume),))
    return OfferOperation(type=OfferOperationType.CREATE, create=made)


def destroy(size: float, volume: str = "v") -> OfferOperation:
    gone = OfferOperationDestroy(volumes=(disk(size, volume),))
    return OfferOperation(type=OfferOperationType.DESTROY, destroy=gone)


async def apply(
    master: Any, operation: OfferOperation, number: int, state: str = "OPERATION_FINISHED", *, acknowledge: bool = True
) -> agent_link.UpdateOperationStatus:
    """Order it, wait for its end, acknowledge."""
    uuid = number.to_bytes(16, "big")
    await master.send(
        agent_link.ApplyOperation(operation_uuid=uuid, info=operation, framework_id=FrameworkID(value="m-0000"))
    )
    return await ended(master, number, state, acknowledge=acknowledge)


async def ended(master: Any, number: int, state: str, *, acknowledge: bool = True) -> agent_link.UpdateOperationStatus:
    uuid = number.to_bytes(16, "big")

    def told() -> agent_link.UpdateOperationStatus | None:
        return next(
            (
                one
                for one in reversed(master.messages)
                if isinstance(one, agent_link.UpdateOperationStatus) and one.operation_uuid == uuid
            ),
            None,
        )

    found: agent_link.UpdateOperationStatus = await master.until(told)
    assert found.status.state == state, found.status.message
    assert found.status.uuid is not None
    if acknowledge:
        await master.send(agent_link.AcknowledgeOperation(operation_uuid=uuid, status_uuid=found.status.uuid.value))
    return found


def with_volume(task: TaskInfo, size: float, mode: VolumeMode = VolumeMode.RW) -> TaskInfo:
    return msgspec.structs.replace(task, resources=(*task.resources, disk(size, "v", mode=mode)))
