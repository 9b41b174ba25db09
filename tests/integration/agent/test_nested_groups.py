"""Task groups in a default executor, through a real agent process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dcos.model.v1.types import (
    CommandInfo,
    ContainerInfo,
    ContainerInfoMesosInfo,
    ContainerInfoType,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    HealthCheck,
    HealthCheckType,
    Image,
    ImageDocker,
    ImageType,
    TaskInfo,
    Volume,
    VolumeMode,
    VolumeSource,
    VolumeSourceSandboxPath,
    VolumeSourceSandboxPathType,
    VolumeSourceType,
)
from dcos.testing.agent_containers import Containers, container_id
from dcos.testing.patience import PATIENCE_S
from dcos.testing.users import ME, SOMEBODY
from dcos.wire import agent_link

Make = Callable[..., TaskInfo]
EXECUTOR = ExecutorInfo(executor_id=ExecutorID(value="pod"), type=ExecutorInfoType.DEFAULT)


@pytest.fixture
async def containers(running: Any) -> AsyncIterator[Containers]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:
        yield Containers(running.url, session)


def shared(path: str, container_path: str, image: str | None = None) -> ContainerInfo:
    kind = VolumeSourceSandboxPathType.PARENT
    source = VolumeSource(
        type=VolumeSourceType.SANDBOX_PATH, sandbox_path=VolumeSourceSandboxPath(type=kind, path=path)
    )
    mesos = None
    if image is not None:
        mesos = ContainerInfoMesosInfo(image=Image(type=ImageType.DOCKER, docker=ImageDocker(name=image)))
    volume = Volume(mode=VolumeMode.RW, container_path=container_path, source=source)
    return ContainerInfo(type=ContainerInfoType.MESOS, volumes=(volume,), mesos=mesos)


async def name_of(master: Any, task_id: str) -> str:
    status = await master.state(task_id, "TASK_RUNNING")
    found = status.container_status.container_id
    assert found.parent is not None
    return f"{found.parent.value}.{found.value}"


async def until(condition: Callable[[], Any], timeout_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


async def test_tasks_share_a_folder_and_know_their_own(running: Any, master: Any, make_task: Make) -> None:
    write = CommandInfo(value="echo from a >data/file; echo $MESOS_SANDBOX $MESOS_EXECUTOR_ID $MESOS_CONTAINER_IP; pwd")
    read = CommandInfo(value="while ! test -s deep/data/file; do sleep 0.05; done; cat deep/data/file")
    await master.run_group(
        EXECUTOR,
        make_task("a", write, container=shared("common", "data")),
        make_task("b", read, container=shared("common", "deep/data")),
    )
    for name in ("a", "b"):
        await master.state(name, "TASK_FINISHED")
    executor: Path = running.sandbox("pod").resolve()
    own = (executor / "tasks/a").resolve()
    assert own.parent == executor / "containers"
    assert (own / "stdout").read_text().split() == [str(own), "pod", "127.0.0.1", str(own)]
    assert (executor / "tasks/b/stdout").read_text() == "from a\n"
    await master.until(lambda: [one for one in master.messages if isinstance(one, agent_link.ExitedExecutor)])


async def test_each_task_may_have_its_own_user(running: Any, master: Any, make_task: Make) -> None:
    command = CommandInfo(value="id -un; pwd; echo x >mine; cat mine", user=SOMEBODY)
    await master.run_group(EXECUTOR, make_task("a", command), make_task("b", "id -un"))
    for name in ("a", "b"):
        await master.state(name, "TASK_FINISHED")
    executor: Path = running.sandbox("pod").resolve()
    own = (executor / "tasks/a").resolve()
    assert (own / "stdout").read_text().split() == [SOMEBODY, str(own), "x"]
    assert (executor / "tasks/b/stdout").read_text() == f"{ME}\n"
    assert (executor.owner(), own.owner()) == (ME, SOMEBODY)


@pytest.mark.parametrize("path", ["../up", "/etc", ""])
async def test_a_shared_folder_stays_inside(running: Any, master: Any, make_task: Make, path: str) -> None:
    await master.run_group(EXECUTOR, make_task("a", "true", container=shared(path, "data")))
    failed = await master.state("a", "TASK_FAILED")
    assert failed.reason == "REASON_CONTAINER_LAUNCH_FAILED"
    assert "must be relative and stay inside" in (failed.message or "")


async def test_one_executor_for_two_groups(running: Any, master: Any, make_task: Make, containers: Containers) -> None:
    await master.run_group(EXECUTOR, make_task("a"), make_task("b"))
    await master.run_group(EXECUTOR, make_task("c"))
    names = {task: await name_of(master, task) for task in ("a", "b", "c")}
    roots = {name.partition(".")[0] for name in names.values()}
    assert len(roots) == 1
    (root,) = roots
    assert await containers.containers() == [root]
    assert set(await containers.containers(show_nested=True)) == {root, *names.values()}

    stream = await containers.session_of(f"{names['a']}.s1", "pwd; exit 2")
    await stream.end()
    assert stream.out.strip() == str((running.sandbox("pod") / "tasks/a").resolve())
    assert (await containers.wait(f"{names['a']}.s1"))["exit_status"] == 2 << 8
    stream = await containers.session_of(f"{root}.s2", "pwd")
    assert (await stream.end()).out.strip() == str(running.sandbox("pod").resolve())

    waits = [asyncio.create_task(containers.wait(one)) for one in (names["a"], root)]
    await master.kill("a")
    assert (await waits[0])["exit_status"] == 15
    for task in ("a", "b"):
        await master.state(task, "TASK_KILLED")
    assert master.states("c")[-1] == "TASK_RUNNING"
    assert (await containers.wait(names["b"]))["exit_status"] == 15
    assert (await containers.call("KILL_CONTAINER", {"container_id": container_id(names["c"])}))[0] == 200
    assert (await master.state("c", "TASK_FAILED")).message == "Command terminated with signal Killed"
    assert "exit_status" in await waits[1]
    status, _ = await containers.call("WAIT_CONTAINER", {"container_id": container_id(root)})
    assert status in (200, 404)


async def test_a_sick_task_takes_its_group_along(running: Any, master: Any, make_task: Make) -> None:
    check = HealthCheck(
        type=HealthCheckType.COMMAND,
        command=CommandInfo(value="test ! -e sick"),
        delay_seconds=0.0,
        interval_seconds=0.1,
        grace_period_seconds=0.0,
        consecutive_failures=2,
    )
    await master.run_group(
        EXECUTOR, make_task("a", "sleep 0.5; touch sick; sleep 1000", health_check=check), make_task("b")
    )
    killed = await master.state("a", "TASK_KILLED")
    assert killed.healthy is False
    assert (await master.state("b", "TASK_KILLED")).message == "Command terminated with signal Terminated"


async def test_an_image_shares_a_folder_too(running: Any, master: Any, make_task: Make, image: str) -> None:
    write = make_task("a", "echo hello >data/file; sleep 1000", container=shared("common", "data"))
    command = "while ! test -s /shared/file; do sleep 0.05; done; cat /shared/file /etc/marker"
    await master.run_group(EXECUTOR, write, make_task("b", command, container=shared("common", "/shared", image)))
    await master.state("b", "TASK_FINISHED")
    assert (running.sandbox("pod") / "tasks/b/stdout").read_text() == "hello\ninside\n"
    await master.kill("a")
    await master.state("a", "TASK_KILLED")
