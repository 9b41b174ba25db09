"""Which samples make up a window of time.

Time is cut into slots of equal length; a slot has one sample or none. A window is the newest slots, oldest first, and its length
never changes: what is missing (the service did not run, nobody answered) is a gap in its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

SUFFIX = ".state-summary.json"
_FORM = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Window:
    """``count`` samples, one for each ``step_s`` seconds."""

    name: str
    count: int
    step_s: int

    def slot(self, now: float) -> int:
        return int(now // self.step_s)

    def until_next(self, now: float) -> float:
        """Seconds to the next slot's beginning."""
        return (self.slot(now) + 1) * self.step_s - now

    def slots(self, newest: int) -> range:
        return range(newest - self.count + 1, newest + 1)

    def file(self, slot: int) -> str:
        return datetime.fromtimestamp(slot * self.step_s, UTC).strftime(_FORM) + SUFFIX

    def slot_of(self, file: str) -> int | None:
        """None: the name is not one of ours."""
        try:
            begin = datetime.strptime(file.removesuffix(SUFFIX), _FORM).replace(tzinfo=UTC)
        except ValueError:
            return None
        slot = self.slot(begin.timestamp())
        return slot if self.file(slot) == file else None

    def over(self, files: Iterable[str], newest: int) -> list[str]:
        """Files that no window has any more, or that are of the future (the clock was wrong then)."""
        wanted = self.slots(newest)
        found = ((file, self.slot_of(file)) for file in files)
        return [file for file, slot in found if slot is not None and slot not in wanted]


MINUTE = Window("minute", 30, 2)
HOUR = Window("hour", 60, 60)
