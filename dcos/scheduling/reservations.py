"""Reservations of instances that keep persistent volumes: how they are labelled, made, found again and released.

Every resource of such an instance is dynamically reserved for its role under two labels: the framework and the instance. A
reservation in an offer therefore says whose it is, also after its owner was forgotten.
Source: Marathon's TaskLabels, OfferOperationFactory and OfferMatcherReconciler.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dcos.model.conversions import disk_below
from dcos.model.marathon_state import LocalVolume
from dcos.model.resource_kinds import DYNAMIC, Kind
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1.types import (
    Label,
    Labels,
    OfferOperation,
    OfferOperationCreate,
    OfferOperationDestroy,
    OfferOperationReserve,
    OfferOperationType,
    OfferOperationUnreserve,
    ResourceDiskInfo,
    ResourceDiskInfoPersistence,
    ResourceReservationInfo,
    Volume,
    VolumeMode,
)
from dcos.scheduling import ids
from dcos.scheduling.volumes import VolumePart, VolumeWish

FRAMEWORK_LABEL = "marathon_framework_id"
INSTANCE_LABEL = "marathon_task_id"
"""Named after tasks, as before there were instances; holds the instance's id."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom resources are reserved for."""

    framework_id: str
    instance_id: str
    role: str
    principal: str | None = None

    def reservation(self) -> ResourceReservationInfo:
        labels = (
            Label(key=FRAMEWORK_LABEL, value=self.framework_id),
            Label(key=INSTANCE_LABEL, value=self.instance_id),
        )
        return ResourceReservationInfo(
            type=DYNAMIC, role=self.role, principal=self.principal, labels=Labels(labels=labels)
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """The operations that reserve and create, and what the task then takes."""

    operations: tuple[OfferOperation, ...]
    resources: Resources


def local_volume(run_spec_id: str, wish: VolumeWish, uuid: str) -> LocalVolume:
    return LocalVolume(name=wish.name, uuid=uuid, persistence_id=f"{ids.key(run_spec_id)}#{wish.name}#{uuid}")


def claim(owner: Owner, resources: Resources, parts: Sequence[VolumePart], volumes: Sequence[LocalVolume]) -> Claim:
    """Reserve unreserved ``resources`` and the disks of ``parts``, and make ``volumes`` of the latter."""
    stack = (owner.reservation(),)
    plain = Resources({kind.like(reservations=stack): amount for kind, amount in resources})
    disks, made = EMPTY, EMPTY
    for part, volume in zip(parts, volumes, strict=True):
        reserved = part.kind.like(reservations=stack)
        disks += Resources({reserved: 1 if reserved.indivisible else part.size})
        info = ResourceDiskInfo(
            persistence=ResourceDiskInfoPersistence(id=volume.persistence_id, principal=owner.principal),
            volume=Volume(mode=VolumeMode.RW, container_path=part.wish.container_path),
            source=reserved.disk.source if reserved.disk is not None else None,
        )
        made += Resources({reserved.like(disk=info, size=part.size): 1})
    operations = [
        OfferOperation(
            type=OfferOperationType.RESERVE,
            reserve=OfferOperationReserve(resources=(plain + disks).messages(owner.role)),
        )
    ]
    if made:
        operations.append(
            OfferOperation(
                type=OfferOperationType.CREATE, create=OfferOperationCreate(volumes=made.messages(owner.role))
            )
        )
    return Claim(tuple(operations), plain + made)


def owner_of(kind: Kind, framework_id: str) -> str | None:
    """The instance that a resource is reserved for; None where it is not one of this framework's."""
    if not kind.dynamically_reserved:
        return None
    labels = kind.reservations[-1].labels
    found = {label.key: label.value for label in labels.labels} if labels is not None else {}
    return found.get(INSTANCE_LABEL) if found.get(FRAMEWORK_LABEL) == framework_id else None


def by_owner(free: Resources, framework_id: str) -> dict[str, Resources]:
    """What each instance has reserved in an offer."""
    made: dict[str, dict[Kind, object]] = {}
    for kind, amount in free:
        owner = owner_of(kind, framework_id)
        if owner is not None:
            made.setdefault(owner, {})[kind] = amount
    return {owner: Resources(amounts) for owner, amounts in made.items()}  # type: ignore[arg-type]


def has_volumes(resources: Resources, volumes: Iterable[LocalVolume]) -> bool:
    """Whether all of them are there."""
    return {one.persistence_id for one in volumes} <= {kind.persistence_id for kind, _ in resources}


def release(resources: Resources, role: str) -> tuple[OfferOperation, ...]:
    """Destroy the volumes among reserved ``resources`` and give all of them back."""
    volumes = resources.filter(lambda kind: kind.persistence_id is not None)
    rest = resources - volumes
    operations = []
    if volumes:
        for kind, _ in volumes:
            rest += disk_below(kind)
        operations.append(
            OfferOperation(
                type=OfferOperationType.DESTROY, destroy=OfferOperationDestroy(volumes=volumes.messages(role))
            )
        )
    operations.append(
        OfferOperation(
            type=OfferOperationType.UNRESERVE, unreserve=OfferOperationUnreserve(resources=rest.messages(role))
        )
    )
    return tuple(operations)
