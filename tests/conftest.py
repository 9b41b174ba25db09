"""What every test needs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

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
