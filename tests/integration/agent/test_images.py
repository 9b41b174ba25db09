"""Tasks in images: an image made here, by umoci, run by runc."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from dcos.agent.containerizer import processes
from dcos.agent.containerizer.oci import usable
from dcos.model.v1.types import (
    CommandInfo,
    ContainerInfo,
    ContainerInfoMesosInfo,
    ContainerInfoType,
    DurationInfo,
    HealthCheck,
    HealthCheckType,
    Image,
    ImageDocker,
    ImageType,
    KillPolicy,
    TaskInfo,
    TTYInfo,
    ValueScalar,
)
from dcos.testing.patience import PATIENCE_S

Make = Callable[..., TaskInfo]

reason = usable()
pytestmark = pytest.mark.skipif(reason is not None, reason=f"images cannot be run here: {reason}")


def container(image: str) -> ContainerInfo:
    return ContainerInfo(
        type=ContainerInfoType.MESOS,
        mesos=ContainerInfoMesosInfo(image=Image(type=ImageType.DOCKER, docker=ImageDocker(name=image))),
    )


async def test_the_image_s_own_command(running: Any, master: Any, make_task: Make, image: str) -> None:
    await master.run(make_task("plain", CommandInfo(shell=False), container=container(image)))
    await master.state("plain", "TASK_FINISHED")
    out = (running.sandbox("plain") / "stdout").read_text()
    assert out.startswith("inside\n")
    assert "FROM_IMAGE=1" in out
    assert "MESOS_SANDBOX=/mnt/mesos/sandbox" in out
    assert f"MESOS_DIRECTORY={running.sandbox('plain').resolve()}" in out


async def test_a_command_in_an_image(running: Any, master: Any, make_task: Make, image: str) -> None:
    command = CommandInfo(value="id; echo hi >from-inside; ls /mnt/mesos/sandbox; mkdir /written; ls /; exit 4")
    for name in ("first", "second"):
        await master.run(make_task(name, command, container=container(image)))
        assert (await master.state(name, "TASK_FAILED")).message == "Command exited with status 4"
        out = (running.sandbox(name) / "stdout").read_text()
        assert "uid=0" in out
        assert "from-inside" in out
        assert "written" in out
    assert (running.sandbox("second") / "from-inside").read_text() == "hi\n"
    assert not list((running.work / "provisioner").iterdir())


async def test_long_running_in_an_image(running: Any, master: Any, make_task: Make, image: str) -> None:
    check = HealthCheck(
        type=HealthCheckType.COMMAND,
        command=CommandInfo(value="cat /etc/marker"),
        delay_seconds=0,
        interval_seconds=0.2,
    )
    command = CommandInfo(value="while :; do sleep 0.2; done", user="nobody")
    await master.run(make_task("stay", command, container=container(image), health_check=check))
    await master.until(lambda: any(one.healthy for one in master.updates))
    pid = (await master.state("stay", "TASK_RUNNING")).container_status.executor_pid
    await running.kill()
    assert processes.alive(pid)
    await running.start()
    await master.registered(2)
    assert processes.alive(pid)
    await master.kill("stay")
    await master.state("stay", "TASK_KILLED")
    assert not processes.alive(pid)
    assert os.listdir(running.runtime / "containers") == []
    with open("/proc/mounts") as mounts:
        assert str(running.work) not in mounts.read()


async def test_metrics_of_images(agent: Any, master: Any, make_task: Make, image: str) -> None:
    containers, pulls = (
        f"containerizer/mesos/{name}"
        for name in ("filesystem/containers_new_rootfs", "provisioner/docker_store/image_pull_ms")
    )
    await agent.start("--isolation=posix/cpu,posix/mem,filesystem/linux,docker/runtime")
    await master.registered()
    found = await metrics(agent)
    assert found[containers] == 0
    assert pulls not in found, "absent until there was one, as upstream's"
    await master.run(make_task("stay", "sleep 1000", container=container(image)))
    await master.state("stay", "TASK_RUNNING")
    found = await metrics(agent)
    assert found[containers] == 1
    assert found[pulls] > 0
    await master.kill("stay")
    await master.state("stay", "TASK_KILLED")
    assert (await metrics(agent))[containers] == 0


async def metrics(agent: Any) -> dict[str, float]:
    async with aiohttp.ClientSession() as session, session.get(f"{agent.url}/metrics/snapshot") as answer:
        found: dict[str, float] = await answer.json()
        return found


async def test_out_of_memory_in_an_image(running: Any, master: Any, make_task: Make, image: str) -> None:
    command = CommandInfo(value="x=x; while :; do x=$x$x; done")
    await master.run(make_task("eater", command, mem=32.0, container=container(image)))
    last = await master.state("eater", "TASK_FAILED")
    assert last.reason == "REASON_CONTAINER_LIMITATION_MEMORY", last.message
    head, _, stat = last.message.partition("\n\nMEMORY STATISTICS: \n")
    assert head.startswith("Memory limit exceeded: Requested: 64MB Maximum Used: ")
    assert "rss " in stat or "anon " in stat
    (limited,) = last.limitation.resources
    assert (limited.name, limited.scalar.value) == ("mem", 64.0)


async def test_an_image_that_is_not_there(running: Any, master: Any, make_task: Make, tmp_path: Path) -> None:
    await master.run(make_task("none", CommandInfo(shell=False), container=container(f"oci:{tmp_path}/no:latest")))
    failed = await master.state("none", "TASK_FAILED")
    assert failed.reason == "REASON_CONTAINER_LAUNCH_FAILED"
    assert "Failed to provision image" in (failed.message or "")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("exit 137", "Command exited with status 137"),
        ("kill -9 $$", "Command terminated with signal Killed"),
        ("kill -INT $$", "Command terminated with signal Interrupt"),
    ],
)
@pytest.mark.parametrize("tty", [None, TTYInfo()], ids=["plain", "terminal"])
async def test_an_image_ends_as_its_command(
    running: Any, master: Any, make_task: Make, image: str, command: str, message: str, tty: TTYInfo | None
) -> None:
    await master.run(make_task("ends", command, container=msgspec.structs.replace(container(image), tty_info=tty)))
    assert (await master.state("ends", "TASK_FAILED")).message == message


@pytest.mark.parametrize("tty", [None, TTYInfo()], ids=["plain", "terminal"])
async def test_a_program_that_is_not_in_the_image(
    running: Any, master: Any, make_task: Make, image: str, tty: TTYInfo | None
) -> None:
    command = CommandInfo(shell=False, value="/no/such/program")
    await master.run(make_task("absent", command, container=msgspec.structs.replace(container(image), tty_info=tty)))
    failed = await master.state("absent", "TASK_FAILED")
    assert failed.reason == "REASON_CONTAINER_LAUNCH_FAILED"
    assert failed.message.startswith("Failed to launch container: ")
    assert "/no/such/program" in failed.message
    assert "no such file" in failed.message
    assert master.states("absent") == ["TASK_FAILED"]
    assert os.listdir(running.runtime / "containers") == []
    assert not list((running.work / "provisioner").glob("*-*-*"))


async def test_an_image_is_asked_to_end(running: Any, master: Any, make_task: Make, image: str) -> None:
    command = 'trap "echo asked; exit 0" TERM; echo ready; while :; do sleep 0.05; done'
    await master.run(make_task("polite", command, container=container(image)))
    await master.state("polite", "TASK_RUNNING")
    out = running.sandbox("polite") / "stdout"
    async with asyncio.timeout(PATIENCE_S):
        while not out.exists() or "ready" not in out.read_text():
            await asyncio.sleep(0.05)
    await master.kill("polite")
    assert (await master.state("polite", "TASK_KILLED")).message == "Command exited with status 0"
    assert out.read_text() == "ready\nasked\n"


async def test_an_image_that_is_asked_to_end_while_it_starts(
    running: Any, master: Any, make_task: Make, image: str
) -> None:
    patient = KillPolicy(grace_period=DurationInfo(nanoseconds=60 * 10**9))
    for number in range(4):
        name = f"early-{number}"
        await master.run(make_task(name, "sleep 1000", container=container(image), kill_policy=patient))
        await master.state(name, "TASK_STARTING")
        await asyncio.sleep(number * 0.04)
        await master.kill(name)
        await master.state(name, "TASK_KILLED")


async def test_an_image_for_all_who_name_none(agent: Any, master: Any, make_task: Make, image: str) -> None:
    info = {"type": "MESOS", "mesos": {"image": {"type": "DOCKER", "docker": {"name": image}}}}
    await agent.start(f"--default_container_info={msgspec.json.encode(info).decode()}")
    await master.registered()
    await master.run(make_task("plain", "cat /etc/marker"))
    await master.state("plain", "TASK_FINISHED")
    assert (agent.sandbox("plain") / "stdout").read_text() == "inside\n"
    await agent.stop()
    await agent.start('--default_container_info={"type": "DOCKER"}')
    assert await agent.process.wait() == 2
    assert "only type MESOS can be everybody's" in agent.log()


async def test_a_limit_above_the_request_lets_it_go_first(
    running: Any, master: Any, make_task: Make, image: str
) -> None:
    """When the machine has no memory left; those who enter it later too, and none of what stands around it."""
    command = CommandInfo(value="cat /proc/self/oom_score_adj >own; sleep 1000")
    more = {"mem": ValueScalar(value=256)}
    for name, limits in (("more", more), ("asked", {})):
        await master.run(make_task(name, command, container=container(image), limits=limits))
        status = await master.state(name, "TASK_RUNNING")
        own = running.sandbox(name) / "own"
        async with asyncio.timeout(60):
            while not (own.exists() and own.read_text()):
                await asyncio.sleep(0.02)
        assert (int(own.read_text()) > 0) is bool(limits)
        around = Path(f"/proc/{status.container_status.executor_pid}/oom_score_adj")
        assert int(around.read_text()) == int(Path("/proc/self/oom_score_adj").read_text())
        await master.kill(name)
        await master.state(name, "TASK_KILLED")
