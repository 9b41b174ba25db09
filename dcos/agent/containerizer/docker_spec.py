"""A task as the Engine API's description of a container: what ``docker run`` would have been told, and nothing done yet.

Source: Mesos docker containerizer (its mapping to ``docker run``); Docker Engine API, ContainerCreate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dcos.agent.containerizer.box import Mark
from dcos.agent.containerizer.docker_options import BadOption, apply
from dcos.agent.containerizer.limits import PERIOD_US, cpu_shares, oom_score_adj, quota_us
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    CommandInfo,
    ContainerInfo,
    ContainerInfoDockerInfo,
    ContainerInfoDockerInfoNetwork,
    Volume,
    VolumeMode,
    VolumeSourceSandboxPathType,
    VolumeSourceType,
)

NAME_PREFIX = "mesos-"
AGENT_LABEL = "dcos.agent"
"""Its value is the agent's work directory: several agents may share one engine."""


class BadContainer(ValueError):
    """The task asks for what the docker containerizer cannot give: says what."""


@dataclass(frozen=True, slots=True)
class NamedVolume:
    """A volume with options of its driver has to be made before the container."""

    name: str
    driver: str | None
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Description:
    """``body`` is sent to create the container, after ``volumes`` were made."""

    name: str
    body: dict[str, Any]
    volumes: tuple[NamedVolume, ...] = field(default=())


def container_name(container_id: str) -> str:
    return f"{NAME_PREFIX}{container_id}"


def describe(
    *,
    container_id: str,
    container: ContainerInfo,
    command: CommandInfo,
    environment: Mapping[str, str],
    mark: Mark,
    sandbox_directory: str,
    resources: Resources,
    labels: Mapping[str, str],
    total_mem_bytes: int,
) -> Description:
    """Errors: BadContainer."""
    docker = container.docker
    if docker is None:
        raise BadContainer("a container of type DOCKER needs docker.image")
    if resources.scalar("gpus"):
        raise BadContainer("GPUs are given by the mesos containerizer only: use a container of type MESOS")
    entrypoint, words = command_words(command)
    host: dict[str, Any] = {
        "NetworkMode": network_mode(container, docker),
        "Privileged": docker.privileged,
        "Mounts": [{"Type": "bind", "Source": mark.sandbox, "Target": sandbox_directory}],
        **_limits(mark, total_mem_bytes),
    }
    if mark.groups:
        host["GroupAdd"] = [str(one) for one in mark.groups]
    body: dict[str, Any] = {
        "Image": docker.image,
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "Labels": dict(labels),
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": host,
    }
    if entrypoint is not None:
        body["Entrypoint"] = entrypoint
    if words:
        body["Cmd"] = words
    if container.hostname is not None:
        if host["NetworkMode"] == "host":
            raise BadContainer("hostname: cannot be set with host networking")
        body["Hostname"] = container.hostname
    _ports(body, docker, resources)
    volumes = _volumes(body, container, docker, mark.sandbox, sandbox_directory)
    try:
        apply(body, docker.parameters)
    except BadOption as error:
        raise BadContainer(str(error)) from error
    return Description(container_name(container_id), body, volumes)


def command_words(command: CommandInfo) -> tuple[list[str] | None, list[str]]:
    """Entrypoint (None: the image's) and arguments."""
    if command.shell:
        if command.value is None:
            raise BadContainer("a shell command needs a value")
        return ["/bin/sh"], ["-c", command.value]
    first = [] if command.value is None else [command.value]
    return None, [*first, *command.arguments]


def network_mode(container: ContainerInfo, docker: ContainerInfoDockerInfo) -> str:
    """As ``--net`` names it."""
    match docker.network:
        case ContainerInfoDockerInfoNetwork.HOST:
            return "host"
        case ContainerInfoDockerInfoNetwork.BRIDGE:
            return "bridge"
        case ContainerInfoDockerInfoNetwork.NONE:
            return "none"
        case ContainerInfoDockerInfoNetwork.USER:
            if len(container.network_infos) != 1:
                raise BadContainer("a USER network needs exactly one network_infos")
            name = container.network_infos[0].name
            if not name:
                raise BadContainer("a USER network needs network_infos[0].name")
            return name
        case other:
            raise BadContainer(f"docker.network: {other!r} is not known")


def _limits(mark: Mark, total_mem_bytes: int) -> dict[str, Any]:
    out: dict[str, Any] = {"CpuShares": cpu_shares(mark.cpus)}
    if mark.cpus_hard is not None:
        out |= {"CpuPeriod": PERIOD_US, "CpuQuota": quota_us(mark.cpus_hard)}
    if mark.mem_hard_bytes is not None:
        out["Memory"] = mark.mem_hard_bytes
        if mark.limits_swap:
            out["MemorySwap"] = mark.mem_hard_bytes
    if mark.mem_hard_bytes != mark.mem_bytes:
        out["MemoryReservation"] = mark.mem_bytes
        out["OomScoreAdj"] = oom_score_adj(mark.mem_bytes, total_mem_bytes)
    return out


def _ports(body: dict[str, Any], docker: ContainerInfoDockerInfo, resources: Resources) -> None:
    """Each host port must be the task's own."""
    if not docker.port_mappings:
        return
    if docker.network not in (ContainerInfoDockerInfoNetwork.BRIDGE, ContainerInfoDockerInfoNetwork.USER):
        raise BadContainer("Port mappings are only supported for bridge and user-defined networks")
    own = resources.ranges("ports")
    exposed: dict[str, Any] = body.setdefault("ExposedPorts", {})
    bindings: dict[str, list[dict[str, str]]] = body["HostConfig"].setdefault("PortBindings", {})
    for one in docker.port_mappings:
        if not any(begin <= one.host_port <= end for begin, end in own):
            raise BadContainer(f"Port [{one.host_port}] not included in resources")
        for protocol in (one.protocol or "tcp").lower().split(","):
            if protocol not in ("tcp", "udp", "sctp"):
                raise BadContainer(f"port mapping {one.host_port}: protocol {protocol!r} is not tcp or udp")
            port = f"{one.container_port}/{protocol}"
            exposed[port] = {}
            bindings.setdefault(port, []).append({"HostIp": "", "HostPort": str(one.host_port)})


def _volumes(
    body: dict[str, Any], container: ContainerInfo, docker: ContainerInfoDockerInfo, sandbox: str, directory: str
) -> tuple[NamedVolume, ...]:
    host = body["HostConfig"]
    binds: list[str] = []
    made: list[NamedVolume] = []
    drivers = {docker.volume_driver} - {None}
    for volume in container.volumes:
        target = volume.container_path
        if not target.startswith("/"):
            target = f"{directory}/{target}"
        mode = "ro" if volume.mode is VolumeMode.RO else "rw"
        source, named = _source(volume, docker, sandbox)
        if named is not None:
            drivers |= {named.driver} - {None}
            if named.options:
                made.append(named)
        if source is None:
            body.setdefault("Volumes", {})[target] = {}
            continue
        if ":" in source or ":" in target:
            raise BadContainer(f"volume {volume.container_path!r}: a path must not contain a colon")
        binds.append(f"{source}:{target}:{mode}")
    if len(drivers) > 1:
        raise BadContainer(f"one volume driver only: the task names {', '.join(sorted(map(str, drivers)))}")
    if binds:
        host["Binds"] = binds
    if drivers:
        (host["VolumeDriver"],) = drivers
    return tuple(made)


def _source(volume: Volume, docker: ContainerInfoDockerInfo, sandbox: str) -> tuple[str | None, NamedVolume | None]:
    """What is mounted: a path, or the name of a volume; None for an anonymous one."""
    where = f"volume {volume.container_path!r}"
    source = volume.source
    path = volume.host_path
    if source is not None:
        match source.type:
            case VolumeSourceType.DOCKER_VOLUME if source.docker_volume is not None:
                one = source.docker_volume
                options = one.driver_options.parameter if one.driver_options is not None else ()
                return one.name, NamedVolume(one.name, one.driver, {each.key: each.value for each in options})
            case VolumeSourceType.HOST_PATH if source.host_path is not None:
                path = source.host_path.path
            case VolumeSourceType.SANDBOX_PATH if source.sandbox_path is not None:
                if source.sandbox_path.type is VolumeSourceSandboxPathType.PARENT:
                    raise BadContainer(f"{where}: a docker task has no parent's sandbox")
                return f"{sandbox}/{_inside(source.sandbox_path.path, where)}", None
            case other:
                raise BadContainer(f"{where}: source {other} is not supported by the docker containerizer")
    if path is None:
        return None, None
    if path.startswith("/"):
        return path, None
    if docker.volume_driver is not None:
        return path, NamedVolume(path, docker.volume_driver, {})
    if not volume.container_path.startswith("/"):
        raise BadContainer(f"{where}: host_path and container_path must not both be relative")
    return f"{sandbox}/{_inside(path, where)}", None


def _inside(path: str, where: str) -> str:
    if ".." in path.split("/"):
        raise BadContainer(f"{where}: {path!r} must not leave the sandbox")
    return path.lstrip("/")


def addresses(inspected: Mapping[str, Any]) -> Sequence[str]:
    """The container's addresses, IPv4 first; none when it shares the machine's network."""
    settings: Mapping[str, Any] = inspected.get("NetworkSettings") or {}
    mode = str((inspected.get("HostConfig") or {}).get("NetworkMode") or "")
    networks: Mapping[str, Any] = settings.get("Networks") or {}
    found = networks.get(mode) or (next(iter(networks.values())) if len(networks) == 1 else {})
    four = found.get("IPAddress") or settings.get("IPAddress")
    six = found.get("GlobalIPv6Address") or settings.get("GlobalIPv6Address")
    return [str(one) for one in (four, six) if one]
