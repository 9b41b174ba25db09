"""The systemd launcher on a real systemd: a booted node (its own PID 1), the agent as a service in it."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from dcos.model.v1.types import (
    CommandInfo,
    ContainerInfo,
    ContainerInfoMesosInfo,
    ContainerInfoType,
    DurationInfo,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    Image,
    ImageDocker,
    ImageType,
    KillPolicy,
    NetworkInfo,
    ResourceRevocableInfo,
    TaskInfo,
    TTYInfo,
    ValueScalar,
)
from dcos.testing.agent_containers import Containers, container_id, keys, typed
from dcos.testing.patience import PATIENCE_S

from . import systemd_node
from .systemd_node import Node

Make = Callable[..., TaskInfo]
MB = 2**20
reason = systemd_node.why_not()
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(reason), reason=f"no booted node: {reason}"),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(link_master: Any) -> AsyncIterator[Node]:
    """One node for all tests of this file, its agent registered."""
    made = systemd_node.make()
    try:
        await made.boot(link_master.port)
        started = await asyncio.to_thread(made.run, "systemctl", "start", "agent")
        assert started.returncode == 0, started.stderr + made.log()
        await link_master.registered()
        yield made
    finally:
        await asyncio.to_thread(made.down)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def link_master(master_class: Any) -> AsyncIterator[Any]:
    made = master_class()
    await made.start()
    yield made
    await made.stop()


async def test_limits_slice_and_end(node: Node, link_master: Any, make_task: Make) -> None:
    await link_master.run(
        make_task("limits", "until test -e go; do sleep 0.1; done; kill -USR1 $$", cpus=1.4, mem=96.0)
    )
    status = await link_master.state("limits", "TASK_RUNNING")
    unit = f"mesos-{status.container_status.container_id.value}.service"
    shown = node.show(unit, "Slice", "CPUQuotaPerSecUSec", "MemoryLimit", "MemoryMax", "CPUShares", "MainPID")
    assert shown["Slice"] == "mesos_executors.slice"
    assert shown["CPUQuotaPerSecUSec"] in ("1.5s", "1.500000s")
    assert str(128 * 1024 * 1024) in (shown["MemoryLimit"], shown["MemoryMax"])
    assert shown["MainPID"] == str(status.container_status.executor_pid)
    group = f"/sys/fs/cgroup/memory/mesos_executors.slice/{unit}"
    if (soft := node.run("cat", f"{group}/memory.soft_limit_in_bytes")).returncode == 0:
        assert soft.stdout.strip() == str(128 * 1024 * 1024)
    node.run("touch", "/var/lib/mesos/slave/slaves/m-S0/frameworks/m-0000/executors/limits/runs/latest/go")
    last = await link_master.state("limits", "TASK_FAILED")
    assert last.message == "Command terminated with signal User defined signal 1"


V1 = ("cpu/cpu.shares", "cpu/cpu.cfs_quota_us", "memory/memory.limit_in_bytes")
V2 = ("cpu.weight", "cpu.max", "memory.low", "memory.high", "memory.max", "pids.max")
NO_LIMIT = ("-1", str(2**63 - 4096))


@pytest.mark.parametrize(
    ("name", "limits", "v1", "v2"),
    [
        ("asked", {}, ("1433", "140000", str(96 * MB)), ("140", "140000 100000", "{low}", "max", str(96 * MB), "max")),
        (
            "revocable",
            {},
            ("14", "140000", str(96 * MB)),
            ("1", "140000 100000", "{low}", "max", str(96 * MB), "max"),
        ),
        (
            "more",
            {"cpus": 2.5, "mem": 256},
            ("1433", "260000", str(288 * MB)),
            ("140", "260000 100000", "{low}", "max", str(288 * MB), "max"),
        ),
        (
            "no-end",
            {"cpus": math.inf, "mem": math.inf},
            ("1433", *NO_LIMIT),
            ("140", "max 100000", "{low}", "max", "max", "max"),
        ),
    ],
)
async def test_numbers_of_the_control_group(
    node: Node, link_master: Any, make_task: Make, name: str, limits: dict[str, float], v1: Any, v2: Any
) -> None:
    asked = {key: ValueScalar(value=value) for key, value in limits.items()}
    task = make_task(name, cpus=1.3, mem=64.0, limits=asked)
    if name == "revocable":
        cpus, mem = task.resources
        cpus = msgspec.structs.replace(cpus, revocable=ResourceRevocableInfo())
        task = msgspec.structs.replace(task, resources=(cpus, mem))
    await link_master.run(task)
    status = await link_master.state(name, "TASK_RUNNING")
    group = f"mesos_executors.slice/mesos-{status.container_status.container_id.value}.service"
    numbers = tuple(node.numbers(group, *(V2 if node.unified else V1)).values())
    assert numbers == (tuple(one.format(low=96 * MB) for one in v2) if node.unified else v1)
    if node.unified:
        # what is protected of a group's memory is protected only as far as above it
        assert node.numbers("mesos_executors.slice", "memory.low") == {"memory.low": str(4096 * MB)}
    # who may use more memory than it asked for goes first when the machine has none left
    adjusted = node.run("cat", f"/proc/{status.container_status.executor_pid}/oom_score_adj").stdout
    assert (int(adjusted) > 0) is bool(limits)
    await link_master.kill(name)
    await link_master.state(name, "TASK_KILLED")


async def test_throttling_is_counted(node: Node, link_master: Any, make_task: Make) -> None:
    await link_master.run(make_task("spins", "while :; do :; done", cpus=0.1))
    await link_master.state("spins", "TASK_RUNNING")
    async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE_S):
        figures: dict[str, float] = {}
        while not figures.get("cpus_nr_throttled"):
            await asyncio.sleep(0.3)
            async with session.get(f"http://127.0.0.1:{node.port}/monitor/statistics") as answer:
                (one,) = json.loads(await answer.read())
            figures = one["statistics"]
    assert one["executor_id"] == "spins"
    assert figures["cpus_nr_periods"] >= figures["cpus_nr_throttled"]
    assert figures["cpus_throttled_time_secs"] > 0
    for key in (
        "cpus_user_time_secs",
        "cpus_system_time_secs",
        "mem_rss_bytes",
        "mem_anon_bytes",
        "mem_mapped_file_bytes",
    ):
        assert figures[key] >= 0, key
    await link_master.kill("spins")
    await link_master.state("spins", "TASK_KILLED")


async def test_exit_codes_are_exact(node: Node, link_master: Any, make_task: Make) -> None:
    await link_master.run(make_task("c137", "exit 137"))
    assert (await link_master.state("c137", "TASK_FAILED")).message == "Command exited with status 137"
    await link_master.run(make_task("c0", "exit 0"))
    await link_master.state("c0", "TASK_FINISHED")


@pytest.mark.parametrize("how", ["kill -9", "restart"])
async def test_tasks_outlive_the_agent(node: Node, link_master: Any, make_task: Make, how: str) -> None:
    names = [f"{name}-{how[:2]}" for name in ("stays", "fails", "finishes", "killed")]
    commands = ("sleep 1000", "sleep 1.5; exit 7", "sleep 1.5", "sleep 1.5; kill -9 $$")
    for name, command in zip(names, commands, strict=True):
        await link_master.run(make_task(name, command))
    pids = {name: (await link_master.state(name, "TASK_RUNNING")).container_status.executor_pid for name in names}
    times = link_master.registrations
    if how == "kill -9":
        node.run("systemctl", "kill", "--signal=SIGKILL", "--kill-whom=all", "agent")
        await asyncio.sleep(2.5)
        node.run("systemctl", "reset-failed", "agent")
        node.run("systemctl", "start", "agent")
    else:
        await asyncio.to_thread(node.run, "systemctl", "stop", "agent")
        await asyncio.sleep(2)
        await asyncio.to_thread(node.run, "systemctl", "daemon-reload")
        await asyncio.to_thread(node.run, "systemctl", "start", "agent")
    await link_master.registered(times + 1)
    assert (await link_master.state(names[1], "TASK_FAILED")).message == "Command exited with status 7"
    assert (await link_master.state(names[2], "TASK_FINISHED")).message == "Command exited with status 0"
    assert (await link_master.state(names[3], "TASK_FAILED")).message == "Command terminated with signal Killed"
    assert node.alive(pids[names[0]])
    assert link_master.states(names[0]) == ["TASK_STARTING", "TASK_RUNNING"]
    await link_master.kill(names[0])
    assert (await link_master.state(names[0], "TASK_KILLED")).message == "Command terminated with signal Terminated"
    async with asyncio.timeout(PATIENCE_S):
        while node.units():
            await asyncio.sleep(0.1)


async def test_what_forks_all_the_time_is_killed_at_once(node: Node, link_master: Any, make_task: Make) -> None:
    storm = "trap '' TERM; f() { trap '' TERM; setsid sleep 994 & sleep 0.05; f & }; f; f; while :; do sleep 1; done"
    policy = KillPolicy(grace_period=DurationInfo(nanoseconds=0))
    await link_master.run(make_task("storm", storm))
    await link_master.state("storm", "TASK_RUNNING")
    await asyncio.sleep(0.5)
    await link_master.kill("storm", policy)
    await link_master.state("storm", "TASK_KILLED")
    assert node.run("pgrep", "-x", "-f", "sleep 994").stdout == ""


async def test_out_of_memory(node: Node, link_master: Any, make_task: Make) -> None:
    eat = CommandInfo(shell=False, value="python3", arguments=("python3", "-c", "x = bytearray(300 * 2**20)"))
    await link_master.run(make_task("eater", eat, cpus=2.0))
    last = await link_master.state("eater", "TASK_FAILED")
    assert last.reason == "REASON_CONTAINER_LIMITATION_MEMORY", last.message
    assert last.message.startswith("Memory limit exceeded: Requested: 64MB Maximum Used: ")
    assert "MEMORY STATISTICS" in last.message


async def test_more_than_asked_for_up_to_the_limit(node: Node, link_master: Any, make_task: Make) -> None:
    limits = {"mem": ValueScalar(value=80)}
    for name, mb, state in (("within", 80, "TASK_FINISHED"), ("beyond", 160, "TASK_FAILED")):
        code = f"x = bytearray({mb} * 2**20)"
        eat = CommandInfo(shell=False, value="python3", arguments=("python3", "-c", code))
        await link_master.run(make_task(name, eat, cpus=2.0, limits=limits))
        last = await link_master.state(name, state)
    assert last.reason == "REASON_CONTAINER_LIMITATION_MEMORY", last.message
    assert last.message.startswith("Memory limit exceeded: Requested: 112MB Maximum Used: ")
    assert [(one.name, one.scalar.value) for one in last.limitation.resources] == [("mem", 112.0)]


async def test_a_child_that_wants_too_much_ends_its_task(node: Node, link_master: Any, make_task: Make) -> None:
    await link_master.run(make_task("parent", "python3 -c 'x = bytearray(200 * 2**20)'; sleep 992", cpus=2.0))
    last = await link_master.state("parent", "TASK_FAILED")
    assert last.reason == "REASON_CONTAINER_LIMITATION_MEMORY", last.message
    assert last.message.startswith("Memory limit exceeded: Requested: 64MB Maximum Used: ")
    assert [(one.name, one.scalar.value) for one in last.limitation.resources] == [("mem", 64.0)]
    assert node.run("pgrep", "-x", "-f", "sleep 992").stdout == ""


async def test_processes_are_counted(node: Node, link_master: Any, make_task: Make) -> None:
    await link_master.run(make_task("many", "for i in 1 2 3 4 5 6 7; do sleep 993 & done; wait"))
    status = await link_master.state("many", "TASK_RUNNING")
    group = f"mesos_executors.slice/mesos-{status.container_status.container_id.value}.service"
    async with asyncio.timeout(PATIENCE_S):
        while node.run("pgrep", "-c", "-x", "-f", "sleep 993").stdout.strip() != "7":
            await asyncio.sleep(0.1)
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{node.port}/containers") as answer:
        (one,) = json.loads(await answer.read())
    # beside the seven and their shell there are those that hold the task's process namespace
    count = one["statistics"]["processes"]
    assert 8 <= count < 14
    if node.unified:
        assert node.numbers(group, "pids.current", "pids.max") == {"pids.current": str(count), "pids.max": "max"}
    await link_master.kill("many")
    await link_master.state("many", "TASK_KILLED")
    assert node.run("pgrep", "-x", "-f", "sleep 993").stdout == ""


async def test_children_die_too(node: Node, link_master: Any, make_task: Make) -> None:
    await link_master.run(make_task("forks", "setsid sleep 997 & setsid sleep 998 & wait"))
    await link_master.state("forks", "TASK_RUNNING")
    await asyncio.sleep(0.3)
    await link_master.kill("forks")
    await link_master.state("forks", "TASK_KILLED")
    assert node.run("pgrep", "-x", "-f", "sleep 99[78]").stdout == ""


async def test_statistics_and_memory_of_the_agent(node: Node, link_master: Any, make_task: Make) -> None:
    await link_master.run(make_task("stat"))
    await link_master.state("stat", "TASK_RUNNING")
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{node.port}/containers") as answer:
        (one,) = json.loads(await answer.read())
    assert one["statistics"]["mem_limit_bytes"] == 64 * 1024 * 1024
    assert one["statistics"]["cpus_limit"] == 0.2
    assert one["statistics"]["processes"] >= 1
    assert one["statistics"]["mem_total_bytes"] > 0
    assert one["statistics"]["mem_file_bytes"] >= 0
    pid = node.show("agent", "MainPID")["MainPID"]
    rss_kb = int(node.run("sh", "-c", f"grep VmRSS /proc/{pid}/status").stdout.split()[1])
    assert rss_kb < 80 * 1024
    await link_master.kill("stat")
    await link_master.state("stat", "TASK_KILLED")


async def test_an_image_below_its_unit(
    node: Node, link_master: Any, make_task: Make, image_builder: Callable[[Path], Path]
) -> None:
    folder = node.var / "image"
    folder.mkdir()
    layout = image_builder(folder)
    image = Image(type=ImageType.DOCKER, docker=ImageDocker(name=f"oci:/var/image/{layout.name}:latest"))
    container = ContainerInfo(type=ContainerInfoType.MESOS, mesos=ContainerInfoMesosInfo(image=image))
    eat = CommandInfo(value="x=x; while :; do x=$x$x; done")
    more = {"cpus": ValueScalar(value=2.5), "mem": ValueScalar(value=128)}
    for name, limits, mb in (("hungry", {}, 64), ("hungrier", more, 160)):
        await link_master.run(make_task(name, eat, cpus=2.0, container=container, limits=limits))
        last = await link_master.state(name, "TASK_FAILED")
        assert last.reason == "REASON_CONTAINER_LIMITATION_MEMORY", last.message
        assert last.message.startswith(f"Memory limit exceeded: Requested: {mb}MB Maximum Used: ")
    await link_master.run(make_task("limited", "while :; do sleep 0.2; done", container=container, limits=more))
    status = await link_master.state("limited", "TASK_RUNNING")
    group = f"mesos_executors.slice/mesos-{status.container_status.container_id.value}.service/container"
    two = {"cpu.max": "260000 100000", "memory.max": str(160 * MB), "memory.low": str(64 * MB)}
    one = {"cpu/cpu.cfs_quota_us": "260000", "memory/memory.limit_in_bytes": str(160 * MB)}
    assert list(node.numbers(group, *(two if node.unified else one)).values()) == list(
        (two if node.unified else one).values()
    )
    await link_master.kill("limited")
    await link_master.state("limited", "TASK_KILLED")
    command = CommandInfo(value="cat /etc/marker; cat /proc/self/cgroup; while :; do sleep 0.2; done")
    await link_master.run(make_task("image", command, container=container))
    status = await link_master.state("image", "TASK_RUNNING")
    unit = f"mesos-{status.container_status.container_id.value}.service"
    assert node.show(unit, "Slice", "Delegate") == {"Slice": "mesos_executors.slice", "Delegate": "yes"}
    output = node.var / "lib/mesos/slave/slaves/m-S0/frameworks/m-0000/executors/image/runs/latest/stdout"
    async with asyncio.timeout(PATIENCE_S):
        while not (groups := node.run("cat", f"/var/{output.relative_to(node.var)}").stdout).count("/container"):
            await asyncio.sleep(0.1)
    assert f"/mesos_executors.slice/{unit}/container" in groups
    # what it may take stands in a group of its own below; what it weighs, in the unit's beside those of others
    parent = f"mesos_executors.slice/{unit}"
    if node.unified:
        above = {"cpu.weight": "20", "memory.low": str(64 * MB), "memory.max": "max"}
        below = {"cpu.max": "20000 100000", "memory.low": str(64 * MB), "memory.max": str(64 * MB)}
        assert node.numbers(parent, *above) == above
        assert node.numbers(f"{parent}/container", *below) == below
    else:
        assert node.numbers(parent, "cpu/cpu.shares") == {"cpu.shares": "204"}
    times = link_master.registrations
    await asyncio.to_thread(node.run, "systemctl", "restart", "agent")
    await link_master.registered(times + 1)
    await link_master.kill("image")
    await link_master.state("image", "TASK_KILLED")
    await terminals_in_an_image(node, link_master, make_task, msgspec.structs.replace(container, tty_info=TTYInfo()))
    async with asyncio.timeout(PATIENCE_S):
        while node.units():
            await asyncio.sleep(0.1)


async def terminals_in_an_image(node: Node, link_master: Any, make_task: Make, container: ContainerInfo) -> None:
    """What a unit holds is small, and no Python; a restart of the agent changes nothing."""
    command = "trap 'exit 3' INT; while :; do read -r line && echo got $line; done"
    await link_master.run(make_task("terminal", command, container=container))
    root = (await link_master.state("terminal", "TASK_RUNNING")).container_status.container_id.value
    unit = f"mesos-{root}.service"
    times = link_master.registrations
    await asyncio.to_thread(node.run, "systemctl", "restart", "agent")
    await link_master.registered(times + 1)
    group = node.show(unit, "ControlGroup")["ControlGroup"]
    hierarchy = "" if node.unified else "/systemd"
    found = f"cat $(find /sys/fs/cgroup{hierarchy}{group} -name cgroup.procs) | xargs -n 1 -I{{}} cat /proc/{{}}/comm"
    assert sorted(node.run("sh", "-c", found).stdout.split()) == ["cat", "cat", "perl", "sh"]
    async with aiohttp.ClientSession() as session:
        containers = Containers(f"http://127.0.0.1:{node.port}", session)
        output = await containers.output_of(root)
        assert (await containers.type_into(root, keys(typed("hello\r"))))[0] == 200
        await output.until(lambda one: "got hello" in one.out)
        assert (await containers.type_into(root, keys(typed("\x03"))))[0] == 200
        await output.end()
    assert (await link_master.state("terminal", "TASK_FAILED")).message == "Command exited with status 3"


async def test_a_network_of_its_own(node: Node, link_master: Any, make_task: Make) -> None:
    """Attached while its unit waits; for a command, and for a group of two."""
    for name in ("networks", "plugins"):
        (node.var / name).mkdir()
    (node.var / "networks/lab.conf").write_text(json.dumps({"name": "lab", "type": "plain"}))
    plugin = node.var / "plugins/plain"
    plugin.write_text('#!/bin/sh\n[ "$CNI_COMMAND" = DEL ] || echo \'{"ip4": {"ip": "10.7.7.7/24"}}\'\n')
    plugin.chmod(0o755)
    lab = ContainerInfo(type=ContainerInfoType.MESOS, network_infos=(NetworkInfo(name="lab"),), hostname="box")
    look = "cat /proc/sys/kernel/hostname; readlink /proc/self/ns/net; ls /proc | grep -c '^[0-9]'; sleep 1000"
    await link_master.run(make_task("alone", look, container=lab))
    executor = ExecutorInfo(executor_id=ExecutorID(value="lab"), type=ExecutorInfoType.DEFAULT, container=lab)
    await link_master.run_group(executor, make_task("one", look), make_task("two", look))
    base = "/var/lib/mesos/slave/slaves/m-S0/frameworks/m-0000/executors"
    found = []
    for name, path in (
        ("alone", "alone/runs/latest"),
        ("one", "lab/runs/latest/tasks/one"),
        ("two", "lab/runs/latest/tasks/two"),
    ):
        status = await link_master.state(name, "TASK_RUNNING")
        (told,) = status.container_status.network_infos
        assert (told.name, told.ip_addresses[0].ip_address) == ("lab", "10.7.7.7")
        async with asyncio.timeout(PATIENCE_S):
            while len(lines := node.run("cat", f"{base}/{path}/stdout").stdout.split()) < 3:
                await asyncio.sleep(0.1)
        assert lines[0] == "box"
        assert int(lines[-1]) < 20
        found.append(lines[1])
    assert found[1] == found[2] != found[0]
    assert node.run("readlink", "/proc/1/ns/net").stdout.strip() not in found
    times = link_master.registrations
    await asyncio.to_thread(node.run, "systemctl", "restart", "agent")
    await link_master.registered(times + 1)
    for name in ("alone", "one"):
        await link_master.kill(name)
    for name in ("alone", "one", "two"):
        last = await link_master.state(name, "TASK_KILLED")
        assert last.container_status.network_infos[0].name == "lab"
    async with asyncio.timeout(PATIENCE_S):
        while node.units():
            await asyncio.sleep(0.1)


async def test_a_group_shares_a_slice(node: Node, link_master: Any, make_task: Make) -> None:
    executor = ExecutorInfo(executor_id=ExecutorID(value="pod"), type=ExecutorInfoType.DEFAULT)
    eat = CommandInfo(shell=False, value="python3", arguments=("python3", "-c", "x = bytearray(300 * 2**20)"))
    await link_master.run_group(executor, make_task("small", "sleep 1000"), make_task("other", "sleep 1000"))
    status = await link_master.state("small", "TASK_RUNNING")
    run = status.container_status.container_id.parent.value
    unit = f"mesos-{status.container_status.container_id.value}.service"
    group = f"mesos_executors-{run.replace('-', '_')}.slice"
    assert node.show(unit, "Slice") == {"Slice": group}
    async with asyncio.timeout(PATIENCE_S):
        while str(64 * 1024 * 1024) not in node.show(group, "MemoryLimit", "MemoryMax").values():
            await asyncio.sleep(0.1)
    await link_master.run_group(executor, make_task("big", eat, cpus=2.0))
    last = await link_master.state("big", "TASK_FAILED")
    assert last.reason == "REASON_CONTAINER_LIMITATION_MEMORY", last.message
    for name in ("small", "other"):
        ended = await link_master.state(name, "TASK_FAILED")
        assert ended.reason == "REASON_CONTAINER_LIMITATION_MEMORY", ended.message
    async with asyncio.timeout(PATIENCE_S):
        while node.units() or node.show(group, "ActiveState") == {"ActiveState": "active"}:
            await asyncio.sleep(0.1)


async def test_guests_are_in_the_control_groups_of_their_task(node: Node, link_master: Any, make_task: Make) -> None:
    tty = ContainerInfo(type=ContainerInfoType.MESOS, tty_info=TTYInfo())
    command = "trap 'exit 3' INT; while :; do read -r line && echo got $line; done"
    await link_master.run(make_task("host", command, container=tty))
    status = await link_master.state("host", "TASK_RUNNING")
    root = status.container_status.container_id.value
    unit = f"mesos-{root}.service"
    async with aiohttp.ClientSession() as session:
        containers = Containers(f"http://127.0.0.1:{node.port}", session)
        stream = await (await containers.session_of(f"{root}.s1", "cat /proc/self/cgroup; tty", tty=True)).end()
        groups = [line.split(":", 2) for line in stream.out.splitlines() if line.count(":") >= 2]
        wanted = {path for _, names, path in groups if names in ("", "memory", "pids", "name=systemd")}
        assert wanted == {f"/mesos_executors.slice/{unit}"}, stream.out
        body = {"container_id": container_id(f"{root}.n1"), "command": {"value": "exec sleep 996"}}
        assert await containers.call("LAUNCH_CONTAINER", body) == (200, "")
        own: dict[str, Any] = {
            "container_id": container_id(f"{root}.n2"),
            "command": {"value": "exec sleep 995"},
            "container": {"type": "MESOS", "linux_info": {"share_cgroups": False}},
            "resources": [{"name": "mem", "type": "SCALAR", "scalar": {"value": 48}}],
        }
        assert await containers.call("LAUNCH_CONTAINER", own) == (200, "")
        shown = node.show(f"mesos-{root}.n2.service", "MemoryLimit", "MemoryMax")
        assert str(48 * 1024 * 1024) in shown.values()
        times = link_master.registrations
        await asyncio.to_thread(node.run, "systemctl", "restart", "agent")
        await link_master.registered(times + 1)
        assert node.run("pgrep", "-x", "-f", "sleep 996").stdout
        output = await containers.output_of(root)
        assert (await containers.type_into(root, keys(typed("hello\r"))))[0] == 200
        await output.until(lambda one: "got hello" in one.out)
        assert (await containers.type_into(root, keys(typed("\x03"))))[0] == 200
        await output.end()
    assert (await link_master.state("host", "TASK_FAILED")).message == "Command exited with status 3"
    assert node.run("pgrep", "-x", "-f", "sleep 99[56]").stdout == ""
    async with asyncio.timeout(PATIENCE_S):
        while node.units():
            await asyncio.sleep(0.1)
