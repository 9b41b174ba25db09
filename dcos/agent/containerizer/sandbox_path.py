"""Volumes of type SANDBOX_PATH: a folder of the container's own sandbox, or of its parent's, at another place.

Where the container sees the machine's files the volume is a link in its sandbox (a relative one, so that it leads to the
same folder from inside an image too); otherwise the folder is mounted.

Source: Mesos's volume/sandbox_path isolator.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from dcos.agent.containerizer.base import LaunchError
from dcos.agent.sandbox import folder_in
from dcos.model.v1.types import (
    Volume,
    VolumeMode,
    VolumeSourceSandboxPath,
    VolumeSourceSandboxPathType,
    VolumeSourceType,
)

Owner = tuple[int, int] | None


def linked(
    volumes: tuple[Volume, ...], sandbox: Path, parent: Path | None, known: Mapping[str, Path], owner: Owner
) -> tuple[Volume, ...]:
    """Make those of SANDBOX_PATH as links; returns the others.   Errors: LaunchError."""
    rest = []
    for volume in volumes:
        wanted = _wanted(volume)
        if wanted is None:
            rest.append(volume)
            continue
        source = _source(volume, wanted, sandbox, parent, known, owner)
        if source == sandbox / volume.container_path:
            continue
        if volume.container_path.startswith("/"):
            raise LaunchError(
                f"SANDBOX_PATH volume {volume.container_path!r}: an absolute container_path needs a container with an image"
            )
        parts = _parts(volume.container_path, "container_path")
        try:
            with folder_in(sandbox, parts[:-1], owner) as folder:
                target = source if source in known.values() else os.path.relpath(source, sandbox.joinpath(*parts[:-1]))
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(parts[-1], dir_fd=folder)
                os.symlink(target, parts[-1], dir_fd=folder)
        except OSError as error:
            raise LaunchError(f"SANDBOX_PATH volume {volume.container_path!r}: {error}") from error
    return tuple(rest)


def mounted(
    volumes: tuple[Volume, ...], sandbox: Path, parent: Path | None, known: Mapping[str, Path], owner: Owner
) -> tuple[Volume, ...]:
    """All of them, those of SANDBOX_PATH as folders of the host.   Errors: LaunchError."""
    out = []
    for volume in volumes:
        wanted = _wanted(volume)
        if wanted is not None:
            source = _source(volume, wanted, sandbox, parent, known, owner)
            volume = Volume(mode=volume.mode, container_path=volume.container_path, host_path=str(source))
        out.append(volume)
    return tuple(out)


def of_parent(volumes: tuple[Volume, ...], parent: Path | None, known: Mapping[str, Path]) -> list[Path]:
    """Folders of the parent's sandbox that a container may write; those that lie elsewhere (``known``) aside."""
    wanted = [_wanted(volume) for volume in volumes if volume.mode is VolumeMode.RW]
    return [
        parent / one.path
        for one in wanted
        if one is not None
        and one.type is VolumeSourceSandboxPathType.PARENT
        and parent is not None
        and one.path.strip("/") not in known
    ]


def _wanted(volume: Volume) -> VolumeSourceSandboxPath | None:
    source = volume.source
    return source.sandbox_path if source is not None and source.type is VolumeSourceType.SANDBOX_PATH else None


def _source(
    volume: Volume,
    wanted: VolumeSourceSandboxPath,
    sandbox: Path,
    parent: Path | None,
    known: Mapping[str, Path],
    owner: Owner,
) -> Path:
    """The folder on the machine, made where missing. ``known``: folders of the parent that lie elsewhere, by name."""
    parts = _parts(wanted.path, "sandbox_path")
    if wanted.type is VolumeSourceSandboxPathType.SELF:
        base = sandbox
        if not volume.container_path.startswith("/"):
            raise LaunchError(f"SELF SANDBOX_PATH volume {volume.container_path!r}: container_path must be absolute")
    elif wanted.type is VolumeSourceSandboxPathType.PARENT:
        if parent is None:
            raise LaunchError("PARENT SANDBOX_PATH volumes are only for nested containers")
        base = parent
        if wanted.path.strip("/") in known:
            return known[wanted.path.strip("/")]
    else:
        raise LaunchError(f"SANDBOX_PATH volume {volume.container_path!r}: unknown type {wanted.type}")
    try:
        with folder_in(base, parts, owner):
            return base.joinpath(*parts)
    except OSError as error:
        raise LaunchError(f"SANDBOX_PATH volume {wanted.path!r}: {error}") from error


def _parts(path: str, what: str) -> tuple[str, ...]:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise LaunchError(f"SANDBOX_PATH volume: {what} {path!r} must be relative and stay inside")
    return parts
