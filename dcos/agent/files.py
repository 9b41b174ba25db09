"""The files API: sandboxes and the log, looked at through attached paths only.

A path is served if it is, or lies below, something attached; ``..`` and links that lead outside are refused.
Source: Mesos files process (``/files/{browse,read,download,debug}``, LIST_FILES, READ_FILE).
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dcos.model.v1.types import FileInfo, TimeInfo

MAX_READ = 16 * 4096
"""Bytes of one read, as upstream's (16 pages)."""


class NotFound(Exception):
    """No such file, or nothing attached there."""


class Invalid(Exception):
    """The request makes no sense: says why."""


class Files:
    """``attached`` gives (virtual path, real path) pairs, asked at each request."""

    def __init__(self, attached: Callable[[], Iterator[tuple[str, Path]]]) -> None:
        self._attached = attached

    def resolve(self, path: str) -> Path:
        """The real file of a virtual path.   Errors: NotFound."""
        wanted = "/" + path.strip("/") if path.startswith("/") else path.rstrip("/")
        parts = Path(wanted).parts
        if ".." in parts or "\0" in path:
            raise NotFound(path)
        for virtual, real in self._attached():
            prefix = virtual.rstrip("/")
            if wanted != prefix and not wanted.startswith(prefix + "/"):
                continue
            root = real.resolve()
            found = (root / wanted[len(prefix) :].lstrip("/")).resolve()
            if (found == root or root in found.parents) and found.exists():
                return found
            raise NotFound(path)
        raise NotFound(path)

    def list(self, path: str) -> list[FileInfo]:
        """Files below a folder, sorted; paths as the asker wrote them.   Errors: NotFound."""
        folder = self.resolve(path)
        if not folder.is_dir():
            return []
        shown = path.rstrip("/")
        out = []
        for one in sorted(folder.iterdir()):
            try:
                status = one.stat()
            except OSError:
                continue
            out.append(
                FileInfo(
                    path=f"{shown}/{one.name}",
                    nlink=status.st_nlink,
                    size=status.st_size,
                    mtime=TimeInfo(nanoseconds=int(status.st_mtime) * 1_000_000_000),
                    mode=status.st_mode,
                    uid=_user(status.st_uid),
                    gid=_group(status.st_gid),
                )
            )
        return out

    def read(self, path: str, offset: int, length: int | None) -> tuple[int, bytes]:
        """The file's size and ``length`` bytes (at most ``MAX_READ``) from ``offset``.   Errors: NotFound, Invalid."""
        file = self.resolve(path)
        if file.is_dir():
            raise Invalid("Cannot read from a directory.")
        if not file.is_file():
            raise NotFound(path)
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            size = os.fstat(descriptor).st_size
            if offset >= size:
                return size, b""
            count = MAX_READ if length is None else min(length, MAX_READ)
            return size, os.pread(descriptor, count, offset)
        finally:
            os.close(descriptor)

    def debug(self) -> dict[str, str]:
        return {virtual: str(real) for virtual, real in self._attached()}


def browse_json(infos: list[FileInfo]) -> list[dict[str, Any]]:
    """As ``/files/browse`` answers."""
    return [
        {
            "gid": one.gid,
            "mode": stat.filemode(one.mode or 0),
            "mtime": (one.mtime.nanoseconds if one.mtime is not None else 0) / 1e9,
            "nlink": one.nlink,
            "path": one.path,
            "size": one.size,
            "uid": one.uid,
        }
        for one in infos
    ]


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
