"""When cron expressions fire."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from dcos.metronome.core.cron import CronError, parse

Z = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")


def fires(text: str, since: str, zone: ZoneInfo = Z, count: int = 1) -> list[str]:
    moment = datetime.fromisoformat(since).replace(tzinfo=UTC).timestamp()
    made = []
    for _ in range(count):
        found = parse(text).after(moment, zone)
        if found is None:
            return [*made, "never"]
        made.append(datetime.fromtimestamp(found, UTC).strftime("%Y-%m-%dT%H:%M"))
        moment = found
    return made


@pytest.mark.parametrize(
    ("text", "since", "found"),
    [
        ("* * * * *", "2026-01-01T00:00", ["2026-01-01T00:01", "2026-01-01T00:02"]),
        ("*/20 2 * * *", "2026-01-01T02:30", ["2026-01-01T02:40", "2026-01-02T02:00"]),
        ("5/20 2 * * *", "2026-01-01T02:30", ["2026-01-01T02:45", "2026-01-02T02:05"]),
        ("0 12 * JAN-MAR MON-FRI", "2026-01-02T13:00", ["2026-01-05T12:00", "2026-01-06T12:00"]),
        ("0 0 13 * 5", "2026-01-01T00:00", ["2026-02-13T00:00", "2026-03-13T00:00"]),
        ("0 0 * * 0", "2026-01-01T00:00", ["2026-01-04T00:00", "2026-01-11T00:00"]),
        ("0 0 * * 7", "2026-01-01T00:00", ["2026-01-04T00:00", "2026-01-11T00:00"]),
        ("0 0 * * SAT-SUN", "2026-01-01T00:00", ["2026-01-03T00:00", "2026-01-04T00:00"]),
        ("0 0 L * *", "2026-01-31T00:00", ["2026-02-28T00:00", "2026-03-31T00:00"]),
        ("0 0 LW * *", "2026-01-31T00:00", ["2026-02-27T00:00", "2026-03-31T00:00"]),
        ("0 0 1W * *", "2026-01-31T00:00", ["2026-02-02T00:00", "2026-03-02T00:00"]),
        ("0 0 15W * *", "2026-01-31T00:00", ["2026-02-16T00:00", "2026-03-16T00:00"]),
        ("0 0 * * 5L", "2026-01-01T00:00", ["2026-01-30T00:00", "2026-02-27T00:00"]),
        ("0 0 * * 5#2", "2026-01-01T00:00", ["2026-01-09T00:00", "2026-02-13T00:00"]),
        ("0 0 29 2 *", "2026-01-01T00:00", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("0 0 1 1 * 2027", "2026-01-01T00:00", ["2027-01-01T00:00", "never"]),
        ("1,3 4 1,2 * *", "2026-01-01T04:01", ["2026-01-01T04:03", "2026-01-02T04:01"]),
    ],
)
def test_times(text: str, since: str, found: list[str]) -> None:
    assert fires(text, since, count=2) == found


def test_a_time_zone_is_obeyed() -> None:
    assert fires("30 8 * * *", "2026-07-01T00:00", BERLIN) == ["2026-07-01T06:30"]
    assert fires("30 8 * * *", "2026-01-01T00:00", BERLIN) == ["2026-01-01T07:30"]


def test_a_skipped_local_time_moves_to_the_next_valid_one() -> None:
    """In 2026 Berlin's clocks jump from 02:00 to 03:00 on 29 March."""
    assert fires("30 2 * * *", "2026-03-28T12:00", BERLIN, 2) == ["2026-03-29T01:30", "2026-03-30T00:30"]


def test_a_repeated_local_time_fires_once() -> None:
    """On 25 October the hour from 02:00 comes twice."""
    assert fires("30 2 * * *", "2026-10-24T12:00", BERLIN, 2) == ["2026-10-25T00:30", "2026-10-26T01:30"]


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "* * * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8",
     "@daily", "a * * * *", "*/0 * * * *", "5-1 * * * *", "0 0 30 2 *", "0 0 31 4,6 *", "* * * * 5#6", "0 0 * * MO",
     "1.5 * * * *", "-1 * * * *", "0 0 0W * *"],
)  # fmt: skip
def test_what_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(CronError):
        parse(text)
