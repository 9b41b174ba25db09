"""statsd's lines, and what they add up to."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcos.node.core.points import Point
from dcos.node.core.statsd import Aggregate, BadLine, Told, parse


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a.b:1|c", Told("a.b", "counter", 1.0, "1")),
        ("a:1|c|@0.1", Told("a", "counter", 1.0, "1", 0.1)),
        ("a:-2.5|g", Told("a", "gauge", -2.5, "-2.5", changes=True)),
        ("a:3|ms|#x:y,flag", Told("a", "timing", 3.0, "3", tags=(("flag", "true"), ("x", "y")))),
        ("a:3|h|@0.5|#b:c:d", Told("a", "histogram", 3.0, "3", 0.5, (("b", "c:d"),))),
        ("who:alice|s", Told("who", "set", 0.0, "alice")),
    ],
)
def test_lines(line: str, told: Told) -> None:
    assert parse(line) == told


@pytest.mark.parametrize("line", ["", "a", "a:1", ":1|c", "a:|c", "a:x|c", "a:1|q", "a:1|c|@0", "a:1|c|@x", "a b:1|c"])
def test_what_is_none(line: str) -> None:
    with pytest.raises(BadLine):
        parse(line)


def points(*packets: str) -> dict[str, Point]:
    told = Aggregate()
    for packet in packets:
        told.packet(packet.encode())
    return {point.name: point for point in told.points(7.0, {"container_id": "c"})}


def test_what_they_add_up_to() -> None:
    found = points("c:1|c\nc:2|c|@0.5\ng:5|g\ng:-2|g", "t:1|ms\nt:3|ms", "s:a|s\ns:b|s\ns:a|s\nnonsense")
    assert found["c"] == Point("c", {"value": 5.0}, {"container_id": "c", "metric_type": "counter"}, "counter", 7.0)
    assert found["g"].fields == {"value": 3.0}
    assert found["s"].fields == {"value": 2.0}
    assert found["t"].fields == {"count": 2, "lower": 1, "upper": 3, "sum": 4, "mean": 2, "stddev": 1}


def test_a_number_that_is_none_is_kept_as_such() -> None:
    assert math.isnan(points("x:NaN|g")["x"].fields["value"])


def test_nobody_fills_the_memory() -> None:
    told = Aggregate(most=10)
    for number in range(1000):
        told.packet(f"name{number}:1|c\nset:{number}|s".encode())
    found = told.points(0.0, {})
    assert len(found) == 10
    assert max(point.fields["value"] for point in found) <= 10
    assert told.refused > 900


@given(st.binary(max_size=60))
def test_no_packet_breaks_it(data: bytes) -> None:
    told = Aggregate()
    told.packet(data)
    told.points(0.0, {})
