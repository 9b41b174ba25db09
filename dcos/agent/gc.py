"""Removes old sandboxes and closed checkpoints: each path some time after its last change, sooner when the disk fills.

The disk is asked for the age: what to remove is known by memory (and, after a restart, by looking for closed runs).
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from dcos.agent.core.ageing import allowed_age_s, due
from dcos.runtime.clock import Clock
from dcos.runtime.log import Logger


class GarbageCollector:
    """``run`` for ever; ``schedule`` what is no longer used, ``keep`` what is used again."""

    def __init__(
        self, work_dir: Path, *, delay_s: float, headroom: float, interval_s: float, clock: Clock, log: Logger
    ) -> None:
        self._work_dir = work_dir
        self._delay_s = delay_s
        self._headroom = headroom
        self._interval_s = interval_s
        self._clock = clock
        self._log = log
        self._scheduled: dict[str, float] = {}
        self.removed = 0
        self.failed = 0

    @property
    def pending(self) -> int:
        return len(self._scheduled)

    def max_age_s(self) -> float:
        """The age that the disk allows now."""
        try:
            status = os.statvfs(self._work_dir)
        except OSError:
            return self._delay_s
        used = 1.0 - status.f_bavail / status.f_blocks if status.f_blocks else 0.0
        return allowed_age_s(self._delay_s, self._headroom, used)

    def schedule(self, path: Path) -> None:
        """``path`` ages from its last change on."""
        try:
            self._scheduled[str(path)] = path.stat().st_mtime
        except FileNotFoundError:
            self._scheduled.pop(str(path), None)

    def keep(self, path: Path) -> None:
        self._scheduled.pop(str(path), None)

    def sweep_closed(self, meta: Path, slaves: Path, current: str | None) -> None:
        """After a restart: closed runs of this agent, and everything of older ids."""
        for slave in meta.glob("slaves/*"):
            if slave.is_symlink():
                continue
            if slave.name != current:
                self.schedule(slave)
                self.schedule(slaves / slave.name)
                continue
            for sentinel in slave.glob("frameworks/*/executors/*/runs/*/executor.sentinel"):
                self.schedule(sentinel.parent)
                self.schedule(slaves / sentinel.parent.relative_to(meta / "slaves"))

    async def run(self) -> None:
        while True:
            await self.collect()
            await asyncio.sleep(self._interval_s)

    async def collect(self) -> None:
        """Remove what is old enough, and folders left empty above it."""
        for path in due(self._scheduled, self.max_age_s(), self._clock.now()):
            del self._scheduled[path]
            try:
                await asyncio.to_thread(shutil.rmtree, path)
            except FileNotFoundError:
                continue
            except OSError as error:
                self.failed += 1
                self._log.warning("gc_failed", path=path, error=str(error))
                continue
            self.removed += 1
            self._log.info("gc_removed", path=path)
            self._prune(Path(path).parent)

    def _prune(self, folder: Path) -> None:
        """``runs`` with nothing but a dangling ``latest``, then the executor's and the framework's folder."""
        while folder.name != "slaves" and self._work_dir in folder.parents:
            latest = folder / "latest"
            if latest.is_symlink() and not latest.exists():
                latest.unlink()
            infos = {"executor.info", "framework.info"}
            names = {one.name for one in folder.iterdir()} if folder.is_dir() else set()
            if names - infos or folder.parent.name == "slaves":
                return
            for name in names:
                (folder / name).unlink()
            folder.rmdir()
            folder = folder.parent
