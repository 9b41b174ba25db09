"""``--volume_gid_range``: groups by which tasks of several users share a volume.

A shared persistent volume, or a folder of the parent's sandbox (SANDBOX_PATH of type PARENT), that a task of a user other
than root may write gets a group of the range: the volume is the group's, with the set-group-ID bit, and the task has it
beside its own. The same volume keeps its group; one that is gone gives it back.

Kept in ``meta/volume_gid_manager/volume_gids``.   Source: Mesos's volume gid manager (docs/shared-resources.md, the flag).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

import msgspec

from dcos.agent.containerizer.base import LaunchError
from dcos.runtime.files import write_atomic

_GROUP_MAY = stat.S_ISGID | stat.S_IRWXG


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """One volume of the file."""

    type: str
    """``VOLUME`` (persistent) or ``SANDBOX_PATH``, as upstream names them."""
    path: str
    gid: int


def parse_range(text: str) -> range:
    """``[10000-20000]``.   Errors: ValueError."""
    match = re.fullmatch(r"\s*\[\s*(\d+)\s*-\s*(\d+)\s*\]\s*", text)
    if match is None or not 0 < int(match[1]) <= int(match[2]) < 2**32 - 1:
        raise ValueError("must be a range of group ids, the lower one first: [10000-20000]")
    return range(int(match[1]), int(match[2]) + 1)


def range_text(value: range) -> str:
    return f"[{value.start}-{value.stop - 1}]"


class VolumeGids:
    """``file`` outlives the agent.   Errors of the constructor: OSError, msgspec.DecodeError."""

    def __init__(self, gids: range, file: Path) -> None:
        self._gids = gids
        self._file = file
        found = msgspec.json.decode(file.read_bytes(), type=list[Taken]) if file.exists() else []
        self._taken = {one.path: one for one in found}
        self._give_back()

    @property
    def total(self) -> int:
        return len(self._gids)

    @property
    def free(self) -> int:
        return self.total - sum(one.gid in self._gids for one in self._taken.values())

    def allocate(self, kind: str, paths: Iterable[Path]) -> list[int]:
        """The groups of volumes, which are theirs then; new ones are saved first.   Errors: LaunchError, OSError."""
        return [self._allocate(kind, path) for path in paths]

    def _allocate(self, kind: str, path: Path) -> int:
        known = self._taken.get(str(path))
        if known is None:
            gid = self._unused()
            if gid is None:
                self._give_back()
                gid = self._unused()
            if gid is None:
                raise LaunchError(f"Failed to allocate a gid for volume {path}: all {self.total} are taken")
            known = Taken(type=kind, path=str(path), gid=gid)
            self._taken[str(path)] = known
            self._save()
        # never through a link: tasks write here
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            now = os.fstat(folder)
            if now.st_gid != known.gid:
                os.fchown(folder, -1, known.gid)
            if now.st_mode & _GROUP_MAY != _GROUP_MAY:
                os.fchmod(folder, stat.S_IMODE(now.st_mode) | _GROUP_MAY)
        finally:
            os.close(folder)
        return known.gid

    def _unused(self) -> int | None:
        taken = {one.gid for one in self._taken.values()}
        return next((one for one in self._gids if one not in taken), None)

    def _give_back(self) -> None:
        """Those of volumes that are no more."""
        gone = [path for path in self._taken if not Path(path).is_dir()]
        for path in gone:
            del self._taken[path]
        if gone:
            self._save()

    def _save(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._file, msgspec.json.encode(list(self._taken.values())), mode=0o600)
