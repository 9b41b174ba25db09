"""Whether resource messages are well formed; the first problem, or None.

Source: Mesos resource validation (docs/reservation.md, docs/persistent-volume.md, docs/multiple-disk.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from dcos.model import values
from dcos.model.identifiers import id_problem, role_problem
from dcos.model.resources import DYNAMIC, UNRESERVED, reservations_of
from dcos.model.v1.types import Resource, ValueType


def resources_problem(resources: Iterable[Resource]) -> str | None:
    """One by one, then together."""
    every = tuple(resources)
    return (
        next((f"Resource '{one.name}' is invalid: {text}" for one in every if (text := resource_problem(one))), None)
        or mixture_problem(every)
        or persistence_problem(every)
    )


def validation_problem(resources: Iterable[Resource]) -> str | None:
    """One by one, in the words that upstream's master has for them."""
    every = tuple(resources)
    for one in every:
        problem = named_problem(one)
        if problem is not None:
            return f"Invalid resources: {problem}"
    for what, look in _MEANINGS:
        for one in every:
            problem = look(one)
            if problem is not None:
                return f"Invalid {what}: {problem}"
    return None


def named_problem(one: Resource) -> str | None:
    """What is wrong with the form of a resource, with its name."""
    problem = syntax_problem(one)
    return f"Resource '{one.name}' is invalid: {problem}" if problem is not None else None


def mixture_problem(resources: Iterable[Resource]) -> str | None:
    kinds: dict[str, bool] = {}
    for one in resources:
        revocable = one.revocable is not None
        if kinds.setdefault(one.name, revocable) != revocable:
            return f"Cannot use both revocable and non-revocable '{one.name}' at the same time"
    return None


def persistence_problem(resources: Iterable[Resource]) -> str | None:
    """Ids of persistent volumes are unique for a role; a shared volume may be named more than once."""
    volumes: set[tuple[str, str]] = set()
    for one in resources:
        if one.disk is not None and one.disk.persistence is not None:
            stack = reservations_of(one)
            key = (stack[-1].role or "" if stack else "", one.disk.persistence.id)
            if key in volumes and one.shared is None:
                return f"Persistence ID '{one.disk.persistence.id}' is not unique"
            volumes.add(key)
    return None


def resource_problem(one: Resource) -> str | None:
    return syntax_problem(one) or next((problem for _, look in _MEANINGS if (problem := look(one)) is not None), None)


def syntax_problem(one: Resource) -> str | None:
    """What holds for every resource, wherever it stands."""
    if not one.name:
        return "Empty resource name"
    return _value_problem(one) or _reservation_problem(one) or _place_problem(one)


def _value_problem(one: Resource) -> str | None:
    members = {ValueType.SCALAR: one.scalar, ValueType.RANGES: one.ranges, ValueType.SET: one.set}
    if one.type not in members:
        return f"Unsupported type {one.type}"
    if members[one.type] is None or sum(member is not None for member in members.values()) != 1:
        return f"Invalid {one.type.lower()} resource: exactly the member of its type must be set"
    if one.scalar is not None:
        value = one.scalar.value
        if not math.isfinite(value) or value < 0:
            return "Invalid scalar resource: value < 0 or not finite"
        if value != 0 and values.thousandths(value) == 0:
            return f"Value '{value}' is too small to be represented with 3 decimal digits"
    if one.ranges is not None:
        last = -1
        for pair in sorted(one.ranges.range, key=lambda pair: pair.begin):
            if pair.begin > pair.end:
                return "Invalid ranges resource: begin > end"
            if pair.begin <= last:
                return "Invalid ranges resource: overlapping ranges"
            last = pair.end
    if one.set is not None and len(set(one.set.item)) != len(one.set.item):
        return "Invalid set resource: duplicated elements"
    return None


def _reservation_problem(one: Resource) -> str | None:
    if one.reservations and (one.reservation is not None or one.role not in (None, UNRESERVED)):
        return "'Resource.role' and 'Resource.reservation' must not be set with 'Resource.reservations'"
    if one.reservation is not None and one.role in (None, UNRESERVED):
        return "Role '*' cannot be dynamically reserved"
    stack = reservations_of(one)
    for position, entry in enumerate(stack):
        if entry.type is None:
            return "'Resource.ReservationInfo.type' must be set"
        if entry.role is None:
            return "'Resource.ReservationInfo.role' must be set"
        problem = role_problem(entry.role)
        if problem is not None:
            return problem
        if entry.role == UNRESERVED:
            return "Role '*' cannot be reserved"
        if position:
            below = stack[position - 1].role
            if entry.type is not DYNAMIC:
                return "A refined reservation cannot be static"
            if not entry.role.startswith(f"{below}/"):
                return f"Role '{entry.role}' does not refine role '{below}'"
    return None


def _place_problem(one: Resource) -> str | None:
    if one.disk is not None and one.name != "disk":
        return f"DiskInfo should not be set for {one.name} resource"
    if one.shared is not None and (one.disk is None or one.disk.persistence is None):
        return "Only persistent volumes can be shared"
    return None


def _gpus_problem(one: Resource) -> str | None:
    if one.name == "gpus" and one.scalar is not None and values.thousandths(one.scalar.value) % 1000:
        return "The 'gpus' resource must be an unsigned integer"
    return None


def _disk_problem(one: Resource) -> str | None:
    disk = one.disk
    if disk is None:
        return None
    if disk.persistence is None:
        if disk.volume is not None:
            return "Non-persistent volume not supported"
        return "DiskInfo is set but empty" if disk.source is None else None
    if one.revocable is not None:
        return "Persistent volumes cannot be created from revocable resources"
    if not reservations_of(one):
        return "Persistent volumes cannot be created from unreserved resources"
    if disk.volume is None:
        return "Expecting 'volume' to be set for persistent volume"
    if disk.volume.host_path is not None:
        return "Expecting 'host_path' to be unset for persistent volume"
    problem = id_problem(disk.persistence.id)
    return f"Invalid persistence ID for persistent volume: {problem}" if problem is not None else None


def _dynamic_problem(one: Resource) -> str | None:
    stack = reservations_of(one)
    if one.revocable is not None and stack and stack[-1].type is DYNAMIC:
        return f"Dynamically reserved resource '{one.name}' cannot be created from revocable resources"
    return None


_MEANINGS: tuple[tuple[str, Callable[[Resource], str | None]], ...] = (
    ("'gpus' resource", _gpus_problem),
    ("DiskInfo", _disk_problem),
    ("ReservationInfo", _dynamic_problem),
)
"""What only the master looks at, in its order."""
