"""Members of an app in the words of Mesos, row by row.   Source: Marathon's TaskBuilder, ContainerSerializer and HealthCheck."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dcos.marathon.core import validate
from dcos.marathon.core.validate import Rules
from dcos.model.v1 import types as v1
from tests.unit.marathon.test_placement import app_of, made, task_of

NO_PORT = "port index must address an element of the ports array or container port mappings"
NO_PORT_OF_HEALTH = "Health check port indices must address an element of the ports array or container port mappings."
BRIDGE = [{"mode": "container/bridge"}]
PORTS = [{"port": 0, "name": "a"}, {"port": 0, "name": "b"}]
TIMES = {
    "gracePeriodSeconds": 7,
    "intervalSeconds": 3,
    "timeoutSeconds": 2,
    "maxConsecutiveFailures": 4,
    "delaySeconds": 1,
}


def docker(*, networks: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    container = {"type": "DOCKER", "docker": {"image": "nginx", **more.pop("docker", {})}, **more}
    return {"container": container, "networks": networks or [{"mode": "host"}]}


# ---- health checks and checks ----------------------------------------------------------------------------------------

PORT_OF_HOST = -1
"""The allocated one of the index."""
HEALTH: list[tuple[str, dict[str, Any], dict[str, Any], str, int | None]] = [
    ("by HTTP", {"protocol": "MESOS_HTTP"}, {"portDefinitions": PORTS}, "http", PORT_OF_HOST),
    ("of an index", {"protocol": "MESOS_HTTPS", "portIndex": 1}, {"portDefinitions": PORTS}, "https", PORT_OF_HOST),
    ("of a port", {"protocol": "MESOS_HTTP", "port": 99}, {"portDefinitions": PORTS}, "http", 99),
    ("by TCP", {"protocol": "MESOS_TCP"}, {"portDefinitions": PORTS}, "tcp", PORT_OF_HOST),
    ("in a container", {"protocol": "MESOS_TCP"}, docker(networks=BRIDGE, portMappings=[{"containerPort": 80}]), "tcp", 80),
    ("of a container's port 0", {"protocol": "MESOS_TCP"}, docker(networks=BRIDGE, portMappings=[{}]), "tcp", PORT_OF_HOST),
    ("by a command", {"protocol": "COMMAND", "command": {"value": "true"}}, {}, "command", None),
    ("by Marathon", {"protocol": "HTTP"}, {}, "none", None),
    ("by Marathon, TCP", {"protocol": "TCP"}, {}, "none", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "fields", "way", "port"), [row[1:] for row in HEALTH], ids=[row[0] for row in HEALTH]
)
def test_health_checks(check: dict[str, Any], fields: dict[str, Any], way: str, port: int | None) -> None:
    info, env = made(app_of(healthChecks=[{**TIMES, **check}], **fields))
    told = info.health_check
    if way == "none":
        assert told is None
        return
    assert told is not None
    assert (told.grace_period_seconds, told.interval_seconds, told.timeout_seconds) == (7, 3, 2)
    assert (told.consecutive_failures, told.delay_seconds) == (4, 1)
    wanted = int(env[f"PORT{check.get('portIndex', 0)}"]) if port == PORT_OF_HOST else port
    if way == "command":
        assert told.command is not None
        assert (told.type, told.command.value) == (v1.HealthCheckType.COMMAND, "true")
    elif way == "tcp":
        assert told.tcp is not None
        assert (told.type, told.tcp.port, told.tcp.protocol) == (v1.HealthCheckType.TCP, wanted, "IPv4")
    else:
        assert told.http is not None
        assert told.type is v1.HealthCheckType.HTTP
        assert (told.http.scheme, told.http.port, told.http.path) == (way, wanted, "/")


def test_a_check_by_ipv6() -> None:
    check = {"protocol": "MESOS_HTTP", "ipProtocol": "IPv6", "path": "/ok"}
    info, _ = made(app_of(healthChecks=[check], **docker(networks=BRIDGE, portMappings=[{"containerPort": 80}])))
    assert info.health_check is not None
    assert info.health_check.http is not None
    assert (info.health_check.http.protocol, info.health_check.http.path) == ("IPv6", "/ok")


CHECKS: list[tuple[dict[str, Any], v1.CheckInfoType, int | None]] = [
    ({"http": {"path": "/x"}}, v1.CheckInfoType.HTTP, PORT_OF_HOST),
    ({"http": {"portIndex": 1}}, v1.CheckInfoType.HTTP, PORT_OF_HOST),
    ({"tcp": {"port": 99}}, v1.CheckInfoType.TCP, 99),
    ({"exec": {"command": {"shell": "true"}}}, v1.CheckInfoType.COMMAND, None),
    ({"exec": {"command": {"argv": ["ls", "-l"]}}}, v1.CheckInfoType.COMMAND, None),
]


@pytest.mark.parametrize(("check", "kind", "port"), CHECKS, ids=[str(row[0]) for row in CHECKS])
def test_checks(check: dict[str, Any], kind: v1.CheckInfoType, port: int | None) -> None:
    times = {"intervalSeconds": 3, "timeoutSeconds": 2, "delaySeconds": 1}
    info, env = made(app_of(check={**check, **times}, portDefinitions=PORTS))
    told = info.check
    assert told is not None
    assert (told.type, told.interval_seconds, told.timeout_seconds, told.delay_seconds) == (kind, 3, 2, 1)
    wanted = int(env[f"PORT{check.get('http', {}).get('portIndex', 0)}"]) if port == PORT_OF_HOST else port
    if told.http is not None:
        assert (told.http.port, told.http.path) == (wanted, check["http"].get("path"))
    elif told.tcp is not None:
        assert told.tcp.port == wanted
    else:
        assert told.command is not None
        command, words = told.command.command, check["exec"]["command"]
        assert (command.shell, command.value) == ("shell" in words, words.get("shell") or words["argv"][0])
        assert list(command.arguments) == words.get("argv", [])


@pytest.mark.parametrize(
    ("fields", "path", "text"),
    [
        ({"check": {"http": {"portIndex": 2}}}, "/check/http", NO_PORT),
        ({"check": {"tcp": {}}, "portDefinitions": []}, "/check/tcp", NO_PORT),
        ({"check": {"tcp": {"port": 1, "portIndex": 0}}}, "/check/tcp", "must specify either a port or a portIndex"),
        ({"check": {"http": {}, "tcp": {}}}, "/check", "must have exactly one of http, tcp and exec"),
        ({"check": {"tcp": {}}, **docker()}, "/check", "is not supported with the Docker container engine"),
        ({"healthChecks": [{"protocol": "MESOS_TCP"}], "portDefinitions": []}, "/healthChecks(0)", NO_PORT_OF_HEALTH),
        ({"healthChecks": [{"port": 1, "portIndex": 0}]}, "/healthChecks(0)",
         "HealthCheck must specify either a port or a portIndex"),
        ({"healthChecks": [{"path": "x"}]}, "/healthChecks(0)/path", "must start with '/'"),
    ],
    ids=lambda one: one if isinstance(one, str) and one.startswith("/") else "",
)  # fmt: skip
def test_ports_that_are_not_there(fields: dict[str, Any], path: str, text: str) -> None:
    app = app_of(**({"portDefinitions": PORTS} | fields))
    assert (path, text) in validate.app_faults(app, Rules(), roles={"*"})


# ---- containers ------------------------------------------------------------------------------------------------------


def container_of(**fields: Any) -> v1.ContainerInfo:
    info, _ = made(app_of(**fields))
    assert info.container is not None
    return info.container


def test_members_of_docker() -> None:
    words = {"forcePullImage": True, "privileged": True, "parameters": [{"key": "hostname", "value": "a"}]}
    told = container_of(**docker(docker=words)).docker
    assert told is not None
    assert (told.image, told.network, told.force_pull_image, told.privileged) == ("nginx", "HOST", True, True)
    assert told.parameters == (v1.Parameter(key="hostname", value="a"),)


@pytest.mark.parametrize(
    ("networks", "wanted"),
    [
        ([{"mode": "host"}], "HOST"),
        (BRIDGE, "BRIDGE"),
        ([{"mode": "container", "name": "n", "labels": {"a": "b"}}], "USER"),
    ],
    ids=["host", "bridge", "user"],
)
def test_networks_of_docker(networks: list[dict[str, Any]], wanted: str) -> None:
    told = container_of(**docker(networks=networks))
    assert told.docker is not None
    assert told.docker.network == wanted
    labels = v1.Labels(labels=(v1.Label(key="a", value="b"),))
    assert told.network_infos == ((v1.NetworkInfo(name="n", labels=labels),) if wanted == "USER" else ())


def test_a_mesos_container_on_the_bridge_and_on_networks() -> None:
    mappings = [{"containerPort": 80, "hostPort": 0}]
    [bridge] = container_of(container={"type": "MESOS", "portMappings": mappings}, networks=BRIDGE).network_infos
    assert bridge.name == "mesos-bridge"
    assert [(one.container_port, one.protocol) for one in bridge.port_mappings] == [(80, "tcp")]
    two = [{"mode": "container", "name": one} for one in ("x", "y")]
    named = [{**mappings[0], "networkNames": ["x"]}]
    infos = container_of(container={"type": "MESOS", "portMappings": named}, networks=two).network_infos
    assert [(one.name, len(one.port_mappings)) for one in infos] == [("x", 1), ("y", 0)]


@pytest.mark.parametrize("force", [False, True])
def test_images_of_mesos(force: bool) -> None:
    told = container_of(container={"type": "MESOS", "docker": {"image": "nginx", "forcePullImage": force}}).mesos
    assert told is not None
    assert told.image == v1.Image(type=v1.ImageType.DOCKER, docker=v1.ImageDocker(name="nginx"), cached=not force)


def test_linux_and_terminal() -> None:
    info = {
        "seccomp": {"profileName": "strict", "unconfined": False},
        "ipcInfo": {"mode": "PRIVATE", "shmSize": 64},
    }
    told = container_of(container={"type": "MESOS", "linuxInfo": info}, tty=True)
    assert told.linux_info == v1.LinuxInfo(
        seccomp=v1.SeccompInfo(profile_name="strict", unconfined=False),
        ipc_mode=v1.LinuxInfoIpcMode.PRIVATE,
        shm_size=64,
    )
    assert told.tty_info == v1.TTYInfo()
    shared = container_of(container={"type": "MESOS", "linuxInfo": {"ipcInfo": {"mode": "SHARE_PARENT"}}})
    assert shared.linux_info == v1.LinuxInfo(ipc_mode=v1.LinuxInfoIpcMode.SHARE_PARENT)
    assert shared.tty_info is None


@pytest.mark.parametrize("required", [True, False])
def test_ports_of_services_are_those_of_hosts_where_they_must_be(required: bool) -> None:
    app = app_of(portDefinitions=[{"port": 31005, "name": "a"}, {"port": 31002, "name": "b"}], requirePorts=required)
    _, env = made(app)
    assert ((env["PORT0"], env["PORT1"]) == ("31005", "31002")) is required
    assert env["PORT_31005"] == env["PORT0"], "named by what was declared"


# ---- the command and what it may use ---------------------------------------------------------------------------------


def test_what_is_fetched() -> None:
    one = {"uri": "http://x/a.tgz", "extract": False, "executable": True, "cache": True, "destPath": "bin/a"}
    info, _ = made(app_of(fetch=[one, {"uri": "http://x/b"}]))
    assert info.command is not None
    assert info.command.uris == (
        v1.CommandInfoURI(value="http://x/a.tgz", extract=False, executable=True, cache=True, output_file="bin/a"),
        v1.CommandInfoURI(value="http://x/b", extract=True, executable=False, cache=False),
    )


def test_limits() -> None:
    info, _ = made(app_of(resourceLimits={"cpus": "unlimited", "mem": 512}))
    assert {name: one.value for name, one in info.limits.items()} == {"cpus": math.inf, "mem": 512}
    assert made(app_of())[0].limits == {}


@pytest.mark.parametrize(("asked", "user"), [(None, "root"), ("nobody", "nobody")])
def test_users(asked: str | None, user: str) -> None:
    info, _ = made(app_of(user=asked))
    assert info.command is not None
    assert info.command.user == user


@pytest.mark.parametrize(("executor", "value"), [("", None), ("//cmd", None), ("/opt/run", "/opt/run"), ("run", "run")])
def test_executors(executor: str, value: str | None) -> None:
    info = task_of(app_of(executor=executor, executorResources={"cpus": 0.2, "mem": 40, "disk": 1}))
    if value is None:
        assert info.executor is None
        assert info.command is not None
        return
    assert info.command is None
    assert info.data == b"run"
    assert info.executor is not None
    assert info.executor.command is not None
    assert info.executor.command.value == value
    assert info.executor.executor_id.value == "marathon-shop_web.x"
    assert {one.name: one.scalar.value for one in info.executor.resources if one.scalar is not None} == {
        "cpus": 0.2,
        "mem": 40.0,
        "disk": 1.0,
    }


@pytest.mark.parametrize(
    ("fields", "image", "shell", "value", "arguments"),
    [
        ({"cmd": "run"}, False, True, "run", ()),
        ({"cmd": "run"}, True, True, "run", ()),
        ({"cmd": None, "args": ["a", "b"]}, False, False, "a", ("a", "b")),
        ({"cmd": None, "args": ["a", "b"]}, True, False, None, ("a", "b")),
        ({"cmd": None}, True, False, None, ()),
    ],
    ids=["command", "command in an image", "words", "words for the entry point", "the image's own"],
)
def test_commands(
    fields: dict[str, Any], image: bool, shell: bool, value: str | None, arguments: tuple[str, ...]
) -> None:
    info, _ = made(app_of(**fields, **(docker() if image else {})))
    assert info.command is not None
    assert (info.command.shell, info.command.value, info.command.arguments) == (shell, value, arguments)
