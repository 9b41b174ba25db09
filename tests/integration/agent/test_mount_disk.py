"""A disk of its own on a real mount: reserved, made a volume, written to its brim, kept over restarts, emptied."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dcos.model.v1.types import (
    OfferOperation,
    OfferOperationCreate,
    OfferOperationDestroy,
    OfferOperationReserve,
    OfferOperationType,
    Resource,
    ResourceDiskInfo,
    ResourceDiskInfoSource,
    ResourceDiskInfoSourceMount,
    ResourceDiskInfoSourceType,
    TaskInfo,
)
from dcos.testing.patience import PATIENCE_S

from .operation_orders import apply, disk

SIZE = 8
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def on_mount(root: Path, volume: str | None) -> Resource:
    made = disk(SIZE, volume)
    source = ResourceDiskInfoSource(
        type=ResourceDiskInfoSourceType.MOUNT, mount=ResourceDiskInfoSourceMount(root=str(root))
    )
    return msgspec.structs.replace(made, disk=msgspec.structs.replace(made.disk or ResourceDiskInfo(), source=source))


async def test_a_mount_disk(
    agent: Any, master: Any, make_task: Callable[..., TaskInfo], mounted: Path, tmp_path: Path
) -> None:
    resources = [
        {"name": name, "type": "SCALAR", "scalar": {"value": value}, "role": "*"}
        for name, value in (("cpus", 4), ("mem", 4096), ("disk", 100))
    ]
    source = {"type": "MOUNT", "mount": {"root": str(mounted)}}
    resources.append({**resources[-1], "scalar": {"value": SIZE}, "disk": {"source": source}})
    flags = (
        f"--resources={msgspec.json.encode(resources).decode()}",
        *("--isolation=posix/cpu,posix/mem,disk/du", "--container_disk_watch_interval=200ms"),
        "--enforce_container_disk_quota",
    )
    await agent.start(*flags)
    await master.registered()
    kinds = OfferOperationType
    bare, volume = on_mount(mounted, None), on_mount(mounted, "v")
    order = OfferOperation(type=kinds.RESERVE, reserve=OfferOperationReserve(resources=(bare,)))
    await apply(master, order, 1)
    await apply(master, OfferOperation(type=kinds.CREATE, create=OfferOperationCreate(volumes=(volume,))), 2)

    def with_disk(task: TaskInfo) -> TaskInfo:
        return msgspec.structs.replace(task, resources=(*task.resources, volume))

    # the disk bounds itself: what is in it is nobody's quota
    full = "echo kept >data/kept; head -c 20000000 /dev/zero >data/file; echo ended >written; sleep 1000"
    await master.run(with_disk(make_task("fills", full)))
    await master.state("fills", "TASK_RUNNING")
    async with asyncio.timeout(PATIENCE_S):
        while not (agent.sandbox("fills") / "written").exists():
            await asyncio.sleep(0.05)
    assert "No space left on device" in (agent.sandbox("fills") / "stderr").read_text()
    await asyncio.sleep(0.6)
    assert master.states("fills") == ["TASK_STARTING", "TASK_RUNNING"]
    assert (mounted / "kept").read_text() == "kept\n"
    await master.kill("fills")
    await master.state("fills", "TASK_KILLED")
    await agent.kill()
    await agent.start(*flags)
    await master.registered(2)
    assert [one.disk.persistence.id for one in master.hellos[-1].checkpointed_resources if one.disk.persistence] == [
        "v"
    ]
    await master.run(with_disk(make_task("reads", "cat data/kept && test -L data")))
    await master.state("reads", "TASK_FINISHED")
    assert (agent.sandbox("reads") / "stdout").read_text() == "kept\n"
    gone = OfferOperation(type=kinds.DESTROY, destroy=OfferOperationDestroy(volumes=(volume,)))
    await apply(master, gone, 3)
    assert list(mounted.iterdir()) == []
    assert os.path.ismount(mounted)
