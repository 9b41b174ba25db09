"""Backups and the cleaning of ZooKeeper's data folders, by the clock and on demand.

Each run is a process of its own (``backup_command.py``). Switched by Exhibitor's switches ``backups`` and ``cleanup``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcos.exhibitor import archive
from dcos.exhibitor.activity import Activity
from dcos.runtime import process
from dcos.runtime.clock import Clock
from dcos.runtime.process import ProcessError

_LONGEST_S = 3600.0
_START = "import sys; from dcos.exhibitor.service import main; sys.exit(main())"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Seconds; a period of 0 means: not by the clock. ``keep`` whole snapshots stay."""

    folder: Path
    backup_period_s: float
    backup_max_age_s: float
    cleanup_period_s: float
    keep: int


class Upkeep:
    """``run`` is the loop; the rest is for the API."""

    def __init__(self, schedule: Schedule, activity: Activity, clock: Clock) -> None:
        self.schedule = schedule
        self.switches = {"backups": True, "cleanup": True}
        self.last_error = ""
        """Of the last backup; empty if it was made or nothing had changed."""
        self.last_success = 0.0
        """When a backup was made or found unneeded, seconds since 1970."""
        self._activity = activity
        self._clock = clock
        self._one = asyncio.Lock()

    async def run(self) -> None:
        """For as long as the process runs."""
        async with asyncio.TaskGroup() as group:
            if self.schedule.backup_period_s > 0:
                group.create_task(self._every(self.schedule.backup_period_s, "backups"))
            if self.schedule.cleanup_period_s > 0:
                group.create_task(self._every(self.schedule.cleanup_period_s, "cleanup"))

    async def _every(self, period_s: float, switch: str) -> None:
        while True:
            await asyncio.sleep(period_s)
            if self.switches[switch]:
                await (self.backup() if switch == "backups" else self.clean())

    def backups(self) -> list[archive.Backup]:
        """Newest first.   Errors: OSError."""
        return archive.listed(self.schedule.folder)

    async def backup(self) -> str:
        """Make one now: its name, empty if the newest goes as far already or it failed (``last_error`` says how)."""
        schedule = self.schedule
        answer, error = await self._command(
            "make", f"--folder={schedule.folder}", f"--max_age={schedule.backup_max_age_s}"
        )
        self.last_error = error
        if error:
            self._activity.error("backup_failed", f"no backup was made: {error}")
            return ""
        self.last_success = self._clock.now()
        if answer["deleted"]:
            self._activity.info("backups_deleted", f"old backups deleted: {', '.join(answer['deleted'])}")
        if answer["made"] is None:
            return ""
        self._activity.info("backup_made", f"backup made: {answer['made']['name']}")
        return str(answer["made"]["name"])

    async def clean(self) -> None:
        answer, error = await self._command("clean", f"--keep={self.schedule.keep}")
        if error:
            self._activity.error("cleanup_failed", f"ZooKeeper's old files stay: {error}")
        elif answer["deleted"]:
            self._activity.info("cleanup", f"ZooKeeper's old files deleted: {', '.join(answer['deleted'])}")

    async def _command(self, *words: str) -> tuple[Any, str]:
        async with self._one:
            try:
                done = await process.run([sys.executable, "-c", _START, "backup", *words], timeout_s=_LONGEST_S)
            except (ProcessError, TimeoutError) as error:
                return None, str(error) or "it took too long"
        if not done.ok:
            return None, done.stderr.decode(errors="replace").strip() or f"ended with status {done.code}"
        return json.loads(done.stdout), ""
