"""``--image_gc_config``: images that no container uses go when the disk of their store fills up.

Source: Mesos docs/container-image.md (automatic garbage collection), ImageGcConfig.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from dcos.agent.containerizer.base import ContainerError
from dcos.model.v1.base import Message, explicit
from dcos.model.v1.types import DurationInfo, Image
from dcos.runtime.log import Logger
from dcos.wire import mesos_json
from dcos.wire.errors import WireError


class ImageGcConfig(Message, frozen=True, kw_only=True):
    """``image_disk_headroom``: share of the disk to keep free."""

    image_disk_headroom: float = explicit(0.1)
    image_disk_watch_interval: DurationInfo | None = None
    excluded_images: tuple[Image, ...] = ()

    @property
    def interval_s(self) -> float:
        wanted = self.image_disk_watch_interval
        return 3600.0 if wanted is None else wanted.nanoseconds / 1e9


def parse(text: str) -> ImageGcConfig:
    """Errors: ValueError."""
    try:
        config = mesos_json.decode(text.encode(), ImageGcConfig)
    except WireError as error:
        raise ValueError(f"--image_gc_config: {error}") from None
    if not 0.0 <= config.image_disk_headroom <= 1.0:
        raise ValueError("--image_gc_config: image_disk_headroom must lie between 0 and 1")
    if config.interval_s <= 0:
        raise ValueError("--image_gc_config: image_disk_watch_interval must be positive")
    return config


def used_fraction(path: Path) -> float:
    """Of the file system that ``path`` lies on; 0 where it cannot be told."""
    try:
        status = os.statvfs(path)
    except OSError:
        return 0.0
    return 1.0 - status.f_bavail / status.f_blocks if status.f_blocks else 0.0


class ImageGc:
    """``prune`` removes what is unused, but the excluded; how many."""

    def __init__(
        self,
        config: ImageGcConfig,
        store: Path,
        prune: Callable[[tuple[Image, ...]], Awaitable[int]],
        log: Logger,
        used: Callable[[Path], float] = used_fraction,
    ) -> None:
        self._config = config
        self._store = store
        self._prune = prune
        self._log = log
        self._used = used

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(self._config.interval_s)
            await self.look()

    async def look(self) -> None:
        """Prune if the disk is fuller than it should be."""
        used = self._used(self._store)
        if used < 1.0 - self._config.image_disk_headroom:
            return
        try:
            removed = await self._prune(self._config.excluded_images)
        except ContainerError as error:
            self._log.warning("images_not_pruned", error=str(error))
            return
        self._log.info("images_pruned", removed=removed, disk_used=round(used, 3))
