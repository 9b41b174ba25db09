"""Rules that apps and pods share: each broken one gives (path, text).   Source: Marathon 1.11."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dcos.model.marathon import (
    App,
    EngineType,
    EnvSecret,
    Fetch,
    Network,
    NetworkMode,
    PersistentVolume,
    PullConfig,
    ResourceLimits,
    SecretSource,
)
from dcos.model.run_spec import RunSpec
from dcos.scheduling.constraints import OPERATORS, constraint_fault

Fault = tuple[str, str]
SECRETS = "secrets"
"""The feature."""
MAX_VARIABLE = 254
NETWORK_NAME_TEXT = (
    "networkNames must be a single item list when hostPort is specified and more than 1 container network is defined"
)
_ROLE_BAD = re.compile(r"[\s\x7f]")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the service's settings allow."""

    features: frozenset[str] = frozenset()
    default_role: str = "*"


def least(path: str, value: float, bound: float) -> Iterator[Fault]:
    if value < bound:
        yield path, f"got {_short(value)}, expected {_short(bound)} or more"


def _short(value: float) -> str:
    return f"{value:g}"


def limit_faults(path: str, limits: ResourceLimits, *, cpus: float, mem: float) -> Iterator[Fault]:
    for name, wanted, limit in (("cpus", cpus, limits.cpus), ("mem", mem, limits.mem)):
        if isinstance(limit, float) and limit < wanted:
            yield f"{path}/{name}", f"must be greater than or equal to the requested {_short(wanted)}"


def _decimal(value: float) -> str:
    """As Scala writes a double."""
    return str(float(value))


def zero_fault(path: str, value: float) -> Iterator[Fault]:
    """A number that must be 0."""
    if value != 0:
        yield path, f"got {_decimal(value)}, expected 0.0"


def feature_fault(name: str) -> str:
    return f"Feature {name} is not enabled. Enable with --enable_features {name})"


def network_faults(networks: Sequence[Network], engine: EngineType) -> Iterator[Fault]:
    modes = [network.mode for network in networks]
    hosts, bridges = modes.count(NetworkMode.HOST), modes.count(NetworkMode.BRIDGE)
    containers = modes.count(NetworkMode.CONTAINER)
    if any(one.mode is NetworkMode.HOST and (one.name or one.labels) for one in networks):
        yield "/networks", "Host networks may not have names or labels"
    if any(one.mode is NetworkMode.BRIDGE and one.name for one in networks):
        yield "/networks", "Bridge networks may not have names"
    names = [network.name for network in networks if network.name is not None]
    if len(set(names)) != len(names):
        yield "/networks", "Duplicate networks are not allowed"
    if hosts + bridges > 1 or (containers and hosts + bridges):
        yield (
            "/networks",
            "May specify a single host network, single bridge network, or else 1-to-n container networks",
        )
    if any(one.mode is NetworkMode.CONTAINER and not one.name for one in networks):
        yield "/networks", "Network name must be specified when container network is selected."
    if engine is EngineType.DOCKER and containers > 1:
        yield "/", "may only specify a single container network when using the Docker container engine"


def persistent_faults(volume: PersistentVolume, path: str) -> Iterator[Fault]:
    """Of an app's or a pod's persistent volume."""
    if volume.type not in ("root", "path", "mount"):
        yield f"{path}/type", "error.unknown.enum.literal"
    if volume.size <= 0:
        yield f"{path}/size", f"got {volume.size}, expected more than 0"
    if volume.max_size is not None and volume.type != "mount":
        yield path, "Only mount volumes can have maxSize"
    if volume.constraints and volume.type == "root":
        yield path, "Constraints on root volumes are not supported"
    if volume.max_size is not None and volume.max_size <= volume.size:
        yield path, "Max size must be larger than size"
    for index, constraint in enumerate(volume.constraints):
        if (fault := _path_fault(constraint)) is not None:
            yield f"{path}/constraints({index})", fault


def _path_fault(constraint: Sequence[str]) -> str | None:
    """The rule that a constraint on a volume's disk breaks."""
    if not constraint:
        return "Missing field and operator"
    if len(constraint) != 3 or constraint[0] != "path":
        return f"Unsupported constraint {','.join(constraint)}"
    if constraint[1] not in OPERATORS:
        return f"unknown constraint operator {constraint[1]}"
    if constraint[1] not in ("LIKE", "UNLIKE"):
        return "Operator must be one of LIKE, UNLIKE"
    return "Invalid regular expression" if constraint_fault(constraint) is not None else None


def secret_faults(
    variables: Mapping[str, str | EnvSecret], secrets: Mapping[str, SecretSource], rules: Rules, path: str
) -> Iterator[Fault]:
    """Of an environment at ``path``: names, and references to secrets."""
    for index, name in enumerate(variables):
        if not name:
            yield f"{path}/keys({index})", "must not be empty"
        elif len(name) > MAX_VARIABLE:
            yield f"{path}/keys({index})", f"variable name must be {MAX_VARIABLE} chars or less"
    references = {name: value.secret for name, value in variables.items() if isinstance(value, EnvSecret)}
    if references and SECRETS not in rules.features:
        yield path, "use of secret-references in the environment requires the secrets feature to be enabled"
    for name, secret in references.items():
        if secret not in secrets:
            yield f"{path}/{name}/secret", "references an undefined secret"


def fetch_faults(fetched: Sequence[Fetch], path: str) -> Iterator[Fault]:
    """Of what is fetched into the sandbox; ``path`` is the list's."""
    for index, one in enumerate(fetched):
        if one.dest_path is not None and (one.dest_path.startswith("/") or ".." in one.dest_path.split("/")):
            yield f"{path}({index})/destPath", "must be a relative path within the sandbox"


def pull_faults(
    config: PullConfig | None, secrets: Mapping[str, SecretSource], rules: Rules, path: str
) -> Iterator[Fault]:
    """Of the credentials of an image."""
    if config is None:
        return
    if SECRETS not in rules.features:
        yield path, "must be empty"
        yield path, feature_fault(SECRETS)
    if config.secret not in secrets:
        yield path, "pullConfig.secret must refer to an existing secret"


def network_name_faults(path: str, names: Sequence[str], known: Sequence[str | None]) -> Iterator[Fault]:
    """Of the networks that a port is mapped in."""
    for index, name in enumerate(names):
        if name not in known:
            yield f"{path}({index})", f"is not one of ({','.join(one for one in known if one is not None)})"


def secret_source_faults(secrets: Mapping[str, SecretSource], rules: Rules) -> Iterator[Fault]:
    """Of the sources of secrets."""
    if secrets and SECRETS not in rules.features:
        yield "/secrets", feature_fault(SECRETS)
    for index, (name, source) in enumerate(secrets.items()):
        if not name:
            yield f"/secrets/keys({index})", "must not be empty"
        if not source.source:
            yield f"/secrets/{name}/source", "must not be empty"


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
        if spec.is_resident:
            path = upgrade_path.removeprefix("/scheduling")  # sic, as upstream
            yield from zero_fault(f"{path}/maximumOverCapacity", strategy.maximum_over_capacity)
    unreachable = spec.unreachable_strategy
    if unreachable is not None and unreachable != "disabled":
        if unreachable.expunge_after_seconds < unreachable.inactive_after_seconds:
            yield unreachable_path, "inactiveAfterSeconds must be less than or equal to expungeAfterSeconds"
        if spec.is_resident:
            what = "pods with persistent volumes" if kind == "pods" else "resident tasks"
            yield "/", f"unreachableStrategy must be disabled for {what}"
