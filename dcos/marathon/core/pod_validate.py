"""Rules of a canonical pod: each broken one gives (path, text). Limits of single members are in ``marathon_limits``.

Source: Marathon 1.11 pod rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from dcos.marathon.core.common_rules import (
    NETWORK_NAME_TEXT,
    Fault,
    Rules,
    feature_fault,
    fetch_faults,
    least,
    limit_faults,
    network_faults,
    network_name_faults,
    persistent_faults,
    pull_faults,
    role_faults,
    secret_faults,
    secret_source_faults,
    strategy_faults,
)
from dcos.marathon.core.validate_extras import extra_faults
from dcos.model.marathon import CheckCommand, EngineType, ExecutorResources, LinuxInfo, NetworkMode
from dcos.model.pods import Endpoint, Pod, PodCheck, PodContainer, PodVolume
from dcos.scheduling import ids
from dcos.scheduling.constraints import constraint_fault

IPC_MODES = ("PRIVATE", "SHARE_PARENT")


def pod_faults(pod: Pod, rules: Rules, *, roles: Collection[str]) -> list[Fault]:
    """Every broken rule; ``roles`` are those that it may have."""
    return list(dict.fromkeys(_all(pod, rules, roles)))


def _all(pod: Pod, rules: Rules, roles: Collection[str]) -> Iterator[Fault]:
    for text in ids.id_faults(pod.id):
        yield "/id", text
    if pod.user == "":
        yield "/user", "must not be empty"
    yield from secret_faults(pod.environment, pod.secrets, rules, "/environment")
    yield from secret_source_faults(pod.secrets, rules)
    yield from network_faults(pod.networks, EngineType.MESOS)
    if not pod.containers:
        yield "/containers", "must not be empty"
    if not _unique(one.name for one in pod.containers):
        yield "/containers", "container names must be unique"
    for index, container in enumerate(pod.containers):
        yield from _container(f"/containers({index})", container, pod, rules)
    if not _unique(one.name for one in pod.volumes):
        yield "/volumes", "volume names must be unique"
    for index, volume in enumerate(pod.volumes):
        yield from _volume(f"/volumes({index})", volume, pod)
    for what, found in (
        ("endpoint names nust", [one.name for one in pod.endpoints]),  # sic, as upstream
        ("container ports must", [one.container_port for one in pod.endpoints if one.container_port]),
        ("host ports must", [one.host_port for one in pod.endpoints if one.host_port]),
    ):
        if not _unique(found):
            yield "/", f"{what} be unique across all containers"
    yield from _executor(pod.executor_resources)
    yield from _scheduling(pod, roles)
    if pod.linux_info is not None:
        if pod.linux_info.seccomp is not None:
            yield "/linuxInfo/seccomp", "Seccomp configuration on executor level is not supported"
        yield from _ipc("/linuxInfo", pod.linux_info)


def _executor(wanted: ExecutorResources) -> Iterator[Fault]:
    """What Mesos asks of the executor of a task group; with less it would refuse every launch."""
    yield from least("/executorResources/cpus", wanted.cpus, 0.01)
    yield from least("/executorResources/mem", wanted.mem, 32)
    if wanted.disk <= 0:
        yield "/executorResources/disk", f"got {wanted.disk:g}, expected more than 0"


def _unique(found: Collection[object] | Iterator[object]) -> bool:
    listed = list(found)
    return len(set(listed)) == len(listed)


# ---- containers ------------------------------------------------------------------------------------------------------


def _container(path: str, container: PodContainer, pod: Pod, rules: Rules) -> Iterator[Fault]:
    yield from _resources(path, container, pod, rules)
    for index, endpoint in enumerate(container.endpoints):
        yield from _endpoint(f"{path}/endpoints({index})", endpoint, pod)
    yield from secret_faults(container.environment, pod.secrets, rules, f"{path}/environment")
    if container.user == "":
        yield f"{path}/user", "must not be empty"
    if container.exec is not None:
        yield from _command(f"{path}/exec/command", container.exec.command)
        if container.exec.command.shell is not None and container.exec.override_entrypoint is False:
            yield f"{path}/exec/overrideEntrypoint", "must not be false when command.shell is used"
    elif container.image is None:
        yield path, "must have an exec, an image or both"
    if container.image is not None:
        yield from pull_faults(container.image.pull_config, pod.secrets, rules, f"{path}/image/pullConfig")
    if container.health_check is not None:
        yield from _check(f"{path}/healthCheck", container.health_check, container)
    if container.check is not None:
        yield from _check(f"{path}/check", container.check, container)
    for index, mount in enumerate(container.volume_mounts):
        where = f"{path}/volumeMounts({index})"
        if pod.volume(mount.name) is None:
            yield f"{where}/name", "Referenced Volume in VolumeMount should exist"
    yield from fetch_faults(container.artifacts, f"{path}/artifacts")
    if container.linux_info is not None:
        yield from _linux(f"{path}/linuxInfo", container.linux_info)


def _linux(path: str, info: LinuxInfo) -> Iterator[Fault]:
    seccomp = info.seccomp
    if seccomp is not None and seccomp.profile_name is not None and seccomp.unconfined:
        yield f"{path}/seccomp", "Seccomp unconfined can NOT be true when Profile is defined"
    elif seccomp is not None and seccomp.profile_name is None and not seccomp.unconfined:
        yield f"{path}/seccomp", "Seccomp unconfined must be true when Profile is NOT defined"
    yield from _ipc(path, info)


def _ipc(path: str, info: LinuxInfo) -> Iterator[Fault]:
    if info.ipc_info is None:
        return
    if info.ipc_info.mode not in IPC_MODES:
        yield f"{path}/ipcInfo/mode", f"must be one of {', '.join(IPC_MODES)}"
    if info.ipc_info.mode == "SHARE_PARENT" and info.ipc_info.shm_size is not None:
        yield f"{path}/ipcInfo", "ipcInfo shmSize can NOT be set when mode is SHARE_PARENT"


def _resources(path: str, container: PodContainer, pod: Pod, rules: Rules) -> Iterator[Fault]:
    resources, limits = container.resources, container.resource_limits
    if not (resources.cpus or resources.mem or resources.disk or resources.gpus):
        yield f"{path}/resources", "must not all be 0: Mesos runs nothing without resources"
    if resources.gpus > 0 and "gpu_resources" not in rules.features:
        yield f"{path}/resources/gpus", feature_fault("gpu_resources")
    if limits is None:
        return
    if pod.legacy_shared_cgroups:
        yield f"{path}/resourceLimits", "resourceLimits cannot be defined if legacySharedCgroups is enabled"
    yield from limit_faults(f"{path}/resourceLimits", limits, cpus=resources.cpus, mem=resources.mem)


def _endpoint(path: str, endpoint: Endpoint, pod: Pod) -> Iterator[Fault]:
    modes = {network.mode for network in pod.networks}
    names = [network.name for network in pod.networks if network.mode is NetworkMode.CONTAINER]
    if endpoint.container_port == 0 and endpoint.host_port is None:
        yield f"{path}/containerPort", "0 stands for the host port: there is none"
    if NetworkMode.HOST in modes and endpoint.container_port is not None:
        yield f"{path}/containerPort", "is not allowed when using host-mode networking"
    if NetworkMode.CONTAINER in modes and endpoint.container_port is None:
        yield f"{path}/containerPort", "is required when using container-mode networking"
    if not _unique(endpoint.protocol):
        yield f"{path}/protocol", "Duplicate protocols within the same endpoint are not allowed"
    yield from network_name_faults(f"{path}/networkNames", endpoint.network_names, names)
    if len(names) > 1 and endpoint.host_port is not None and len(endpoint.network_names) != 1:
        yield path, NETWORK_NAME_TEXT


def _command(path: str, command: CheckCommand) -> Iterator[Fault]:
    if (command.shell is None) == (command.argv is None):
        yield path, "must have exactly one of shell and argv"
    elif command.shell == "":
        yield f"{path}/shell", "must not be empty"
    elif command.argv == ():
        yield f"{path}/argv", "must not be empty"


def _check(path: str, check: PodCheck, container: PodContainer) -> Iterator[Fault]:
    if check.timeout_seconds >= check.interval_seconds:
        yield f"{path}/timeoutSeconds", f"got {check.timeout_seconds}, expected less than {check.interval_seconds}"
    if sum(one is not None for one in (check.http, check.tcp, check.exec)) != 1:
        yield path, "Only one of http, tcp, or command may be specified"
    for kind, by_endpoint in (("http", check.http), ("tcp", check.tcp)):
        if by_endpoint is None:
            continue
        if by_endpoint.endpoint not in [one.name for one in container.endpoints]:
            yield f"{path}/{kind}/endpoint", "contained in the container endpoints"
    if check.exec is not None:
        yield from _command(f"{path}/exec/command", check.exec.command)


# ---- volumes, scheduling ---------------------------------------------------------------------------------------------


def _volume(path: str, volume: PodVolume, pod: Pod) -> Iterator[Fault]:
    if sum(one is not None for one in (volume.host, volume.persistent, volume.secret)) > 1:
        yield path, "must define at most one of host, persistent and secret"
    if volume.host == "":
        yield f"{path}/host", "must not be empty"
    if volume.secret is not None and volume.secret not in pod.secrets:
        yield f"{path}/secret", "volume.secret must refer to an existing secret"
    if volume.persistent is not None:
        yield from persistent_faults(volume.persistent, f"{path}/persistent")
    if not any(mount.name == volume.name for container in pod.containers for mount in container.volume_mounts):
        yield path, "volume must be referenced by at least one container"


def _scheduling(pod: Pod, roles: Collection[str]) -> Iterator[Fault]:
    most = pod.scaling.max_instances
    if most is not None and most < pod.scaling.instances:
        yield "/scaling/maxInstances", f"got {most}, expected {pod.scaling.instances} or more"
    where = "/scheduling/placement"
    for index, constraint in enumerate(pod.constraints):
        fault = constraint_fault(constraint)
        if fault:
            yield f"{where}/constraints({index})", fault
    yield from role_faults(pod, roles, "/acceptedResourceRoles")
    yield from strategy_faults(pod, "/scheduling/upgrade", "/scheduling/unreachableStrategy")
    yield from extra_faults(pod)
