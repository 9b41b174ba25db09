"""Looking at processes through /proc and waiting for those that are not our children."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a tree of processes used. Seconds, bytes."""

    user_s: float
    system_s: float
    rss_bytes: int
    processes: int
    threads: int


def alive(pid: int) -> bool:
    """Whether ``pid`` is a process that has not ended (a zombie has)."""
    return (stat := _stat(pid)) is not None and stat[0] not in ("Z", "X")


def command_line(pid: int) -> list[str]:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def tree(root: int) -> set[int]:
    """Live processes in ``root``'s session or process group, and all descendants of those.

    ``root`` itself leads its session, so that a number used again by somebody else is not taken for it.
    """
    children: dict[int, list[int]] = {}
    found: set[int] = set()
    states: dict[int, str] = {}
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or (stat := _stat(int(entry.name))) is None:
            continue
        state, parent, group, session = stat
        pid = int(entry.name)
        states[pid] = state
        children.setdefault(parent, []).append(pid)
        if root in (session, group):
            found.add(pid)
    open_ = list(found)
    while open_:
        for child in children.get(open_.pop(), ()):
            if child not in found:
                found.add(child)
                open_.append(child)
    return {pid for pid in found if states.get(pid) not in ("Z", "X", None)}


def signal_all(pids: set[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


async def kill_tree(root: int, *, patience_s: float = 10.0) -> bool:
    """SIGKILL ``tree(root)`` until it is empty; False when something would not die."""
    deadline = asyncio.get_running_loop().time() + patience_s
    pause = 0.005
    while members := tree(root):
        signal_all(members, signal.SIGKILL)
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.2)
    return True


async def ended(pid: int) -> None:
    """Return when process ``pid`` has ended; at once if there is none."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    loop.add_reader(handle, done.set)
    try:
        await done.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def _stat(pid: int) -> tuple[str, int, int, int] | None:
    """State, parent, process group, session."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return fields[0], int(fields[1]), int(fields[2]), int(fields[3])


def usage(root: int) -> Usage:
    """Sum over ``tree(root)``; time of ended and reaped children included."""
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    user = system = rss = threads = count = 0
    for pid in tree(root):
        try:
            text = (PROC / str(pid) / "stat").read_text(errors="replace")
        except OSError:
            continue
        fields = text[text.rindex(")") + 2 :].split()
        user += int(fields[11]) + int(fields[13])
        system += int(fields[12]) + int(fields[14])
        threads += int(fields[17])
        rss += int(fields[21]) * page
        count += 1
    return Usage(user / tick, system / tick, rss, count, threads)
