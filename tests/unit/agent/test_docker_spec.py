"""Tasks as the Docker Engine is told of them."""

from __future__ import annotations

from typing import Any

import pytest

from dcos.agent.containerizer.box import Mark
from dcos.agent.containerizer.docker_cleaner import finished_at
from dcos.agent.containerizer.docker_options import OPTIONS, BadOption, apply, duration_ns, size
from dcos.agent.containerizer.docker_spec import BadContainer, Description, addresses, describe
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    CommandInfo,
    ContainerInfo,
    ContainerInfoDockerInfo,
    ContainerInfoDockerInfoNetwork,
    ContainerInfoDockerInfoPortMapping,
    ContainerInfoType,
    NetworkInfo,
    Parameter,
    Parameters,
    Volume,
    VolumeMode,
    VolumeSource,
    VolumeSourceDockerVolume,
    VolumeSourceType,
)

MB = 2**20
Network = ContainerInfoDockerInfoNetwork


def told(
    *,
    command: CommandInfo | None = None,
    resources: str = "cpus:1.5;mem:64;ports:[31000-31001]",
    volumes: tuple[Volume, ...] = (),
    networks: tuple[NetworkInfo, ...] = (),
    mem_hard: int | None = 64 * MB,
    cpus_hard: float | None = None,
    **docker: Any,
) -> Description:
    return describe(
        container_id="c",
        container=ContainerInfo(
            type=ContainerInfoType.DOCKER,
            docker=ContainerInfoDockerInfo(image="image", **docker),
            volumes=volumes,
            network_infos=networks,
        ),
        command=command or CommandInfo(value="true"),
        environment={"A": "b"},
        mark=Mark(
            launcher="posix",
            backend="docker",
            sandbox="/sandbox",
            cpus=1500,
            mem_bytes=64 * MB,
            mem_hard_bytes=mem_hard,
            cpus_hard=cpus_hard,
        ),
        sandbox_directory="/mnt/mesos/sandbox",
        resources=Resources.parse(resources),
        labels={},
        total_mem_bytes=640 * MB,
    )


def volume(path: str, host: str | None = None, mode: str = "RW", source: VolumeSource | None = None) -> Volume:
    return Volume(mode=VolumeMode(mode), container_path=path, host_path=host, source=source)


def test_the_whole() -> None:
    made = told(cpus_hard=1.5)
    assert made.name == "mesos-c"
    assert made.body == {
        "Image": "image",
        "Env": ["A=b"],
        "Labels": {},
        "AttachStdout": True,
        "AttachStderr": True,
        "Entrypoint": ["/bin/sh"],
        "Cmd": ["-c", "true"],
        "HostConfig": {
            "NetworkMode": "host",
            "Privileged": False,
            "Mounts": [{"Type": "bind", "Source": "/sandbox", "Target": "/mnt/mesos/sandbox"}],
            "CpuShares": 1536,
            "CpuPeriod": 100000,
            "CpuQuota": 150000,
            "Memory": 64 * MB,
        },
    }


@pytest.mark.parametrize(
    ("hard", "expected"),
    [
        (64 * MB, {"Memory": 64 * MB}),
        (128 * MB, {"Memory": 128 * MB, "MemoryReservation": 64 * MB, "OomScoreAdj": 900}),
        (None, {"MemoryReservation": 64 * MB, "OomScoreAdj": 900}),
    ],
    ids=["request", "limit", "infinite"],
)
def test_memory(hard: int | None, expected: dict[str, int]) -> None:
    host = told(mem_hard=hard).body["HostConfig"]
    assert {key: host[key] for key in ("Memory", "MemoryReservation", "OomScoreAdj") if key in host} == expected


@pytest.mark.parametrize(
    ("command", "entrypoint", "words"),
    [
        (CommandInfo(value="a | b"), ["/bin/sh"], ["-c", "a | b"]),
        (CommandInfo(shell=False), None, None),
        (CommandInfo(shell=False, value="a"), None, ["a"]),
        (CommandInfo(shell=False, value="a", arguments=("b", "c")), None, ["a", "b", "c"]),
        (CommandInfo(shell=False, arguments=("b", "c")), None, ["b", "c"]),
    ],
)
def test_command(command: CommandInfo, entrypoint: Any, words: Any) -> None:
    body = told(command=command).body
    assert (body.get("Entrypoint"), body.get("Cmd")) == (entrypoint, words)


@pytest.mark.parametrize(
    ("docker", "networks", "mode"),
    [
        ({"network": Network.BRIDGE}, (), "bridge"),
        ({"network": Network.NONE}, (), "none"),
        ({"network": Network.USER}, (NetworkInfo(name="mine"),), "mine"),
        ({"parameters": (Parameter(key="net", value="other"),)}, (), "other"),
    ],
)
def test_networks(docker: dict[str, Any], networks: Any, mode: str) -> None:
    assert told(networks=networks, **docker).body["HostConfig"]["NetworkMode"] == mode


@pytest.mark.parametrize(
    ("one", "bind"),
    [
        (volume("/in", "/out"), "/out:/in:rw"),
        (volume("/in", "/out", "RO"), "/out:/in:ro"),
        (volume("in", "/out"), "/out:/mnt/mesos/sandbox/in:rw"),
        (volume("/in", "out"), "/sandbox/out:/in:rw"),
    ],
)
def test_volumes(one: Volume, bind: str) -> None:
    assert told(volumes=(one,)).body["HostConfig"]["Binds"] == [bind]


def test_volumes_of_a_driver() -> None:
    options = Parameters(parameter=(Parameter(key="size", value="1G"),))
    source = VolumeSource(
        type=VolumeSourceType.DOCKER_VOLUME,
        docker_volume=VolumeSourceDockerVolume(driver="rexray", name="data", driver_options=options),
    )
    made = told(volumes=(volume("/in", source=source), volume("/anonymous")))
    assert made.body["HostConfig"]["Binds"] == ["data:/in:rw"]
    assert made.body["HostConfig"]["VolumeDriver"] == "rexray"
    assert made.body["Volumes"] == {"/anonymous": {}}
    assert [(one.name, one.driver, dict(one.options)) for one in made.volumes] == [("data", "rexray", {"size": "1G"})]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"resources": "gpus:1"}, "GPUs"),
        ({"command": CommandInfo()}, "needs a value"),
        ({"volumes": (volume("in", "out"),)}, "both be relative"),
        ({"volumes": (volume("/in", "../out"),)}, "leave the sandbox"),
        ({"volumes": (volume("/in", "/a:b"),)}, "colon"),
        ({"network": Network.USER}, "exactly one"),
        (
            {
                "network": Network.BRIDGE,
                "port_mappings": (ContainerInfoDockerInfoPortMapping(host_port=80, container_port=80),),
            },
            "Port [80] not included in resources",
        ),
    ],
)
def test_refused(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(BadContainer) as caught:
        told(**asked)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "where", "expected"),
    [
        ("cap-add", "NET_ADMIN", "HostConfig.CapAdd", ["NET_ADMIN"]),
        ("memory", "512m", "HostConfig.Memory", 512 * MB),
        ("ulimit", "nofile=100:200", "HostConfig.Ulimits", [{"Name": "nofile", "Soft": 100, "Hard": 200}]),
        (
            "device",
            "/dev/fuse",
            "HostConfig.Devices",
            [{"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"}],
        ),
        ("log-opt", "max-size=1m", "HostConfig.LogConfig.Config", {"max-size": "1m"}),
        ("label", "a=b=c", "Labels", {"a": "b=c"}),
        ("tmpfs", "/run", "HostConfig.Tmpfs", {"/run": ""}),
        ("cpus", "1.5", "HostConfig.NanoCpus", 1_500_000_000),
        ("health-interval", "1m30s", "Healthcheck.Interval", 90 * 10**9),
        ("volume", "/a:/b:ro", "HostConfig.Binds", ["/a:/b:ro"]),
        ("publish", "8080:80/udp", "HostConfig.PortBindings", {"80/udp": [{"HostIp": "", "HostPort": "8080"}]}),
        ("publish", "80", "HostConfig.PortBindings", {"80/tcp": [{"HostIp": "", "HostPort": ""}]}),
        ("ip", "10.0.0.5", "NetworkingConfig.EndpointsConfig.n.IPAMConfig.IPv4Address", "10.0.0.5"),
        ("read-only", "true", "HostConfig.ReadonlyRootfs", True),
        (
            "mount",
            "type=tmpfs,dst=/t,tmpfs-size=1m",
            "HostConfig.Mounts",
            [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": MB}}],
        ),
        ("security-opt", "seccomp=unconfined", "HostConfig.SecurityOpt", ["seccomp=unconfined"]),
    ],
)  # fmt: skip
def test_parameters(key: str, value: str, where: str, expected: Any) -> None:
    body: Any = {"HostConfig": {"NetworkMode": "n"}}
    apply(body, (Parameter(key=key, value=value),))
    for name in where.split("."):
        body = body[name]
    assert body == expected


@pytest.mark.parametrize(
    ("key", "value"),
    [("name", "x"), ("restart", "always"), ("memory", "lots"), ("nothing", "x"), ("gpus", "all"), ("ulimit", "x")],
)
def test_bad_parameters(key: str, value: str) -> None:
    with pytest.raises(BadOption, match=f"parameter '{key}'"):
        apply({"HostConfig": {}}, (Parameter(key=key, value=value),))


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_refuses_or_takes_a_value(name: str) -> None:
    """None ends in an error of another kind."""
    for value in ("", "1", "a=b", "true", "/a:/b:ro", "\0"):
        body: Any = {"HostConfig": {"NetworkMode": "n"}}
        try:
            apply(body, (Parameter(key=name, value=value),))
        except BadOption as error:
            assert repr(name) in str(error)  # noqa: PT017 - both are right


def test_numbers_with_units() -> None:
    assert [size(one) for one in ("1", "1k", "1.5g", "-1", "2mb")] == [1, 1024, 1610612736, -1, 2 * MB]
    assert [duration_ns(one) for one in ("1s", "1h1ms")] == [10**9, 3600 * 10**9 + 10**6]


def test_addresses_and_times() -> None:
    settings = {"Networks": {"n": {"IPAddress": "10.0.0.2", "GlobalIPv6Address": "fd00::2"}}}
    assert addresses({"NetworkSettings": settings, "HostConfig": {"NetworkMode": "n"}}) == ["10.0.0.2", "fd00::2"]
    assert addresses({"NetworkSettings": {"Networks": {"host": {}}}, "HostConfig": {"NetworkMode": "host"}}) == []
    assert finished_at({"FinishedAt": "2026-11-22T21:56:16.901306799Z"}) == 1795384576.0
    assert finished_at({}) == 0.0
