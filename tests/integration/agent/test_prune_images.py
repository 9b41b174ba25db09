"""``PRUNE_IMAGES``: images go unless a container uses them or the call excludes them."""

from __future__ import annotations

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

pytestmark = pytest.mark.skipif(oci.usable() is not None, reason=str(oci.usable()))


def unpacked(agent: Any) -> int:
    folder: Path = agent.work / "store/rootfs"
    return len(list(folder.iterdir())) if folder.is_dir() else 0


async def test_images_that_nobody_needs_go(
    running: Any, master: Any, make_task: Callable[..., TaskInfo], image: str
) -> None:
    container = ContainerInfo(
        type=ContainerInfoType.MESOS,
        mesos=ContainerInfoMesosInfo(image=Image(type=ImageType.DOCKER, docker=ImageDocker(name=image))),
    )
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
