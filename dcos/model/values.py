"""Amounts of resources and the text they are written in.

Scalars are integers in thousandths (Mesos keeps three decimals), ranges sorted tuples of inclusive (begin, end) pairs that
neither touch nor overlap, sets frozensets.

Source: Mesos docs/attributes-resources.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NewType

Thousandths = NewType("Thousandths", int)
"""A scalar times 1000, rounded half away from zero."""
Range = tuple[int, int]
Ranges = tuple[Range, ...]
Amount = int | Ranges | frozenset[str]
"""An ``int`` is in thousandths (or a count, where its kind cannot be divided)."""

MAX_UINT64 = 2**64 - 1


MOST = 2**63 - 1
"""In thousandths: what is more is taken as this, so that no number from outside can overflow."""


def thousandths(value: float) -> int:
    """Round as Mesos does: half away from zero. Never fails: what is no number is 0."""
    scaled = value * 1000.0
    if not -MOST < scaled < MOST:
        return 0 if math.isnan(scaled) else MOST if scaled > 0 else -MOST
    return math.floor(scaled + 0.5) if scaled >= 0 else -math.floor(-scaled + 0.5)


def number(amount: int) -> float:
    """The scalar that ``amount`` thousandths stand for."""
    return amount / 1000


def text_of_number(amount: int) -> str:
    """``1500`` to ``1.5``, ``2000`` to ``2``."""
    whole, rest = divmod(abs(amount), 1000)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole}" + (f".{rest:03d}".rstrip("0") if rest else "")


def coalesce(ranges: Iterable[Range]) -> Ranges:
    """Sort and merge; ranges that touch become one."""
    given = sorted(ranges)
    if len(given) == 1:
        return tuple(given)
    merged: list[Range] = []
    for begin, end in given:
        if merged and begin <= merged[-1][1] + 1:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((begin, end))
    return tuple(merged)


def add_ranges(left: Ranges, right: Ranges) -> Ranges:
    return coalesce((*left, *right))


def subtract_ranges(left: Ranges, right: Ranges) -> Ranges:
    """What of ``left`` is not in ``right``."""
    out: list[Range] = []
    position = 0
    for begin, end in left:
        while position < len(right) and right[position][1] < begin:
            position += 1
        at = position
        while at < len(right) and right[at][0] <= end:
            low, high = right[at]
            if low > begin:
                out.append((begin, low - 1))
            begin = max(begin, high + 1)
            at += 1
        if begin <= end:
            out.append((begin, end))
    return tuple(out)


def intersect_ranges(left: Ranges, right: Ranges) -> Ranges:
    return subtract_ranges(left, subtract_ranges(left, right))


def contains_ranges(left: Ranges, right: Ranges) -> bool:
    """Whether every number of ``right`` is in ``left``."""
    position = 0
    for begin, end in right:
        while position < len(left) and left[position][1] < begin:
            position += 1
        if position == len(left) or left[position][0] > begin or left[position][1] < end:
            return False
    return True


def count_ranges(ranges: Ranges) -> int:
    """How many numbers."""
    return sum(end - begin + 1 for begin, end in ranges)


def text_of_ranges(ranges: Ranges) -> str:
    """``[31000-31005, 32000-32000]``."""
    if len(ranges) == 1:
        return f"[{ranges[0][0]}-{ranges[0][1]}]"
    return "[" + ", ".join(f"{begin}-{end}" for begin, end in ranges) + "]"


def text_of_set(items: frozenset[str]) -> str:
    """``{a, b}``."""
    return "{" + ", ".join(sorted(items)) + "}"


def text_of(amount: Amount) -> str:
    if isinstance(amount, int):
        return text_of_number(amount)
    return text_of_set(amount) if isinstance(amount, frozenset) else text_of_ranges(amount)


def parse(text: str) -> Amount | str:
    """A value as flags write it: ``[..]`` ranges, ``{..}`` a set, a number, else text.   Errors: ValueError."""
    packed = "".join(text.split())
    if not packed:
        raise ValueError("expecting a non-empty value")
    if packed[0] == "[":
        if packed[-1] != "]":
            raise ValueError(f"unbalanced brackets in {text!r}")
        return coalesce(_parse_range(part) for part in packed[1:-1].split(",") if part)
    if packed[0] == "{":
        if packed[-1] != "}":
            raise ValueError(f"unbalanced brackets in {text!r}")
        return frozenset(part for part in packed[1:-1].split(",") if part)
    if any(bracket in packed for bracket in "[]{}"):
        raise ValueError(f"unbalanced brackets in {text!r}")
    try:
        value = float(packed)
    except ValueError:
        return packed
    if not math.isfinite(value) or value < 0 or packed[0] == "+":
        return packed
    return thousandths(value)


def _parse_range(text: str) -> Range:
    first, dash, last = text.partition("-")
    if not dash or not first.isdigit() or not last.isdigit():
        raise ValueError(f"expecting begin-end, got {text!r}")
    begin, end = int(first), int(last)
    if begin > end or end > MAX_UINT64:
        raise ValueError(f"not a range: {text!r}")
    return begin, end
