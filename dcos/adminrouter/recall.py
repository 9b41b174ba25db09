"""Decisions that nginx remembers are taken back when they hold no longer.

Whatever was told is noted here for as long as nginx may use it. When something that is known of the cluster has changed, all that
is noted is decided anew, from what is known, and what comes out differently is taken back: so a task that moved is found
at once, and what did not change stays remembered. An answer that was on its way meanwhile is caught by a second look.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from dcos.adminrouter.core.memory import OVER, VERSION
from dcos.adminrouter.core.targets import Decision
from dcos.runtime.clock import Clock
from dcos.runtime.log import Logger

_NOTED = 16384
_SECOND_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class _Note:
    subject: str
    forwarded: bool
    decision: Decision
    until: float


class Recall:
    """``decide(subject, forwarded)``: what would be told now."""

    def __init__(self, decide: Callable[[str, bool], Awaitable[Decision | None]], *, clock: Clock, log: Logger) -> None:
        self._decide = decide
        self._clock = clock
        self._log = log
        self._notes: OrderedDict[Path, _Note] = OrderedDict()
        self._changed = asyncio.Event()

    def told(self, file: Path, subject: str, forwarded: bool, decision: Decision, *, good_s: float) -> None:
        """nginx was told ``decision`` and keeps it in ``file`` for ``good_s``. Of too many, the oldest are forgotten."""
        self._notes[file] = _Note(subject, forwarded, decision, self._clock.monotonic() + good_s)
        self._notes.move_to_end(file)
        while len(self._notes) > _NOTED:
            self._notes.popitem(last=False)

    def changed(self) -> None:
        """Something is known now that was not when decisions were made."""
        self._changed.set()

    async def keep(self) -> None:
        """Take back for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            files = await self._over()
            for file in files:
                self._take_back(file)
            if files:
                self._log.debug("decisions_taken_back", count=len(files))
                asyncio.get_running_loop().call_later(_SECOND_LOOK_S, self._again, files)

    def _again(self, files: list[Path]) -> None:
        for file in files:
            self._take_back(file)

    async def _over(self) -> list[Path]:
        """Files of the decisions that would be made differently now."""
        now = self._clock.monotonic()
        for file in [file for file, note in self._notes.items() if note.until <= now]:
            del self._notes[file]
        decided: dict[tuple[str, bool], Decision | None] = {}
        over = []
        for file, note in list(self._notes.items()):
            asked = note.subject, note.forwarded
            if asked not in decided:
                decided[asked] = await self._decide(*asked)
            if decided[asked] != note.decision:
                over.append(file)
        return over

    def _take_back(self, file: Path) -> None:
        self._notes.pop(file, None)
        try:
            take_back(file)
        except OSError as error:
            self._log.warning("not_taken_back", error=str(error))


def take_back(file: Path) -> bool:
    """Let nginx ask again for what is in ``file``; tells whether there was one.   Errors: OSError."""
    try:
        with file.open("r+b", buffering=0) as opened:
            if opened.read(len(VERSION)) == VERSION:
                opened.write(OVER)
                return True
    except FileNotFoundError:
        return False
    file.unlink(missing_ok=True)  # another nginx: it asks again as well, but says in its log that a file is missing
    return True
