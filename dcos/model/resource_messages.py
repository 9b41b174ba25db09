"""Resources as messages: each is one kind and its amount.

The role that resources are allocated to is no part of a kind; ``join`` writes it.   Source: Mesos docs/reservation.md.
"""

from __future__ import annotations

import functools
from enum import StrEnum

from dcos.model import values
from dcos.model.resource_kinds import DYNAMIC, UNRESERVED, Kind, copies, static
from dcos.model.v1.types import (
    Resource,
    ResourceAllocationInfo,
    ResourceProviderID,
    ResourceReservationInfo,
    ResourceRevocableInfo,
    ResourceSharedInfo,
    ValueRange,
    ValueRanges,
    ValueScalar,
    ValueSet,
    ValueType,
)
from dcos.model.values import Amount


class Form(StrEnum):
    """How reservations are written."""

    STACK = "stack"
    """``reservations[]`` only: for frameworks with RESERVATION_REFINEMENT, and inside."""
    LEGACY = "legacy"
    """``role`` and ``reservation``: for other frameworks."""
    ENDPOINT = "endpoint"
    """Both, where the legacy form can say it: operator endpoints."""


def split(message: Resource) -> tuple[Kind, Amount]:
    """A (valid) message to kind and amount; the amount is empty for a zero."""
    amount: Amount
    if message.type is ValueType.SCALAR:
        amount = values.thousandths(message.scalar.value) if message.scalar is not None else 0
    elif message.type is ValueType.RANGES:
        amount = _ranges_of(message.ranges)
    else:
        amount = frozenset(message.set.item) if message.set is not None else frozenset()
    if (
        message.disk is None
        and not message.reservations
        and message.role in (None, UNRESERVED)
        and message.revocable is None
        and message.shared is None
        and message.provider_id is None
    ):
        return _plain(message.name, message.type), amount
    kind = Kind.of(
        message.name,
        message.type,
        reservations_of(message),
        message.disk,
        message.provider_id.value if message.provider_id is not None else None,
        message.revocable is not None,
        message.shared is not None,
        amount if isinstance(amount, int) else 0,
    )
    if kind.indivisible:
        return kind, 1 if amount else 0
    return kind, amount


def _ranges_of(given: ValueRanges | None) -> values.Ranges:
    if given is None:
        return ()
    if len(given.range) == 1:
        return ((given.range[0].begin, given.range[0].end),)
    return values.coalesce((one.begin, one.end) for one in given.range)


@functools.lru_cache(maxsize=256)
def _plain(name: str, type: ValueType) -> Kind:
    """What nearly all resources are; names come from outside, so that not all of them may be kept."""
    return Kind.of(name, type)


def reservations_of(message: Resource) -> tuple[ResourceReservationInfo, ...]:
    """The reservation stack of any form."""
    if message.reservations:
        return message.reservations
    role = message.role
    if role is None or role == UNRESERVED:
        return ()
    if message.reservation is None:
        return static(role)
    legacy = message.reservation
    return (ResourceReservationInfo(type=DYNAMIC, role=role, principal=legacy.principal, labels=legacy.labels),)


def allocation_role(message: Resource) -> str | None:
    return message.allocation_info.role if message.allocation_info is not None else None


def join(kind: Kind, amount: Amount, role: str | None = None, form: Form = Form.STACK) -> list[Resource]:
    """Kind and amount to messages.   A stack of more than one reservation stays a stack in every form."""
    legacy_role: str | None = None
    legacy: ResourceReservationInfo | None = None
    stack = kind.reservations
    if form is not Form.STACK and len(stack) <= 1:
        legacy_role = kind.role
        if stack and stack[0].type is DYNAMIC:
            legacy = ResourceReservationInfo(principal=stack[0].principal, labels=stack[0].labels)
        if form is Form.LEGACY:
            stack = ()
    scalar = ranges = items = None
    if isinstance(amount, int):
        scalar = ValueScalar(value=(kind.size if kind.indivisible else amount) / 1000)
    elif isinstance(amount, frozenset):
        items = ValueSet(item=tuple(sorted(amount)))
    else:
        ranges = ValueRanges(range=tuple(ValueRange(begin=begin, end=end) for begin, end in amount))
    made = Resource(
        provider_id=ResourceProviderID(value=kind.provider) if kind.provider is not None else None,
        name=kind.name,
        type=kind.type,
        scalar=scalar,
        ranges=ranges,
        set=items,
        role=legacy_role,
        allocation_info=_allocation(role) if role is not None else None,
        reservation=legacy,
        reservations=stack,
        disk=kind.disk,
        revocable=ResourceRevocableInfo() if kind.revocable else None,
        shared=ResourceSharedInfo() if kind.shared else None,
    )
    return [made] * copies(kind, amount)


_allocations: dict[str, ResourceAllocationInfo] = {}


def _allocation(role: str) -> ResourceAllocationInfo:
    known = _allocations.get(role)
    if known is None:
        known = _allocations[role] = ResourceAllocationInfo(role=role)
    return known
