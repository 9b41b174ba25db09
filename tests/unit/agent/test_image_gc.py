"""When images are pruned."""

from __future__ import annotations

from pathlib import Path

import pytest

from dcos.agent.containerizer.base import ContainerError
from dcos.agent.image_gc import ImageGc, parse
from dcos.model.v1.types import Image
from dcos.runtime.log import get_logger

CONFIG = (
    '{"image_disk_headroom": 0.2, "image_disk_watch_interval": {"nanoseconds": 5000000000},'
    ' "excluded_images": [{"type": "DOCKER", "docker": {"name": "keep"}}]}'
)


def test_config() -> None:
    config = parse(CONFIG)
    assert (config.image_disk_headroom, config.interval_s) == (0.2, 5.0)
    assert [one.docker.name for one in config.excluded_images if one.docker is not None] == ["keep"]
    assert (parse("{}").image_disk_headroom, parse("{}").interval_s) == (0.1, 3600.0)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"image_disk_headroom": 2}', '{"image_disk_watch_interval": {"nanoseconds": 0}}']
)
def test_bad_config(text: str) -> None:
    with pytest.raises(ValueError, match="image_gc_config"):
        parse(text)


@pytest.mark.parametrize(("used", "pruned"), [(0.79, 0), (0.8, 1), (1.0, 1)])
async def test_prunes_a_full_disk(used: float, pruned: int, tmp_path: Path) -> None:
    calls: list[tuple[Image, ...]] = []

    async def prune(excluded: tuple[Image, ...]) -> int:
        calls.append(excluded)
        if len(calls) > 1:
            raise ContainerError("busy")
        return 1

    gc = ImageGc(parse(CONFIG), tmp_path, prune, get_logger("test"), used=lambda path: used)
    await gc.look()
    assert len(calls) == pruned
    assert all(len(one) == 1 for one in calls)
    await gc.look()  # a failure is told, and the next time comes
