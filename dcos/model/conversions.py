"""What an operation on resources consumes and what it makes of it, and which resources outlive an agent's flags.

RESERVE pushes a reservation, UNRESERVE pops one, CREATE and DESTROY turn reserved disk into a persistent volume and back,
GROW_VOLUME and SHRINK_VOLUME change a volume's size. Quantities stay the same. LAUNCH and LAUNCH_GROUP convert nothing;
CREATE_DISK and DESTROY_DISK are a resource provider's and not known here.

Source: Mesos ``getResourceConversions``, ``applyCheckpointedResources``, docs/reservation.md, docs/persistent-volume.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from dcos.model import values
from dcos.model.resource_kinds import DYNAMIC, Kind
from dcos.model.resource_messages import reservations_of, split
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1.types import (
    OfferOperation,
    OfferOperationGrowVolume,
    OfferOperationShrinkVolume,
    OfferOperationType,
    Resource,
    ResourceAllocationInfo,
    ResourceDiskInfo,
)
from dcos.model.values import Amount

RESIZING: Final = frozenset({OfferOperationType.GROW_VOLUME, OfferOperationType.SHRINK_VOLUME})


class ConversionError(ValueError):
    """The resources do not hold what the operation consumes, or the operation is none of those that convert."""


@dataclass(frozen=True, slots=True)
class Conversion:
    consumed: Resources
    converted: Resources

    def apply(self, have: Resources) -> Resources:
        """Errors: ConversionError."""
        if not have.contains(self.consumed):
            raise ConversionError(f"{have} does not contain {self.consumed}")
        return have - self.consumed + self.converted


def conversion(operation: OfferOperation) -> Conversion:
    """Of a valid operation.   Errors: ConversionError for a type that converts nothing."""
    match operation.type:
        case OfferOperationType.RESERVE if operation.reserve is not None:
            made = Resources.of(operation.reserve.resources)
            source = Resources.of(operation.reserve.source)
            return Conversion(source or popped(operation.reserve.resources), made)
        case OfferOperationType.UNRESERVE if operation.unreserve is not None:
            resources = operation.unreserve.resources
            return Conversion(Resources.of(resources), popped(resources))
        case OfferOperationType.CREATE if operation.create is not None:
            volumes = operation.create.volumes
            return Conversion(plain_disk(volumes), Resources.of(volumes))
        case OfferOperationType.DESTROY if operation.destroy is not None:
            volumes = operation.destroy.volumes
            return Conversion(Resources.of(volumes), plain_disk(volumes))
        case OfferOperationType.GROW_VOLUME if operation.grow_volume is not None:
            return _grown(operation.grow_volume)
        case OfferOperationType.SHRINK_VOLUME if operation.shrink_volume is not None:
            return _shrunk(operation.shrink_volume)
    raise ConversionError(f"Operation {operation.type} is not supported")


def popped(resources: Iterable[Resource]) -> Resources:
    """With the last reservation taken off."""
    out = EMPTY
    for one in resources:
        kind, amount = split(one)
        out += Resources({kind.like(reservations=kind.reservations[:-1]): amount})
    return out


def plain_disk(volumes: Iterable[Resource]) -> Resources:
    """The disk that volumes are made of: their source stays, persistence and sharing go."""
    out = EMPTY
    for one in volumes:
        out += disk_below(split(one)[0])
    return out


def disk_below(volume: Kind) -> Resources:
    """One volume's."""
    source = volume.disk.source if volume.disk is not None else None
    below = volume.like(disk=ResourceDiskInfo(source=source) if source is not None else None, size=volume.size)
    return Resources({below: 1 if below.indivisible else volume.size})


def _grown(call: OfferOperationGrowVolume) -> Conversion:
    volume, _ = split(call.volume)
    addition, amount = split(call.addition)
    size = amount if isinstance(amount, int) else 0
    bigger = volume.like(disk=volume.disk, size=volume.size + size)
    return Conversion(Resources({volume: 1, addition: amount}), Resources({bigger: 1}))


def _shrunk(call: OfferOperationShrinkVolume) -> Conversion:
    volume, _ = split(call.volume)
    size = values.thousandths(call.subtract.value)
    smaller = volume.like(disk=volume.disk, size=max(0, volume.size - size))
    freed = disk_below(volume.like(disk=volume.disk, size=size))
    return Conversion(Resources({volume: 1}), Resources({smaller: 1}) + freed)


# ---- messages --------------------------------------------------------------------------------------------------------


def resources_of(operation: OfferOperation) -> tuple[Resource, ...]:
    """Every resource that an operation (launches aside) names."""
    match operation.type:
        case OfferOperationType.RESERVE if operation.reserve is not None:
            return (*operation.reserve.source, *operation.reserve.resources)
        case OfferOperationType.UNRESERVE if operation.unreserve is not None:
            return operation.unreserve.resources
        case OfferOperationType.CREATE if operation.create is not None:
            return operation.create.volumes
        case OfferOperationType.DESTROY if operation.destroy is not None:
            return operation.destroy.volumes
        case OfferOperationType.GROW_VOLUME if operation.grow_volume is not None:
            return operation.grow_volume.volume, operation.grow_volume.addition
        case OfferOperationType.SHRINK_VOLUME if operation.shrink_volume is not None:
            return (operation.shrink_volume.volume,)
        case OfferOperationType.CREATE_DISK if operation.create_disk is not None:
            return (operation.create_disk.source,)
        case OfferOperationType.DESTROY_DISK if operation.destroy_disk is not None:
            return (operation.destroy_disk.source,)
    return ()


def stacked(operation: OfferOperation, role: str | None = None) -> OfferOperation:
    """The operation with every reservation as a stack, and ``role`` (if given) as what nothing said it is allocated to."""

    def one(message: Resource) -> Resource:
        allocation = message.allocation_info
        if allocation is None and role is not None:
            allocation = ResourceAllocationInfo(role=role)
        return msgspec.structs.replace(
            message, reservations=reservations_of(message), role=None, reservation=None, allocation_info=allocation
        )

    def every(messages: Iterable[Resource]) -> tuple[Resource, ...]:
        return tuple(one(message) for message in messages)

    replace = msgspec.structs.replace
    match operation.type:
        case OfferOperationType.RESERVE if (reserve := operation.reserve) is not None:
            made = replace(reserve, source=every(reserve.source), resources=every(reserve.resources))
            return replace(operation, reserve=made)
        case OfferOperationType.UNRESERVE if (unreserve := operation.unreserve) is not None:
            return replace(operation, unreserve=replace(unreserve, resources=every(unreserve.resources)))
        case OfferOperationType.CREATE if (create := operation.create) is not None:
            return replace(operation, create=replace(create, volumes=every(create.volumes)))
        case OfferOperationType.DESTROY if (destroy := operation.destroy) is not None:
            return replace(operation, destroy=replace(destroy, volumes=every(destroy.volumes)))
        case OfferOperationType.GROW_VOLUME if (grow := operation.grow_volume) is not None:
            grown = replace(grow, volume=one(grow.volume), addition=one(grow.addition))
            return replace(operation, grow_volume=grown)
        case OfferOperationType.SHRINK_VOLUME if (shrink := operation.shrink_volume) is not None:
            return replace(operation, shrink_volume=replace(shrink, volume=one(shrink.volume)))
    return operation


def show_volumes(operation: OfferOperation) -> None:
    """From now on volumes are shown with the container path, mode and principal that CREATE gave them.

    Kinds compare by persistence id alone, as upstream's volumes do, so that a kind may be older than its volume.
    """
    if operation.create is not None:
        show(operation.create.volumes)


def show(volumes: Iterable[Resource]) -> None:
    for one in volumes:
        if one.disk is not None and one.disk.persistence is not None:
            split(one)[0].disk = one.disk


# ---- what is checkpointed --------------------------------------------------------------------------------------------


def is_checkpointed(kind: Kind) -> bool:
    """Whether an agent must remember it beside its flags: reserved dynamically, or a persistent volume."""
    return kind.dynamically_reserved or kind.persistence_id is not None


def _by_flags(kind: Kind, amount: Amount) -> Resources:
    """What flags call this: no dynamic reservation, no volume."""
    if kind.persistence_id is not None:
        ((kind, amount),) = disk_below(kind)
    kept = tuple(one for one in kind.reservations if one.type is not DYNAMIC)
    return Resources({kind.like(reservations=kept): amount})


def with_checkpointed(by_flags: Resources, checkpointed: Iterable[Resource]) -> Resources:
    """An agent's total: its flags' resources with the checkpointed ones in their place.

    Errors: ConversionError if the flags do not have what the checkpointed ones were made of.
    """
    total = by_flags
    messages = tuple(checkpointed)
    show(messages)
    for one in messages:
        kind, amount = split(one)
        if not amount:
            continue
        below = _by_flags(kind, amount)
        if not total.contains(below):
            raise ConversionError(
                f"Incompatible agent resources: {by_flags} does not contain {below} of checkpointed {kind}"
            )
        total = total - below + Resources({kind: amount})
    return total


def has_volumes(resources: Iterable[Resource]) -> bool:
    return any(one.disk is not None and one.disk.persistence is not None for one in resources)


def checkpointed(total: Resources) -> Resources:
    return total.filter(is_checkpointed)
