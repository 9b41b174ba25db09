"""Looking at processes through /proc and waiting for those that are not our children."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterable, Mapping
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


def born(pid: int) -> int | None:
    """When it started, in the kernel's ticks since boot; None where there is no such process."""
    return None if (fields := _fields(pid)) is None else int(fields[19])


def command_line(pid: int) -> list[str]:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


@dataclass(frozen=True, slots=True)
class Look:
    """All live processes of one moment."""

    children: Mapping[int, list[int]]
    members: Mapping[int, list[int]]
    """By session, and by process group where that is another."""

    def tree(self, root: int) -> list[int]:
        """Processes in the session or process group of ``root``, and all their descendants: ``root`` first, each before its own.

        ``root`` itself leads its session, so that a number used again by somebody else is not taken for it.
        """
        found: dict[int, None] = {}
        for member in sorted(self.members.get(root, ()), key=lambda pid: (pid != root, pid)):
            open_ = [member]
            while open_:
                if (pid := open_.pop()) not in found:
                    found[pid] = None
                    open_ += self.children.get(pid, ())
        return list(found)


def look() -> Look:
    children: dict[int, list[int]] = {}
    members: dict[int, list[int]] = {}
    for name in os.listdir(PROC):
        if not name.isdigit() or (stat := _stat(pid := int(name))) is None or stat[0] in ("Z", "X"):
            continue
        _, parent, group, session = stat
        children.setdefault(parent, []).append(pid)
        members.setdefault(session, []).append(pid)
        if group != session:
            members.setdefault(group, []).append(pid)
    return Look(children, members)


def tree(root: int) -> list[int]:
    """``Look.tree`` of now."""
    return look().tree(root)


class Looks:
    """Looks shared by whoever asks at the same time: a hundred ends at once cost few scans of ``/proc``."""

    def __init__(self) -> None:
        self._coming: asyncio.Task[Look] | None = None
        self._took_s = 0.0

    async def fresh(self) -> Look:
        """A look that begins after this call."""
        if self._coming is None:
            self._coming = asyncio.create_task(self._soon())
        return await asyncio.shield(self._coming)

    async def _soon(self) -> Look:
        """After a pause as long as the last look took: looking never takes more than half of the time."""
        await asyncio.sleep(self._took_s)
        self._coming = None
        loop = asyncio.get_running_loop()
        begin = loop.time()
        found = look()
        self._took_s = loop.time() - begin
        return found


def signal_all(pids: Iterable[int], number: int) -> None:
    """In this order: a shell that is signalled after its child may end first, with the child's end as its own exit status."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


async def kill_tree(root: int, looks: Looks, *, patience_s: float = 10.0) -> bool:
    """SIGKILL the tree of ``root`` until it is empty; False when something would not die."""
    deadline = asyncio.get_running_loop().time() + patience_s
    pause = 0.005
    while members := (await looks.fresh()).tree(root):
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
    if (fields := _fields(pid)) is None:
        return None
    return fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3])


def _fields(pid: int) -> list[bytes] | None:
    """``/proc/<pid>/stat`` from the state on; None where there is no such process."""
    try:
        handle = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return None
    try:
        text = os.read(handle, 4096)
    except OSError:
        return None
    finally:
        os.close(handle)
    return text[text.rindex(b")") + 2 :].split()


def usage(root: int, seen: Look | None = None) -> Usage:
    """Sum over the tree of ``root`` (as ``seen``, or now); time of ended and reaped children included."""
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    user = system = rss = threads = count = 0
    for pid in (seen or look()).tree(root):
        if (fields := _fields(pid)) is None:
            continue
        user += int(fields[11]) + int(fields[13])
        system += int(fields[12]) + int(fields[14])
        threads += int(fields[17])
        rss += int(fields[21]) * page
        count += 1
    return Usage(user / tick, system / tick, rss, count, threads)
