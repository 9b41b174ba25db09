"""From a pod and its place in an offer to the executor and task group of LAUNCH_GROUP.

The executor is the agent's default one. It holds the networks, the host ports, and volumes that outlive containers; each
container is a task of the group. Ephemeral volumes are folders below ``volumes/`` in the executor's sandbox.
Source: Marathon's TaskGroupBuilder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dcos.model import values
from dcos.model.marathon import EnvSecret, NetworkMode
from dcos.model.pods import Endpoint, Pod, PodCheck, PodContainer, PodVolume, Scheme, VolumeMount
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1 import types as v1
from dcos.scheduling import build, checks, environment, ids
from dcos.scheduling.build import TaskSettings
from dcos.scheduling.match import Match, Place, take_scalar

EPHEMERAL = "volumes/"


@dataclass(frozen=True, slots=True)
class Launch:
    """What one instance is launched by."""

    executor: v1.ExecutorInfo
    group: v1.TaskGroupInfo


@dataclass(frozen=True, slots=True)
class Port:
    """An endpoint with its numbers. ``host`` None: none on the host; ``container`` None: the host's network."""

    endpoint: Endpoint
    host: int | None
    container: int | None

    @property
    def local(self) -> int:
        """The number that the container itself listens on."""
        return self.container if self.container is not None else self.host or 0


def executor_id(instance_id: str) -> str:
    return f"instance-{instance_id}"


def launch(
    pod: Pod,
    place: Place,
    match: Match,
    instance_id: str,
    settings: TaskSettings,
    framework_id: str | None,
    incarnation: int = 1,
) -> Launch:
    """The instance to launch; ``match`` says its resources and host ports."""
    ports = ports_of(pod, match.host_ports)
    rest, shares = divided(pod, match.resources)
    executor = v1.ExecutorInfo(
        type=v1.ExecutorInfoType.DEFAULT,
        executor_id=v1.ExecutorID(value=executor_id(instance_id)),
        framework_id=v1.FrameworkID(value=framework_id) if framework_id else None,
        container=v1.ContainerInfo(
            type=v1.ContainerInfoType.MESOS,
            network_infos=_network_infos(pod, ports, settings),
            linux_info=build.linux_info(pod.linux_info),
        ),
        resources=rest.messages(place.role),
        labels=build.labels_info(build.spaced(pod.labels, pod.id, wanted=settings.spaces)),
    )
    tasks = tuple(
        _task(pod, container, place, share, ports, ids.task_id(instance_id, container.name, incarnation), settings)
        for container, share in zip(pod.containers, shares, strict=True)
    )
    return Launch(executor, v1.TaskGroupInfo(tasks=tasks))


def divided(pod: Pod, taken: Resources) -> tuple[Resources, tuple[Resources, ...]]:
    """(the executor's, each container's): ports and volumes are the executor's."""
    left = taken
    shares = []
    for container in pod.containers:
        wanted = container.resources
        share = EMPTY
        for name, quantity in (
            ("cpus", wanted.cpus),
            ("mem", wanted.mem),
            ("disk", wanted.disk),
            ("gpus", float(wanted.gpus)),
        ):
            part = take_scalar(left, name, values.thousandths(quantity))
            share += part
            left -= part
        shares.append(share)
    return left, tuple(shares)


def ports_of(pod: Pod, host_ports: Sequence[int]) -> dict[str, Port]:
    """By endpoint name; ``host_ports`` in the order of ``pod.endpoints``, 0: none."""
    made = {}
    for endpoint, number in zip(pod.endpoints, host_ports, strict=True):
        host = number or None
        container = None if pod.is_host_network else endpoint.container_port or number
        made[endpoint.name] = Port(endpoint, host, container)
    return made


def container_ports(pod: Pod, host_ports: Sequence[int], name: str) -> tuple[int, ...]:
    """Of ``host_ports`` those of one container's endpoints."""
    owners = [container.name for container in pod.containers for _ in container.endpoints]
    return tuple(port for owner, port in zip(owners, host_ports, strict=True) if owner == name)


def _network_infos(pod: Pod, ports: dict[str, Port], settings: TaskSettings) -> tuple[v1.NetworkInfo, ...]:
    if pod.is_host_network:
        return ()
    made = []
    for network in pod.networks:
        name = settings.bridge_name if network.mode is NetworkMode.BRIDGE else network.name
        mappings = tuple(
            v1.NetworkInfoPortMapping(host_port=port.host, container_port=port.local, protocol=protocol)
            for port in ports.values()
            if port.host is not None and (not port.endpoint.network_names or name in port.endpoint.network_names)
            for protocol in port.endpoint.transports
        )
        made.append(v1.NetworkInfo(name=name, labels=build.labels_info(network.labels), port_mappings=mappings))
    return tuple(made)


# ---- one container ---------------------------------------------------------------------------------------------------


def _task(
    pod: Pod,
    container: PodContainer,
    place: Place,
    share: Resources,
    ports: dict[str, Port],
    task_id: str,
    settings: TaskSettings,
) -> v1.TaskInfo:
    own = [ports[endpoint.name] for endpoint in container.endpoints]
    lifecycle = container.lifecycle
    return v1.TaskInfo(
        name=container.name,
        task_id=v1.TaskID(value=task_id),
        agent_id=v1.AgentID(value=place.agent.agent_id),
        resources=share.messages(place.role),
        command=_command(
            pod, container, variables(pod, container, place.agent.host, ports, task_id, settings), settings
        ),
        container=_container_info(pod, container),
        health_check=_health_check(container, ports),
        check=_check_info(container.check, ports),
        kill_policy=build.kill_policy(lifecycle.kill_grace_period_seconds if lifecycle is not None else None),
        labels=build.labels_info(build.spaced(container.labels, pod.id, wanted=pod.secrets or settings.spaces)),
        discovery=v1.DiscoveryInfo(
            visibility=v1.DiscoveryInfoVisibility.FRAMEWORK,
            name=ids.discovery_name(pod.id),
            ports=v1.Ports(ports=_discovery_ports(pod, own)),
        ),
        limits=build.limits_info(container.resource_limits),
    )


def variables(
    pod: Pod, container: PodContainer, host: str, ports: dict[str, Port], task_id: str, settings: TaskSettings
) -> dict[str, str | EnvSecret]:
    """Precedence, low to high: the pod's, the container's, context, labels, endpoints (of all containers)."""
    resources = container.resources
    made: dict[str, str | EnvSecret] = {
        **pod.environment,
        **container.environment,
        "HOST": host,
        "MESOS_TASK_ID": task_id,
        "MESOS_EXECUTOR_ID": executor_id(ids.instance_of(task_id) or ""),
        "MARATHON_APP_ID": pod.id,
        "MARATHON_APP_VERSION": pod.version or "",
        "MARATHON_CONTAINER_ID": container.name,
        "MARATHON_CONTAINER_RESOURCE_CPUS": str(float(resources.cpus)),
        "MARATHON_CONTAINER_RESOURCE_MEM": str(float(resources.mem)),
        "MARATHON_CONTAINER_RESOURCE_DISK": str(float(resources.disk)),
        "MARATHON_CONTAINER_RESOURCE_GPUS": str(resources.gpus),
        **environment.of_labels({**pod.labels, **container.labels}),
    }
    prefix = settings.env_vars_prefix.upper()
    for port in ports.values():
        name = environment.variable_name(port.endpoint.name)
        made[f"{prefix}ENDPOINT_{name}"] = str(port.local)
        if port.host is not None:
            made[f"{prefix}EP_HOST_{name}"] = str(port.host)
        if port.container is not None:
            made[f"{prefix}EP_CONTAINER_{name}"] = str(port.container)
    return made


def _command(
    pod: Pod, container: PodContainer, made: dict[str, str | EnvSecret], settings: TaskSettings
) -> v1.CommandInfo:
    """Without ``exec`` the image says what runs; words of ``argv`` follow its entry point or take its place."""
    shell, value = False, None
    arguments: tuple[str, ...] = ()
    if container.exec is not None and container.exec.command.shell is not None:
        shell, value = True, container.exec.command.shell
    elif container.exec is not None:
        arguments = container.exec.command.argv or ()
        if arguments and (container.image is None or container.exec.override_entrypoint):
            value = arguments[0]
    return v1.CommandInfo(
        shell=shell,
        value=value,
        arguments=arguments,
        environment=build.environment_info(made, pod.secrets),
        uris=build.uris(container.artifacts),
        user=container.user or pod.user or settings.user,
    )


def _container_info(pod: Pod, container: PodContainer) -> v1.ContainerInfo:
    image = None
    if container.image is not None:
        config = container.image.pull_config
        secret = pod.secrets[config.secret].source if config is not None else None
        image = build.image_info(container.image.id, pull_secret=secret, cached=not container.image.force_pull)
    linux = build.linux_info(container.linux_info) or v1.LinuxInfo()
    return v1.ContainerInfo(
        type=v1.ContainerInfoType.MESOS,
        mesos=v1.ContainerInfoMesosInfo(image=image) if image is not None else None,
        volumes=tuple(_volume(pod, mount, volume) for mount, volume in _mounts(pod, container)),
        linux_info=v1.LinuxInfo(
            seccomp=linux.seccomp,
            ipc_mode=linux.ipc_mode,
            shm_size=linux.shm_size,
            share_cgroups=bool(pod.legacy_shared_cgroups),
        ),
        tty_info=v1.TTYInfo() if container.tty else None,
    )


def _mounts(pod: Pod, container: PodContainer) -> list[tuple[VolumeMount, PodVolume]]:
    found = [(mount, pod.volume(mount.name)) for mount in container.volume_mounts]
    return [(mount, volume) for mount, volume in found if volume is not None]


def _volume(pod: Pod, mount: VolumeMount, volume: PodVolume) -> v1.Volume:
    mode = v1.VolumeMode.RO if mount.read_only else v1.VolumeMode.RW
    if volume.secret is not None:
        return build.secret_volume(mount.mount_path, pod.secrets[volume.secret].source)
    if volume.host is not None:
        return v1.Volume(mode=mode, container_path=mount.mount_path, host_path=volume.host)
    path = v1.VolumeSourceSandboxPath(
        type=v1.VolumeSourceSandboxPathType.PARENT,
        path=volume.name if volume.persistent is not None else EPHEMERAL + volume.name,
    )
    source = v1.VolumeSource(type=v1.VolumeSourceType.SANDBOX_PATH, sandbox_path=path)
    return v1.Volume(mode=mode, container_path=mount.mount_path, source=source)


# ---- discovery and checks --------------------------------------------------------------------------------------------


def _discovery_ports(pod: Pod, ports: Sequence[Port]) -> tuple[v1.Port, ...]:
    """One entry per endpoint and protocol; labels (VIPs among them) plus the network that the number belongs to."""
    named = [one.name for one in pod.networks if one.mode is NetworkMode.CONTAINER and one.name]
    made = []
    for port in ports:
        endpoint, of_host = port.endpoint, port.host is not None
        labels = checks.port_labels(endpoint.labels, of_host=of_host, networks=endpoint.network_names or named)
        number = port.host if port.host is not None else port.local
        made += [
            v1.Port(number=number, name=port.endpoint.name, protocol=protocol, labels=build.labels_info(labels))
            for protocol in port.endpoint.protocols
        ]
    return tuple(made)


def _health_check(container: PodContainer, ports: dict[str, Port]) -> v1.HealthCheck | None:
    check = container.health_check
    if check is None:
        return None
    if check.http is not None:
        http = v1.HealthCheckHTTPCheckInfo(
            scheme="https" if check.http.scheme is Scheme.HTTPS else "http",
            port=ports[check.http.endpoint].local,
            path=check.http.path or "/",
        )
        return checks.health_check(check, http=http)
    if check.tcp is not None:
        return checks.health_check(check, tcp=v1.HealthCheckTCPCheckInfo(port=ports[check.tcp.endpoint].local))
    return checks.health_check(check, command=checks.command_of(check.exec.command) if check.exec is not None else None)


def _check_info(check: PodCheck | None, ports: dict[str, Port]) -> v1.CheckInfo | None:
    if check is None:
        return None
    if check.http is not None:
        http = v1.CheckInfoHttp(port=ports[check.http.endpoint].local, path=check.http.path)
        return checks.check_info(check, http=http)
    if check.tcp is not None:
        return checks.check_info(check, tcp=v1.CheckInfoTcp(port=ports[check.tcp.endpoint].local))
    command = v1.CheckInfoCommand(command=checks.command_of(check.exec.command)) if check.exec is not None else None
    return checks.check_info(check, command=command)
