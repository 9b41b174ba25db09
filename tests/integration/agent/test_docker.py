"""The docker containerizer on a real Docker Engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from dcos.agent.containerizer import processes
from dcos.agent.service import is_unified
from dcos.model.v1.types import (
    CommandInfo,
    CommandInfoURI,
    ContainerInfoDockerInfoNetwork,
    ContainerInfoDockerInfoPortMapping,
    DurationInfo,
    Environment,
    EnvironmentVariable,
    HealthCheck,
    HealthCheckHTTPCheckInfo,
    HealthCheckType,
    KillPolicy,
    NetworkInfo,
    Parameter,
    Resource,
    Secret,
    SecretType,
    SecretValue,
    TaskInfo,
    ValueRange,
    ValueRanges,
    ValueScalar,
    ValueType,
    Volume,
    VolumeMode,
    VolumeSource,
    VolumeSourceType,
)
from dcos.testing.patience import PATIENCE_S

from .docker_engine import DRIVER, IMAGE, DockerEngine, container, obstacle
from .docker_registry import DockerRegistry
from .operation_orders import apply, create, reserve, with_volume

Make = Callable[..., TaskInfo]
Network = ContainerInfoDockerInfoNetwork
CGROUPS = Path("/sys/fs/cgroup")

reason = obstacle()
pytestmark = pytest.mark.skipif(bool(reason), reason=f"no Docker Engine: {reason}")


async def test_a_secret_is_a_file_that_only_the_container_sees(docked: Any, master: Any, make_task: Make) -> None:
    """Whoever runs inside may read it, as another user too; outside, its folder is closed to all but root."""
    secret = Secret(type=SecretType.VALUE, value=SecretValue(data=b"open sesame\n"))
    source = VolumeSource(type=VolumeSourceType.SECRET, secret=secret)
    volumes = (
        Volume(mode=VolumeMode.RW, container_path="/keys/one", source=source),
        Volume(mode=VolumeMode.RO, container_path="two", source=source),
    )
    value = "cat /keys/one $MESOS_SANDBOX/two; (echo x >/keys/one) || echo read-only; exec sleep 1000"
    somebody = (Parameter(key="user", value="4321:4321"),)
    for name, parameters, seen in (("root", (), 2), ("somebody", somebody, 1)):
        info = container(network=Network.NONE, parameters=parameters, volumes=volumes)
        await master.run(make_task(name, value, container=info))
        await master.state(name, "TASK_RUNNING")
        said = docked.sandbox(name) / "stdout"
        async with asyncio.timeout(PATIENCE_S):
            while "read-only" not in said.read_text():
                await asyncio.sleep(0.05)
        # the sandbox itself is closed to others
        assert said.read_text().splitlines().count("open sesame") == seen
    found = [path for path in docked.runtime.rglob("secrets/*") if path.is_file()]
    assert {path.read_bytes() for path in found} == {b"open sesame\n"}
    assert {path.parent.stat().st_mode & 0o777 for path in found} == {0o700}
    for name in ("root", "somebody"):
        await master.kill(name)
        await master.state(name, "TASK_KILLED")
    async with asyncio.timeout(PATIENCE_S):
        while any(path.exists() for path in found):
            await asyncio.sleep(0.05)


async def test_command_environment_volumes_and_end(docked: Any, master: Any, make_task: Make, folder: Any) -> None:
    (folder / "host").mkdir()
    (folder / "host/seen").write_text("from the host\n")
    volumes = (
        Volume(mode=VolumeMode.RO, container_path="/host", host_path=str(folder / "host")),
        Volume(mode=VolumeMode.RW, container_path="/data", host_path="data"),
        Volume(mode=VolumeMode.RW, container_path="shared", host_path=str(folder / "host")),
    )
    value = (
        "env; cat /host/seen; touch /host/no || echo read-only; echo kept >/data/file; hostname; id"
        "; echo in-sandbox >$MESOS_SANDBOX/written; ls /mnt/mesos/sandbox/shared; echo bad >&2; exit 9"
    )
    variables = (EnvironmentVariable(name="GIVEN", value="a b=c"),)
    command = CommandInfo(value=value, environment=Environment(variables=variables))
    parameters = (Parameter(key="hostname", value="box"), Parameter(key="env", value="PARAMETER=yes"))
    info = container(network=Network.NONE, parameters=parameters, volumes=volumes)
    await master.run(make_task("all", command, container=info))
    last = await master.state("all", "TASK_FAILED")
    assert last.message == "Container exited with status 9"
    assert master.states("all") == ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"]
    sandbox = docked.sandbox("all")
    lines = (sandbox / "stdout").read_text().splitlines()
    container_id = last.container_status.container_id.value
    for line in (
        "GIVEN=a b=c",
        "PARAMETER=yes",
        "FROM_IMAGE=1",
        "MESOS_SANDBOX=/mnt/mesos/sandbox",
        f"MESOS_CONTAINER_NAME=mesos-{container_id}",
        "from the host",
        "read-only",
        "box",
        "seen",
    ):
        assert line in lines
    assert "bad\n" in (sandbox / "stderr").read_text()
    assert (sandbox / "written").read_text() == "in-sandbox\n"
    assert (sandbox / "data/file").read_text() == "kept\n"


async def test_bridge_address_ports_and_network_checks(
    docked: Any, master: Any, make_task: Make, engine: DockerEngine
) -> None:
    """Tasks on a bridge have an address; checks look from inside."""
    ports = Resource(
        name="ports", type=ValueType.RANGES, ranges=ValueRanges(range=(ValueRange(begin=31000, end=31001),))
    )
    mappings = (
        ContainerInfoDockerInfoPortMapping(host_port=31000, container_port=80),
        ContainerInfoDockerInfoPortMapping(host_port=31001, container_port=53, protocol="udp"),
    )
    info = container(network=Network.BRIDGE, port_mappings=mappings)
    check = HealthCheck(
        type=HealthCheckType.HTTP,
        http=HealthCheckHTTPCheckInfo(port=80, path="/"),
        delay_seconds=0,
        interval_seconds=0.1,
        grace_period_seconds=1000,
    )
    task = make_task("bridge", "sleep 1000", container=info, health_check=check)
    await master.run(msgspec.structs.replace(task, resources=(*task.resources, ports)))
    status = await master.state("bridge", "TASK_RUNNING")
    (network,) = status.container_status.network_infos
    address = network.ip_addresses[0].ip_address
    assert address.startswith("172.29.77.")
    assert status.labels.labels[0].value == address
    (inspected,) = json.loads(status.data)
    assert inspected["Name"] == f"/mesos-{status.container_status.container_id.value}"
    assert inspected["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "", "HostPort": "31000"}],
        "53/udp": [{"HostIp": "", "HostPort": "31001"}],
    }
    pid = status.container_status.executor_pid
    assert inspected["State"]["Pid"] == pid
    # a server in the container's network, not in the machine's
    server = await asyncio.create_subprocess_exec(
        *("nsenter", f"--target={pid}", "--net", "--", sys.executable, "-m", "http.server", "80"),
        cwd=docked.sandbox("bridge"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await master.until(lambda: any(one.healthy for one in master.updates))
        found = await asyncio.to_thread(engine.inside, "curl", "--silent", "http://172.29.77.1:31000/")
        assert "stderr" in found.stdout
    finally:
        server.kill()
        await server.wait()
    await master.kill("bridge")
    assert (await master.state("bridge", "TASK_KILLED")).message.startswith("Container exited with status")


async def test_kill_waits_for_the_grace(docked: Any, master: Any, make_task: Make) -> None:
    command = CommandInfo(value="trap 'echo asked' TERM; echo set; while :; do sleep 0.1; done")
    policy = KillPolicy(grace_period=DurationInfo(nanoseconds=3_000_000_000))
    await master.run(make_task("deaf", command, container=container(), kill_policy=policy))
    await master.state("deaf", "TASK_RUNNING")
    await until(lambda: "set" in (docked.sandbox("deaf") / "stdout").read_text())
    await master.kill("deaf")
    assert (await master.state("deaf", "TASK_KILLED")).message == "Container exited with status 137"
    assert "TASK_KILLING" in master.states("deaf")
    assert "asked" in (docked.sandbox("deaf") / "stdout").read_text()


async def test_tasks_outlive_agent_and_engine(docked: Any, master: Any, make_task: Make, engine: DockerEngine) -> None:
    for name, value in (
        ("stays", "while :; do echo tick; sleep 0.2; done"),
        ("ends", "while [ ! -e $MESOS_SANDBOX/go ]; do sleep 0.1; done; echo last words; exit 5"),
    ):
        await master.run(make_task(name, value, container=container()))
    pid = (await master.state("stays", "TASK_RUNNING")).container_status.executor_pid
    await master.state("ends", "TASK_RUNNING")
    await docked.kill()
    (docked.sandbox("ends") / "go").touch()
    engine.docker("run", "--detach", "--name=mesos-orphan", "--net=none", IMAGE, "sleep", "1000")
    engine.docker("run", "--detach", "--name=other", "--net=none", "--label=dcos.agent=x", IMAGE, "sleep", "1000")
    await docked.start(*docked.flags)
    await master.registered(2)
    ended = await master.state("ends", "TASK_FAILED")
    assert ended.message == "Container exited with status 5"
    assert "last words" in (docked.sandbox("ends") / "stdout").read_text()
    assert processes.alive(pid)
    await until(lambda: "mesos-orphan" not in engine.names())
    assert "other" in engine.names()
    engine.docker("rm", "--force", "other")
    # the Engine goes and comes back: the task lives, and its output goes on
    await asyncio.to_thread(engine.stop)
    await asyncio.to_thread(engine.start)
    assert processes.alive(pid)
    before = (docked.sandbox("stays") / "stdout").stat().st_size
    await until(lambda: (docked.sandbox("stays") / "stdout").stat().st_size > before)
    # an update may come twice: the agent was killed before it knew of the acknowledgement
    assert set(master.states("stays")) == {"TASK_STARTING", "TASK_RUNNING"}
    await master.kill("stays")
    await master.state("stays", "TASK_KILLED")
    await until(lambda: not engine.names())
    await until(lambda: not list((docked.runtime / "containers").iterdir()))


@pytest.mark.parametrize("kind", ["command", "missing"])
async def test_health_by_command(docked: Any, master: Any, make_task: Make, kind: str) -> None:
    value = "test $FROM_IMAGE = 1" if kind == "command" else "exit 3"
    check = HealthCheck(
        type=HealthCheckType.COMMAND,
        command=CommandInfo(value=value),
        delay_seconds=0,
        interval_seconds=0.1,
        grace_period_seconds=0,
        consecutive_failures=2,
    )
    await master.run(make_task("checked", "sleep 1000", container=container(), health_check=check))
    if kind == "command":
        await master.until(lambda: any(one.healthy for one in master.updates))
        await master.kill("checked")
    last = await master.state("checked", "TASK_KILLED")
    assert last.healthy is (False if kind == "missing" else None)


EAT = "x=x; while :; do x=$x$x; done"
NO_SWAP = Parameter(key="memory-swap", value="32m")


async def test_out_of_memory(docked: Any, master: Any, make_task: Make) -> None:
    await master.run(make_task("eater", EAT, mem=32.0, container=container(parameters=(NO_SWAP,))))
    last = await master.state("eater", "TASK_FAILED")
    assert last.reason == "REASON_CONTAINER_LIMITATION_MEMORY", last.message
    assert last.message.startswith("Memory limit exceeded: Requested: 32MB")
    await until(lambda: not groups_above())


async def test_out_of_memory_while_the_agent_is_away(
    docked: Any, master: Any, make_task: Make, engine: DockerEngine
) -> None:
    """Where the kernel counts in a group above the container's (cgroup v2), that is found again, and goes."""
    wait = f"while [ ! -e $MESOS_SANDBOX/go ]; do sleep 0.1; done; {EAT}"
    await master.run(make_task("eater", wait, mem=32.0, container=container(parameters=(NO_SWAP,))))
    await master.run(make_task("forgotten", "sleep 1000", container=container()))
    await master.state("eater", "TASK_RUNNING")
    forgotten = (await master.state("forgotten", "TASK_RUNNING")).container_status.container_id.value
    assert len(groups_above()) == (2 if is_unified(CGROUPS) else 0)
    await docked.kill()
    (docked.sandbox("eater") / "go").touch()
    shutil.rmtree(docked.runtime / "containers" / forgotten)
    await until(lambda: len(engine.docker("ps", "--quiet").stdout.split()) == 1)
    await docked.start(*docked.flags)
    await master.registered(2)
    last = await master.state("eater", "TASK_FAILED")
    assert last.reason == "REASON_CONTAINER_LIMITATION_MEMORY", last.message
    await master.state("forgotten", "TASK_FAILED")
    await until(lambda: not engine.names())
    await until(lambda: not groups_above())


async def test_a_task_may_name_the_group_above(
    docked: Any, master: Any, make_task: Make, engine: DockerEngine, unique: str
) -> None:
    name = f"dcos-test-{unique}" if DRIVER == "cgroupfs" else f"dcos_test_{unique}.slice"
    info = container(parameters=(NO_SWAP, Parameter(key="cgroup-parent", value=name)))
    await master.run(make_task("own", "sleep 1000", mem=32.0, container=info))
    pid = (await master.state("own", "TASK_RUNNING")).container_status.executor_pid
    assert not groups_above()
    assert f"/{name}/" in Path(f"/proc/{pid}/cgroup").read_text()
    await master.kill("own")
    await master.state("own", "TASK_KILLED")
    await until(lambda: not engine.names())
    for left in (*CGROUPS.glob(f"*/{name}"), CGROUPS / name):
        with contextlib.suppress(OSError):
            left.rmdir()


def groups_above() -> list[Path]:
    """Those that agents made for Docker containers."""
    return [*CGROUPS.glob("mesos/docker_*"), *CGROUPS.glob("mesos_executors.slice/*-docker_*")]


async def test_name_servers_of_all(docked: Any, master: Any, make_task: Make) -> None:
    rules = {"docker": [{"network_mode": "BRIDGE", "dns": {"nameservers": ["10.1.1.1"], "search": ["a"]}}]}
    await docked.stop()
    await docked.start(*docked.flags, f"--default_container_dns={json.dumps(rules)}")
    await master.registered(2)
    own = container(network=Network.BRIDGE, parameters=(Parameter(key="dns", value="10.2.2.2"),))
    for name, info, server in (("all", container(network=Network.BRIDGE), "10.1.1.1"), ("own", own, "10.2.2.2")):
        await master.run(make_task(name, "cat /etc/resolv.conf", container=info))
        await master.state(name, "TASK_FINISHED")
        text = (docked.sandbox(name) / "stdout").read_text()
        assert f"nameserver {server}" in text
        assert ("search a" in text) == (name == "all")


async def test_numbers_of_the_control_group(docked: Any, master: Any, make_task: Make) -> None:
    limits = {"cpus": ValueScalar(value=2.5), "mem": ValueScalar(value=256)}
    await master.run(make_task("asked", "sleep 1000", cpus=2.0, mem=64.0, container=container()))
    await master.run(make_task("more", "sleep 1000", cpus=2.0, mem=64.0, container=container(), limits=limits))
    mb = 2**20
    for name, quota, limit, low in (("asked", None, 64 * mb, None), ("more", 250_000, 256 * mb, 64 * mb)):
        pid = (await master.state(name, "TASK_RUNNING")).container_status.executor_pid
        numbers = control_group(pid)
        if "cpu.weight" in numbers:
            # 2048 shares, as the Engine turns them into a weight
            assert 50 < int(numbers["cpu.weight"]) < 120
            assert numbers["cpu.max"] == f"{quota or 'max'} 100000"
            assert (numbers["memory.max"], numbers["memory.low"]) == (str(limit), str(low or 0))
        else:
            assert (numbers["cpu.shares"], numbers["cpu.cfs_quota_us"]) == ("2048", str(quota or -1))
            assert numbers["memory.limit_in_bytes"] == str(limit)
            assert low is None or numbers["memory.soft_limit_in_bytes"] == str(low)
        await master.kill(name)
        await master.state(name, "TASK_KILLED")


def control_group(pid: int) -> dict[str, str]:
    """All numbers of a process's control groups, in every hierarchy."""
    found = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        folder = Path("/sys/fs/cgroup", controllers.removeprefix("name="), path.lstrip("/"))
        for file in (*folder.glob("cpu.*"), *folder.glob("memory.*")):
            with contextlib.suppress(OSError):
                found[file.name] = file.read_text().strip()
    return found


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (container("dcos-test:none"), "Failed to pull docker image"),
        (
            container(port_mappings=(ContainerInfoDockerInfoPortMapping(host_port=1, container_port=1),)),
            "Port mappings are",
        ),
        (container(network=Network.USER), "exactly one network_infos"),
        (container(hostname="x"), "host networking"),
        (container(parameters=(Parameter(key="name", value="x"),)), "parameter 'name'"),
        (container(parameters=(Parameter(key="wrong", value="x"),)), "parameter 'wrong'"),
        (container(network=Network.USER, network_infos=(NetworkInfo(name="nowhere"),)), "nowhere"),
    ],
    ids=["image", "ports", "user-network", "hostname", "name", "parameter", "network"],
)
async def test_refused(docked: Any, master: Any, make_task: Make, info: Any, words: str, engine: DockerEngine) -> None:
    await master.run(make_task("bad", "sleep 1", container=info))
    last = await master.state("bad", "TASK_FAILED")
    assert last.reason == "REASON_CONTAINER_LAUNCH_FAILED"
    assert words in last.message
    await until(lambda: not engine.names())


async def test_no_engine_at_all(agent: Any, master: Any, make_task: Make, folder: Any) -> None:
    await agent.start("--containerizers=docker,mesos", f"--docker_socket={folder}/none.sock")
    await master.registered()
    await master.run(make_task("alone", "sleep 1", container=container()))
    last = await master.state("alone", "TASK_FAILED")
    assert last.reason == "REASON_CONTAINER_LAUNCH_FAILED"
    assert f"Docker does not answer at {folder}/none.sock" in last.message
    await until(lambda: not list((agent.runtime / "containers").iterdir()))
    await master.run(make_task("other", "exit 0"))
    await master.state("other", "TASK_FINISHED")


@pytest.fixture(scope="module")
def registry(engine: DockerEngine) -> Iterator[DockerRegistry]:
    """In the Engine's network, with one image."""
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry is missing")
    entered = ["nsenter", f"--target={engine.pid}", "--net", "--"]
    made = DockerRegistry(engine.folder / "registry", "127.0.0.1:5000", entered)
    try:
        (engine.folder / "client").mkdir()
        (engine.folder / "client/config.json").write_text(json.dumps(made.config))
        name = f"{made.address}/private/{IMAGE}"
        engine.docker("tag", IMAGE, name)
        engine.docker("push", name)
        engine.docker("rmi", name)
        yield made
    finally:
        made.stop()


async def test_pull_with_credentials(
    docked: Any, master: Any, make_task: Make, engine: DockerEngine, registry: DockerRegistry, folder: Any
) -> None:
    info = container(f"{registry.address}/private/{IMAGE}", network=Network.NONE, force_pull_image=True)
    await master.run(make_task("refused", "true", container=info))
    assert "basic auth" in (await master.state("refused", "TASK_FAILED")).message
    secret = folder / ".dockercfg"
    secret.write_text(json.dumps(registry.config["auths"]))
    command = CommandInfo(value="exit 0", uris=(CommandInfoURI(value=str(secret)),))
    await master.run(make_task("brought", command, container=info))
    await master.state("brought", "TASK_FINISHED")
    await docked.stop()
    # the agent's own credentials, for everybody
    await docked.start(*docked.flags, env={"MESOS_DOCKER_CONFIG": json.dumps(registry.config)})
    await master.registered(2)
    await master.run(make_task("known", "exit 0", container=info))
    await master.state("known", "TASK_FINISHED")
    async with aiohttp.ClientSession() as session, session.get(f"{docked.url}/metrics/snapshot") as answer:
        assert (await answer.json())["containerizer/docker/image_pull_ms"] > 0
    assert "pull-me" not in docked.log()


async def until(condition: Callable[[], Any], timeout_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.05)


async def test_a_persistent_volume(docked: Any, master: Any, make_task: Make) -> None:
    await apply(master, reserve(100), 1)
    await apply(master, create(64), 2)
    await master.run(with_volume(make_task("writes", "echo kept >$MESOS_SANDBOX/data/file", container=container()), 64))
    await master.state("writes", "TASK_FINISHED")
    spoil = make_task("reads", "cd $MESOS_SANDBOX; cat data/file; echo no >data/file", container=container())
    await master.run(with_volume(spoil, 64, VolumeMode.RO))
    await master.state("reads", "TASK_FAILED")
    assert (docked.sandbox("reads") / "stdout").read_text() == "kept\n"
    assert (docked.work / "volumes/roles/web/v/file").read_text() == "kept\n"
