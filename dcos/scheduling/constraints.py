"""Placement constraints: may an instance go onto this offer, given where its siblings are?

A place is anything with host, region, zone and attributes. An offer without the field matches only UNLIKE. Siblings are
not looked at one by one: a ``Spread`` counts them per field and value.
Source: Marathon's Constraints; GROUP_BY without a number spreads over the values seen so far.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence

from dcos.model.marathon_state import AgentRef
from dcos.model.v1.types import Attribute, ValueType

OPERATORS = ("UNIQUE", "CLUSTER", "GROUP_BY", "LIKE", "MAX_PER", "UNLIKE", "IS")
_IS_VALUE = re.compile(r"^[a-zA-Z0-9_/.-]*$")
_NUMBER = re.compile(r"^-?\d+(\.\d+)?$")


def constraint_fault(constraint: Sequence[str]) -> str | None:
    """The rule that a constraint breaks."""
    if not 2 <= len(constraint) <= 3:
        return "Each constraint must have either 2 or 3 fields"
    field, operator, *rest = constraint
    value = rest[0] if rest else None
    if not field:
        return "Missing field and operator"
    if operator not in OPERATORS:
        return f"Constraint operator must be one of the following {', '.join(OPERATORS[:-1])} or {OPERATORS[-1]}"
    if operator == "UNIQUE" and value:
        return "Value specified but not used"
    if operator == "GROUP_BY" and value is not None and not (value.isdigit() and int(value) > 0):
        return "Value was specified but is not a number"
    if operator == "MAX_PER" and not (value is not None and value.isdigit()):
        return "Value was not specified or is not a number"
    if operator in ("LIKE", "UNLIKE"):
        if not value:
            return "A regular expression value must be provided"
        try:
            re.compile(value)
        except re.error:
            return f"'{value}' is not a valid regular expression"
    if operator == "IS" and (value is None or not _IS_VALUE.fullmatch(value)):
        return "Value must be text or a number of the characters a-zA-Z0-9_/.-"
    return None


def scalar_text(value: float) -> str:
    """Up to three decimals, no zeros at the end."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def attribute_text(attribute: Attribute) -> str:
    """How an attribute's value reads in constraints."""
    if attribute.type is ValueType.SCALAR and attribute.scalar is not None:
        return scalar_text(attribute.scalar.value)
    if attribute.type is ValueType.TEXT and attribute.text is not None:
        return attribute.text.value
    if attribute.type is ValueType.RANGES and attribute.ranges is not None:
        return "[" + ",".join(f"{one.begin}-{one.end}" for one in attribute.ranges.range) + "]"
    if attribute.type is ValueType.SET and attribute.set is not None:
        return "{" + ",".join(sorted(attribute.set.item)) + "}"
    return ""


def field_value(field: str, place: AgentRef) -> str | None:
    """What a constraint's field is on this agent; None where it has none."""
    if field in ("hostname", "@hostname"):
        return place.host
    if field == "@agent":
        return place.agent_id  # an extension
    if field == "@region":
        return place.region
    if field == "@zone":
        return place.zone
    for attribute in place.attributes:
        if attribute.name == field:
            return attribute_text(attribute)
    return None


class Spread:
    """How many siblings there are per constraint field and value; those without the field count nowhere.

    ``apart``: fields in which those of the newest configuration are counted alone, too.
    """

    __slots__ = ("_counts", "_newest")

    def __init__(self, fields: Iterable[str], agents: Iterable[AgentRef] = (), *, apart: Iterable[str] = ()) -> None:
        self._counts: dict[str, dict[str, int]] = {field: {} for field in fields}
        self._newest: dict[str, dict[str, int]] = {field: {} for field in apart}
        for agent in agents:
            self.add(agent)

    def add(self, agent: AgentRef, by: int = 1, *, newest: bool = False) -> None:
        """One more on ``agent``, or with -1 one fewer; ``newest``: of the newest configuration."""
        _count(self._counts, agent, by)
        if newest:
            _count(self._newest, agent, by)

    def without(self, agent: AgentRef, *, newest: bool = False) -> Spread:
        """As if the one there did not exist: it shall be launched again."""
        made = Spread(())
        made._counts = {field: dict(counts) for field, counts in self._counts.items()}
        made._newest = {field: dict(counts) for field, counts in self._newest.items()}
        made.add(agent, -1, newest=newest)
        return made

    def of(self, constraint: Sequence[str]) -> Mapping[str, int]:
        """Those that a constraint heeds, by value. A share of GROUP_BY is one of the newest configuration's instances: the
        old ones fill their shares, and beside them no new one could begin."""
        field = constraint[0]
        if constraint[1] == "GROUP_BY" and len(constraint) > 2 and field in self._newest:
            return self._newest[field]
        return self._counts.get(field, {})


def _count(counted: Mapping[str, dict[str, int]], agent: AgentRef, by: int) -> None:
    for field, counts in counted.items():
        value = field_value(field, agent)
        if value is None:
            continue
        count = counts.get(value, 0) + by
        if count > 0:
            counts[value] = count
        else:
            counts.pop(value, None)


NOWHERE = Spread(())
"""No siblings."""

_ALONE = frozenset({"LIKE", "UNLIKE", "IS"})


def needs_siblings(constraint: Sequence[str]) -> bool:
    """Whether the answer depends on where the app's other instances are."""
    return constraint[1] not in _ALONE and not (constraint[1] == "CLUSTER" and any(constraint[2:]))


def allows(constraint: Sequence[str], place: AgentRef, spread: Spread, wanted: int) -> bool:
    """Whether an instance may go to ``place``; ``spread`` counts the app's instances that hold resources, ``wanted`` is
    the number that the app shall have."""
    return allows_value(constraint, field_value(constraint[0], place), spread, wanted)


def allows_value(constraint: Sequence[str], here: str | None, spread: Spread, wanted: int) -> bool:
    """The same where the constraint's field is ``here``."""
    operator = constraint[1]
    value = constraint[2] if len(constraint) > 2 else None
    if operator == "UNLIKE":
        return here is None or _pattern(value or "").fullmatch(here) is None
    if here is None:
        return False
    if operator == "LIKE":
        return _pattern(value or "").fullmatch(here) is not None
    if operator == "IS":
        return _same(here, value or "")
    if operator == "CLUSTER" and value:
        return here == value
    counts = spread.of(constraint)
    if operator == "CLUSTER":
        return not counts or here in counts
    if operator == "UNIQUE":
        return here not in counts
    if operator == "MAX_PER":
        return counts.get(here, 0) < int(value or 0)
    return _group_by(here, counts, wanted, int(value) if value else None)


def prepare(constraint: Sequence[str]) -> None:
    """Compile its pattern now rather than while offers wait."""
    if constraint[1] in ("LIKE", "UNLIKE"):
        _pattern(constraint[2] if len(constraint) > 2 else "")


@functools.lru_cache(maxsize=100_000)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _same(here: str, value: str) -> bool:
    if _NUMBER.fullmatch(here) and _NUMBER.fullmatch(value):
        return scalar_text(float(here)) == scalar_text(float(value))
    return here == value


def _group_by(here: str, counts: Mapping[str, int], wanted: int, groups: int | None) -> bool:
    """With a number: each group gets wanted/groups, the remainder one more each; without: the smallest group is next."""
    if groups is None:
        return here not in counts or counts[here] <= min(counts.values())
    if here not in counts:
        return len(counts) < groups
    share, remainder = divmod(wanted, groups)
    if counts[here] < share:
        return True
    fuller = sum(1 for count in counts.values() if count > share)
    return counts[here] == share and fuller < remainder
