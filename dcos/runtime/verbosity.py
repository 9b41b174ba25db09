"""How much is logged, changed for a while: ``/logging/toggle``, GET_LOGGING_LEVEL, SET_LOGGING_LEVEL.

Level 0 is what the process was started with; 1 and above log details (DEBUG).   Source: libprocess' logging process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from dcos.runtime.settings import duration

MAX_LEVEL = 2**31 - 1
_LONGEST_S = 365 * 86400.0


class Verbosity:
    """One per process."""

    def __init__(self) -> None:
        self.level = 0
        self._original = logging.getLogger().level
        self._revert: asyncio.TimerHandle | None = None

    def set(self, level: int, duration_s: float) -> None:
        """For ``duration_s``; level 0 ends it at once."""
        if self._revert is not None:
            self._revert.cancel()
            self._revert = None
        self.level = level
        logging.getLogger().setLevel(logging.DEBUG if level else self._original)
        if level:
            seconds = min(max(0.0, duration_s), _LONGEST_S)
            self._revert = asyncio.get_running_loop().call_later(seconds, self.set, 0, 0.0)

    def toggle(self, query: Mapping[str, str]) -> tuple[int, str]:
        """Status and text of ``/logging/toggle?level=1&duration=10secs``."""
        level, span = query.get("level"), query.get("duration")
        if level is None and span is None:
            return 200, f"{self.level}\n"
        if span is None:
            return 400, "Expecting 'duration=value' in query.\n"
        if level is None:
            return 400, "Expecting 'level=value' in query.\n"
        try:
            wanted = int(level)
        except ValueError:
            return 400, f"Failed to convert '{level}' to number.\n"
        if not 0 <= wanted <= MAX_LEVEL:
            return 400, f"Invalid level '{wanted}'.\n"
        try:
            seconds = duration(span)
        except ValueError as error:
            return 400, f"Invalid duration '{span}': {error}.\n"
        self.set(wanted, seconds)
        return 200, ""
