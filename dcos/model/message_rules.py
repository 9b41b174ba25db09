"""Whether the parts that tasks and executors share are well formed: commands, containers, checks; the first problem, or None.

Source: Mesos validation of CommandInfo, ContainerInfo, HealthCheck and CheckInfo (order and words).
"""

from __future__ import annotations

import math

from dcos.model.v1.types import (
    CheckInfo,
    CheckInfoType,
    CommandInfo,
    ContainerInfo,
    ContainerInfoType,
    EnvironmentVariable,
    EnvironmentVariableType,
    HealthCheck,
    HealthCheckType,
    Secret,
    SecretType,
    VolumeSource,
    VolumeSourceType,
)


def command_problem(command: CommandInfo) -> str | None:
    variables = command.environment.variables if command.environment is not None else ()
    return next((problem for one in variables if (problem := _variable_problem(one)) is not None), None)


def _variable_problem(variable: EnvironmentVariable) -> str | None:
    said = f"Environment variable '{variable.name}'"
    if variable.type is EnvironmentVariableType.VALUE:
        if variable.value is None:
            return f"{said} of type 'VALUE' must have a value set"
        if variable.secret is not None:
            return f"{said} of type 'VALUE' must not have a secret set"
        return None
    if variable.type is not EnvironmentVariableType.SECRET:
        return "Environment variable of type 'UNKNOWN' is not allowed"
    if variable.secret is None:
        return f"{said} of type 'SECRET' must have a secret set"
    if variable.value is not None:
        return f"{said} of type 'SECRET' must not have a value set"
    problem = _secret_problem(variable.secret)
    if problem is not None:
        return f"{said} specifies an invalid secret: {problem}"
    if variable.secret.value is not None and b"\0" in variable.secret.value.data:
        return f"{said} specifies a secret containing null bytes, which is not allowed in the environment"
    return None


def _secret_problem(secret: Secret) -> str | None:
    if secret.type is SecretType.REFERENCE:
        if secret.reference is None:
            return "Secret of type REFERENCE must have the 'reference' field set"
        if secret.value is not None:
            return f"Secret '{secret.reference.name}' of type REFERENCE must not have the 'value' field set"
    elif secret.type is SecretType.VALUE:
        if secret.value is None:
            return "Secret of type VALUE must have the 'value' field set"
        if secret.reference is not None:
            return "Secret of type VALUE must not have the 'reference' field set"
    return None


# ---- containers ------------------------------------------------------------------------------------------------------


def container_problem(container: ContainerInfo) -> str | None:
    for volume in container.volumes:
        if sum(one is not None for one in (volume.host_path, volume.image, volume.source)) != 1:
            return "Invalid volume: Only one of them should be set: 'host_path', 'image' and 'source'"
        if volume.source is not None:
            problem = _source_problem(volume.source)
            if problem is not None:
                return f"Invalid volume: {problem}"
    if container.type is ContainerInfoType.DOCKER:
        if container.docker is None:
            return "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo"
        if any(parameter.key == "name" for parameter in container.docker.parameters):
            return "Parameter in DockerInfo must not be 'name'"
    return None


def shares_no_cgroups(container: ContainerInfo | None) -> bool:
    linux = container.linux_info if container is not None else None
    return linux is not None and not linux.share_cgroups


_SOURCES = {
    VolumeSourceType.DOCKER_VOLUME: ("docker_volume", "DOCKER_VOLUME"),
    VolumeSourceType.HOST_PATH: ("host_path", "HOST_PATH"),
    VolumeSourceType.SANDBOX_PATH: ("sandbox_path", "SANDBOX_PATH"),
    VolumeSourceType.SECRET: ("secret", "SECRET"),
    VolumeSourceType.CSI_VOLUME: ("csi_volume", "CSI"),
}
"""The member that each type needs, and the type's name in messages."""


def _source_problem(source: VolumeSource) -> str | None:
    known = _SOURCES.get(source.type) if source.type is not None else None
    if known is None:
        return "'source.type' is unknown"
    member, named = known
    if getattr(source, member) is None:
        return f"'source.{member}' is not set for {named} volume"
    if source.csi_volume is not None and source.csi_volume.static_provisioning is None:
        return "'source.csi_volume.static_provisioning' is not set for CSI volume"
    return None


# ---- checks ----------------------------------------------------------------------------------------------------------


def check_problem(check: CheckInfo) -> str | None:
    problem = _member_problem(check, "CheckInfo", "check")
    if problem is None and check.type is CheckInfoType.COMMAND and check.command is not None:
        problem = _checking_command_problem(check.command.command, "Command check", "Check")
    if problem is None and check.type is CheckInfoType.HTTP and check.http is not None:
        problem = _path_problem(check.http.path, "check")
    return problem or _times_problem(check, "delay_seconds", "interval_seconds", "timeout_seconds")


def health_check_problem(check: HealthCheck) -> str | None:
    problem = _member_problem(check, "HealthCheck", "health check")
    if problem is None and check.type is HealthCheckType.COMMAND and check.command is not None:
        problem = _checking_command_problem(check.command, "Command health check", "Health check")
    if problem is None and check.type is HealthCheckType.HTTP and check.http is not None:
        if check.http.scheme not in (None, "http", "https"):
            return f"Unsupported HTTP health check scheme: '{check.http.scheme}'"
        problem = _path_problem(check.http.path, "health check")
    return problem or _times_problem(
        check, "delay_seconds", "grace_period_seconds", "interval_seconds", "timeout_seconds"
    )


def _member_problem(check: CheckInfo | HealthCheck, message: str, what: str) -> str | None:
    """Each type needs the member that is called as it is."""
    if check.type is None:
        return f"{message} must specify 'type'"
    if check.type.value == "UNKNOWN":
        return f"'UNKNOWN' is not a valid {what} type"
    member = check.type.lower()
    return None if getattr(check, member) is not None else f"Expecting '{member}' to be set for {check.type} {what}"


def _path_problem(path: str | None, what: str) -> str | None:
    if path is None or path.startswith("/"):
        return None
    return f"The path '{path}' of HTTP {what} must start with '/'"


def _checking_command_problem(command: CommandInfo, what: str, whose: str) -> str | None:
    if command.value is None:
        return f"{what} must contain {'shell command' if command.shell else 'executable path'!r}"
    problem = command_problem(command)
    return f"{whose}'s `CommandInfo` is invalid: {problem}" if problem is not None else None


def _times_problem(check: CheckInfo | HealthCheck, *names: str) -> str | None:
    for name in names:
        seconds: float = getattr(check, name)
        if not math.isfinite(seconds) or seconds < 0:
            return f"Expecting '{name}' to be non-negative"
    return None
