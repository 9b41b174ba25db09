"""A leading Marathon's time goes on when the machine's clock is set back."""

from __future__ import annotations

from typing import Any, cast

from dcos.marathon.core.scheduler import Scheduler
from dcos.marathon.core.state import CoreSettings, State
from dcos.marathon.leader import Leader
from dcos.marathon.metrics import Metrics
from dcos.marathon.stream import Bus


class Hours:
    """A wall clock that somebody sets back."""

    def __init__(self) -> None:
        self.wall, self.passed = 100_000.0, 0.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.passed


async def test_time_goes_on_when_the_clock_is_set_back() -> None:
    """Else a revive that is due five seconds after the last one waits until the wall clock has caught up."""
    hours = Hours()
    core = Scheduler(State(), CoreSettings(), iter(()))
    leader = Leader(
        core, cast(Any, type("Nowhere", (), {"save": None})), Bus(hours.now, 1), Metrics(hours.now), hours, lambda: None
    )
    assert leader.now() == 100_000.0
    hours.wall, hours.passed = 10.0, 1.0
    assert leader.now() == 100_001.0
