"""Knowing a process again after everybody who started it is gone: pids are used again, a pid with its start time is not."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from dcos.runtime.files import write_atomic

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Mark(msgspec.Struct, frozen=True):
    """One process of one boot; ``started`` in the kernel's ticks since that boot."""

    pid: int
    started: int
    boot: str


def start_time(pid: int) -> int | None:
    """Kernel ticks since boot at which the process began; None if there is none, or a zombie only."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def mark(pid: int) -> Mark | None:
    """The mark of a running process; None if there is none."""
    started = start_time(pid)
    return None if started is None else Mark(pid, started, _BOOT_ID.read_text().strip())


def lives(one: Mark) -> bool:
    """Whether just this process still runs."""
    return start_time(one.pid) == one.started and _BOOT_ID.read_text().strip() == one.boot


def leave_own(path: Path) -> None:
    """Write this process's own mark to ``path``."""
    write_atomic(path, msgspec.json.encode(mark(os.getpid())))


def living(path: Path) -> int | None:
    """The pid of the process whose mark stands in ``path``, if it still runs."""
    try:
        one = msgspec.json.decode(path.read_bytes(), type=Mark)
    except (OSError, msgspec.MsgspecError):
        return None
    return one.pid if lives(one) else None
