from __future__ import annotations

import asyncio
import logging

import pytest

from dcos.runtime.timing import SAMPLES, WINDOW_S, Timer
from dcos.runtime.verbosity import Verbosity
from dcos.testing.patience import PATIENCE_S


def test_nothing_before_the_first_sample() -> None:
    assert Timer().metrics("x_ms", 0.0) == {}


def test_statistics() -> None:
    timer = Timer()
    for number in range(101):
        timer.note(float(number), number / 1000)
    made = timer.metrics("x_ms", 100.0)
    assert (made["x_ms"], made["x_ms/count"], made["x_ms/min"], made["x_ms/max"]) == (100, 101, 0, 100)
    assert (made["x_ms/p50"], made["x_ms/p90"], made["x_ms/p99"]) == (50, 90, 99)
    assert made["x_ms/p9999"] == pytest.approx(99.99)


def test_old_samples_do_not_count() -> None:
    timer = Timer()
    timer.note(0.0, 9.0)
    timer.note(10.0, 1.0)
    assert timer.metrics("x_ms", WINDOW_S + 5) == {"x_ms": 1000.0}
    timer.note(10.0, 1.0)
    made = timer.metrics("x_ms", WINDOW_S + 5)
    assert (made["x_ms/count"], made["x_ms/max"]) == (2, 1000)
    assert timer.metrics("x_ms", 3 * WINDOW_S) == {"x_ms": 1000.0}
    for _ in range(2 * SAMPLES):
        timer.note(20.0, 1.0)
    assert timer.metrics("x_ms", 20.0)["x_ms/count"] == SAMPLES


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ({}, 200, "0\n"),
        ({"level": "1"}, 400, "Expecting 'duration=value' in query.\n"),
        ({"duration": "1secs"}, 400, "Expecting 'level=value' in query.\n"),
        ({"level": "x", "duration": "1secs"}, 400, "Failed to convert 'x' to number.\n"),
        ({"level": "-1", "duration": "1secs"}, 400, "Invalid level '-1'.\n"),
        ({"level": "1", "duration": "soon"}, 400, None),
    ],
)
async def test_toggle_refusals(query: dict[str, str], status: int, text: str | None) -> None:
    got = Verbosity().toggle(query)
    assert got[0] == status
    assert text in (None, got[1])


async def test_a_level_lasts_as_long_as_asked() -> None:
    root = logging.getLogger()
    before = root.level
    verbosity = Verbosity()
    assert verbosity.toggle({"level": "2", "duration": "1hrs"}) == (200, "")
    assert (verbosity.level, root.level) == (2, logging.DEBUG)
    verbosity.set(1, 0.0)
    async with asyncio.timeout(PATIENCE_S):
        while verbosity.level:
            await asyncio.sleep(0.01)
    assert root.level == before
