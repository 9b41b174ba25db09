"""Persistent volumes on disk.

    <root>/volumes/roles/<role>/<persistence id>     root: --work_dir, or that of a PATH disk
    <root>                                           of a MOUNT disk: the volume is the whole mount
    <root>/volumes/.destroyed/                       what is being deleted

A ``/`` of a role is written as a space, which no role has. A relative root lies below ``--work_dir``. A destroyed volume is
out of sight at once; its data goes in another thread, and whoever makes a volume on the same MOUNT disk waits for that.

Source: Mesos agent paths, docs/persistent-volume.md, docs/multiple-disk.md.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dcos.agent.containerizer.base import LaunchError
from dcos.model.resource_messages import reservations_of
from dcos.model.v1.types import Resource, ResourceDiskInfoSourceType, VolumeMode

MODE = 0o755
_KEPT = "lost+found"


@dataclass(frozen=True, slots=True)
class Placed:
    """A persistent volume as a container sees it."""

    path: Path
    """On the host."""
    container_path: str
    read_only: bool
    shared: bool


class Volumes:
    def __init__(self, work_dir: Path) -> None:
        self._work_dir = work_dir
        self._locks: dict[Path, asyncio.Lock] = {}
        self.changing = 0
        """How many operations are changing volumes, or wait to."""

    # ---- where -------------------------------------------------------------------------------------------------------

    def path(self, volume: Resource) -> Path:
        """Of a persistent volume.   Errors: ValueError for a disk that holds none."""
        disk = volume.disk
        if disk is None or disk.persistence is None:
            raise ValueError(f"resource {volume.name!r} is no persistent volume")
        source = disk.source
        root = self._work_dir
        if source is not None:
            kinds = ResourceDiskInfoSourceType
            if source.type is kinds.MOUNT and source.mount is not None and source.mount.root:
                return self._work_dir / source.mount.root
            if source.type is not kinds.PATH or source.path is None or not source.path.root:
                raise ValueError(f"volume {disk.persistence.id!r}: a {source.type} disk without root holds no files")
            root = self._work_dir / source.path.root
        stack = reservations_of(volume)
        role = (stack[-1].role if stack else None) or "*"
        return root / "volumes" / "roles" / role.replace("/", " ") / disk.persistence.id

    def placed(self, resources: Iterable[Resource]) -> list[Placed]:
        """The persistent volumes among ``resources``, one for each container path.   Errors: LaunchError."""
        found: dict[str, Placed] = {}
        for one in resources:
            if one.disk is None or one.disk.persistence is None or one.disk.volume is None:
                continue
            where = one.disk.volume.container_path
            try:
                path = self.path(one)
            except ValueError as error:
                raise LaunchError(str(error)) from error
            if where in found and found[where].path != path:
                raise LaunchError(f"Two persistent volumes at container path {where!r}")
            read_only = one.disk.volume.mode is VolumeMode.RO
            found[where] = Placed(path, where, read_only, one.shared is not None)
        return list(found.values())

    def _lock(self, volume: Resource) -> asyncio.Lock:
        """One for each root."""
        path = self.path(volume)
        return self._locks.setdefault(path if on_mount_disk(volume) else path.parents[3], asyncio.Lock())

    # ---- make and destroy --------------------------------------------------------------------------------------------

    async def change(self, made: Iterable[Resource], destroyed: Iterable[Resource], name: str) -> None:
        """``name`` is of the operation, for what is being deleted. Safe to repeat.   Errors: OSError, ValueError."""
        for one in destroyed:
            async with self._lock(one):
                left = await asyncio.to_thread(self._destroy, one, name)
            if left is not None:
                await asyncio.to_thread(shutil.rmtree, left)
        for one in made:
            async with self._lock(one):
                await asyncio.to_thread(self._make, one)

    def _make(self, volume: Resource) -> None:
        path = self.path(volume)
        path.mkdir(parents=True, exist_ok=True)
        if volume.disk is not None and volume.disk.source is None:
            path.chmod(MODE)

    def _destroy(self, volume: Resource, name: str) -> Path | None:
        """Take it out of sight; returns what is left to delete."""
        path = self.path(volume)
        if on_mount_disk(volume):
            _empty(path)
            return None
        out_of_sight = path.parents[2] / ".destroyed"
        out_of_sight.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = out_of_sight / f"{name}-{path.name}"
        if path.exists() and not target.exists():
            path.rename(target)
        return target if target.exists() else None

    # ---- use ---------------------------------------------------------------------------------------------------------

    async def prepare(self, resources: Iterable[Resource], owner: tuple[int, int] | None) -> list[Placed]:
        """Before a container starts: the folders of ``resources`` are there and, shared ones aside, ``owner``'s.

        An operation that makes one may be on its way still.   Errors: LaunchError.
        """
        messages = tuple(resources)
        found = self.placed(messages)
        for one in messages:
            if one.disk is not None and one.disk.persistence is not None:
                try:
                    async with self._lock(one):
                        await asyncio.to_thread(self._prepare, one, owner)
                except OSError as error:
                    raise LaunchError(f"Persistent volume {self.path(one)}: {error}") from error
        return found

    def prepare_now(self, resources: Iterable[Resource], owner: tuple[int, int] | None) -> list[Placed] | None:
        """As ``prepare``, without waiting; None while operations change volumes.   Errors: LaunchError, OSError."""
        if self.changing:
            return None
        messages = tuple(resources)
        for one in messages:
            if one.disk is not None and one.disk.persistence is not None:
                self._prepare(one, owner)
        return self.placed(messages)

    def _prepare(self, volume: Resource, owner: tuple[int, int] | None) -> None:
        self._make(volume)
        if owner is None or volume.shared is not None:
            return
        path = self.path(volume)
        status = path.stat()
        if (status.st_uid, status.st_gid) != owner:
            os.chown(path, *owner)


def on_mount_disk(volume: Resource) -> bool:
    source = volume.disk.source if volume.disk is not None else None
    return source is not None and source.type is ResourceDiskInfoSourceType.MOUNT


def link(sandbox: Path, placed: Iterable[Placed]) -> None:
    """Show volumes in a sandbox as links, for tasks that live in the machine's own files.   Errors: LaunchError."""
    for one in placed:
        parts = Path(one.container_path).parts
        if not parts or one.container_path.startswith("/") or ".." in parts:
            raise LaunchError(
                f"The 'container_path' '{one.container_path}' of a persistent volume must be a relative path "
                "within the sandbox for tasks without an image"
            )
        at = sandbox
        try:
            for part in parts[:-1]:
                at = at / part
                if at.is_symlink():
                    raise LaunchError(f"Persistent volume at '{one.container_path}': '{part}' is a link")
                at.mkdir(exist_ok=True)
            at = at / parts[-1]
            if at.is_symlink():
                if at.readlink() == one.path:
                    continue
                at.unlink()
            at.symlink_to(one.path)
        except OSError as error:
            raise LaunchError(f"Failed to show a persistent volume at '{one.container_path}': {error}") from error


def relink(sandbox: Path, placed: Iterable[Placed]) -> None:
    """As ``link``, and take away links to other volumes.   Errors: LaunchError."""
    wanted = {one.container_path: one for one in placed}
    for entry in sandbox.iterdir():
        if entry.is_symlink() and entry.name not in wanted and _is_volume(entry.readlink()):
            entry.unlink()
    link(sandbox, wanted.values())


def _is_volume(path: Path) -> bool:
    """By its place. (A MOUNT disk looks like any folder; a link to it stays until the sandbox goes.)"""
    return path.parts[-4:-2] == ("volumes", "roles")


def _empty(folder: Path) -> None:
    """All that is in a mounted disk."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.name == _KEPT:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
