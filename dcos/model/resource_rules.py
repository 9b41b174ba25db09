"""Whether resource messages are well formed; the first problem, or None.

Source: Mesos resource validation (docs/reservation.md, docs/persistent-volume.md, docs/multiple-disk.md).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from itertools import pairwise

from dcos.model import values
from dcos.model.identifiers import id_problem, role_problem
from dcos.model.resource_kinds import DYNAMIC, UNRESERVED
from dcos.model.resource_messages import reservations_of
from dcos.model.v1.types import Labels, Resource, ResourceDiskInfoSourceType, ValueType


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


def input_problem(value: float) -> str | None:
    """Of an amount in a quota or an offer filter."""
    if math.isinf(value):
        return "Infinite values not supported"
    if math.isnan(value):
        return "NaN not supported"
    if 0 < abs(value) < sys.float_info.min:
        return "Subnormal values not supported"
    return "Negative values not supported" if value < 0 else None


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
    return _value_problem(one) or _disk_source_problem(one) or _reservation_problem(one) or _shared_problem(one)


def _value_problem(one: Resource) -> str | None:
    members = {ValueType.SCALAR: one.scalar, ValueType.RANGES: one.ranges, ValueType.SET: one.set}
    if one.type not in members:
        return "Unsupported resource type"
    if members[one.type] is None or sum(member is not None for member in members.values()) != 1:
        return f"Invalid {one.type.lower()} resource"
    if one.scalar is not None:
        value = one.scalar.value
        if not math.isfinite(value):
            return "Invalid scalar resource: value is not finite"
        if value != 0 and values.thousandths(value) <= 0:
            return "Invalid scalar resource: value <= 0"
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


def _disk_source_problem(one: Resource) -> str | None:
    if one.disk is None:
        return None
    if one.name != "disk":
        return f"DiskInfo should not be set for {one.name} resource"
    source, kinds = one.disk.source, ResourceDiskInfoSourceType
    if source is None or source.type in (kinds.PATH, kinds.MOUNT):
        return None
    if source.type in (kinds.BLOCK, kinds.RAW):
        for what, member in (("Mount", source.mount), ("Path", source.path)):
            if member is not None:
                return f"{what} should not be set for {source.type} disk source"
        return None
    return "Unsupported 'DiskInfo.Source.Type'"


def _reservation_problem(one: Resource) -> str | None:
    return _stack_problem(one) or _both_forms_problem(one) if one.reservations else _legacy_problem(one)


def _legacy_problem(one: Resource) -> str | None:
    """Of ``role`` and ``reservation`` alone."""
    role = one.role if one.role is not None else UNRESERVED
    problem = role_problem(role)
    if problem is not None or one.reservation is None:
        return problem
    for name in ("type", "role"):
        if getattr(one.reservation, name) is not None:
            return f"'Resource.ReservationInfo.{name}' must not be set for the 'Resource.reservation' field"
    return 'Invalid reservation: role "*" cannot be dynamically reserved' if role == UNRESERVED else None


def _stack_problem(one: Resource) -> str | None:
    for entry in one.reservations:
        for name in ("type", "role"):
            if getattr(entry, name) is None:
                return f"Invalid reservation: 'Resource.ReservationInfo.{name}' field must be set."
        assert entry.role is not None
        problem = role_problem(entry.role)
        if problem is not None:
            return problem
        if entry.role == UNRESERVED:
            return 'Invalid reservation: role "*" cannot be reserved'
    for below, entry in pairwise(one.reservations):
        if entry.type is not DYNAMIC:
            return "Invalid refined reservation: A refined reservation cannot be STATIC"
        if not (entry.role or "").startswith(f"{below.role}/"):
            return f"Invalid refined reservation: role '{entry.role}' is not a refinement of '{below.role}'"
    return None


def _both_forms_problem(one: Resource) -> str | None:
    """Endpoints show a single reservation in both forms: what they show may be said again, if it is consistent."""
    said = "Invalid resource format:"
    old = one.reservation
    if len(one.reservations) > 1:
        for name, member in (("role", one.role), ("reservation", old)):
            if member is not None:
                return (
                    f"{said} 'Resource.{name}' must not be set if there is more than one reservation in "
                    "'Resource.reservations'"
                )
        return None
    (entry,) = one.reservations
    if one.role is not None and one.role != entry.role:
        return (
            f"{said} 'Resource.role' field with '{one.role}' does not match the role '{entry.role}' in "
            "'Resource.reservations'"
        )
    single = "if the single reservation in 'Resource.reservations' is"
    if entry.type is not DYNAMIC:
        return f"{said} 'Resource.reservation' must not be set {single} STATIC" if old is not None else None
    if (one.role is None) != (old is None):
        return f"{said} 'Resource.role' and 'Resource.reservation' must either be both set or both not set {single} DYNAMIC"
    if old is not None and (old.principal or "") != (entry.principal or ""):
        return (
            f"{said} 'Resource.reservation.principal' field with '{old.principal or ''}' does not match the principal "
            f"'{entry.principal or ''}' in 'Resource.reservations'"
        )
    if old is not None and (old.labels or Labels()) != (entry.labels or Labels()):
        return f"{said} 'Resource.reservation.labels' field does not match the labels in 'Resource.reservations'"
    return None


def _shared_problem(one: Resource) -> str | None:
    if one.shared is None:
        return None
    if one.name != "disk":
        return f"Resource {one.name} cannot be shared"
    return "Only persistent volumes can be shared" if one.disk is None or one.disk.persistence is None else None


def gpus_problem(one: Resource) -> str | None:
    """Of any resource: there are no parts of a GPU."""
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
    ("'gpus' resource", gpus_problem),
    ("DiskInfo", _disk_problem),
    ("ReservationInfo", _dynamic_problem),
)
"""What only the master looks at, in its order."""
