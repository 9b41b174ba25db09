"""Resources: what an agent has, an offer carries and a task takes, with Mesos's arithmetic on integers.

A ``Resources`` is an immutable bag: for each ``Kind`` (name, reservations, disk, ...: everything but the quantity) one
amount. Kinds are interned, so that they compare by identity and hash in no time. What cannot be divided or merged (MOUNT
disks, persistent volumes, ...) has its size in its kind and a count as its amount.

The role that resources are allocated to is not part of them here; whoever holds them knows it, and ``messages(role)``
writes it.   Units: scalars in thousandths; mem and disk are MB before that.

Source: Mesos docs/{attributes-resources,reservation,persistent-volume,shared-resources}.md.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, ClassVar, Final

from dcos.model import values
from dcos.model.v1.types import (
    Label,
    Labels,
    Resource,
    ResourceAllocationInfo,
    ResourceDiskInfo,
    ResourceDiskInfoPersistence,
    ResourceDiskInfoSource,
    ResourceDiskInfoSourceType,
    ResourceProviderID,
    ResourceReservationInfo,
    ResourceReservationInfoType,
    ResourceRevocableInfo,
    ResourceSharedInfo,
    ValueRange,
    ValueRanges,
    ValueScalar,
    ValueSet,
    ValueType,
)
from dcos.model.values import Amount

DYNAMIC: Final = ResourceReservationInfoType.DYNAMIC
STATIC: Final = ResourceReservationInfoType.STATIC
UNRESERVED: Final = "*"


class Form(StrEnum):
    """How reservations are written."""

    STACK = "stack"
    """``reservations[]`` only: for frameworks with RESERVATION_REFINEMENT, and inside."""
    LEGACY = "legacy"
    """``role`` and ``reservation``: for other frameworks."""
    ENDPOINT = "endpoint"
    """Both, where the legacy form can say it: operator endpoints."""


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


class Resources:
    """An immutable bag of resources."""

    __slots__ = ("_amounts", "_hash")

    def __init__(self, amounts: Mapping[Kind, Amount] | None = None) -> None:
        self._amounts: dict[Kind, Amount] = {kind: n for kind, n in amounts.items() if n} if amounts else {}
        self._hash: int | None = None

    # ---- in and out --------------------------------------------------------------------------------------------------

    @classmethod
    def of(cls, messages: Iterable[Resource]) -> Resources:
        """Sum of ``messages`` (any form, assumed valid); ``allocation_info`` is left aside."""
        out: dict[Kind, Amount] = {}
        for message in messages:
            kind, amount = split(message)
            if amount:
                out[kind] = _plus(out[kind], amount) if kind in out else amount
        return cls._made(out)

    @classmethod
    def scalars(cls, **amounts: float) -> Resources:
        """Unreserved scalars: ``Resources.scalars(cpus=0.5, mem=64)``."""
        return cls({Kind.of(name): values.thousandths(value) for name, value in amounts.items()})

    @classmethod
    def parse(cls, text: str, default_role: str = UNRESERVED) -> Resources:
        """The ``--resources`` form: ``cpus:4;mem(role):1024;ports:[31000-32000]``.   Errors: ValueError."""
        out: dict[Kind, Amount] = {}
        for part in text.split(";"):
            if not part.strip():
                continue
            head, colon, tail = part.strip().partition(":")
            if not colon:
                raise ValueError(f"expecting name:value, got {part!r}")
            name, bracket, rest = head.strip().partition("(")
            role = default_role
            if bracket:
                if not rest.endswith(")"):
                    raise ValueError(f"expecting name(role):value, got {part!r}")
                role = rest[:-1].strip()
            value = values.parse(tail)
            if isinstance(value, str):
                raise ValueError(f"resource {name.strip()!r} may not be text: {tail!r}")
            kind = Kind.of(name.strip(), _type_of(value), _static(role))
            if any(other.name == kind.name and other.type is not kind.type for other in out):
                raise ValueError(f"resource {kind.name!r} has two types")
            if value:
                out[kind] = _plus(out[kind], value) if kind in out else value
        return cls._made(out)

    def messages(self, role: str | None = None, form: Form = Form.STACK) -> tuple[Resource, ...]:
        """As messages, ``allocation_info`` filled with ``role`` unless None. A count of n becomes n messages."""
        return tuple(message for kind, amount in self._amounts.items() for message in join(kind, amount, role, form))

    @classmethod
    def _made(cls, amounts: dict[Kind, Amount]) -> Resources:
        """Wrap a dict that nobody else holds and that has no empty amounts."""
        made = cls.__new__(cls)
        made._amounts = amounts
        made._hash = None
        return made

    # ---- arithmetic --------------------------------------------------------------------------------------------------

    def __add__(self, other: Resources) -> Resources:
        if not other._amounts:
            return self
        if not self._amounts:
            return other
        out = dict(self._amounts)
        _add_to(out, other)
        return Resources._made(out)

    @classmethod
    def total(cls, bags: Iterable[Resources]) -> Resources:
        """The sum of many, without making a bag for each step."""
        out: dict[Kind, Amount] = {}
        for bag in bags:
            _add_to(out, bag)
        return cls._made(out)

    def __sub__(self, other: Resources) -> Resources:
        """What is left; never below nothing."""
        if not other._amounts or not self._amounts:
            return self
        if other is self:
            return EMPTY
        out = dict(self._amounts)
        for kind, amount in other._amounts.items():
            have = out.get(kind)
            if have is None:
                continue
            if isinstance(have, int) and isinstance(amount, int):
                left: Amount = have - amount if have > amount else 0
            else:
                left = _minus(have, amount)
            if left:
                out[kind] = left
            else:
                del out[kind]
        return Resources._made(out)

    def contains(self, other: Resources) -> bool:
        """Whether all of ``other`` can be taken from this."""
        mine = self._amounts
        for kind, amount in other._amounts.items():
            have = mine.get(kind)
            if have is None:
                return False
            if isinstance(have, int):
                if not kind.shared and (not isinstance(amount, int) or have < amount):
                    return False
            elif isinstance(have, frozenset):
                if not isinstance(amount, frozenset) or not amount <= have:
                    return False
            elif not isinstance(amount, tuple) or not values.contains_ranges(have, amount):
                return False
        return True

    def __bool__(self) -> bool:
        return bool(self._amounts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Resources) and self._amounts == other._amounts

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self._amounts.items()))
        return self._hash

    def __iter__(self) -> Iterator[tuple[Kind, Amount]]:
        return iter(self._amounts.items())

    def __len__(self) -> int:
        return len(self._amounts)

    def get(self, kind: Kind) -> Amount | None:
        return self._amounts.get(kind)

    # ---- views -------------------------------------------------------------------------------------------------------

    def filter(self, wanted: Callable[[Kind], bool]) -> Resources:
        return Resources._made({kind: amount for kind, amount in self._amounts.items() if wanted(kind)})

    def unreserved(self) -> Resources:
        return self.filter(lambda kind: not kind.reservations)

    def reserved(self) -> dict[str, Resources]:
        """By role, for each role with a reservation."""
        out: dict[str, dict[Kind, Amount]] = {}
        for kind, amount in self._amounts.items():
            if kind.reservations:
                out.setdefault(kind.role, {})[kind] = amount
        return {role: Resources._made(amounts) for role, amounts in out.items()}

    def exclusive(self) -> Resources:
        """All but shared volumes; this very bag if there are none."""
        for kind in self._amounts:
            if kind.shared:
                return self.filter(lambda kind: not kind.shared)
        return self

    def shared(self) -> Resources:
        return self.filter(lambda kind: kind.shared)

    def revocable(self) -> Resources:
        return self.filter(lambda kind: kind.revocable)

    def non_revocable(self) -> Resources:
        return self.filter(lambda kind: not kind.revocable)

    def quantities(self) -> dict[str, int]:
        """Thousandths by name over all kinds; a range counts its numbers, a set its items (times 1000)."""
        out: dict[str, int] = {}
        for kind, amount in self._amounts.items():
            out[kind.name] = out.get(kind.name, 0) + quantity(kind, amount)
        return out

    def scalar_quantities(self) -> dict[str, int]:
        """Thousandths by name, scalars only."""
        out: dict[str, int] = {}
        for kind, amount in self._amounts.items():
            if isinstance(amount, int):
                out[kind.name] = out.get(kind.name, 0) + quantity(kind, amount)
        return out

    def scalar(self, name: str) -> int:
        """Thousandths of ``name`` over all kinds."""
        return sum(
            quantity(kind, amount)
            for kind, amount in self._amounts.items()
            if kind.name == name and isinstance(amount, int)
        )

    def ranges(self, name: str = "ports") -> values.Ranges:
        """All ranges of ``name``, merged."""
        found = [amount for kind, amount in self._amounts.items() if kind.name == name and isinstance(amount, tuple)]
        return found[0] if len(found) == 1 else values.coalesce(pair for one in found for pair in one)

    def describe(self, allocated: str | None = None) -> str:
        """As upstream's messages write it: ``cpus(allocated: web):1.5; ports(allocated: web):[1-2]``."""
        parts = []
        for kind, amount in self._amounts.items():
            shown = kind.size if kind.indivisible else amount
            parts += [f"{kind.describe(allocated)}:{values.text_of(shown)}"] * _copies(kind, amount)
        return "; ".join(parts) if parts else "{}"

    def __str__(self) -> str:
        return self.describe()

    def __repr__(self) -> str:
        return f"Resources({self.describe()})"


EMPTY: Final = Resources()


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


# ---- messages --------------------------------------------------------------------------------------------------------


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
        return _static(role)
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
    return [made] * _copies(kind, amount)


_allocations: dict[str, ResourceAllocationInfo] = {}


def _allocation(role: str) -> ResourceAllocationInfo:
    known = _allocations.get(role)
    if known is None:
        known = _allocations[role] = ResourceAllocationInfo(role=role)
    return known


def _copies(kind: Kind, amount: Amount) -> int:
    return amount if kind.indivisible and isinstance(amount, int) else 1


def _static(role: str) -> tuple[ResourceReservationInfo, ...]:
    return () if role == UNRESERVED else (ResourceReservationInfo(type=STATIC, role=role),)


def _type_of(amount: Amount) -> ValueType:
    if isinstance(amount, int):
        return ValueType.SCALAR
    return ValueType.SET if isinstance(amount, frozenset) else ValueType.RANGES


def _add_to(out: dict[Kind, Amount], bag: Resources) -> None:
    for kind, amount in bag:
        have = out.get(kind)
        if have is None:
            out[kind] = amount
        elif isinstance(have, int) and isinstance(amount, int):
            out[kind] = have + amount
        else:
            out[kind] = _plus(have, amount)


def _plus(left: Amount, right: Amount) -> Amount:
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    if isinstance(left, frozenset) and isinstance(right, frozenset):
        return left | right
    if isinstance(left, tuple) and isinstance(right, tuple):
        return values.add_ranges(left, right)
    raise TypeError(f"amounts of two types: {left!r}, {right!r}")


def _minus(left: Amount, right: Amount) -> Amount:
    if isinstance(left, int) and isinstance(right, int):
        return max(0, left - right)
    if isinstance(left, frozenset) and isinstance(right, frozenset):
        return left - right
    if isinstance(left, tuple) and isinstance(right, tuple):
        return values.subtract_ranges(left, right)
    raise TypeError(f"amounts of two types: {left!r}, {right!r}")


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
