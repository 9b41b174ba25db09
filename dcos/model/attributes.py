"""Attributes of an agent: how flags write them and how constraints compare them.

Source: Mesos docs/attributes-resources.md (``rack:r1;level:3;ports:[1-5]``).
"""

from __future__ import annotations

from dcos.model import values
from dcos.model.v1.types import Attribute, ValueRange, ValueRanges, ValueScalar, ValueText, ValueType


def parse(text: str) -> tuple[Attribute, ...]:
    """``name:value;...``; a set is not allowed.   Errors: ValueError."""
    out = []
    for part in text.split(";"):
        if not part.strip():
            continue
        name, colon, tail = part.strip().partition(":")
        if not colon or not name.strip():
            raise ValueError(f"expecting name:value, got {part!r}")
        value = values.parse(tail)
        if isinstance(value, frozenset):
            raise ValueError(f"attribute {name!r} may not be a set")
        out.append(_attribute(name.strip(), value))
    return tuple(out)


def _attribute(name: str, value: int | values.Ranges | str) -> Attribute:
    if isinstance(value, int):
        return Attribute(name=name, type=ValueType.SCALAR, scalar=ValueScalar(value=value / 1000))
    if isinstance(value, str):
        return Attribute(name=name, type=ValueType.TEXT, text=ValueText(value=value))
    pairs = tuple(ValueRange(begin=begin, end=end) for begin, end in value)
    return Attribute(name=name, type=ValueType.RANGES, ranges=ValueRanges(range=pairs))


def text(attribute: Attribute) -> str:
    """The value as text: what Marathon's constraints and the endpoints show."""
    if attribute.scalar is not None:
        return values.text_of_number(values.thousandths(attribute.scalar.value))
    if attribute.ranges is not None:
        return values.text_of_ranges(tuple((one.begin, one.end) for one in attribute.ranges.range))
    if attribute.set is not None:
        return values.text_of_set(frozenset(attribute.set.item))
    return attribute.text.value if attribute.text is not None else ""
