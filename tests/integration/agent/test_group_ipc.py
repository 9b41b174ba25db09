"""Tasks of a group share System V IPC and /dev/shm, those with images too; nested containers get their parent's network."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dcos.agent.containerizer import oci
from dcos.model.v1.types import (
    ContainerInfo,
    ContainerInfoMesosInfo,
    ContainerInfoType,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    Image,
    ImageDocker,
    ImageType,
    LinuxInfo,
    LinuxInfoIpcMode,
    TaskInfo,
)
from dcos.testing.agent_containers import Containers, container_id
from dcos.testing.patience import PATIENCE_S

Make = Callable[..., TaskInfo]
EXECUTOR = ExecutorInfo(executor_id=ExecutorID(value="pod"), type=ExecutorInfoType.DEFAULT)
WRITE = "echo from a >/dev/shm/told; ls -l /proc/self/ns/ipc; sleep 1000"
READ = "while ! test -s /dev/shm/told; do sleep 0.05; done; cat /dev/shm/told; ls -l /proc/self/ns/ipc"
LOOK = "ls /dev/shm; ls -l /proc/self/ns/ipc"

why_not = oci.usable() or ("" if os.geteuid() == 0 else "only root")
pytestmark = pytest.mark.skipif(bool(why_not), reason=f"containers cannot share namespaces here: {why_not}")


def contained(image: str | None = None, ipc_mode: LinuxInfoIpcMode | None = None) -> ContainerInfo:
    mesos = None
    if image is not None:
        mesos = ContainerInfoMesosInfo(image=Image(type=ImageType.DOCKER, docker=ImageDocker(name=image)))
    linux = None if ipc_mode is None else LinuxInfo(ipc_mode=ipc_mode)
    return ContainerInfo(type=ContainerInfoType.MESOS, mesos=mesos, linux_info=linux)


def shown(agent: Any, task_id: str) -> list[str]:
    """What a task printed; of the last line, which IPC it was in."""
    *lines, last = (agent.sandbox("pod") / f"tasks/{task_id}/stdout").read_text().splitlines()
    return [*lines, last.rpartition(" ")[2]]


async def test_images_and_commands_share(running: Any, master: Any, make_task: Make, image: str) -> None:
    await running.stop()
    await running.start("--isolation=posix/cpu,posix/mem,namespaces/ipc")
    await master.registered(2)
    await master.run_group(
        EXECUTOR,
        make_task("a", WRITE, container=contained(image)),
        make_task("b", READ, container=contained(image)),
        make_task("c", READ),
        make_task("own", LOOK, container=contained(image, LinuxInfoIpcMode.PRIVATE)),
    )
    for name in ("b", "c", "own"):
        await master.state(name, "TASK_FINISHED")
    (ipc,) = shown(running, "a")
    assert shown(running, "b") == ["from a", ipc] == shown(running, "c")
    assert ipc not in shown(running, "own")
    assert ipc != os.readlink("/proc/self/ns/ipc")
    assert not Path("/dev/shm/told").exists()

    await running.kill()
    await running.start()
    await master.registered(3)
    await master.run_group(EXECUTOR, make_task("d", READ, container=contained(image)))
    await master.state("d", "TASK_FINISHED")
    assert shown(running, "d") == ["from a", ipc]
    await master.kill("a")
    await master.state("a", "TASK_KILLED")
    async with asyncio.timeout(PATIENCE_S):
        while list(running.runtime.glob("networks/*")):
            await asyncio.sleep(0.05)


async def test_an_executor_that_shares_the_machine_s(running: Any, master: Any, make_task: Make, image: str) -> None:
    container = contained(ipc_mode=LinuxInfoIpcMode.SHARE_PARENT)
    executor = ExecutorInfo(executor_id=ExecutorID(value="pod"), type=ExecutorInfoType.DEFAULT, container=container)
    await master.run_group(executor, make_task("a", LOOK, container=contained(image)))
    await master.state("a", "TASK_FINISHED")
    assert shown(running, "a")[-1] == os.readlink("/proc/self/ns/ipc")


@pytest.fixture
async def containers(running: Any) -> AsyncIterator[Containers]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:
        yield Containers(running.url, session)


async def test_volumes_of_a_nested_command(
    running: Any, master: Any, make_task: Make, containers: Containers, tmp_path: Path, image: str
) -> None:
    (tmp_path / "file").write_text("from the machine\n")
    await master.run(make_task("t"))
    root = (await master.state("t", "TASK_RUNNING")).container_status.container_id.value
    parent = {"type": "SANDBOX_PATH", "sandbox_path": {"type": "PARENT", "path": "common"}}
    volumes = [
        {"mode": "RO", "container_path": "data", "host_path": str(tmp_path)},
        {"mode": "RW", "container_path": "shared", "source": parent},
    ]
    body = {
        "container_id": container_id(f"{root}.n"),
        "command": {"value": "cat data/file >shared/copy; touch data/more; exit 3"},
        "container": {"type": "MESOS", "volumes": volumes},
    }
    status, text = await containers.call("LAUNCH_CONTAINER", body)
    assert (status, text) == (200, "")
    assert (await containers.wait(f"{root}.n"))["exit_status"] == 3 << 8
    assert (running.sandbox("t") / "common/copy").read_text() == "from the machine\n"
    assert [one.name for one in tmp_path.iterdir() if one.name in ("file", "more")] == ["file"]
    assert list((running.sandbox("t") / "containers/n/data").iterdir()) == []

    await master.run(make_task("i", "sleep 1000", container=contained(image)))
    inside = (await master.state("i", "TASK_RUNNING")).container_status.container_id.value
    status, text = await containers.call("LAUNCH_CONTAINER", {**body, "container_id": container_id(f"{inside}.n")})
    assert status == 400
    assert "volume 'data': a container without an image inside one with an image" in text
    await master.kill("i")
    await master.state("i", "TASK_KILLED")


async def test_how_nested_containers_end_is_told_exactly(
    running: Any, master: Any, make_task: Make, containers: Containers, image: str
) -> None:
    await master.run(make_task("t", "echo up; sleep 1000", container=contained(image)))
    root = (await master.state("t", "TASK_RUNNING")).container_status.container_id.value
    async with asyncio.timeout(PATIENCE_S):
        while not (running.sandbox("t") / "stdout").exists() or not (running.sandbox("t") / "stdout").read_text():
            await asyncio.sleep(0.05)
    own = {"type": "MESOS", "mesos": {"image": {"type": "DOCKER", "docker": {"name": image}}}}
    for name, container, command, status in (
        ("guest", None, "kill -9 $$", 9),
        ("killed", own, "kill -9 $$", 9),
        ("exited", own, "exit 137", 137 << 8),
    ):
        body = {"container_id": container_id(f"{root}.{name}"), "command": {"value": command}}
        body |= {} if container is None else {"container": container}
        assert await containers.call("LAUNCH_CONTAINER", body) == (200, "")
        assert (await containers.wait(f"{root}.{name}"))["exit_status"] == status, name
    await master.kill("t")
    await master.state("t", "TASK_KILLED")
