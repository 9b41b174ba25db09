"""Reservations and persistent volumes on a real agent: kept over restarts, shown in sandboxes, destroyed with their data."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from dcos.model.resources import Resources
from dcos.model.v1.types import (
    CommandInfo,
    ContainerInfo,
    ContainerInfoMesosInfo,
    ContainerInfoType,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    FrameworkInfo,
    Image,
    ImageDocker,
    ImageType,
    OperationID,
    Resource,
    TaskInfo,
    ValueScalar,
    ValueType,
    VolumeMode,
)
from dcos.testing.patience import PATIENCE_S
from dcos.wire import agent_link

from .operation_orders import apply, create, destroy, disk, ended, reserve, unreserve, with_volume

Make = Callable[..., TaskInfo]


async def get(agent: Any, path: str) -> Any:
    """The answer's JSON, or an empty object."""
    async with aiohttp.ClientSession() as session, session.get(f"{agent.url}{path}") as answer:
        return await answer.json() if answer.status == 200 else {}


async def test_a_volume_lives_over_tasks_and_restarts(running: Any, master: Any, make_task: Make) -> None:
    finished = await apply(master, reserve(100), 1)
    assert finished.status.operation_id == OperationID(value="r")
    assert Resources.of(finished.status.converted_resources) == Resources.of((disk(100),))
    await apply(master, create(64), 2)
    folder = running.work / "volumes/roles/web/v"
    await master.run(with_volume(make_task("writes", "echo kept > data/file; sleep 1000"), 64))
    await master.state("writes", "TASK_RUNNING")
    path = f"{running.sandbox('writes')}/data/file"
    async with asyncio.timeout(PATIENCE_S):
        while (await get(running, f"/files/read?path={path}&offset=0")).get("data") != "kept\n":
            await asyncio.sleep(0.05)
    await master.kill("writes")
    await master.state("writes", "TASK_KILLED")
    assert (folder / "file").read_text() == "kept\n"

    state = await get(running, "/state")
    assert state["reserved_resources"]["web"]["disk"] == 100
    assert state["unreserved_resources"]["disk"] == 924
    full = state["reserved_resources_full"]["web"]
    assert sorted(one["scalar"]["value"] for one in full) == [36, 64]
    assert {one["disk"]["persistence"]["id"] for one in full if "disk" in one} == {"v"}

    await running.kill()
    await running.start()
    await master.registered(2)
    told = Resources.of(master.hellos[-1].checkpointed_resources)
    assert told == Resources.of((disk(36), disk(64, "v")))
    await master.run(with_volume(make_task("reads", "cat data/file && test -L data"), 64))
    await master.state("reads", "TASK_FINISHED")
    assert (running.sandbox("reads") / "stdout").read_text() == "kept\n"

    await apply(master, destroy(64), 3)
    assert not folder.exists()
    await apply(master, unreserve(100), 4)
    state = await get(running, "/state")
    assert state["reserved_resources"] == {}
    await running.kill()
    await running.start()
    await master.registered(3)
    assert master.hellos[-1].checkpointed_resources == ()
    assert master.hellos[-1].operations == ()


async def test_an_operation_is_applied_once_and_told_until_acknowledged(running: Any, master: Any) -> None:
    first = await apply(master, reserve(100), 1, acknowledge=False)
    await running.kill()
    master.messages.clear()
    await running.start()
    again = await ended(master, 1, "OPERATION_FINISHED", acknowledge=False)
    assert again.status.uuid == first.status.uuid
    (known,) = master.hellos[-1].operations
    assert known.uuid.value == (1).to_bytes(16, "big")
    assert known.latest_status.state == "OPERATION_FINISHED"
    await apply(master, reserve(100), 1)
    state = await get(running, "/state")
    assert state["reserved_resources"]["web"]["disk"] == 100


async def test_what_is_not_there_is_dropped(running: Any, master: Any, make_task: Make) -> None:
    dropped = await apply(master, create(64), 1, "OPERATION_DROPPED")
    assert "does not contain" in str(dropped.status.message)
    await master.until(lambda: any(isinstance(one, agent_link.UpdateResources) for one in master.messages))
    await master.run(with_volume(make_task("t"), 64))
    lost = await master.state("t", "TASK_DROPPED")
    assert lost.reason == "REASON_RESOURCES_UNKNOWN"


async def test_flags_must_hold_what_is_reserved(running: Any, master: Any) -> None:
    await apply(master, reserve(100), 1)
    await running.stop()
    (running.work / "meta/boot_id").write_text("another")  # after a reboot other resources mean another id
    await running.start("--resources=cpus:1;mem:64;disk:10")
    assert await asyncio.wait_for(running.process.wait(), 60) == 4
    assert "do not fit the reservations" in running.log()
    await running.start("--resources=cpus:8;mem:8192;disk:2048", "--reconfiguration_policy=additive")
    await master.registered(2)
    state = await get(running, "/state")
    assert state["reserved_resources"]["web"]["disk"] == 100
    assert state["unreserved_resources"]["disk"] == 1948


async def test_a_volume_for_a_later_task_of_an_executor(
    running: Any, master: Any, make_task: Make, framework_info: FrameworkInfo
) -> None:
    program = Path(__file__).with_name("executor_program.py")
    info = ExecutorInfo(
        executor_id=ExecutorID(value="exec"),
        framework_id=FrameworkID(value="m-0000"),
        command=CommandInfo(value=f"exec {sys.executable} {program}"),
    )
    first, second = (msgspec.structs.replace(make_task(name), command=None, executor=info) for name in ("one", "two"))
    await master.run(first)
    await master.state("one", "TASK_RUNNING")
    await apply(master, reserve(100), 1)
    await apply(master, create(64), 2)
    await master.send(agent_link.RunTask(framework=framework_info, task=with_volume(second, 64), launch_executor=False))
    await master.state("two", "TASK_RUNNING")
    link = running.sandbox("exec") / "data"
    assert link.readlink() == running.work / "volumes/roles/web/v"
    await master.kill("two")
    await master.state("two", "TASK_KILLED")
    assert not link.is_symlink()
    await apply(master, destroy(64), 3)


async def test_a_volume_bounds_what_is_in_it(agent: Any, master: Any, make_task: Make) -> None:
    await agent.start(
        *("--isolation=posix/cpu,posix/mem,disk/du", "--container_disk_watch_interval=200ms"),
        "--enforce_container_disk_quota",
    )
    await master.registered()
    await apply(master, reserve(100), 1)
    await apply(master, create(1), 2)
    await master.run(with_volume(make_task("hoarder", "head -c 3000000 /dev/zero >data/file; sleep 1000"), 1))
    last = await master.state("hoarder", "TASK_FAILED")
    assert last.reason == "REASON_CONTAINER_LIMITATION_DISK"
    assert "exceeds quota (1MB)" in last.message


@pytest.mark.parametrize("grouped", [False, True], ids=["command", "group"])
async def test_what_is_in_sandbox_and_volume_is_told(agent: Any, master: Any, make_task: Make, grouped: bool) -> None:
    await agent.start("--isolation=posix/cpu,posix/mem,disk/du", "--container_disk_watch_interval=200ms")
    await master.registered()
    await apply(master, reserve(100), 1)
    await apply(master, create(64), 2)
    fill = "head -c 3000000 /dev/zero >data/file; head -c 1000000 /dev/zero >own; sleep 1000"
    task = with_volume(make_task("filling", fill), 64)
    sandbox = Resource(
        name="disk",
        type=ValueType.SCALAR,
        scalar=ValueScalar(value=8.0),
        allocation_info=task.resources[0].allocation_info,
    )
    task = msgspec.structs.replace(task, resources=(*task.resources, sandbox))
    if grouped:
        await master.run_group(ExecutorInfo(executor_id=ExecutorID(value="pod")), task)
    else:
        await master.run(task)
    await master.state("filling", "TASK_RUNNING")
    mb = 2**20
    async with asyncio.timeout(PATIENCE_S):
        while True:
            (usage,) = await get(agent, "/monitor/statistics")
            told = {one.get("persistence", {}).get("id"): one for one in usage["statistics"].get("disk_statistics", ())}
            if len(told) == 2 and told["v"]["used_bytes"] > 2 * mb and told[None]["used_bytes"] > mb // 2:
                break
            await asyncio.sleep(0.05)
    assert {name: one["limit_bytes"] for name, one in told.items()} == {"v": 64 * mb, None: 8 * mb}
    assert usage["statistics"]["disk_limit_bytes"] == 8 * mb
    assert usage["statistics"]["disk_used_bytes"] == told[None]["used_bytes"] < 2 * mb
    await master.kill("filling")
    await master.state("filling", "TASK_KILLED")


async def test_a_volume_in_a_group(running: Any, master: Any, make_task: Make) -> None:
    await apply(master, reserve(100), 1)
    await apply(master, create(64), 2)
    info = ExecutorInfo(executor_id=ExecutorID(value="pod"))
    await master.run_group(info, with_volume(make_task("a", "echo kept > data/file; sleep 1000"), 64), make_task("b"))
    for name in ("a", "b"):
        await master.state(name, "TASK_RUNNING")
    shown = f"{running.sandbox('pod')}/tasks/a/data"
    async with asyncio.timeout(PATIENCE_S):
        while (await get(running, f"/files/read?path={shown}/file&offset=0")).get("data") != "kept\n":
            await asyncio.sleep(0.05)
    assert not (running.sandbox("pod") / "tasks/b/data").exists()


@pytest.mark.skipif(
    os.geteuid() != 0 or any(shutil.which(tool) is None for tool in ("runc", "skopeo", "umoci")),
    reason="images need root, runc, skopeo and umoci",
)
async def test_a_volume_in_an_image(running: Any, master: Any, make_task: Make, image: str, tmp_path: Path) -> None:
    await apply(master, reserve(100), 1)
    await apply(master, create(64), 2)
    container = ContainerInfo(
        type=ContainerInfoType.MESOS,
        mesos=ContainerInfoMesosInfo(image=Image(type=ImageType.DOCKER, docker=ImageDocker(name=image))),
    )
    write = make_task("writes", "echo $MESOS_SANDBOX > data/where", container=container)
    await master.run(with_volume(write, 64))
    await master.state("writes", "TASK_FINISHED", 60)
    assert (running.work / "volumes/roles/web/v/where").read_text() == "/mnt/mesos/sandbox\n"
    spoil = make_task("spoils", "cat data/where; echo no > data/where", container=container)
    await master.run(with_volume(spoil, 64, VolumeMode.RO))
    await master.state("spoils", "TASK_FAILED", 60)
    assert (running.sandbox("spoils") / "stdout").read_text().endswith("/mnt/mesos/sandbox\n")
    assert (running.work / "volumes/roles/web/v/where").read_text() == "/mnt/mesos/sandbox\n"
