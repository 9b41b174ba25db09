"""Resources and operations as schedulers write them."""

from __future__ import annotations

import json

import msgspec

from dcos.model.resources import Resources
from dcos.model.v1.types import (
    Labels,
    OfferOperation,
    OfferOperationCreate,
    OfferOperationDestroy,
    OfferOperationGrowVolume,
    OfferOperationReserve,
    OfferOperationShrinkVolume,
    OfferOperationType,
    OfferOperationUnreserve,
    OperationID,
    Resource,
    ResourceDiskInfo,
    ResourceDiskInfoPersistence,
    ResourceReservationInfo,
    ResourceReservationInfoType,
    ResourceSharedInfo,
    ValueScalar,
    Volume,
    VolumeMode,
)
from dcos.wire import mesos_json


def res(
    text: str,
    *roles: str,
    volume: str | None = None,
    principal: str | None = None,
    shared: bool = False,
    path: str = "data",
    labels: Labels | None = None,
) -> Resource:
    """``roles``: a stack of dynamic reservations. ``volume``: a persistence id."""
    (one,) = Resources.parse(text).messages()
    stack = tuple(
        ResourceReservationInfo(type=ResourceReservationInfoType.DYNAMIC, role=role, principal=principal, labels=labels)
        for role in roles
    )
    disk = None
    if volume is not None:
        disk = ResourceDiskInfo(
            persistence=ResourceDiskInfoPersistence(id=volume, principal=principal),
            volume=Volume(container_path=path, mode=VolumeMode.RW),
        )
    return msgspec.structs.replace(
        one,
        reservations=(*one.reservations, *stack),
        disk=disk,
        shared=ResourceSharedInfo() if shared else None,
    )


def _id(name: str | None) -> OperationID | None:
    return OperationID(value=name) if name is not None else None


def reserve(*resources: Resource, id: str | None = None, source: tuple[Resource, ...] = ()) -> OfferOperation:
    given = OfferOperationReserve(resources=resources, source=source)
    return OfferOperation(type=OfferOperationType.RESERVE, reserve=given, id=_id(id))


def unreserve(*resources: Resource, id: str | None = None) -> OfferOperation:
    given = OfferOperationUnreserve(resources=resources)
    return OfferOperation(type=OfferOperationType.UNRESERVE, unreserve=given, id=_id(id))


def create(*volumes: Resource, id: str | None = None) -> OfferOperation:
    return OfferOperation(type=OfferOperationType.CREATE, create=OfferOperationCreate(volumes=volumes), id=_id(id))


def destroy(*volumes: Resource, id: str | None = None) -> OfferOperation:
    return OfferOperation(type=OfferOperationType.DESTROY, destroy=OfferOperationDestroy(volumes=volumes), id=_id(id))


def grow(volume: Resource, addition: Resource, id: str | None = None) -> OfferOperation:
    given = OfferOperationGrowVolume(volume=volume, addition=addition)
    return OfferOperation(type=OfferOperationType.GROW_VOLUME, grow_volume=given, id=_id(id))


def shrink(volume: Resource, subtract: float, id: str | None = None) -> OfferOperation:
    given = OfferOperationShrinkVolume(volume=volume, subtract=ValueScalar(value=subtract))
    return OfferOperation(type=OfferOperationType.SHRINK_VOLUME, shrink_volume=given, id=_id(id))


def disk(kind: str, *, provider: str | None = "p", profile: str | None = None, volume: str | None = None) -> Resource:
    """A disk as a resource provider would offer it."""
    given = {
        "name": "disk",
        "type": "SCALAR",
        "scalar": {"value": 10},
        "disk": {"source": {"type": kind, "profile": profile, "id": volume}},
        "provider_id": {"value": provider} if provider is not None else None,
    }
    return mesos_json.decode(json.dumps(given).encode(), Resource)


def create_disk(source: Resource, to: str = "MOUNT", profile: str | None = None) -> OfferOperation:
    given = {"type": "CREATE_DISK", "create_disk": {"source": {}, "target_type": to, "target_profile": profile}}
    given["create_disk"]["source"] = json.loads(mesos_json.encode(source))  # type: ignore[index]
    return mesos_json.decode(json.dumps(given).encode(), OfferOperation)


def destroy_disk(source: Resource) -> OfferOperation:
    given = {"type": "DESTROY_DISK", "destroy_disk": {"source": json.loads(mesos_json.encode(source))}}
    return mesos_json.decode(json.dumps(given).encode(), OfferOperation)
