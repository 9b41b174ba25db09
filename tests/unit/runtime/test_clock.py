"""A steady clock starts with the wall's time and never follows its jumps."""

from __future__ import annotations

from dcos.runtime.clock import SteadyClock


class Jumpy:
    def __init__(self) -> None:
        self.wall, self.passed = 1000.0, 5.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.passed


def test_it_counts_on_when_the_wall_jumps() -> None:
    jumpy = Jumpy()
    steady = SteadyClock(jumpy)
    assert steady.now() == 1000.0
    jumpy.wall, jumpy.passed = -86400.0, 7.5
    assert steady.now() == 1002.5
    assert steady.monotonic() == 7.5
