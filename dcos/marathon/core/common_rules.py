"""Rules that apps and pods share: each broken one gives (path, text).   Source: Marathon 1.11."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from dcos.model.marathon import App, EngineType, Network, NetworkMode, PersistentVolume, ResourceLimits
from dcos.model.run_spec import RunSpec
from dcos.scheduling.constraints import constraint_fault

Fault = tuple[str, str]
_ROLE_BAD = re.compile(r"[\s\x7f]")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the service's settings allow."""

    features: frozenset[str] = frozenset()
    default_role: str = "*"


def least(path: str, value: float, bound: float) -> Iterator[Fault]:
    if value < bound:
        yield path, f"got {_short(value)}, expected {_short(bound)} or more"


def most(path: str, value: float, bound: float) -> Iterator[Fault]:
    if value > bound:
        yield path, f"got {_short(value)}, expected {_short(bound)} or less"


def _short(value: float) -> str:
    return f"{value:g}"


def limit_faults(path: str, limits: ResourceLimits, *, cpus: float, mem: float) -> Iterator[Fault]:
    for name, wanted, limit in (("cpus", cpus, limits.cpus), ("mem", mem, limits.mem)):
        if isinstance(limit, float) and limit < wanted:
            yield f"{path}/{name}", f"must be greater than or equal to the requested {_short(wanted)}"


def feature_fault(name: str) -> str:
    return f"Feature {name} is not enabled. Enable with --enable_features {name})"


def network_faults(networks: Sequence[Network], engine: EngineType) -> Iterator[Fault]:
    modes = [network.mode for network in networks]
    hosts, bridges = modes.count(NetworkMode.HOST), modes.count(NetworkMode.BRIDGE)
    containers = modes.count(NetworkMode.CONTAINER)
    if hosts + bridges > 1 or (containers and hosts + bridges):
        yield "/networks", "must be one host network, or one bridge network, or any number of container networks"
    names = [network.name for network in networks if network.name is not None]
    if len(set(names)) != len(names):
        yield "/networks", "Each network name must be unique"
    for index, network in enumerate(networks):
        if network.mode is NetworkMode.CONTAINER:
            if not network.name:
                yield (
                    f"/networks({index})",
                    "a network name must be specified when container-mode networking is selected",
                )
        elif network.name is not None:
            yield f"/networks({index})/name", "must be empty"
        if network.mode is NetworkMode.HOST and network.labels:
            yield f"/networks({index})/labels", "must be empty"
    if engine is EngineType.DOCKER and containers > 1:
        yield "/networks", "may only specify a single container network when using the Docker container engine"


def persistent_faults(volume: PersistentVolume, path: str) -> Iterator[Fault]:
    """Of an app's or a pod's persistent volume."""
    if volume.type not in ("root", "path", "mount"):
        yield f"{path}/type", "must be one of root, path and mount"
    if volume.size <= 0:
        yield f"{path}/size", "must be greater than 0"
    if volume.max_size is not None:
        if volume.type != "mount":
            yield f"{path}/maxSize", "Only mount volumes can have maxSize"
        elif volume.max_size <= volume.size:
            yield f"{path}/maxSize", f"must be greater than the size {volume.size}"
    if volume.constraints and volume.type == "root":
        yield f"{path}/constraints", "Constraints on root volumes are not supported"
    for index, constraint in enumerate(volume.constraints):
        where = f"{path}/constraints({index})"
        if len(constraint) != 3 or constraint[0] != "path" or constraint[1] not in ("LIKE", "UNLIKE"):
            yield where, "must be path, LIKE or UNLIKE, and a regular expression"
        elif (fault := constraint_fault(constraint)) is not None:
            yield where, fault


def role_faults(spec: RunSpec, roles: Collection[str], accepted_path: str) -> Iterator[Fault]:
    if any(role not in ("*", spec.role) for role in spec.accepted_resource_roles or ()):
        yield accepted_path, f"acceptedResourceRoles can only contain * and {spec.role}"
    role = spec.role or "*"
    if _ROLE_BAD.search(role) or role.startswith(("/", "-")) or role.endswith("/") or "//" in role:
        yield "/role", "is not a valid Mesos role"
    elif role == "*" and spec.is_resident:
        kind = "apps" if isinstance(spec, App) else "pods"
        yield "/role", f"Resident {kind} cannot have the role *"
    elif role not in roles:
        expected = ", ".join(sorted(roles))
        yield "/role", f"got {role}, expected one of: [{expected}]"


def strategy_faults(spec: RunSpec, upgrade_path: str, unreachable_path: str) -> Iterator[Fault]:
    kind = "apps" if isinstance(spec, App) else "pods"
    strategy = spec.upgrade_strategy
    if strategy is not None:
        for name, value in (
            ("minimumHealthCapacity", strategy.minimum_health_capacity),
            ("maximumOverCapacity", strategy.maximum_over_capacity),
        ):
            if value < 0:
                yield f"{upgrade_path}/{name}", "is less than 0"
            if value > 1:
                yield f"{upgrade_path}/{name}", "is greater than 1"
        if spec.is_resident and strategy.maximum_over_capacity != 0:
            yield f"{upgrade_path}/maximumOverCapacity", f"must be 0 for {kind} with persistent volumes"
    unreachable = spec.unreachable_strategy
    if unreachable is not None and unreachable != "disabled":
        yield from least(f"{unreachable_path}/inactiveAfterSeconds", unreachable.inactive_after_seconds, 0)
        if unreachable.expunge_after_seconds < unreachable.inactive_after_seconds:
            yield unreachable_path, "inactiveAfterSeconds must be less than or equal to expungeAfterSeconds"
        if spec.is_resident and kind == "pods":
            yield "/", "unreachableStrategy must be disabled for pods with persistent volumes"
        elif spec.is_resident:
            yield unreachable_path, f"must be disabled for {kind} with persistent volumes"
