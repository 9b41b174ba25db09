"""Rotates what running tasks write: ``stdout`` to ``stdout.1`` and so on, without the writer's help.

A task holds its file open for appending, so the file must stay. Its head is copied out, then cut off: where the file system
can take whole blocks out of a file's front (ext4, xfs) nothing written meanwhile is lost, elsewhere the file is
emptied, as ``logrotate``'s copytruncate does.   Source: Mesos's logrotate container logger (sizes, names).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from dcos.runtime.log import Logger

NAMES = ("stdout", "stderr")
_COLLAPSE_RANGE = 0x08
_INTERVAL_S = 5.0
_libc = ctypes.CDLL(None, use_errno=True)


class LogRotation:
    """``sandboxes`` tells those of running tasks."""

    def __init__(
        self,
        sandboxes: Callable[[], Iterable[Path]],
        *,
        max_size: int,
        keep: int,
        log: Logger,
        interval_s: float = _INTERVAL_S,
    ) -> None:
        self._sandboxes = sandboxes
        self._max_size = max_size
        self._keep = keep
        self._log = log
        self._interval_s = interval_s

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(self._interval_s)
            for sandbox in list(self._sandboxes()):
                await asyncio.to_thread(self._look, sandbox)

    def _look(self, sandbox: Path) -> None:
        for name in NAMES:
            try:
                rotate(sandbox / name, max_size=self._max_size, keep=self._keep)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._log.warning("log_not_rotated", file=str(sandbox / name), error=str(error))


def rotate(path: Path, *, max_size: int, keep: int) -> bool:
    """Cut ``path`` if it is larger than ``max_size``; whether it was.   Errors: OSError."""
    # the task may have put a link or a pipe in its place
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size <= max_size:
            return False
        block = found.st_blksize
        # a cut must leave something of the file
        whole = (found.st_size - 1) // block * block
        for number in range(keep - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                _numbered(path, number).replace(_numbered(path, number + 1))
        if keep > 0:
            _copy(descriptor, _numbered(path, 1), whole, found)
        if not _cut(descriptor, whole):
            if keep > 0:
                _copy(descriptor, _numbered(path, 1), os.fstat(descriptor).st_size, found)
            os.ftruncate(descriptor, 0)
        return True
    finally:
        os.close(descriptor)


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _copy(source: int, target: Path, size: int, like: os.stat_result) -> None:
    """The first ``size`` bytes, with the owner and mode of ``like``."""
    temporary = target.with_name(f".{target.name}.new")
    temporary.unlink(missing_ok=True)
    out = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        offset = 0
        while offset < size:
            sent = os.sendfile(out, source, offset, size - offset)
            if sent == 0:
                break
            offset += sent
        if os.geteuid() == 0:
            os.fchown(out, like.st_uid, like.st_gid)
        os.fchmod(out, stat.S_IMODE(like.st_mode))
    finally:
        os.close(out)
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    temporary.replace(target)


def _cut(descriptor: int, size: int) -> bool:
    """Take ``size`` bytes out of the file's front; False where the file system cannot.   Errors: OSError."""
    while True:
        result = _libc.fallocate(
            ctypes.c_int(descriptor), ctypes.c_int(_COLLAPSE_RANGE), ctypes.c_longlong(0), ctypes.c_longlong(size)
        )
        if result == 0:
            return True
        number = ctypes.get_errno()
        if number == errno.EINTR:
            continue
        # EINVAL: nothing would be left of the file, or its blocks are larger than told
        if number in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EPERM):
            return False
        raise OSError(number, os.strerror(number))
