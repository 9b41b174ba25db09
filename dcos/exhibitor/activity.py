"""The activity log that the REST API shows: the last lines, newest first."""

from __future__ import annotations

import time
from collections import deque

from dcos.runtime.clock import Clock
from dcos.runtime.log import Logger

_LINES = 1000


class Activity:
    """Writes each line to the journal as well."""

    def __init__(self, log: Logger, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._lines: deque[str] = deque(maxlen=_LINES)

    def info(self, event: str, text: str) -> None:
        self._add("INFO", text)
        self._log.info(event, text=text)

    def error(self, event: str, text: str) -> None:
        """Trouble that is being taken care of."""
        self._add("ERROR", text)
        self._log.warning(event, text=text)

    def _add(self, level: str, text: str) -> None:
        when = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(self._clock.now()))
        self._lines.appendleft(f"{when} [{level}] {text}")

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self._lines)
