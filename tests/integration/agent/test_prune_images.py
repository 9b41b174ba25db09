"""``PRUNE_IMAGES``: images go unless a container uses them or the call excludes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dcos.agent.containerizer import oci
from dcos.model.v1.types import (
    ContainerInfo,
    ContainerInfoMesosInfo,
    ContainerInfoType,
    Image,
    ImageDocker,
    ImageType,
    TaskInfo,
)
from dcos.testing.agent_containers import Containers
from dcos.testing.patience import PATIENCE_S

pytestmark = pytest.mark.skipif(oci.usable() is not None, reason=str(oci.usable()))


def unpacked(agent: Any) -> int:
    folder: Path = agent.work / "store/rootfs"
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def in_image(image: str) -> ContainerInfo:
    return ContainerInfo(
        type=ContainerInfoType.MESOS,
        mesos=ContainerInfoMesosInfo(image=Image(type=ImageType.DOCKER, docker=ImageDocker(name=image))),
    )


async def test_images_go_when_the_disk_fills_up(
    agent: Any, master: Any, make_task: Callable[..., TaskInfo], image: str
) -> None:
    """``--image_gc_config``: all of the disk is to be kept free, so whatever is not in use goes at the next look."""
    config = {"image_disk_headroom": 1.0, "image_disk_watch_interval": {"nanoseconds": 200_000_000}}
    await agent.start(f"--image_gc_config={json.dumps(config)}")
    await master.registered()
    await master.run(make_task("t1", "cat /etc/marker; sleep 1000", container=in_image(image)))
    await master.state("t1", "TASK_RUNNING")
    looks = agent.log().count("images_pruned")
    async with asyncio.timeout(PATIENCE_S):
        while agent.log().count("images_pruned") < looks + 2:
            await asyncio.sleep(0.05)
    assert unpacked(agent) == 1
    await master.kill("t1")
    await master.state("t1", "TASK_KILLED")
    async with asyncio.timeout(PATIENCE_S):
        while unpacked(agent):
            await asyncio.sleep(0.05)


async def test_a_wrong_config_is_named(agent: Any) -> None:
    await agent.start('--image_gc_config={"image_disk_headroom": 2}')
    assert await agent.process.wait() == 2
    assert "--image_gc_config: image_disk_headroom must lie between 0 and 1" in agent.log()


async def test_images_that_nobody_needs_go(
    running: Any, master: Any, make_task: Callable[..., TaskInfo], image: str
) -> None:
    container = in_image(image)
    excluded = {"excluded_images": [{"type": "DOCKER", "docker": {"name": image}}]}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:
        containers = Containers(running.url, session)
        assert await containers.call("PRUNE_IMAGES") == (200, "")
        await master.run(make_task("t1", "cat /etc/marker; sleep 1000", container=container))
        await master.state("t1", "TASK_RUNNING")
        assert await containers.call("PRUNE_IMAGES") == (200, "")
        assert unpacked(running) == 1
        await master.kill("t1")
        await master.state("t1", "TASK_KILLED")
        assert await containers.call("PRUNE_IMAGES", excluded) == (200, "")
        assert unpacked(running) == 1
        assert await containers.call("PRUNE_IMAGES") == (200, "")
        assert unpacked(running) == 0
    await master.run(make_task("t2", "cat /etc/marker", container=container))
    await master.state("t2", "TASK_FINISHED")
    assert (running.sandbox("t2") / "stdout").read_text() == "inside\n"
