"""What tests of the master's core share."""

from __future__ import annotations

import pytest

from tests.unit.master.operation_play import Play


@pytest.fixture
def play() -> Play:
    return Play()
