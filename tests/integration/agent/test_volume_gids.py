"""``--volume_gid_range``: tasks of several users write the same volume."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from dcos.agent.containerizer import oci
from dcos.model.v1.types import (
    CommandInfo,
    ContainerInfo,
    ContainerInfoMesosInfo,
    ContainerInfoType,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    FrameworkID,
    Image,
    ImageDocker,
    ImageType,
    OfferOperation,
    OfferOperationCreate,
    OfferOperationType,
    Resource,
    ResourceSharedInfo,
    TaskInfo,
    Volume,
    VolumeMode,
    VolumeSource,
    VolumeSourceSandboxPath,
    VolumeSourceSandboxPathType,
    VolumeSourceType,
)

from .operation_orders import apply, disk, reserve

Make = Callable[..., TaskInfo]
FIRST = 70001

why_not = oci.usable() or ("" if os.geteuid() == 0 else "only root")
pytestmark = pytest.mark.skipif(bool(why_not), reason=f"users and images cannot be tried here: {why_not}")


def shared(mode: VolumeMode = VolumeMode.RW) -> Resource:
    return msgspec.structs.replace(disk(64, "v", mode=mode), shared=ResourceSharedInfo())


async def started(agent: Any, master: Any) -> None:
    await agent.start(f"--volume_gid_range=[{FIRST}-70002]")
    await master.registered()


async def test_a_shared_persistent_volume(agent: Any, master: Any, make_task: Make) -> None:
    await started(agent, master)
    await apply(master, reserve(100), 1)
    create = OfferOperation(
        type=OfferOperationType.CREATE, create=OfferOperationCreate(volumes=(msgspec.structs.replace(shared()),))
    )
    await apply(master, create, 2)
    for user in ("nobody", "daemon"):
        task = make_task(user, CommandInfo(value=f"id -G; umask 002; echo {user} >>data/{user}; ls data", user=user))
        await master.run(msgspec.structs.replace(task, resources=(*task.resources, shared())))
        await master.state(user, "TASK_FINISHED")
    lines = (agent.sandbox("daemon") / "stdout").read_text().splitlines()
    assert str(FIRST) in lines[0].split()
    assert lines[1:] == ["daemon", "nobody"]
    written = (agent.work / "volumes/roles/web/v/nobody").stat()
    assert written.st_gid == FIRST
    # who only reads gets no group, and neither does root
    task = make_task("reads", CommandInfo(value="id -G", user="nobody"))
    await master.run(msgspec.structs.replace(task, resources=(*task.resources, shared(VolumeMode.RO))))
    await master.state("reads", "TASK_FINISHED")
    assert str(FIRST) not in (agent.sandbox("reads") / "stdout").read_text()


async def test_a_folder_of_the_executor_s_sandbox(agent: Any, master: Any, make_task: Make, image: str) -> None:
    """Two images' tasks of a group, each with a user of its own."""
    await started(agent, master)
    executor = ExecutorInfo(
        type=ExecutorInfoType.DEFAULT, executor_id=ExecutorID(value="pod"), framework_id=FrameworkID(value="m-0000")
    )
    path = VolumeSourceSandboxPath(type=VolumeSourceSandboxPathType.PARENT, path="common")
    container = ContainerInfo(
        type=ContainerInfoType.MESOS,
        mesos=ContainerInfoMesosInfo(image=Image(type=ImageType.DOCKER, docker=ImageDocker(name=image))),
        volumes=(
            Volume(
                mode=VolumeMode.RW,
                container_path="/common",
                source=VolumeSource(type=VolumeSourceType.SANDBOX_PATH, sandbox_path=path),
            ),
        ),
    )
    await master.run_group(
        executor,
        *(
            make_task(user, CommandInfo(value=f"id -G; echo {user} >/common/{user}", user=user), container=container)
            for user in ("nobody", "daemon")
        ),
    )
    for user in ("nobody", "daemon"):
        await master.state(user, "TASK_FINISHED")
        assert str(FIRST) in (agent.sandbox("pod") / "tasks" / user / "stdout").read_text().split()
        assert (agent.sandbox("pod") / "common" / user).stat().st_gid == FIRST
