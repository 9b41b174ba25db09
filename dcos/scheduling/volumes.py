"""Which disk of an offer becomes which persistent volume.

``root`` volumes are cut from the agent's own disk, ``path`` ones from a PATH disk, a ``mount`` one is a whole MOUNT disk of
at least its size and at most its ``maxSize``, the smallest that will do. Path constraints and ``profileName`` choose among
disks; without a profile only disks that have none will do.   Source: Marathon's DiskResourceMatcher, VolumeProfileMatcher.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dcos.model import values
from dcos.model.marathon import PersistentVolume
from dcos.model.resource_kinds import Kind
from dcos.model.resources import Resources
from dcos.model.v1.types import ResourceDiskInfoSourceType

_SOURCES = {"path": ResourceDiskInfoSourceType.PATH, "mount": ResourceDiskInfoSourceType.MOUNT}


@dataclass(frozen=True, slots=True)
class VolumeWish:
    """A persistent volume to be made. ``name``: an app's container path, a pod's volume name."""

    name: str
    container_path: str
    persistent: PersistentVolume


@dataclass(frozen=True, slots=True)
class VolumePart:
    """The disk chosen for one. ``size`` in thousandths of MB: the whole disk's of a mount."""

    wish: VolumeWish
    kind: Kind
    size: int

    @property
    def resources(self) -> Resources:
        return Resources({self.kind: 1 if self.kind.indivisible else self.size})


def choose(wishes: Sequence[VolumeWish], free: Resources) -> tuple[VolumePart, ...] | None:
    """A disk for each, in their order; None where there is not enough."""
    made: dict[str, VolumePart] = {}
    for wish in sorted(wishes, key=lambda one: (one.persistent.type != "mount", -one.persistent.size)):
        part = _choose(wish, free)
        if part is None:
            return None
        made[wish.name] = part
        free -= part.resources
    return tuple(made[wish.name] for wish in wishes)


def _choose(wish: VolumeWish, free: Resources) -> VolumePart | None:
    wanted = values.thousandths(wish.persistent.size)
    found: list[tuple[int, str, Kind]] = []
    for kind, amount in free:
        if kind.name != "disk" or not isinstance(amount, int) or kind.persistence_id or not _suits(wish, kind):
            continue
        size = kind.size if kind.indivisible else amount
        most = wish.persistent.max_size
        if size >= wanted and (most is None or not kind.indivisible or size <= values.thousandths(most)):
            found.append((size, _root(kind), kind))
    if not found:
        return None
    size, _, kind = min(found, key=lambda one: one[:2])
    return VolumePart(wish, kind, size if kind.indivisible else wanted)


def _suits(wish: VolumeWish, kind: Kind) -> bool:
    persistent = wish.persistent
    source = kind.disk.source if kind.disk is not None else None
    if persistent.type == "root":
        return source is None
    if source is None or source.type is not _SOURCES.get(persistent.type):
        return False
    if (source.profile or None) != (persistent.profile_name or None):
        return False
    root = _root(kind)
    for _, operator, pattern in persistent.constraints:
        if (re.fullmatch(pattern, root) is not None) is not (operator == "LIKE"):
            return False
    return True


def _root(kind: Kind) -> str:
    source = kind.disk.source if kind.disk is not None else None
    where = (source.path or source.mount) if source is not None else None
    return (where.root or "") if where is not None else ""
