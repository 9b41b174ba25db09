"""What is wrong with a resource: each rule, in upstream's words and order.   Source: Mesos ``Resources::validate``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dcos.model.resource_rules import input_problem, syntax_problem
from dcos.model.v1.types import Resource
from dcos.wire import mesos_json

Json = dict[str, Any]


def resource(**fields: Any) -> Resource:
    given: Json = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}} | fields
    return mesos_json.decode(
        json.dumps({name: one for name, one in given.items() if one is not None}).encode(), Resource
    )


def ranges(*pairs: tuple[int, int]) -> Json:
    given = [{"begin": begin, "end": end} for begin, end in pairs]
    return {"type": "RANGES", "scalar": None, "ranges": {"range": given}}


def entry(kind: str | None = "DYNAMIC", role: str | None = "r", **more: Any) -> Json:
    return {"type": kind, "role": role, **more}


FORMAT = "Invalid resource format: "
BAD: list[tuple[Json, str]] = [
    ({"name": ""}, "Empty resource name"),
    ({"type": "TEXT"}, "Unsupported resource type"),
    ({"scalar": None}, "Invalid scalar resource"),
    ({"set": {"item": ["a"]}}, "Invalid scalar resource"),
    ({"scalar": {"value": -1}}, "Invalid scalar resource: value <= 0"),
    ({"scalar": {"value": 0.0001}}, "Invalid scalar resource: value <= 0"),
    ({"scalar": {"value": "Infinity"}}, "Invalid scalar resource: value is not finite"),
    ({"type": "RANGES", "scalar": None}, "Invalid ranges resource"),
    (ranges((5, 1)), "Invalid ranges resource: begin > end"),
    (ranges((1, 5), (5, 6)), "Invalid ranges resource: overlapping ranges"),
    ({"type": "SET", "scalar": None, "set": {"item": ["a", "a"]}}, "Invalid set resource: duplicated elements"),
    ({"disk": {}}, "DiskInfo should not be set for cpus resource"),
    (
        {"name": "disk", "disk": {"source": {"type": "RAW", "mount": {"root": "/m"}}}},
        "Mount should not be set for RAW disk source",
    ),
    (
        {"name": "disk", "disk": {"source": {"type": "BLOCK", "path": {"root": "/m"}}}},
        "Path should not be set for BLOCK disk source",
    ),
    ({"name": "disk", "disk": {"source": {"type": "UNKNOWN"}}}, "Unsupported 'DiskInfo.Source.Type'"),
    ({"role": "a//b"}, "Role 'a//b' cannot contain two adjacent slashes"),
    (
        {"role": "r", "reservation": {"type": "DYNAMIC"}},
        "'Resource.ReservationInfo.type' must not be set for the 'Resource.reservation' field",
    ),
    (
        {"role": "r", "reservation": {"role": "r"}},
        "'Resource.ReservationInfo.role' must not be set for the 'Resource.reservation' field",
    ),
    ({"reservation": {}}, 'Invalid reservation: role "*" cannot be dynamically reserved'),
    ({"reservations": [entry(None)]}, "Invalid reservation: 'Resource.ReservationInfo.type' field must be set."),
    ({"reservations": [entry(role=None)]}, "Invalid reservation: 'Resource.ReservationInfo.role' field must be set."),
    ({"reservations": [entry(role="/a")]}, "Role '/a' cannot start with a slash"),
    ({"reservations": [entry(role="*")]}, 'Invalid reservation: role "*" cannot be reserved'),
    (
        {"reservations": [entry(), entry("STATIC", "r/s")]},
        "Invalid refined reservation: A refined reservation cannot be STATIC",
    ),
    (
        {"reservations": [entry(), entry(role="rs")]},
        "Invalid refined reservation: role 'rs' is not a refinement of 'r'",
    ),
    (
        {"reservations": [entry()], "role": "s", "reservation": {}},
        f"{FORMAT}'Resource.role' field with 's' does not match the role 'r' in 'Resource.reservations'",
    ),
    (
        {"reservations": [entry("STATIC")], "role": "r", "reservation": {}},
        f"{FORMAT}'Resource.reservation' must not be set if the single reservation in 'Resource.reservations' is STATIC",
    ),
    (
        {"reservations": [entry()], "role": "r"},
        f"{FORMAT}'Resource.role' and 'Resource.reservation' must either be both set or both not set if the single "
        "reservation in 'Resource.reservations' is DYNAMIC",
    ),
    (
        {"reservations": [entry(principal="p")], "role": "r", "reservation": {"principal": "q"}},
        f"{FORMAT}'Resource.reservation.principal' field with 'q' does not match the principal 'p' in "
        "'Resource.reservations'",
    ),
    (
        {"reservations": [entry(labels={"labels": [{"key": "k"}]})], "role": "r", "reservation": {}},
        f"{FORMAT}'Resource.reservation.labels' field does not match the labels in 'Resource.reservations'",
    ),
    (
        {"reservations": [entry(), entry(role="r/s")], "role": "r/s"},
        f"{FORMAT}'Resource.role' must not be set if there is more than one reservation in 'Resource.reservations'",
    ),
    (
        {"reservations": [entry(), entry(role="r/s")], "reservation": {}},
        f"{FORMAT}'Resource.reservation' must not be set if there is more than one reservation in "
        "'Resource.reservations'",
    ),
    ({"shared": {}}, "Resource cpus cannot be shared"),
    ({"name": "disk", "shared": {}}, "Only persistent volumes can be shared"),
]
GOOD: list[Json] = [
    {},
    {"scalar": {"value": 0}},
    {"role": "*"},
    {"role": "r"},
    {"role": "r", "reservation": {"principal": "p"}},
    {"reservations": [entry(), entry(role="r/s/t")]},
    {"reservations": [entry("STATIC")], "role": "r"},
    {"reservations": [entry(principal="p")], "role": "r", "reservation": {"principal": "p"}},
    ranges((5, 6), (1, 4)),
    {"name": "disk", "disk": {"source": {"type": "MOUNT", "mount": {"root": "/m"}}}},
]


@pytest.mark.parametrize(("fields", "why"), BAD, ids=[f"{number} {why[:50]}" for number, (_, why) in enumerate(BAD)])
def test_bad(fields: Json, why: str) -> None:
    assert syntax_problem(resource(**fields)) == why


@pytest.mark.parametrize("fields", GOOD, ids=range(len(GOOD)))
def test_good(fields: Json) -> None:
    assert syntax_problem(resource(**fields)) is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (float("-inf"), "Infinite values not supported"),
        (float("nan"), "NaN not supported"),
        (-5e-324, "Subnormal values not supported"),
        (-1.0, "Negative values not supported"),
        (0.0, None),
        (-0.0, None),
    ],
)
def test_amounts_of_quotas_and_filters(value: float, why: str | None) -> None:
    assert input_problem(value) == why
