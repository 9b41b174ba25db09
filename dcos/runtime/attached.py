"""The files API of master and agent: logs and sandboxes, looked at through attached paths only.

A path is served if it is, or lies below, something attached that the asker may see; ``..`` and links that lead outside are
refused.   Source: Mesos files process (``/files/{browse,read,download,debug}``, LIST_FILES, READ_FILE).
"""

from __future__ import annotations

import asyncio
import grp
import mimetypes
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from dcos.model.v1.types import FileInfo, TimeInfo
from dcos.runtime.http_access import principal_of
from dcos.runtime.mesos_http import forbidden, json_body, text_response

MAX_READ = 16 * 4096
"""Bytes of one read, as upstream's (16 pages)."""


class FileRefused(Exception):
    """``status``: 400 says why in ``text``; 403, 404 say nothing more. ``missing``: the permission that is."""

    def __init__(self, status: int, text: str = "", missing: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.missing = missing

    def response(self) -> web.Response:
        return forbidden(self.missing) if self.missing else text_response(self.status, self.text)


def everybody(_: str | None) -> bool:
    return True


def nameless(_: str | None) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Attached:
    virtual: str
    real: Path
    allowed: Callable[[str | None], bool] = everybody
    """Whether this principal may see it."""
    missing: Callable[[str | None], str] = nameless
    """The permission that it lacks otherwise."""


class Files:
    """``attached`` is asked at each request. Blocking: call in a thread."""

    def __init__(self, attached: Callable[[], Iterator[Attached]]) -> None:
        self._attached = attached

    def resolve(self, path: str, principal: str | None = None) -> Path:
        """The real file of a virtual path.   Errors: FileRefused."""
        wanted = "/" + path.strip("/") if path.startswith("/") else path.rstrip("/")
        if ".." in Path(wanted).parts or "\0" in path:
            raise FileRefused(404)
        best: Attached | None = None
        for one in self._attached():
            prefix = one.virtual.rstrip("/")
            below = wanted == prefix or wanted.startswith(prefix + "/")
            if below and (best is None or len(prefix) > len(best.virtual.rstrip("/"))):
                best = one
        if best is None:
            raise FileRefused(404)
        if not best.allowed(principal):
            raise FileRefused(403, missing=best.missing(principal))
        try:
            root = best.real.resolve()
            found = (root / wanted[len(best.virtual.rstrip("/")) :].lstrip("/")).resolve()
            exists = found.exists()
        except (OSError, RuntimeError):  # a name too long, a loop of links
            raise FileRefused(404) from None
        if found != root and root not in found.parents:
            raise FileRefused(400, f"Resolved path of '{path}' is inaccessible.\n")
        if not exists:
            raise FileRefused(404)
        return found

    def list(self, path: str, principal: str | None = None) -> list[FileInfo]:
        """Files below a folder, sorted; paths as the asker wrote them.   Errors: FileRefused."""
        folder = self.resolve(path, principal)
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

    def read(self, path: str, offset: int, length: int | None, principal: str | None = None) -> tuple[int, bytes]:
        """The file's size and ``length`` bytes (at most ``MAX_READ``; None or less than 0: that many) from ``offset``.

        Errors: FileRefused.
        """
        file = self.resolve(path, principal)
        if file.is_dir():
            raise FileRefused(400, "Cannot read a directory.\n")
        if not file.is_file():
            raise FileRefused(404)
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            size = os.fstat(descriptor).st_size
            if offset >= size:
                return size, b""
            count = MAX_READ if length is None or length < 0 else min(length, MAX_READ)
            return size, os.pread(descriptor, count, max(0, offset))
        finally:
            os.close(descriptor)

    def debug(self) -> dict[str, str]:
        return {one.virtual: str(one.real) for one in self._attached()}


# ---- the endpoints ---------------------------------------------------------------------------------------------------


class FilesEndpoints:
    """``/files/{browse,read,download,debug}``."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def browse(self, request: web.Request) -> web.Response:
        try:
            infos = await asyncio.to_thread(self._files.list, _path(request), principal_of(request))
        except FileRefused as refused:
            return refused.response()
        return json_body(request, browse_json(infos))

    async def read(self, request: web.Request) -> web.Response:
        try:
            path = _path(request)
            offset, length = _number(request, "offset"), _number(request, "length")
            size, data = await asyncio.to_thread(
                self._files.read, path, 2**63 if offset == -1 else offset, length, principal_of(request)
            )
        except FileRefused as refused:
            return refused.response()
        begin = size if offset == -1 else min(offset, size)
        return json_body(request, {"data": data.decode(errors="replace"), "offset": begin})

    async def download(self, request: web.Request) -> web.StreamResponse:
        try:
            path = _path(request)
            file = await asyncio.to_thread(self._files.resolve, path, principal_of(request))
        except FileRefused as refused:
            return refused.response()
        if file.is_dir():
            return text_response(400, "Cannot download a directory.\n")
        if not file.is_file():
            return text_response(404)
        name = Path(path).name
        headers = {
            "Content-Type": mimetypes.guess_type(name)[0] or "application/octet-stream",
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        }
        return web.FileResponse(file, headers=headers)

    async def debug(self, request: web.Request) -> web.Response:
        return json_body(request, self._files.debug())


def _path(request: web.Request) -> str:
    path = request.query.get("path", "")
    if not path:
        raise FileRefused(400, "Expecting 'path=value' in query.\n")
    return path


def _number(request: web.Request, name: str) -> int:
    """-1 where it is absent."""
    try:
        value = int(request.query.get(name, "-1"))
    except ValueError:
        raise FileRefused(400, f"Failed to parse {name}: Failed to convert to a number.\n") from None
    if not -1 <= value < 2**63:
        raise FileRefused(400, f"Negative {name} provided: {value}.\n" if value < 0 else f"Too big {name}: {value}.\n")
    return value


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
