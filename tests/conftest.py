"""What every test needs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import settings

# CI tries the same examples each time, so that it tells of a change and not of its luck; everywhere else they are new ones.
settings.register_profile("dcos", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dcos")


@pytest.fixture(scope="session", autouse=True)
def _main_event_loop() -> Iterator[None]:
    """The loop that pytest-asyncio finds "current" between async tests: without one it makes its own and never closes it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """CI has all that tests need: one that is skipped there is not tested anywhere."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"CI must not skip: {report.longrepr}"
    return report
