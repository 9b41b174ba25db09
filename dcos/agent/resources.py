"""What the machine has: by flags where they say, else as found.

Source: Mesos containerizer resource detection (docs/attributes-resources.md).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from dcos.model import attributes
from dcos.model.resource_kinds import DYNAMIC, UNRESERVED
from dcos.model.resource_messages import reservations_of
from dcos.model.resource_rules import resource_problem
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    Attribute,
    Resource,
    ResourceDiskInfoSource,
    ResourceDiskInfoSourceType,
    ValueRange,
    ValueRanges,
    ValueScalar,
    ValueType,
)
from dcos.wire import mesos_json
from dcos.wire.errors import WireError

DEFAULT_PORTS = (31000, 32000)
_GB_MB = 1024


def agent_resources(text: str, default_role: str, work_dir: Path) -> tuple[Resource, ...]:
    """Flags plus what they leave out. A name given as 0 is not looked for.   Errors: ValueError."""
    given, named = _given(text, default_role)
    _check(given, work_dir)
    found: list[Resource] = []
    for name, look in _DETECT.items():
        if name not in named:
            found.append(_scalar(name, look(work_dir), default_role))
    if "ports" not in named:
        begin, end = DEFAULT_PORTS
        found.append(
            _reserved(
                Resource(
                    name="ports",
                    type=ValueType.RANGES,
                    ranges=ValueRanges(range=(ValueRange(begin=begin, end=end),)),
                ),
                default_role,
            )
        )
    total = Resources.of([*given, *found])
    order = {"cpus": 0, "gpus": 1, "mem": 2, "disk": 3, "ports": 4}
    return tuple(sorted(total.messages(), key=lambda one: order.get(one.name, 5)))


def agent_attributes(text: str) -> tuple[Attribute, ...]:
    """Errors: ValueError."""
    return attributes.parse(text)


def _given(text: str, default_role: str) -> tuple[tuple[Resource, ...], set[str]]:
    text = text.strip()
    if text.startswith("["):
        try:
            items = msgspec.json.decode(text.encode(), type=list[msgspec.Raw])
            messages = [mesos_json.decode(bytes(one), Resource) for one in items]
        except (msgspec.MsgspecError, WireError) as error:
            raise ValueError(f"not a JSON array of resources: {error}") from None
        return tuple(_reserved(one, default_role) for one in messages), {one.name for one in messages}
    parsed = Resources.parse(text, default_role)
    named = {part.split(":", 1)[0].split("(", 1)[0].strip() for part in text.split(";") if part.strip()}
    return parsed.messages(), named


def _check(given: tuple[Resource, ...], work_dir: Path) -> None:
    """Only what an operator can promise: no volumes, no reservations that frameworks make.   Errors: ValueError."""
    kinds: dict[str, ValueType] = {}
    for one in given:
        problem = resource_problem(one)
        if problem is None and one.revocable is not None:
            problem = "Cannot be revocable"
        if problem is None and one.disk is not None and one.disk.persistence is not None:
            problem = "Persistent volumes cannot be specified"
        if problem is None and any(entry.type is DYNAMIC for entry in reservations_of(one)):
            problem = "Cannot be dynamically reserved"
        if problem is None and kinds.setdefault(one.name, one.type) is not one.type:
            problem = "Resources with the same name must have the same type"
        if problem is None and one.disk is not None and one.disk.source is not None:
            problem = _disk_problem(one.disk.source, work_dir)
        if problem is not None:
            raise ValueError(f"resource {one.name!r}: {problem}")


def _disk_problem(source: ResourceDiskInfoSource, work_dir: Path) -> str | None:
    """The folder of a PATH disk is made; a MOUNT disk must be there."""
    kinds = ResourceDiskInfoSourceType
    if source.type is kinds.PATH and source.path is not None and source.path.root:
        try:
            (work_dir / source.path.root).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return f"Failed to create PATH source '{source.path.root}': {error.strerror}"
        return None
    if source.type is kinds.MOUNT and source.mount is not None and source.mount.root:
        there = (work_dir / source.mount.root).is_dir()
        return None if there else f"Found 'MOUNT' source path '{source.mount.root}' which does not exist"
    return f"A {source.type} disk needs a root, and must be PATH or MOUNT"


def memory_bytes(found: Iterable[Resource]) -> int:
    """All memory among ``found``."""
    return int(sum(one.scalar.value for one in found if one.name == "mem" and one.scalar is not None) * 2**20)


def _scalar(name: str, value: float, role: str) -> Resource:
    return _reserved(Resource(name=name, type=ValueType.SCALAR, scalar=ValueScalar(value=value)), role)


def _reserved(message: Resource, role: str) -> Resource:
    """With the default role, unless it has one."""
    if role == UNRESERVED or message.reservations or message.role not in (None, UNRESERVED):
        return message
    return msgspec.structs.replace(message, role=role)


def detect_cpus(_: Path) -> float:
    return float(os.cpu_count() or 1)


def detect_mem_mb(_: Path) -> float:
    """Total memory less 1 GB, or half of a small machine's."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (ValueError, OSError):
        return 1024.0
    return float(total - _GB_MB if total >= 2 * _GB_MB else total // 2)


def detect_disk_mb(work_dir: Path) -> float:
    """The work folder's file system less 5 GB, or half of a small one."""
    try:
        status = os.statvfs(work_dir)
    except OSError:
        return 10240.0
    total = status.f_frsize * status.f_blocks // 2**20
    return float(total - 5 * _GB_MB if total >= 10 * _GB_MB else total // 2)


_DETECT: dict[str, Callable[[Path], float]] = {
    "cpus": detect_cpus,
    "mem": detect_mem_mb,
    "disk": detect_disk_mb,
}
