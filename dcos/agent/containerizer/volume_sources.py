"""What is behind a container's volumes: paths of the host, images, secrets, volumes of a driver. All become paths of the host.

Persistent volumes and those of SANDBOX_PATH have been settled before (``dcos/agent/volumes.py``, ``sandbox_path.py``).
What a driver mounted is noted in the box (``volumes.json``) before it is, and given back at the end.
Source: Mesos isolators volume/host_path, volume/secret, docker/volume.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from dcos.agent.containerizer import volume_plugin
from dcos.agent.containerizer.base import ContainerError, LaunchError
from dcos.agent.containerizer.box import Box
from dcos.agent.containerizer.image_volumes import ImageVolumes
from dcos.agent.containerizer.volume_plugin import VolumeError
from dcos.agent.sandbox import folder_in, owner_of
from dcos.model.v1.types import ContainerInfo, Secret, Volume, VolumeMode, VolumeSourceDockerVolume, VolumeSourceType
from dcos.runtime.files import write_atomic

_NOTES = "volumes.json"
_SECRETS = "secrets"


class Mounted(msgspec.Struct, frozen=True, kw_only=True):
    driver: str
    name: str


@dataclass(frozen=True, slots=True)
class VolumeSources:
    """``made``: folders below which missing host paths are made; ``chown``: a driver's volumes become the task's user's."""

    made: tuple[Path, ...] = ()
    chown: bool = False
    images: ImageVolumes | None = None
    """None where images cannot be had."""

    async def resolve(self, volumes: Sequence[Volume], box: Box) -> tuple[Volume, ...]:
        """``volumes`` with absolute host paths.   Errors: LaunchError."""
        out = []
        for number, volume in enumerate(volumes):
            path = await self._path(volume, box, number)
            out.append(Volume(mode=volume.mode, container_path=volume.container_path, host_path=str(path)))
        return tuple(out)

    async def _path(self, volume: Volume, box: Box, number: int) -> Path:
        where, source = f"volume {volume.container_path!r}", volume.source
        if volume.image is not None:
            if self.images is None:
                raise LaunchError(f"{where}: images cannot be had on this agent")
            return await self.images.place(volume.image, box, number, writable=volume.mode is not VolumeMode.RO)
        if source is None:
            if volume.host_path is None:
                raise LaunchError(f"{where}: it has neither host_path nor source")
            return self._host_path(volume.host_path, volume, box, where)
        match source.type:
            case VolumeSourceType.HOST_PATH if source.host_path is not None:
                return self._host_path(source.host_path.path, volume, box, where)
            case VolumeSourceType.SECRET if source.secret is not None:
                return _secret(source.secret, box, number, where)
            case VolumeSourceType.DOCKER_VOLUME if source.docker_volume is not None:
                return await self._driven(source.docker_volume, box, where)
            case other:
                raise LaunchError(f"{where}: source {other} is not supported by the mesos containerizer")

    def _host_path(self, text: str, volume: Volume, box: Box, where: str) -> Path:
        """An absolute one has to be there; a relative one is a folder of the sandbox."""
        if not text.startswith("/"):
            if not volume.container_path.startswith("/"):
                raise LaunchError(f"{where}: host_path and container_path must not both be relative")
            parts = PurePosixPath(text).parts
            if not parts or ".." in parts:
                raise LaunchError(f"{where}: host path {text!r} must not leave the sandbox")
            try:
                with folder_in(box.sandbox, parts, owner_of(box.mark.user)):
                    return box.sandbox.joinpath(*parts)
            except OSError as error:
                raise LaunchError(f"{where}: host path {text!r}: {error}") from error
        path = Path(text)
        if not path.exists():
            normal = Path(os.path.normpath(text))
            if not any(normal.is_relative_to(one) for one in self.made):
                raise LaunchError(f"{where}: host path {text!r} does not exist")
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LaunchError(f"{where}: host path {text!r}: {error}") from error
        return path

    async def _driven(self, wanted: VolumeSourceDockerVolume, box: Box, where: str) -> Path:
        if wanted.driver is None:
            raise LaunchError(f"{where}: docker_volume needs a driver")
        options = wanted.driver_options.parameter if wanted.driver_options is not None else ()
        noted = _notes(box)
        _save(box, [*noted, Mounted(driver=wanted.driver, name=wanted.name)])
        try:
            path = await volume_plugin.mount(
                wanted.driver, wanted.name, {one.key: one.value for one in options}, box.container_id
            )
            owner = owner_of(box.mark.user)
            if self.chown and owner is not None:
                os.chown(path, *owner)
        except VolumeError as error:
            _save(box, noted)
            raise LaunchError(str(error)) from error
        return path

    async def give_back(self, box: Box) -> None:
        """What drivers mounted for ``box``. Safe to repeat.   Errors: VolumeError, after all were tried."""
        if self.images is not None:
            await self.images.give_back(box)
        left, problems = [], []
        noted = _notes(box)
        for one in noted:
            try:
                await volume_plugin.unmount(one.driver, one.name, box.container_id)
            except VolumeError as error:
                left.append(one)
                problems.append(str(error))
        if noted:
            _save(box, left)
        if problems:
            raise VolumeError("; ".join(problems))


def secret_files(container: ContainerInfo | None, box: Box) -> ContainerInfo | None:
    """``container`` for the Docker Engine, its secrets as files of the host.

    Who reads them inside, the image says, so all who are in the container may; outside, nobody but root reaches their folder.
    Errors: LaunchError.
    """
    if container is None:
        return None
    volumes = []
    for number, volume in enumerate(container.volumes):
        source = volume.source
        if source is not None and source.type is VolumeSourceType.SECRET and source.secret is not None:
            data = _value(source.secret, f"volume {volume.container_path!r}")
            folder = box.directory / _SECRETS
            folder.mkdir(mode=0o700, exist_ok=True)
            write_atomic(folder / str(number), data, mode=0o444)
            host_path = str(folder / str(number))
            volume = Volume(mode=VolumeMode.RO, container_path=volume.container_path, host_path=host_path)
        volumes.append(volume)
    return msgspec.structs.replace(container, volumes=tuple(volumes))


def _value(secret: Secret, where: str) -> bytes:
    if secret.value is None:
        raise LaunchError(f"{where}: only secrets given by value are known")
    return secret.value.data


def _secret(secret: Secret, box: Box, number: int, where: str) -> Path:
    """A file that the task's user alone can read, gone with the container."""
    data = _value(secret, where)
    folder = box.directory / _SECRETS
    folder.mkdir(mode=0o711, exist_ok=True)
    path = folder / str(number)
    write_atomic(path, data, mode=0o400)
    owner = owner_of(box.mark.user)
    if owner is not None:
        os.chown(path, *owner)
    return path


def _notes(box: Box) -> list[Mounted]:
    try:
        return msgspec.json.decode((box.directory / _NOTES).read_bytes(), type=list[Mounted])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as error:
        raise ContainerError(f"container {box.container_id}: its volumes cannot be read: {error}") from error


def _save(box: Box, noted: list[Mounted]) -> None:
    write_atomic(box.directory / _NOTES, msgspec.json.encode(noted), mode=0o600)


def place_in(sandbox: Path, volume: Volume, owner: tuple[int, int] | None) -> Path:
    """Where a container on the machine's own files sees ``volume``: a relative path lies in its sandbox, and is made.

    Errors: LaunchError.
    """
    target, where = volume.container_path, f"volume {volume.container_path!r}"
    if target.startswith("/"):
        if not Path(target).exists():
            raise LaunchError(f"{where}: an absolute container_path has to exist where a task has no image")
        return Path(target)
    parts = PurePosixPath(target).parts
    if not parts or ".." in parts:
        raise LaunchError(f"{where}: must not leave the sandbox")
    whole = Path(volume.host_path or "").is_dir()
    try:
        with folder_in(sandbox, parts if whole else parts[:-1], owner) as folder:
            if not whole:
                flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                os.close(os.open(parts[-1], flags, 0o600, dir_fd=folder))
    except OSError as error:
        raise LaunchError(f"{where}: {error}") from error
    return sandbox.joinpath(*parts)


def mount_lines(placed: Sequence[tuple[Volume, Path]]) -> list[tuple[str, str, bool]]:
    """(source, target, read only) of each."""
    return [(volume.host_path or "", str(target), volume.mode is VolumeMode.RO) for volume, target in placed]
