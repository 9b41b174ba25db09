"""Rules of a canonical app: each broken one gives (path, text). Limits of single members are in ``marathon_limits``.

Source: Marathon 1.11 app rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from dcos.marathon.core import external_rules
from dcos.marathon.core.common_rules import (
    NETWORK_NAME_TEXT,
    SECRETS,
    Fault,
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
    zero_fault,
)
from dcos.marathon.core.common_rules import Rules as Rules
from dcos.marathon.core.normalize import SINGLE_INSTANCE
from dcos.marathon.core.validate_extras import extra_faults
from dcos.model.marathon import (
    MARATHON_CHECKS,
    App,
    CheckProtocol,
    EngineType,
    HealthCheck,
    IpProtocol,
    NetworkMode,
    Volume,
)
from dcos.scheduling import ids
from dcos.scheduling.constraints import constraint_fault

DOTS = (".", "..")


def app_faults(app: App, rules: Rules, *, roles: Collection[str]) -> list[Fault]:
    """Every broken rule of one app; ``roles`` are those that it may have."""
    made = list(_all(app, rules, roles))
    return list(dict.fromkeys(made))


def _all(app: App, rules: Rules, roles: Collection[str]) -> Iterator[Fault]:
    for text in ids.id_faults(app.id):
        yield "/id", text
    yield from _command(app)
    yield from _resources(app, rules)
    yield from _container(app, rules)
    yield from network_faults(app.networks, app.container.type if app.container else EngineType.MESOS)
    yield from _ports(app)
    yield from _placement(app, roles)
    yield from _strategies(app)
    yield from _checks(app)
    yield from extra_faults(app)
    yield from secret_faults(app.env, app.secrets, rules, "/env")
    yield from secret_source_faults(app.secrets, rules)
    yield from _migration(app)
    yield from fetch_faults(app.fetch, "/fetch")
    for index, dependency in enumerate(app.dependencies):
        for text in ids.id_faults(dependency):
            yield f"/dependencies({index})", text
        if dependency == app.id:
            yield f"/dependencies({index})", "an app cannot depend on itself"


def _command(app: App) -> Iterator[Fault]:
    has_image = app.container is not None and (
        app.container.docker is not None or app.container.type is EngineType.MESOS
    )
    if (app.cmd is not None and app.args) or (app.cmd is None and not app.args and not has_image):
        yield "/", "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'."
    if app.cmd is not None and len(app.cmd) <= 1:
        yield "/", "must not be an empty string"  # one character is as bad, upstream says so too


def _resources(app: App, rules: Rules) -> Iterator[Fault]:
    if app.gpus > 0:
        if app.container is not None and app.container.type is EngineType.DOCKER:
            yield "/", "GPU resources only work with the Mesos containerizer"
        if "gpu_resources" not in rules.features:
            yield "/", feature_fault("gpu_resources")
    if app.resource_limits is not None:
        yield from limit_faults("/resourceLimits", app.resource_limits, cpus=app.cpus, mem=app.mem)


def _container(app: App, rules: Rules) -> Iterator[Fault]:
    container = app.container
    if container is None:
        return
    docker = container.docker
    if container.type is EngineType.DOCKER and docker is None:
        yield "/container/docker", "not defined"
    if docker is not None:
        if docker.credential is not None:
            yield "/container/docker/credential", "must be empty"
        if docker.pull_config is not None and container.type is EngineType.DOCKER:
            yield "/container/docker/pullConfig", "pullConfig is not supported with Docker containerizer"
        else:
            yield from pull_faults(docker.pull_config, app.secrets, rules, "/container/docker/pullConfig")
        if container.type is EngineType.MESOS and docker.parameters:
            yield "/container/docker/parameters", "must be empty"
    names = [one.external.name for one in container.volumes if one.external is not None and one.external.name]
    if len(set(names)) != len(names):
        yield "/container/volumes", "Volume names must be unique"
    for index, volume in enumerate(container.volumes):
        yield from _volume(volume, f"/container/volumes({index})", app, rules)
    yield from external_rules.app_faults(app)


def _volume(volume: Volume, path: str, app: App, rules: Rules) -> Iterator[Fault]:
    kinds = [kind for kind in (volume.host_path, volume.persistent, volume.external, volume.secret) if kind is not None]
    if len(kinds) != 1:
        yield path, "must define exactly one of hostPath, persistent, external or secret"
        return
    if volume.secret is None and volume.mode is None:
        yield f"{path}/mode", "undefined"
    if volume.persistent is not None:
        yield from persistent_faults(volume.persistent, f"{path}/persistent")
        if volume.container_path in DOTS:
            yield f"{path}/containerPath", f"can not be one of ({','.join(DOTS)})"
        if "/" in volume.container_path:
            yield f"{path}/containerPath", 'value must not contain "/"'
        if volume.mode is not None and volume.mode != "RW":
            yield f"{path}/mode", "does not equal RW"
    if volume.external is not None:
        if "external_volumes" not in rules.features:
            yield f"{path}/external", feature_fault("external_volumes")
        yield from external_rules.external_faults(app, volume, path)
    if volume.secret is not None:
        if SECRETS not in rules.features:
            yield path, feature_fault(SECRETS)
        if volume.secret not in app.secrets:
            yield path, "volume.secret must refer to an existing secret"


def _ports(app: App) -> Iterator[Fault]:
    if app.is_host_network:
        if app.port_mappings:
            yield "/", "portMappings are not allowed with host-networking"
        definitions = app.port_definitions or ()
        yield from _names([one.name for one in definitions], "/portDefinitions", "Port names must be unique.")
        numbers = [one.port for one in definitions if one.port]
        if len(set(numbers)) != len(numbers):
            yield "/portDefinitions", "Ports must be unique."
        return
    containers = [one.name for one in app.networks if one.mode is NetworkMode.CONTAINER]
    mappings = app.port_mappings
    yield from _names([one.name for one in mappings], "/container/portMappings", "Port names must be unique.")
    for index, mapping in enumerate(mappings):
        path = f"/container/portMappings({index})"
        yield from network_name_faults(f"{path}/networkNames", mapping.network_names, containers)
        if len(containers) > 1 and mapping.host_port is not None and len(mapping.network_names) != 1:
            yield path, NETWORK_NAME_TEXT


def _names(names: list[str | None], path: str, text: str) -> Iterator[Fault]:
    given = [name for name in names if name is not None]
    if len(set(given)) != len(given):
        yield path, text


def _placement(app: App, roles: Collection[str]) -> Iterator[Fault]:
    for index, constraint in enumerate(app.constraints):
        fault = constraint_fault(constraint)
        if fault:
            yield f"/constraints({index})", fault
    if app.accepted_resource_roles is not None and not app.accepted_resource_roles:
        yield "/acceptedResourceRoles", "must not be empty"
    yield from role_faults(app, roles, "/acceptedResourceRoles")


def _strategies(app: App) -> Iterator[Fault]:
    yield from strategy_faults(app, "/upgradeStrategy", "/unreachableStrategy")
    strategy = app.upgrade_strategy
    if app.labels.get(SINGLE_INSTANCE) == "true":
        if app.instances > 1:
            yield "/", "Single instance app may only have one instance"
        if strategy is not None:
            yield from zero_fault("/upgradeStrategy/minimumHealthCapacity", strategy.minimum_health_capacity)
            yield from zero_fault("/upgradeStrategy/maximumOverCapacity", strategy.maximum_over_capacity)


def _checks(app: App) -> Iterator[Fault]:
    count = len(app.port_definitions or ()) if app.is_host_network else len(app.port_mappings)
    agent_checks = [one for one in app.health_checks if one.protocol not in MARATHON_CHECKS]
    if len(agent_checks) > 1:
        yield "/", "AppDefinition can contain at most one Mesos health check"
    docker = app.container is not None and app.container.type is EngineType.DOCKER
    for index, check in enumerate(app.health_checks):
        yield from _health_check(check, f"/healthChecks({index})", count, docker=docker)
    names = [one.name for one in (app.port_definitions or ())] + [one.name for one in app.port_mappings]
    if len(app.readiness_checks) > 1:
        yield "/readinessChecks/size", f"got {len(app.readiness_checks)}, expected 1 or less"
    for index, ready in enumerate(app.readiness_checks):
        path = f"/readinessChecks({index})"
        if ready.port_name not in names:
            yield f"{path}/portName", f"No port definition reference for portName {ready.port_name}"
        if ready.timeout_seconds >= ready.interval_seconds:
            yield f"{path}/timeoutSeconds", f"got {ready.timeout_seconds}, expected less than {ready.interval_seconds}"
        if not ready.http_status_codes_for_ready:
            yield f"{path}/httpStatusCodesForReady", "must not be empty"
    if app.check is not None:
        kinds = [kind for kind in (app.check.http, app.check.tcp, app.check.exec) if kind is not None]
        if len(kinds) != 1:
            yield "/check", "must have exactly one of http, tcp and exec"
        if docker:
            yield "/check", "is not supported with the Docker container engine"
        for name, one in (("http", app.check.http), ("tcp", app.check.tcp)):
            if one is not None and one.port is not None and one.port_index is not None:
                yield f"/check/{name}", "must specify either a port or a portIndex"
            elif one is not None and one.port is None and (one.port_index or 0) >= count:
                yield (
                    f"/check/{name}",
                    "port index must address an element of the ports array or container port mappings",
                )


def _health_check(check: HealthCheck, path: str, ports: int, *, docker: bool) -> Iterator[Fault]:
    if check.protocol is CheckProtocol.COMMAND:
        if check.command is None or not check.command.value:
            yield f"{path}/command", "not defined"
    else:
        if check.command is not None:
            yield f"{path}/command", "must be empty"
        if check.port is not None and check.port_index is not None:
            yield path, "HealthCheck must specify either a port or a portIndex"
        elif check.port_index is not None and check.port_index >= ports:
            yield (
                path,
                "Health check port indices must address an element of the ports array or container port mappings.",
            )
        if check.path is not None and not check.path.startswith("/"):
            yield f"{path}/path", "must start with '/'"
    by_agent = check.protocol not in (*MARATHON_CHECKS, CheckProtocol.COMMAND)
    if check.ip_protocol is IpProtocol.IPv6 and not (by_agent and docker):
        yield path, "IPv6 can only be used for container type DOCKER and Mesos http/https/tcp health checks"
    yield from least(f"{path}/intervalSeconds", check.interval_seconds, 1)
    yield from least(f"{path}/timeoutSeconds", check.timeout_seconds, 1)


def _migration(app: App) -> Iterator[Fault]:
    """Labels that the packages' migration of data reads, together or not at all."""
    version = app.labels.get("DCOS_MIGRATION_API_VERSION")
    others = ("DCOS_PACKAGE_FRAMEWORK_NAME", "DCOS_MIGRATION_API_PATH")
    if version and (version != "v1" or not all(app.labels.get(name) for name in others)):
        yield (
            "/",
            "DCOS_PACKAGE_FRAMEWORK_NAME and DCOS_MIGRATION_API_PATH must be defined when using DCOS_MIGRATION_API_VERSION",
        )
