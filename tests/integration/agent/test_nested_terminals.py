"""Tasks on terminals, and guests of tasks that have an image."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dcos.agent.containerizer import oci, processes, terminal
from dcos.agent.containerizer.box import Box
from dcos.model.v1.types import (
    CommandInfo,
    ContainerInfo,
    ContainerInfoMesosInfo,
    ContainerInfoType,
    HealthCheck,
    HealthCheckType,
    Image,
    ImageDocker,
    ImageType,
    TaskInfo,
    TTYInfo,
    TTYInfoWindowSize,
)
from dcos.testing.agent_containers import Containers, container_id, keys, typed, window
from dcos.testing.patience import PATIENCE_S
from dcos.testing.users import SOMEBODY

Make = Callable[..., TaskInfo]
TTY = TTYInfo(window_size=TTYInfoWindowSize(rows=33, columns=99))
images = pytest.mark.skipif(oci.usable() is not None, reason=str(oci.usable()))


@pytest.fixture
async def containers(running: Any) -> AsyncIterator[Containers]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:
        yield Containers(running.url, session)


def container_of(image: str | None, tty: TTYInfo | None) -> ContainerInfo:
    mesos = None
    if image is not None:
        mesos = ContainerInfoMesosInfo(image=Image(type=ImageType.DOCKER, docker=ImageDocker(name=image)))
    return ContainerInfo(type=ContainerInfoType.MESOS, mesos=mesos, tty_info=tty)


def on_terminal(image: str | None = None) -> ContainerInfo:
    return container_of(image, TTY)


async def root_of(master: Any, task_id: str) -> str:
    status = await master.state(task_id, "TASK_RUNNING")
    found: str = status.container_status.container_id.value
    return found


async def until(condition: Callable[[], Any], timeout_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


def shown(file: Path) -> str:
    """With the line ends of terminals."""
    return file.read_bytes().decode()


def programs(running: Any, name: str) -> dict[int, str]:
    """Every process of the containers whose names begin so, our own helpers too: its program."""
    boxes = [one for kind in ("containers", "nested") for one in running.runtime.glob(f"{kind}/{name}*")]
    assert boxes
    named = [
        terminal.number(Box(one.parent, one.name), file) for one in boxes for file in ("pid", "supervisor", "reader")
    ]
    seen = processes.look()
    # sessions are the agent's own children
    roots = [*(one for one in named if one is not None), *seen.children.get(running.process.pid, ())]
    pids = {pid for root in roots for pid in (root, *seen.tree(root))}
    for pid in (pid for each in seen.children.values() for pid in each):
        if any(str(one) in word for word in processes.command_line(pid) for one in boxes):
            pids.add(pid)
    return {pid: exe for pid in pids if (exe := program(pid))}


def program(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


@pytest.mark.parametrize("tty", [TTY, None], ids=["terminal", "pipes"])
@pytest.mark.parametrize("kind", ["plain", pytest.param("image", marks=images)])
async def test_no_python_stays_with_a_container(
    running: Any, master: Any, make_task: Make, containers: Containers, image: str, kind: str, tty: TTYInfo | None
) -> None:
    container = container_of(image if kind == "image" else None, tty)
    await master.run(make_task("t1", "sleep 1000", container=container))
    root = await root_of(master, "t1")
    body = {
        "container_id": container_id(f"{root}.n1"),
        "command": {"value": "sleep 1001"},
        "container": {"type": "MESOS", **({"tty_info": {}} if tty else {})},
    }
    assert (await containers.call("LAUNCH_CONTAINER", body))[0] == 200
    stream = await containers.session_of(f"{root}.s1", "echo up; sleep 1002", tty=tty is not None)
    await stream.until(lambda one: "up" in one.out)
    found: list[str] = []

    def settled() -> bool:
        """What starts a program in an image is gone a moment after it runs."""
        found[:] = [Path(one).name for one in programs(running, root).values()]
        return found.count("sleep") == 3 and not any("python" in one for one in found)

    await until(settled, 60.0)
    # of the task and of what is nested in it; a session's is the agent's own
    assert found.count("cat") == (4 if tty else 0)
    assert len([one for one in found if one.startswith("perl")]) == (3 if kind == "image" else 0)
    await master.kill("t1")
    await master.state("t1", "TASK_KILLED")
    assert [one for one in (await stream.end()).out.split() if one != "up"] == []


@images
async def test_a_terminal_in_an_image_is_the_container_s_own(
    running: Any, master: Any, make_task: Make, containers: Containers, image: str
) -> None:
    command = "trap 'stty size' WINCH; ls -l /proc/self/fd/0; stty size; echo ready >&2; while :; do sleep 0.05; done"
    await master.run(make_task("t1", CommandInfo(value=command), container=on_terminal(image)))
    root = await root_of(master, "t1")
    stdout = running.sandbox("t1") / "stdout"
    await until(lambda: "ready" in shown(stdout))
    first, second, _ = shown(stdout).split("\r\n")[:3]
    assert first.endswith("/dev/pts/0")
    assert second == "33 99"
    await running.kill()
    await running.start()
    await master.registered(2)
    assert (await containers.type_into(root, keys(window(40, 120))))[0] == 200
    await until(lambda: "40 120" in shown(stdout))

    # a program that is not there: runc's words are shown where its output would be
    stream = await containers.session_of(f"{root}.s1", {"value": "/no/such/program", "shell": False}, tty=True)
    await stream.end()
    assert "no such file or directory" in stream.out
    assert (await containers.wait(f"{root}.s1"))["exit_status"] == 1 << 8
    # a nested container's is its own too, and lives without the agent
    body = {
        "container_id": container_id(f"{root}.n1"),
        "command": {"value": "stty size; read -r line; stty size; read -r line; kill -TERM $$"},
        "container": {"type": "MESOS", "tty_info": {"window_size": {"rows": 11, "columns": 22}}},
    }
    assert (await containers.call("LAUNCH_CONTAINER", body))[0] == 200
    nested = running.sandbox("t1") / "containers/n1/stdout"
    await until(lambda: "11 22" in shown(nested))
    assert (await containers.type_into(f"{root}.n1", keys(window(12, 23), typed("a\r"))))[0] == 200
    await until(lambda: "12 23" in shown(nested))
    await running.kill()
    await running.start()
    await master.registered(3)
    assert (await containers.type_into(f"{root}.n1", keys(typed("b\r"))))[0] == 200
    assert (await containers.wait(f"{root}.n1"))["exit_status"] == 15
    assert shown(nested) == "11 22\r\na\r\n12 23\r\nb\r\n"
    assert (await containers.type_into(root, keys(typed("\x03"))))[0] == 200
    assert (await master.state("t1", "TASK_FAILED")).message == "Command terminated with signal Interrupt"


COMMAND = "echo out; echo err >&2; while read -r line; do echo got $line; done; echo over; exit 5"


@pytest.mark.parametrize("kind", ["plain", pytest.param("image", marks=images)])
async def test_a_task_on_a_terminal(
    running: Any, master: Any, make_task: Make, containers: Containers, image: str, kind: str
) -> None:
    container = on_terminal(image if kind == "image" else None)
    await master.run(make_task("t1", CommandInfo(value=COMMAND), container=container))
    root = await root_of(master, "t1")
    stdout = running.sandbox("t1") / "stdout"
    await until(lambda: shown(stdout) == "out\r\nerr\r\n")
    stream = await containers.output_of(root)
    hold = asyncio.Event()
    typing = asyncio.create_task(containers.type_into(root, keys(window(41, 121), typed("one\r"), hold=hold)))
    await stream.until(lambda one: one.out == "one\r\ngot one\r\n")
    stream.close()
    hold.set()
    assert (await typing)[0] == 200

    # the terminal is not the agent's
    await running.kill()
    await running.start()
    await master.registered(2)
    stream = await containers.output_of(root)
    assert (await containers.type_into(root, keys(typed("two\r"), typed("\x04"))))[0] == 200
    await stream.end()
    assert stream.out == "two\r\ngot two\r\nover\r\n"
    assert (await master.state("t1", "TASK_FAILED")).message == "Command exited with status 5"
    assert shown(stdout) == "out\r\nerr\r\none\r\ngot one\r\ntwo\r\ngot two\r\nover\r\n"
    assert not list((running.runtime / "containers").iterdir())


async def test_the_window_and_the_session(running: Any, master: Any, make_task: Make, containers: Containers) -> None:
    command = "trap 'stty size' WINCH; stty size; tty; id -un; echo ready >&2; while :; do sleep 0.05; done"
    await master.run(make_task("t1", CommandInfo(value=command, user=SOMEBODY), container=on_terminal()))
    root = await root_of(master, "t1")
    stdout = running.sandbox("t1") / "stdout"
    await until(lambda: "ready" in shown(stdout))
    first, second, third, _ = shown(stdout).split("\r\n")[:4]
    assert (first, third) == ("33 99", SOMEBODY)
    assert second.startswith("/dev/pts/")
    pid = next(iter(running.container_pids().values()))
    reader = next(running.runtime.glob("containers/*/reader"))
    helpers = [int(reader.read_text())]
    assert (await containers.type_into(root, keys(window(40, 120))))[0] == 200
    await until(lambda: "40 120" in shown(stdout))
    assert (await containers.type_into(root, keys(typed("\x03"))))[0] == 200
    assert (await master.state("t1", "TASK_FAILED")).message == "Command terminated with signal Interrupt"
    assert not [one for one in (pid, *helpers) if processes.alive(one)]


async def test_a_terminal_is_killed_politely(running: Any, master: Any, make_task: Make) -> None:
    command = "trap 'sleep 0.3; echo last words; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    await master.run(make_task("t1", CommandInfo(value=command), container=on_terminal()))
    stdout = running.sandbox("t1") / "stdout"
    await master.state("t1", "TASK_RUNNING")
    await until(lambda: "ready" in shown(stdout))
    await master.kill("t1")
    await master.state("t1", "TASK_KILLED")
    assert shown(stdout).endswith("last words\r\n")


async def test_a_nested_container_on_a_terminal(
    running: Any, master: Any, make_task: Make, containers: Containers
) -> None:
    await master.run(make_task("t1"))
    root = await root_of(master, "t1")
    body = {
        "container_id": container_id(f"{root}.n1"),
        "command": {"value": "read -r line; echo got $line; read -r line"},
        "container": {"type": "MESOS", "tty_info": {}},
    }
    assert (await containers.call("LAUNCH_CONTAINER", body))[0] == 200
    stream = await containers.output_of(f"{root}.n1")
    assert (await containers.type_into(f"{root}.n1", keys(typed("a\r"))))[0] == 200
    await stream.until(lambda one: "got a" in one.out)
    assert (await containers.type_into(f"{root}.n1", keys(typed("b\r"))))[0] == 200
    assert (await containers.wait(f"{root}.n1"))["exit_status"] == 0
    await stream.end()


@images
async def test_guests_of_a_task_with_an_image(
    running: Any, master: Any, make_task: Make, containers: Containers, image: str
) -> None:
    container = container_of(image, None)
    check = HealthCheck(
        type=HealthCheckType.COMMAND,
        command=CommandInfo(value="cat /etc/marker >>seen; test -n $FROM_IMAGE"),
        delay_seconds=0.0,
        interval_seconds=1.0,
    )
    await master.run(make_task("t1", "sleep 1000", container=container, health_check=check))
    root = await root_of(master, "t1")
    sandbox: Path = running.sandbox("t1")
    await master.until(lambda: any(one.healthy for one in master.updates))
    assert "inside" in (sandbox / "seen").read_text()

    stream = await containers.session_of(f"{root}.s1", "cat /etc/marker; echo $FROM_IMAGE $MESOS_SANDBOX; pwd; exit 3")
    await stream.end()
    assert stream.out.split() == ["inside", "1", "/mnt/mesos/sandbox", "/mnt/mesos/sandbox"]
    assert (await containers.wait(f"{root}.s1"))["exit_status"] == 3 << 8

    stream = await containers.session_of(f"{root}.s2", "read -r line; echo got $line; sleep 1000", tty=True)
    assert (await containers.type_into(f"{root}.s2", keys(window(20, 60), typed("x\r"))))[0] == 200
    await stream.until(lambda one: "got x" in one.out)
    stream.close()
    assert (await containers.wait(f"{root}.s2"))["exit_status"] == 9

    for number, (command, tty) in enumerate(
        itertools.product(("kill -9 $$", "kill -INT $$", "exit 137"), (False, True))
    ):
        name = f"{root}.e{number}"
        await (await containers.session_of(name, command, tty=tty)).end()
        assert (await containers.wait(name))["exit_status"] == {"kill -9 $$": 9, "kill -INT $$": 2}.get(
            command, 137 << 8
        )
    stream = await containers.session_of(f"{root}.w1", "stty size; read -r line; stty size", tty=True)
    assert (await containers.type_into(f"{root}.w1", keys(window(21, 61), typed("x\r"))))[0] == 200
    await stream.end()
    assert stream.out.split("\r\n")[-2] == "21 61"
    assert (await containers.wait(f"{root}.w1"))["exit_status"] == 0
    for name, command in (("g1", {"value": "kill -9 $$"}), ("g2", {"value": "/no/such/program", "shell": False})):
        body = {"container_id": container_id(f"{root}.{name}"), "command": command}
        assert (await containers.call("LAUNCH_CONTAINER", body))[0] == 200
        assert (await containers.wait(f"{root}.{name}"))["exit_status"] == {"g1": 9, "g2": 1 << 8}[name]

    body = {
        "container_id": container_id(f"{root}.n1"),
        "command": {"value": "cat /etc/marker; echo $MESOS_SANDBOX; pwd; >made; sleep 1000"},
    }
    status, text = await containers.call("LAUNCH_CONTAINER", body)
    assert status == 200, text
    nested = sandbox / "containers/n1"
    await until(lambda: (nested / "made").exists() and len((nested / "stdout").read_text().split()) == 3)
    assert (nested / "stdout").read_text().split() == ["inside", *["/mnt/mesos/sandbox/containers/n1"] * 2]
    assert (await containers.call("KILL_CONTAINER", {"container_id": container_id(f"{root}.n1")}))[0] == 200
    assert (await containers.wait(f"{root}.n1"))["exit_status"] == 9
    await master.kill("t1")
    await master.state("t1", "TASK_KILLED")
