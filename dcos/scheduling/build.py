"""From an app and its place in an offer to the Mesos TaskInfo.   Source: Marathon's TaskBuilder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dcos.model import marathon as nouns
from dcos.model.marathon import MARATHON_CHECKS, App, CheckProtocol, EngineType, EnvSecret, NetworkMode
from dcos.model.resources import Resources
from dcos.model.secret_paths import SPACE_LABEL
from dcos.model.v1 import types as v1
from dcos.scheduling import checks, environment, external, ids
from dcos.scheduling.match import Match, Place

MESOS_BRIDGE = "mesos-bridge"


@dataclass(frozen=True, slots=True)
class TaskSettings:
    user: str | None = None
    env_vars_prefix: str = ""
    bridge_name: str = MESOS_BRIDGE
    spaces: bool = False
    """Whether every task says which group it belongs to, as those with secrets do: where Mesos checks permissions."""


def task_info(
    app: App, place: Place, match: Match, task_id: str, settings: TaskSettings, *, enforce_role: bool, pick: int
) -> v1.TaskInfo:
    """The task to launch; ``match`` says its resources and host ports."""
    variables = environment.context(app, task_id, enforce_role=enforce_role)
    for name, value in environment.ports(app, place.agent.host, match.host_ports, pick).items():
        variables[settings.env_vars_prefix + name] = value
    command = _command(app, variables, settings)
    name = ids.discovery_name(app.id)
    resources = match.resources.messages(place.role)
    executor = None
    if app.executor not in ("", "//cmd"):
        executor = _executor(app, command, task_id, place.role)
    return v1.TaskInfo(
        name=name,
        task_id=v1.TaskID(value=task_id),
        agent_id=v1.AgentID(value=place.agent.agent_id),
        resources=resources,
        command=None if executor else command,
        executor=executor,
        data=app.cmd.encode() if executor and app.cmd else None,
        container=container_info(app, match.host_ports, settings),
        health_check=health_check(app, match.host_ports),
        check=check_info(app, match.host_ports),
        kill_policy=kill_policy(app.task_kill_grace_period_seconds),
        labels=labels_info(spaced(app.labels, app.id, wanted=app.secrets or settings.spaces)) or v1.Labels(),
        discovery=v1.DiscoveryInfo(
            visibility=v1.DiscoveryInfoVisibility.FRAMEWORK,
            name=name,
            ports=v1.Ports(ports=discovery_ports(app, match.host_ports)),
        ),
        limits=limits_info(app.resource_limits),
    )


def kill_policy(grace_s: float | None) -> v1.KillPolicy | None:
    if grace_s is None:
        return None
    return v1.KillPolicy(grace_period=v1.DurationInfo(nanoseconds=round(grace_s * 1_000_000_000)))


def labels_info(labels: Mapping[str, str]) -> v1.Labels | None:
    if not labels:
        return None
    return v1.Labels(labels=tuple(v1.Label(key=key, value=value) for key, value in labels.items()))


def limits_info(limits: nouns.ResourceLimits | None) -> dict[str, v1.ValueScalar]:
    if limits is None:
        return {}
    pairs = (("cpus", limits.cpus), ("mem", limits.mem))
    return {
        name: v1.ValueScalar(value=float("inf") if limit == "unlimited" else float(limit))
        for name, limit in pairs
        if limit is not None
    }


def _command(app: App, variables: Mapping[str, str], settings: TaskSettings) -> v1.CommandInfo:
    made = {**{name: value for name, value in variables.items() if name not in app.env}, **app.env}
    shell, value, arguments = True, app.cmd, app.args
    if app.cmd is None:
        shell = False
        if app.args and app.container is None:
            value = app.args[0]
        elif not app.args:
            value = None
    return v1.CommandInfo(
        shell=shell,
        value=value,
        arguments=() if shell else arguments,
        environment=environment_info(made, app.secrets),
        uris=uris(app.fetch),
        user=app.user or settings.user,
    )


def environment_info(
    variables: Mapping[str, str | EnvSecret], secrets: Mapping[str, nouns.SecretSource]
) -> v1.Environment:
    """Secrets go as references: whoever holds them gives them to the agent."""
    made = []
    for name, given in variables.items():
        if isinstance(given, EnvSecret):
            kind, secret = v1.EnvironmentVariableType.SECRET, secret_reference(secrets[given.secret].source)
            made.append(v1.EnvironmentVariable(name=name, type=kind, secret=secret))
        else:
            made.append(v1.EnvironmentVariable(name=name, value=given))
    return v1.Environment(variables=tuple(made))


def spaced(labels: Mapping[str, str], path: str, *, wanted: object) -> dict[str, str]:
    """``labels`` with the path by which Mesos knows who may see the task and what it may read, where that is ``wanted``; a
    definition cannot choose another."""
    return {**labels, SPACE_LABEL: path} if wanted else dict(labels)


def secret_reference(source: str) -> v1.Secret:
    return v1.Secret(type=v1.SecretType.REFERENCE, reference=v1.SecretReference(name=source))


def secret_volume(container_path: str, source: str) -> v1.Volume:
    made = v1.VolumeSource(type=v1.VolumeSourceType.SECRET, secret=secret_reference(source))
    return v1.Volume(mode=v1.VolumeMode.RO, container_path=container_path, source=made)


def uris(fetch: Sequence[nouns.Fetch]) -> tuple[v1.CommandInfoURI, ...]:
    return tuple(
        v1.CommandInfoURI(
            value=one.uri,
            extract=one.extract,
            executable=one.executable,
            cache=one.cache,
            output_file=one.dest_path,
        )
        for one in fetch
    )


def image_info(name: str, *, pull_secret: str | None, cached: bool) -> v1.Image:
    config = secret_reference(pull_secret) if pull_secret is not None else None
    return v1.Image(type=v1.ImageType.DOCKER, docker=v1.ImageDocker(name=name, config=config), cached=cached)


def _executor(app: App, command: v1.CommandInfo, task_id: str, role: str) -> v1.ExecutorInfo:
    wanted = app.executor_resources or nouns.ExecutorResources()
    resources = Resources.scalars(cpus=wanted.cpus, mem=wanted.mem, disk=wanted.disk)
    return v1.ExecutorInfo(
        executor_id=v1.ExecutorID(value=f"marathon-{task_id}"),
        command=v1.CommandInfo(
            value=app.executor, environment=command.environment, uris=command.uris, user=command.user
        ),
        resources=resources.messages(role),
        name=ids.discovery_name(app.id),
        source=task_id,
    )


# ---- container -------------------------------------------------------------------------------------------------------


def container_info(app: App, host_ports: Sequence[int], settings: TaskSettings) -> v1.ContainerInfo | None:
    container = app.container
    if container is None and app.is_host_network and not app.tty:
        return None
    container = container or nouns.Container(type=EngineType.MESOS)
    if container.type is EngineType.DOCKER:
        return _docker(app, container, host_ports)
    mappings = tuple(
        v1.NetworkInfoPortMapping(host_port=port, container_port=mapping.container_port or port, protocol=protocol)
        for mapping, port in zip(app.port_mappings, host_ports, strict=False)
        if mapping.host_port is not None
        for protocol in mapping.protocol.split(",")
    )
    image = None
    if container.docker is not None:
        docker = container.docker
        secret = app.secrets[docker.pull_config.secret].source if docker.pull_config is not None else None
        image = image_info(docker.image, pull_secret=secret, cached=not docker.force_pull_image)
    return v1.ContainerInfo(
        type=v1.ContainerInfoType.MESOS,
        mesos=v1.ContainerInfoMesosInfo(image=image),
        volumes=_volumes(app, container),
        network_infos=() if app.is_host_network else _network_infos(app, mappings, settings),
        linux_info=linux_info(container.linux_info),
        tty_info=v1.TTYInfo() if app.tty else None,
    )


def _network_infos(
    app: App, mappings: tuple[v1.NetworkInfoPortMapping, ...], settings: TaskSettings
) -> tuple[v1.NetworkInfo, ...]:
    made = []
    for index, network in enumerate(app.networks):
        name = settings.bridge_name if network.mode is NetworkMode.BRIDGE else network.name
        made.append(
            v1.NetworkInfo(name=name, labels=labels_info(network.labels), port_mappings=mappings if index == 0 else ())
        )
    return tuple(made)


def _docker(app: App, container: nouns.Container, host_ports: Sequence[int]) -> v1.ContainerInfo:
    docker = container.docker
    assert docker is not None  # a rule of DOCKER containers
    mode = app.networks[0].mode if app.networks else NetworkMode.HOST
    network = {
        NetworkMode.HOST: v1.ContainerInfoDockerInfoNetwork.HOST,
        NetworkMode.BRIDGE: v1.ContainerInfoDockerInfoNetwork.BRIDGE,
        NetworkMode.CONTAINER: v1.ContainerInfoDockerInfoNetwork.USER,
    }[mode]
    mappings = tuple(
        v1.ContainerInfoDockerInfoPortMapping(
            host_port=port, container_port=mapping.container_port or port, protocol=protocol
        )
        for mapping, port in zip(app.port_mappings, host_ports, strict=False)
        if mapping.host_port is not None
        for protocol in mapping.protocol.split(",")
    )
    infos: tuple[v1.NetworkInfo, ...] = ()
    if mode is NetworkMode.CONTAINER:
        infos = (v1.NetworkInfo(name=app.networks[0].name, labels=labels_info(app.networks[0].labels)),)
    return v1.ContainerInfo(
        type=v1.ContainerInfoType.DOCKER,
        docker=v1.ContainerInfoDockerInfo(
            image=docker.image,
            network=network,
            port_mappings=mappings,
            privileged=docker.privileged,
            parameters=tuple(v1.Parameter(key=one.key, value=one.value) for one in docker.parameters),
            force_pull_image=docker.force_pull_image,
        ),
        volumes=_volumes(app, container),
        network_infos=infos,
    )


def _volumes(app: App, container: nouns.Container) -> tuple[v1.Volume, ...]:
    made = []
    for volume in container.volumes:
        if volume.host_path is not None:
            mode = v1.VolumeMode(volume.mode or "RW")
            made.append(v1.Volume(mode=mode, container_path=volume.container_path, host_path=volume.host_path))
        elif volume.secret is not None:
            made.append(secret_volume(volume.container_path, app.secrets[volume.secret].source))
        elif volume.external is not None:
            mode = v1.VolumeMode(volume.mode or "RW")
            made.append(external.volume(volume.external, volume.container_path, mode, app.secrets))
    return tuple(made)


def linux_info(info: nouns.LinuxInfo | None) -> v1.LinuxInfo | None:
    if info is None:
        return None
    seccomp = info.seccomp
    return v1.LinuxInfo(
        seccomp=v1.SeccompInfo(profile_name=seccomp.profile_name, unconfined=seccomp.unconfined) if seccomp else None,
        ipc_mode=v1.LinuxInfoIpcMode(info.ipc_info.mode) if info.ipc_info else None,
        shm_size=info.ipc_info.shm_size if info.ipc_info else None,
    )


# ---- discovery and checks --------------------------------------------------------------------------------------------


def discovery_ports(app: App, host_ports: Sequence[int]) -> tuple[v1.Port, ...]:
    """One entry per port and protocol; labels (VIPs among them) plus the network that the number belongs to."""
    made = []
    if app.is_host_network:
        for definition, port in zip(app.port_definitions or (), host_ports, strict=True):
            for protocol in definition.protocol.split(","):
                labels = checks.port_labels(definition.labels, of_host=True, networks=())
                made.append(v1.Port(number=port, name=definition.name, protocol=protocol, labels=labels_info(labels)))
        return tuple(made)
    named = [one.name for one in app.networks if one.mode is NetworkMode.CONTAINER and one.name]
    for mapping, port in zip(app.port_mappings, host_ports, strict=True):
        for protocol in mapping.protocol.split(","):
            of_host = mapping.host_port is not None
            labels = checks.port_labels(mapping.labels, of_host=of_host, networks=mapping.network_names or named)
            number = port if of_host else mapping.container_port
            made.append(v1.Port(number=number, name=mapping.name, protocol=protocol, labels=labels_info(labels)))
    return tuple(made)


def _agent_port(app: App, host_ports: Sequence[int], index: int | None, port: int | None) -> int:
    """The port that the agent checks: a container's own where it has its own network."""
    if port is not None:
        return port
    if not app.is_host_network and (mapping := app.port_mappings[index or 0]).container_port:
        return mapping.container_port
    return host_ports[index or 0]


def health_check(app: App, host_ports: Sequence[int]) -> v1.HealthCheck | None:
    """The one that the agent runs."""
    for one in app.health_checks:
        if one.protocol in MARATHON_CHECKS:
            continue
        if one.protocol is CheckProtocol.COMMAND:
            command = v1.CommandInfo(value=one.command.value if one.command else None)
            return checks.health_check(one, command=command)
        port = _agent_port(app, host_ports, one.port_index, one.port)
        protocol = v1.NetworkInfoProtocol(one.ip_protocol)
        if one.protocol is CheckProtocol.MESOS_TCP:
            return checks.health_check(one, tcp=v1.HealthCheckTCPCheckInfo(port=port, protocol=protocol))
        scheme = "https" if one.protocol is CheckProtocol.MESOS_HTTPS else "http"
        http = v1.HealthCheckHTTPCheckInfo(scheme=scheme, port=port, path=one.path or "/", protocol=protocol)
        return checks.health_check(one, http=http)
    return None


def check_info(app: App, host_ports: Sequence[int]) -> v1.CheckInfo | None:
    check = app.check
    if check is None:
        return None
    if check.http is not None:
        port = _agent_port(app, host_ports, check.http.port_index, check.http.port)
        return checks.check_info(check, http=v1.CheckInfoHttp(port=port, path=check.http.path))
    if check.tcp is not None:
        port = _agent_port(app, host_ports, check.tcp.port_index, check.tcp.port)
        return checks.check_info(check, tcp=v1.CheckInfoTcp(port=port))
    command = v1.CheckInfoCommand(command=checks.command_of(check.exec.command)) if check.exec is not None else None
    return checks.check_info(check, command=command)
