"""Old sandboxes: by age, earlier when the disk fills up, never what is used again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from dcos.agent.gc import GarbageCollector
from dcos.runtime.log import get_logger


class Clock:
    """Stands where it is put."""

    def __init__(self, now: float) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class Disk:
    """What statvfs tells; ``used`` is a fraction."""

    def __init__(self, used: float) -> None:
        self.used = used

    def __call__(self, path: object) -> SimpleNamespace:
        return SimpleNamespace(f_blocks=1000, f_bavail=round(1000 * (1 - self.used)))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk(0.0)
    monkeypatch.setattr(os, "statvfs", made)
    return made


def sandbox(work: Path, name: str, changed: float) -> Path:
    run = work / "slaves/S/frameworks/F/executors" / name / "runs/c"
    run.mkdir(parents=True)
    (run / "stdout").touch()
    (run.parent / "latest").symlink_to(run)
    os.utime(run, (changed, changed))
    return run


def collector(work: Path, clock: Clock) -> GarbageCollector:
    return GarbageCollector(work, delay_s=1000, headroom=0.1, interval_s=60, clock=clock, log=get_logger("test"))


async def test_by_age(tmp_path: Path, disk: Disk) -> None:
    clock = Clock(5000.0)
    collecting = collector(tmp_path, clock)
    old, young = sandbox(tmp_path, "old", 4000.0), sandbox(tmp_path, "young", 4800.0)
    for one in (old, young):
        collecting.schedule(one)
    assert collecting.max_age_s() == pytest.approx(900)
    await collecting.collect()
    assert not (tmp_path / "slaves/S/frameworks/F/executors/old").exists()
    assert young.is_dir()
    assert (collecting.removed, collecting.pending) == (1, 1)
    collecting.keep(young)
    clock.time = 9000.0
    await collecting.collect()
    assert young.is_dir()


@pytest.mark.parametrize(("used", "left"), [(0.0, True), (0.5, True), (0.75, False), (0.95, False)])
async def test_a_full_disk_makes_things_old(tmp_path: Path, disk: Disk, used: float, left: bool) -> None:
    """300 s old: allowed are 900, 400, 150, 0."""
    disk.used = used
    collecting = collector(tmp_path, Clock(5000.0))
    run = sandbox(tmp_path, "e", 4700.0)
    collecting.schedule(run)
    await collecting.collect()
    assert run.exists() is left


async def test_what_cannot_be_removed_is_told(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    collecting = collector(tmp_path, Clock(5000.0))
    collecting.schedule(sandbox(tmp_path, "e", 0.0))
    await collecting.collect()
    assert (collecting.failed, collecting.removed) == (1, 0)
