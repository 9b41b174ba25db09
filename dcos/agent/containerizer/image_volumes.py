"""Volumes that are the files of an image: read-only the image's own, writable a copy that goes with the container.

Source: Mesos isolator volume/image.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from dcos.agent.containerizer.base import LaunchError
from dcos.agent.containerizer.box import Box
from dcos.agent.containerizer.images import Unpacked
from dcos.model.v1.types import Image
from dcos.runtime.files import write_atomic
from dcos.runtime.process import ProcessError, run

MARKS = "image*"
"""Files of a box that name images in use: of its root, and of its volumes."""
_COPY_S = 600.0


class ImageVolumes:
    """``folder``: where the copies lie."""

    def __init__(self, image: Callable[[Image], Awaitable[Unpacked]], folder: Path) -> None:
        self._image = image
        self._folder = folder

    async def place(self, image: Image, box: Box, number: int, *, writable: bool) -> Path:
        """Where the files of the ``number``-th volume are.   Errors: LaunchError."""
        unpacked = await self._image(image)
        if not writable:
            # nobody prunes it while it is in use
            write_atomic(box.directory / f"image-{number}", str(unpacked.rootfs))
            return unpacked.rootfs
        copy = self._copies(box) / str(number)
        try:
            await asyncio.to_thread(copy.mkdir, parents=True, exist_ok=True)
            await run(["cp", "-a", "--reflink=auto", f"{unpacked.rootfs}/.", copy], timeout_s=_COPY_S, check=True)
        except (OSError, ProcessError, TimeoutError) as error:
            raise LaunchError(f"Failed to copy an image for a volume: {error}") from error
        return copy

    async def give_back(self, box: Box) -> None:
        """Safe to repeat."""
        await asyncio.to_thread(shutil.rmtree, self._copies(box), ignore_errors=True)

    def _copies(self, box: Box) -> Path:
        return self._folder / f"{box.container_id}.volumes"
