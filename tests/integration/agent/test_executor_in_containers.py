"""Custom executors inside containers: of the Docker Engine, and of images under the mesos containerizer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from dcos.agent import netns
from dcos.agent.containerizer import oci, processes
from dcos.model.v1.types import (
    CommandInfo,
    ContainerInfo,
    ContainerInfoMesosInfo,
    ContainerInfoType,
    ExecutorInfo,
    FrameworkID,
    Image,
    ImageDocker,
    ImageType,
    TaskInfo,
    Volume,
    VolumeMode,
)
from dcos.runtime import http
from dcos.testing.patience import PATIENCE_S
from dcos.wire import agent_link

from .docker_engine import DockerEngine, container
from .test_custom_executor import PROGRAM, executor, exits, lines, of

Make = Callable[..., TaskInfo]
images = pytest.mark.skipif(oci.usable() is not None, reason=str(oci.usable()))
FRAMEWORK_ID = FrameworkID(value="m-0000")
PYTHON = "/usr/bin/python3"
MACHINE = tuple(
    Volume(mode=VolumeMode.RO, container_path=at, host_path=path)
    for at, path in (
        ("/usr", "/usr"),
        ("/lib", "/usr/lib"),
        ("/lib64", "/usr/lib64"),
        ("/program", str(PROGRAM.parent)),
    )
)
"""The machine's own Python, seen from inside; and our executor."""


@contextlib.asynccontextmanager
async def reachable(port: int, pid: int) -> AsyncIterator[None]:
    """127.0.0.1:``port`` of this network, in the network of process ``pid`` as well."""

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, back), pump(there, writer))

    listening = netns.socket_in(pid, socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    server = await asyncio.start_server(relay, sock=listening)
    try:
        yield
    finally:
        server.close()


def inside(info: ContainerInfo, **variables: str) -> ExecutorInfo:
    made = executor(command=f"exec {PYTHON} -u /program/{PROGRAM.name}", **variables)
    return msgspec.structs.replace(made, container=info)


async def lives_and_ends(agent: Any, master: Any, make_task: Make, info: ExecutorInfo, flags: tuple[str, ...]) -> None:
    """Two tasks, an agent that is killed and comes back, a kill, an end by message."""
    await master.run(of(make_task, "one", info))
    await master.run(of(make_task, "two", info))
    running = [await master.state(name, "TASK_RUNNING") for name in ("one", "two")]
    assert len({one.container_status.container_id.value for one in running}) == 1
    pid = running[0].container_status.executor_pid
    assert processes.alive(pid)
    await agent.kill()
    assert processes.alive(pid)
    await agent.start(*flags)
    await master.registered(2)
    async with asyncio.timeout(PATIENCE_S):
        while sum(one.startswith("SUBSCRIBE -> 200") for one in lines(agent)) < 2:
            await asyncio.sleep(0.05)
    await master.kill("one")
    await master.state("one", "TASK_KILLED")
    await master.send(
        agent_link.FrameworkMessage(framework_id=FRAMEWORK_ID, executor_id=info.executor_id, data=b"exit:7")
    )
    last = await master.state("two", "TASK_FAILED")
    assert last.reason == "REASON_EXECUTOR_TERMINATED"
    await master.until(lambda: exits(master))
    assert exits(master)[0].status == 7 << 8
    assert not processes.alive(pid)


async def test_in_the_docker_engine(docked: Any, master: Any, make_task: Make, engine: DockerEngine) -> None:
    info = inside(container(volumes=MACHINE))
    async with reachable(docked.port, engine.pid):
        await lives_and_ends(docked, master, make_task, info, docked.flags)
    told = lines(docked)[0].split()
    assert {"MESOS_CONTAINER_NAME", "MESOS_EXECUTOR_ID", "MESOS_AGENT_ENDPOINT"} <= set(told)


async def test_shut_down_with_its_container(docked: Any, master: Any, make_task: Make, engine: DockerEngine) -> None:
    """One that ignores SHUTDOWN is destroyed after its grace; a task in the queue is never delivered."""
    info = inside(container(volumes=MACHINE), STUBBORN="1")
    async with reachable(docked.port, engine.pid):
        await master.run(of(make_task, "one", info))
        pid = (await master.state("one", "TASK_RUNNING")).container_status.executor_pid
        await master.send(agent_link.ShutdownExecutor(framework_id=FRAMEWORK_ID, executor_id=info.executor_id))
        await master.state("one", "TASK_FAILED")
    assert not processes.alive(pid)


async def test_an_executor_whose_image_is_not_there(docked: Any, master: Any, make_task: Make) -> None:
    await master.run(of(make_task, "one", inside(container("dcos-test:none"))))
    last = await master.state("one", "TASK_FAILED")
    assert last.reason == "REASON_CONTAINER_LAUNCH_FAILED"
    assert "Failed to pull docker image" in last.message


@images
async def test_in_an_image(running: Any, master: Any, make_task: Make, image: str) -> None:
    info = ContainerInfo(
        type=ContainerInfoType.MESOS,
        mesos=ContainerInfoMesosInfo(image=Image(type=ImageType.DOCKER, docker=ImageDocker(name=image))),
        volumes=MACHINE,
    )
    await lives_and_ends(running, master, make_task, inside(info), ())


SOCKETS = ("--http_executor_domain_sockets",)


@pytest.mark.parametrize("kind", ["plain", pytest.param("image", marks=images)])
async def test_by_a_unix_socket(agent: Any, master: Any, make_task: Make, image: str, kind: str) -> None:
    """The way to the agent outlives it, in images too; it leads to the executor API alone."""
    await agent.start(*SOCKETS)
    await master.registered()
    await master.run(make_task("command", CommandInfo(value="test -S $MESOS_DOMAIN_SOCKET")))
    await master.state("command", "TASK_FINISHED")
    info = executor()
    if kind == "image":
        mesos = ContainerInfoMesosInfo(image=Image(type=ImageType.DOCKER, docker=ImageDocker(name=image)))
        info = inside(ContainerInfo(type=ContainerInfoType.MESOS, mesos=mesos, volumes=MACHINE))
    await lives_and_ends(agent, master, make_task, info, SOCKETS)
    assert "MESOS_DOMAIN_SOCKET" in lines(agent)[0].split()
    async with http.session(unix=agent.runtime / "agent.sock") as session:
        for path, status in (("/state", 404), ("/api/v1/executor", 405), ("/slave(1)/api/v1/executor", 405)):
            async with session.get(f"http://agent{path}") as answer:
                assert answer.status == status
