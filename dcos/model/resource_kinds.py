"""Kinds of resources: everything of a resource but its quantity.

Kinds are interned, so that they compare by identity and hash in no time. What cannot be divided or merged (MOUNT disks,
persistent volumes, ...) has its size in its kind and a count as its amount.   Units: thousandths.

Source: Mesos docs/{attributes-resources,reservation,persistent-volume,shared-resources}.md.
"""

from __future__ import annotations

import weakref
from typing import Any, ClassVar, Final

from dcos.model import values
from dcos.model.v1.types import (
    Label,
    Labels,
    ResourceDiskInfo,
    ResourceDiskInfoPersistence,
    ResourceDiskInfoSource,
    ResourceDiskInfoSourceType,
    ResourceReservationInfo,
    ResourceReservationInfoType,
    ValueType,
)
from dcos.model.values import Amount

DYNAMIC: Final = ResourceReservationInfoType.DYNAMIC
STATIC: Final = ResourceReservationInfoType.STATIC
UNRESERVED: Final = "*"


class Kind:
    """Everything of a resource but its quantity. Interned: make it by ``Kind.of``; equality is identity."""

    __slots__ = (
        "__weakref__",
        "_key",
        "disk",
        "indivisible",
        "name",
        "provider",
        "reservations",
        "revocable",
        "role",
        "shared",
        "size",
        "type",
    )

    _known: ClassVar[weakref.WeakValueDictionary[tuple[Any, ...], Kind]] = weakref.WeakValueDictionary()

    _key: tuple[Any, ...]
    name: str
    type: ValueType
    reservations: tuple[ResourceReservationInfo, ...]
    role: str
    """The current reservation's role, ``*`` when unreserved."""
    disk: ResourceDiskInfo | None
    provider: str | None
    revocable: bool
    shared: bool
    indivisible: bool
    size: int
    """Thousandths, of an indivisible kind."""

    @classmethod
    def of(
        cls,
        name: str,
        type: ValueType = ValueType.SCALAR,
        reservations: tuple[ResourceReservationInfo, ...] = (),
        disk: ResourceDiskInfo | None = None,
        provider: str | None = None,
        revocable: bool = False,
        shared: bool = False,
        size: int = 0,
    ) -> Kind:
        """The one Kind like this."""
        indivisible = disk is not None and (shared or _indivisible(disk))
        key = (
            name,
            type,
            tuple(_reservation_key(one) for one in reservations),
            None if disk is None else _disk_key(disk),
            provider,
            revocable,
            shared,
            size if indivisible else 0,
        )
        known = cls._known.get(key)
        if known is not None:
            return known
        made = cls()
        made._key = key
        made.name = name
        made.type = type
        made.reservations = reservations
        made.role = (reservations[-1].role or UNRESERVED) if reservations else UNRESERVED
        made.disk = disk
        made.provider = provider
        made.revocable = revocable
        made.shared = shared
        made.indivisible = indivisible
        made.size = size if indivisible else 0
        cls._known[key] = made
        return made

    @property
    def persistence_id(self) -> str | None:
        return self.disk.persistence.id if self.disk is not None and self.disk.persistence is not None else None

    @property
    def dynamically_reserved(self) -> bool:
        return bool(self.reservations) and self.reservations[-1].type is DYNAMIC

    def like(
        self,
        *,
        reservations: tuple[ResourceReservationInfo, ...] | None = None,
        disk: ResourceDiskInfo | None = None,
        size: int | None = None,
    ) -> Kind:
        """This kind with other reservations, or (``size`` given) another disk and size."""
        return Kind.of(
            self.name,
            self.type,
            self.reservations if reservations is None else reservations,
            self.disk if size is None else disk,
            self.provider,
            self.revocable,
            self.shared if size is None else False,
            self.size if size is None else size,
        )

    def __repr__(self) -> str:
        return f"Kind({self})"

    def __str__(self) -> str:
        return self.describe(None)

    def describe(self, allocated: str | None) -> str:
        """As upstream's messages name it: ``cpus(allocated: web)``, ``disk(reservations: [(STATIC,db)])[/mnt/a]``."""
        text = self.name
        if allocated is not None:
            text += f"(allocated: {allocated})"
        if self.reservations:
            text += "(reservations: [" + ",".join(_reservation_text(one) for one in self.reservations) + "])"
        if self.disk is not None:
            text += f"[{_disk_text(self.disk)}]"
        if self.revocable:
            text += "{REV}"
        if self.shared:
            text += "<SHARED>"
        return text


def may_use(reserved_to: str, role: str) -> bool:
    """Whether a framework in ``role`` may use what is reserved to ``reserved_to``."""
    return reserved_to in (UNRESERVED, role) or role.startswith(reserved_to + "/")


def quantity(kind: Kind, amount: Amount) -> int:
    """Thousandths."""
    if isinstance(amount, int):
        if kind.indivisible:
            return kind.size if kind.shared else kind.size * amount
        return amount
    return 1000 * (len(amount) if isinstance(amount, frozenset) else values.count_ranges(amount))


def copies(kind: Kind, amount: Amount) -> int:
    """How many messages it takes to say so much."""
    return amount if kind.indivisible and isinstance(amount, int) else 1


def static(role: str) -> tuple[ResourceReservationInfo, ...]:
    """The reservation stack of what an agent's flags give to a role."""
    return () if role == UNRESERVED else (ResourceReservationInfo(type=STATIC, role=role),)


def _labels_key(labels: Labels | None) -> tuple[tuple[str, str | None], ...]:
    return tuple((label.key, label.value) for label in labels.labels) if labels is not None else ()


def _reservation_key(one: ResourceReservationInfo) -> tuple[Any, ...]:
    return one.type, one.role, one.principal, _labels_key(one.labels)


def _source_key(source: ResourceDiskInfoSource) -> tuple[Any, ...]:
    return (
        source.type,
        source.path.root if source.path is not None else None,
        source.mount.root if source.mount is not None else None,
        source.vendor,
        source.id,
        source.profile,
        _labels_key(source.metadata),
    )


def _disk_key(disk: ResourceDiskInfo) -> tuple[Any, ...]:
    return (
        _source_key(disk.source) if disk.source is not None else None,
        disk.persistence.id if disk.persistence is not None else None,
    )


def _indivisible(disk: ResourceDiskInfo) -> bool:
    if disk.persistence is not None:
        return True
    source = disk.source
    if source is None:
        return False
    kinds = ResourceDiskInfoSourceType
    return source.type in (kinds.MOUNT, kinds.BLOCK) or (source.type is kinds.RAW and source.id is not None)


def _reservation_text(one: ResourceReservationInfo) -> str:
    text = f"({one.type or ''},{one.role or ''}"
    if one.principal is not None:
        text += f",{one.principal}"
    if one.labels is not None:
        text += ",{" + ", ".join(_label_text(label) for label in one.labels.labels) + "}"
    return text + ")"


def _label_text(label: Label) -> str:
    return label.key if label.value is None else f"{label.key}: {label.value}"


def _disk_text(disk: ResourceDiskInfo) -> str:
    parts = []
    if disk.source is not None:
        root = disk.source.path or disk.source.mount
        parts.append(str(disk.source.type) + (f":{root.root}" if root is not None and root.root else ""))
    if disk.persistence is not None:
        path = disk.volume.container_path if disk.volume is not None else ""
        parts.append(_persistence_text(disk.persistence) + (f":{path}" if path else ""))
    return ",".join(parts)


def _persistence_text(persistence: ResourceDiskInfoPersistence) -> str:
    return persistence.id
