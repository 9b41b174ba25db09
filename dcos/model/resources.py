"""Resources: what an agent has, an offer carries and a task takes, with Mesos's arithmetic on integers.

A ``Resources`` is an immutable bag: for each ``Kind`` (name, reservations, disk, ...: everything but the quantity) one
amount.

The role that resources are allocated to is not part of them here; whoever holds them knows it, and ``messages(role)``
writes it.   Units: scalars in thousandths; mem and disk are MB before that.

Source: Mesos docs/{attributes-resources,reservation,persistent-volume,shared-resources}.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from dcos.model import values
from dcos.model.resource_kinds import UNRESERVED, Kind, copies, quantity, static
from dcos.model.resource_messages import Form, join, split
from dcos.model.v1.types import (
    Resource,
    ValueType,
)
from dcos.model.values import Amount


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
            kind = Kind.of(name.strip(), _type_of(value), static(role))
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
            parts += [f"{kind.describe(allocated)}:{values.text_of(shown)}"] * copies(kind, amount)
        return "; ".join(parts) if parts else "{}"

    def __str__(self) -> str:
        return self.describe()

    def __repr__(self) -> str:
        return f"Resources({self.describe()})"


EMPTY: Final = Resources()


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
