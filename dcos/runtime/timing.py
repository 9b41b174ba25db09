"""How long things took: the last value and statistics over the samples of the last hour.

Source: libprocess timers: values in milliseconds, a window of one hour and 1000 samples; percentiles between neighbours
are interpolated.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator

WINDOW_S = 3600.0
SAMPLES = 1000
_PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "p9999": 0.9999}


class Timer:
    """Times are of one clock that only grows, in seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=SAMPLES)

    def note(self, now: float, took_s: float) -> None:
        self._samples.append((now, took_s * 1000))

    @contextlib.contextmanager
    def timed(self, clock: Callable[[], float]) -> Iterator[None]:
        """What happens in the block, however it ends."""
        began = clock()
        try:
            yield
        finally:
            self.note(clock(), clock() - began)

    def metrics(self, name: str, now: float) -> dict[str, float]:
        """The bare name is the last value, absent before the first sample; statistics need two samples, as upstream's."""
        if not self._samples:
            return {}
        out = {name: self._samples[-1][1]}
        recent = sorted(value for at, value in self._samples if at >= now - WINDOW_S)
        if len(recent) > 1:
            out |= {f"{name}/count": float(len(recent)), f"{name}/max": recent[-1], f"{name}/min": recent[0]}
            out |= {f"{name}/{short}": _percentile(recent, part) for short, part in _PERCENTILES.items()}
        return out


def _percentile(values: list[float], part: float) -> float:
    place = part * (len(values) - 1)
    below = int(place)
    if below + 1 >= len(values):
        return values[-1]
    return values[below] + (place - below) * (values[below + 1] - values[below])
