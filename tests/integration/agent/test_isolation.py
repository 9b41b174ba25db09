"""What tasks may take and do: disk, output, capabilities, system calls, shared memory, namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from dcos.agent.containerizer import processes
from dcos.agent.containerizer.oci import usable
from dcos.model.v1.types import (
    CapabilityInfo,
    CapabilityInfoCapability,
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
    LinuxInfo,
    LinuxInfoIpcMode,
    Resource,
    ResourceAllocationInfo,
    RLimitInfo,
    RLimitInfoRLimit,
    RLimitInfoRLimitType,
    SeccompInfo,
    TaskInfo,
    TTYInfo,
    ValueRange,
    ValueRanges,
    ValueScalar,
    ValueType,
)
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port

Make = Callable[..., TaskInfo]
PROFILE = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "archMap": [],
    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
}
FLAGS = (
    *(
        "--isolation=posix/cpu,posix/mem,disk/du,linux/capabilities,linux/seccomp,linux/nnp,namespaces/pid,namespaces/ipc"
        ",network/ports",
    ),
    *("--container_disk_watch_interval=200ms", "--enforce_container_disk_quota"),
    *("--container_ports_watch_interval=300ms", "--enforce_container_ports"),
    *("--sandbox_log_max_size=64KB", "--sandbox_log_keep=2"),
    *('--bounding_capabilities={"capabilities": ["CHOWN", "NET_RAW", "KILL", "SETUID", "SETGID"]}',),
)

why_not = usable() or ("" if os.geteuid() == 0 else "only root")
pytestmark = [
    pytest.mark.skipif(bool(why_not), reason=f"containers cannot be limited here: {why_not}"),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """One that other users may pass through. (pytest's own are closed again by every other pytest of this user.)"""
    with tempfile.TemporaryDirectory(prefix="dcos-isolation-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(master_class: Any, agent_class: Any, open_folder: Path) -> AsyncIterator[tuple[Any, Any]]:
    """One master and one agent for all tests of this file."""
    profiles = open_folder / "profiles"
    profiles.mkdir()
    (profiles / "no-folders.json").write_text(json.dumps(PROFILE))
    master = master_class()
    await master.start()
    agent = agent_class(open_folder, f"127.0.0.1:{master.port}")
    try:
        await agent.start(*FLAGS, f"--seccomp_config_dir={profiles}")
        await master.registered()
        yield master, agent
    finally:
        await agent.stop()
        agent.end_everything()
        await master.stop()


def in_image(image: str, **linux: Any) -> ContainerInfo:
    return ContainerInfo(
        type=ContainerInfoType.MESOS,
        mesos=ContainerInfoMesosInfo(image=Image(type=ImageType.DOCKER, docker=ImageDocker(name=image))),
        linux_info=LinuxInfo(**linux),
    )


def with_disk(task: TaskInfo, mb: float) -> TaskInfo:
    disk = Resource(
        name="disk",
        type=ValueType.SCALAR,
        scalar=ValueScalar(value=mb),
        allocation_info=ResourceAllocationInfo(role="web"),
    )
    return msgspec.structs.replace(task, resources=(*task.resources, disk))


def caps(*names: str) -> CapabilityInfo:
    return CapabilityInfo(capabilities=tuple(CapabilityInfoCapability(one) for one in names))


async def output(place: Any, task: TaskInfo, state: str = "TASK_FINISHED") -> str:
    master, agent = place
    await master.run(task)
    last = await master.state(task.task_id.value, state)
    if state != "TASK_FINISHED":
        return str(last.message)
    text: str = (agent.sandbox(task.task_id.value) / "stdout").read_text()
    return text


async def test_disk_quota(place: Any, make_task: Make) -> None:
    master, _ = place
    await master.run(with_disk(make_task("hoarder", "head -c 3000000 /dev/zero >file; sleep 1000"), 2.0))
    await master.run(with_disk(make_task("modest", "head -c 1000 /dev/zero >file; sleep 1000"), 2.0))
    await master.state("modest", "TASK_RUNNING")
    last = await master.state("hoarder", "TASK_FAILED")
    assert last.reason == "REASON_CONTAINER_LIMITATION_DISK"
    assert last.message.startswith("Disk usage (")
    assert last.message.endswith(") exceeds quota (2MB)")
    assert [(one.name, one.scalar.value) for one in last.limitation.resources] == [("disk", 2.0)]
    assert master.states("modest") == ["TASK_STARTING", "TASK_RUNNING"]
    await master.kill("modest")
    await master.state("modest", "TASK_KILLED")


async def test_ports(place: Any, make_task: Make) -> None:
    """A task may listen on its own ports, connect to all, and lives no longer on others'."""
    master, _ = place
    own, other = free_port(), free_port()
    range_ = ValueRanges(range=(ValueRange(begin=own, end=own),))
    port = Resource(
        name="ports", type=ValueType.RANGES, ranges=range_, allocation_info=ResourceAllocationInfo(role="web")
    )
    for name, number in (("honest", own), ("stray", other)):
        task = make_task(name, f"exec {sys.executable} -m http.server --bind 127.0.0.1 {number}")
        await master.run(msgspec.structs.replace(task, resources=(*task.resources, port)))
    last = await master.state("stray", "TASK_FAILED")
    assert last.reason == "REASON_CONTAINER_LIMITATION"
    assert last.message == f"Container is listening on unallocated port(s): [{other}-{other}]"
    assert [(one.begin, one.end) for one in last.limitation.resources[0].ranges.range] == [(other, other)]
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", own)
                writer.close()
                break
            await asyncio.sleep(0.1)
    await asyncio.sleep(0.7)
    assert master.states("honest") == ["TASK_STARTING", "TASK_RUNNING"]
    await master.kill("honest")
    await master.state("honest", "TASK_KILLED")


async def test_capabilities_of_commands(place: Any, make_task: Make) -> None:
    """Root has what the operator allows; another user what the task names."""
    bounded = await output(place, make_task("bounded", "grep CapEff /proc/self/status"))
    assert int(bounded.split()[1], 16) == sum(1 << number for number in (0, 5, 6, 7, 13))
    info = ContainerInfo(type=ContainerInfoType.MESOS, linux_info=LinuxInfo(effective_capabilities=caps("NET_RAW")))
    command = CommandInfo(value="grep CapEff /proc/self/status", user="nobody")
    given = await output(place, make_task("given", command, container=info))
    assert int(given.split()[1], 16) == 1 << 13
    master, _ = place
    check = HealthCheck(
        type=HealthCheckType.COMMAND,
        command=CommandInfo(value="grep -q '^CapEff:.*0002000$' /proc/self/status", user="root"),
        delay_seconds=0,
        interval_seconds=0.2,
    )
    await master.run(make_task("joined", "sleep 1000", container=info, health_check=check))
    await master.until(lambda: any(one.healthy for one in master.updates if one.task_id.value == "joined"))
    await master.kill("joined")
    await master.state("joined", "TASK_KILLED")
    info = ContainerInfo(type=ContainerInfoType.MESOS, linux_info=LinuxInfo(effective_capabilities=caps("SYS_ADMIN")))
    words = await output(place, make_task("too-much", command, container=info), "TASK_FAILED")
    assert words.startswith(
        "Failed to launch container: Requested effective capabilities '{ SYS_ADMIN }', but only '{ CHOWN, "
    )


async def test_privileges_in_images(place: Any, make_task: Make, image: str) -> None:
    value = "cat /proc/self/status /proc/mounts; echo pid $$; mkdir /here && echo made"
    info = in_image(image, effective_capabilities=caps("KILL"), shm_size=3)
    text = await output(place, make_task("free", value, container=info))
    assert f"CapEff:\t{1 << 5:016x}" in text
    (shm,) = [line for line in text.splitlines() if line.split()[1:2] == ["/dev/shm"]]
    assert "size=3072k" in shm
    assert "pid 1\n" in text
    assert "made" in text
    info = in_image(
        image,
        seccomp=SeccompInfo(profile_name="no-folders.json"),
        ipc_mode=LinuxInfoIpcMode.SHARE_PARENT,
        share_pid_namespace=True,
    )
    text = await output(place, make_task("confined", f"{value}; exit 0", container=info))
    assert "made" not in text
    assert "Seccomp:\t2" in text
    assert "pid 1\n" not in text


def apart(**linux: Any) -> ContainerInfo:
    return ContainerInfo(type=ContainerInfoType.MESOS, linux_info=LinuxInfo(**linux))


async def test_namespaces_of_commands(place: Any, make_task: Make) -> None:
    """A command without an image: processes, IPC and /dev/shm of its own, with the machine's files; joined by its check."""
    value = """
        ls /proc | grep -c '^[0-9]'; readlink /proc/self/ns/pid /proc/self/ns/ipc; grep ' /dev/shm ' /proc/mounts
        grep NoNewPrivs /proc/self/status; touch /dev/shm/mine; echo here >file; setsid sleep 1000 & sleep 1000"""
    joined = "test $(ls /proc | grep -c '^[0-9]') -lt 20 && test -e /dev/shm/mine && grep -q 'NoNewPrivs:.*1' /proc/self/status"
    check = HealthCheck(
        type=HealthCheckType.COMMAND, command=CommandInfo(value=joined), delay_seconds=0, interval_seconds=0.2
    )
    master, agent = place
    info = apart(ipc_mode=LinuxInfoIpcMode.PRIVATE, shm_size=3)
    await master.run(make_task("apart", value, container=info, health_check=check))
    running = await master.state("apart", "TASK_RUNNING")
    await master.until(lambda: any(one.healthy for one in master.updates if one.task_id.value == "apart"))
    lines = (agent.sandbox("apart") / "stdout").read_text().splitlines()
    assert int(lines[0]) < 20
    assert {os.readlink(f"/proc/self/ns/{kind}") for kind in ("pid", "ipc")}.isdisjoint(lines[1:3])
    (shm,) = (line for line in lines if line.startswith("shm "))
    assert "size=3072k" in shm
    assert lines[-1] == "NoNewPrivs:\t1"
    assert (agent.sandbox("apart") / "file").read_text() == "here\n"
    members = processes.tree(running.container_status.executor_pid)
    assert len(members) > 3
    await master.kill("apart")
    assert (await master.state("apart", "TASK_KILLED")).message == "Command terminated with signal Terminated"
    assert not any(processes.alive(one) for one in members)
    for how, state, words in (
        ("exit 9", "TASK_FAILED", "Command exited with status 9"),
        ("exit 143", "TASK_FAILED", "Command exited with status 143"),
        ("kill -SEGV $$", "TASK_FAILED", "Command terminated with signal Segmentation fault"),
        ("kill -INT $$", "TASK_FAILED", "Command terminated with signal Interrupt"),
        ("kill -QUIT $$", "TASK_FAILED", "Command terminated with signal Quit"),
    ):
        assert await output(place, make_task(f"ends-{words.split()[-1]}", how, container=info), state) == words


async def test_namespaces_that_a_command_shares(place: Any, make_task: Make) -> None:
    shared = apart(share_pid_namespace=True, ipc_mode=LinuxInfoIpcMode.SHARE_PARENT)
    text = await output(place, make_task("shares", "readlink /proc/self/ns/pid /proc/self/ns/ipc", container=shared))
    assert text.split() == [os.readlink(f"/proc/self/ns/{kind}") for kind in ("pid", "ipc")]
    words = await output(place, make_task("big", "true", container=apart(shm_size=3)), "TASK_FAILED")
    assert words.startswith("Failed to launch container: shm_size: only a container with ipc_mode PRIVATE")


async def test_system_calls_of_commands(place: Any, make_task: Make) -> None:
    """A profile holds for the task, for another user, and for whoever joins."""
    info = apart(seccomp=SeccompInfo(profile_name="no-folders.json"))
    value = "grep Seccomp: /proc/self/status; mkdir here && echo made; touch file && echo touched; sleep 1000"
    check = HealthCheck(
        type=HealthCheckType.COMMAND,
        command=CommandInfo(value="! mkdir there && test -e file"),
        delay_seconds=0,
        interval_seconds=0.2,
    )
    master, agent = place
    command = CommandInfo(value=value, user="nobody")
    await master.run(make_task("calls", command, container=info, health_check=check))
    await master.until(lambda: any(one.healthy for one in master.updates if one.task_id.value == "calls"))
    assert (agent.sandbox("calls") / "stdout").read_text() == "Seccomp:\t2\ntouched\n"
    await master.kill("calls")
    await master.state("calls", "TASK_KILLED")
    missing = apart(seccomp=SeccompInfo(profile_name="none.json"))
    words = await output(place, make_task("missing", "true", container=missing), "TASK_FAILED")
    assert words.startswith("Failed to launch container: seccomp profile 'none.json' cannot be read")


async def test_resource_limits(place: Any, make_task: Make, image: str) -> None:
    """As ``setrlimit`` knows them, for commands and images; a check that joins has them too."""
    wanted = RLimitInfo(
        rlimits=(
            RLimitInfoRLimit(type=RLimitInfoRLimitType.RLMT_NOFILE, soft=123, hard=321),
            RLimitInfoRLimit(type=RLimitInfoRLimitType.RLMT_FSIZE, soft=4096, hard=8192),
            RLimitInfoRLimit(type=RLimitInfoRLimitType.RLMT_CORE),
        )
    )
    for name, info in (("command", ContainerInfo(type=ContainerInfoType.MESOS)), ("image", in_image(image))):
        value = "cat /proc/self/limits; trap '' XFSZ; cat /proc/self/environ /bin/cat >big; exit 0"
        task = make_task(f"limits-{name}", value, container=msgspec.structs.replace(info, rlimit_info=wanted))
        lines = [line.split() for line in (await output(place, task)).splitlines()]
        assert ["Max", "open", "files", "123", "321", "files"] in lines
        assert ["Max", "file", "size", "4096", "8192", "bytes"] in lines
        assert ["Max", "core", "file", "size", "unlimited", "unlimited", "bytes"] in lines
        assert (place[1].sandbox(f"limits-{name}") / "big").stat().st_size <= 4096


async def test_output_is_rotated(place: Any, make_task: Make) -> None:
    master, agent = place
    await master.run(make_task("talks", "i=0; while :; do i=$((i+1)); echo line $i; done"))
    await master.state("talks", "TASK_RUNNING")
    sandbox = agent.sandbox("talks")
    async with asyncio.timeout(60):
        while not (sandbox / "stdout.1").exists():
            await asyncio.sleep(0.1)
    first = (sandbox / "stdout.1").read_bytes()
    await master.kill("talks")
    await master.state("talks", "TASK_KILLED")
    assert first.startswith(b"line 1\n")
    assert len(first) > 60_000


async def test_a_kill_while_a_command_s_namespace_is_made(place: Any, make_task: Make) -> None:
    """However early it comes, SIGTERM is not lost: the task ends long before its grace does."""
    master, _ = place
    patient = KillPolicy(grace_period=DurationInfo(nanoseconds=60 * 10**9))
    for number in range(6):
        name = f"early-{number}"
        await master.run(make_task(name, container=apart(), kill_policy=patient))
        await master.state(name, "TASK_STARTING")
        await asyncio.sleep(number * 0.01)
        await master.kill(name)
        assert (await master.state(name, "TASK_KILLED")).reason != "REASON_EXECUTOR_TERMINATED"


async def test_what_ends_a_command_at_a_terminal(place: Any, make_task: Make) -> None:
    """In a process namespace of its own, too: what was typed there ends it as it ends any command."""
    info = ContainerInfo(type=ContainerInfoType.MESOS, tty_info=TTYInfo())
    for how, words in (("kill -INT $$", "terminated with signal Interrupt"), ("exit 130", "exited with status 130")):
        task = make_task(f"typed-{words[:4]}", how, container=info)
        assert await output(place, task, "TASK_FAILED") == f"Command {words}"
