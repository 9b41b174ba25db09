"""The ZooKeeper process: started, found again after our own death, watched by its pidfd, stopped.

The file ``zookeeper.pid`` says which process is ours: its pid, its start time in the kernel's ticks (pids are used again) and
a digest of all it was started with. When we are killed alone (a process supervisor without cgroups), ZooKeeper goes on
serving; the next of us takes it over if the digest is still right, else ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dcos.runtime.files import write_atomic
from dcos.runtime.pids import start_time

MAIN_CLASS = "org.apache.zookeeper.server.quorum.QuorumPeerMain"

_TALKATIVE = ("org.apache.zookeeper.server.NIOServerCnxn",)
"""Loggers that write a stack trace for each client that comes before there is a quorum."""


class _Mark(msgspec.Struct):
    """The pid file."""

    pid: int
    started: int
    digest: str


@dataclass(frozen=True, slots=True)
class Launch:
    """All that decides what runs."""

    argv: tuple[str, ...]
    folder: Path
    """Its working directory."""
    texts: tuple[tuple[Path, str], ...]
    """Files that it reads at start."""
    seeds: tuple[tuple[Path, str], ...] = ()
    """Files that it begins with and goes on from by itself: another text makes no other server."""

    @property
    def digest(self) -> str:
        parts = [*self.argv, str(self.folder), *(f"{path}\0{text}" for path, text in self.texts)]
        return hashlib.sha256("\0\0".join(parts).encode()).hexdigest()


def java_command(
    java: str, *, heap_mb: int, flags: Sequence[str], classpath: str, log_level: str, config: Path
) -> tuple[str, ...]:
    return (
        java,
        f"-Xmx{heap_mb}m",
        *flags,
        "-Djava.net.preferIPv4Stack=true",
        f"-Dorg.slf4j.simpleLogger.defaultLogLevel={log_level}",
        *(f"-Dorg.slf4j.simpleLogger.log.{name}=error" for name in _TALKATIVE if log_level == "warn"),
        "-cp",
        classpath,
        MAIN_CLASS,
        str(config),
    )


class Server:
    """One running ZooKeeper. ``exited`` is set when it ended, by whatever."""

    def __init__(self, pid: int, child: subprocess.Popen[bytes] | None) -> None:
        self.pid = pid
        self.adopted = child is None
        self.exited = asyncio.Event()
        self._child = child
        self._pidfd = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._ended)

    @classmethod
    def start(cls, launch: Launch, pid_file: Path) -> Server:
        """Errors: OSError."""
        for path, text in (*launch.texts, *launch.seeds):
            write_atomic(path, text, mode=0o600)
        child = subprocess.Popen(
            launch.argv,
            stdin=subprocess.DEVNULL,
            cwd=launch.folder,
        )
        mark = _Mark(child.pid, start_time(child.pid) or 0, launch.digest)
        write_atomic(pid_file, msgspec.json.encode(mark), mode=0o600)
        return cls(child.pid, child)

    @classmethod
    def find(cls, launch: Launch, pid_file: Path) -> tuple[Server | None, bool]:
        """(a ZooKeeper of an earlier one of us that still runs, whether it runs with this ``launch``)."""
        mark = _running(pid_file)
        if mark is None:
            return None, False
        try:
            return cls(mark.pid, None), mark.digest == launch.digest
        except ProcessLookupError:
            return None, False

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        if self._child is not None:
            self._child.wait()
        self.exited.set()

    @property
    def exit_code(self) -> int | None:
        """None while it runs, and of one that was not our child."""
        return None if self._child is None else self._child.returncode

    async def stop(self, timeout_s: float) -> None:
        """SIGTERM, after ``timeout_s`` SIGKILL; returns when it is gone."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(timeout_s):
                await self.exited.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """SIGKILL, which also ends one that is stopped or hung."""
        self._signal(signal.SIGKILL)
        await self.exited.wait()

    def _signal(self, number: int) -> None:
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)


def running_pid(pid_file: Path) -> int | None:
    """Of the ZooKeeper that the file tells of, if it runs."""
    mark = _running(pid_file)
    return None if mark is None else mark.pid


def _running(pid_file: Path) -> _Mark | None:
    try:
        mark = msgspec.json.decode(pid_file.read_bytes(), type=_Mark)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    return mark if start_time(mark.pid) == mark.started and _is_zookeeper(mark.pid) else None


def _is_zookeeper(pid: int) -> bool:
    try:
        return MAIN_CLASS.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
