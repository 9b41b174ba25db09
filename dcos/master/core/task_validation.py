"""Whether a task may be launched; the first problem in upstream's order, or None.

Source: Mesos master task validation (order and words of the checks for the fields that are in use).
"""

from __future__ import annotations

import math

from dcos.master.core.records import AgentRecord, FrameworkRecord
from dcos.model.identifiers import id_problem
from dcos.model.resource_rules import resources_problem
from dcos.model.resources import EMPTY, Resources, allocation_role
from dcos.model.v1.types import (
    AgentInfoCapabilityType,
    CheckInfo,
    CheckInfoType,
    CommandInfo,
    ContainerInfo,
    ContainerInfoType,
    DurationInfo,
    EnvironmentVariableType,
    ExecutorInfo,
    ExecutorInfoType,
    HealthCheck,
    HealthCheckType,
    Resource,
    TaskGroupInfo,
    TaskInfo,
    VolumeSource,
    VolumeSourceType,
)
from dcos.model.values import thousandths

_MIN_EXECUTOR_CPUS = 10
_MIN_EXECUTOR_MEM = 32_000


def task_problem(task: TaskInfo, framework: FrameworkRecord, agent: AgentRecord) -> str | None:
    """What holds for every task, alone or in a group."""
    problem = id_problem(task.task_id.value)
    if problem is not None:
        return problem
    if task.task_id.value in framework.tasks or task.task_id.value in framework.unreachable:
        return f"Task has duplicate ID: {task.task_id.value}"
    if task.agent_id.value != agent.id:
        return f"Task uses invalid agent {task.agent_id.value} while agent {agent.id} is expected"
    if task.kill_policy is not None and _negative(task.kill_policy.grace_period):
        return "Task's 'kill_policy.grace_period' must be non-negative"
    if _negative(task.max_completion_time):
        return "Task's 'max_completion_time' must be non-negative"
    return (
        (_check_problem(task.check) if task.check is not None else None)
        or (_health_problem(task.health_check) if task.health_check is not None else None)
        or _task_resources_problem(task.resources)
        or (_command_problem(task.command) if task.command is not None else None)
        or (_container_problem(task.container) if task.container is not None else None)
        or _limits_problem(task, agent)
    )


def launch_problem(task: TaskInfo, framework: FrameworkRecord, agent: AgentRecord, left: Resources) -> str | None:
    """A task of LAUNCH, with what is ``left`` of the offers (all of one role)."""
    problem = task_problem(task, framework, agent)
    if problem is not None:
        return problem
    if (task.command is None) == (task.executor is None):
        return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
    if shares_no_cgroups(task):
        return "Only tasks in a task group may set 'share_cgroups' to 'false'"
    own = Resources.of(task.resources)
    extra = EMPTY
    if task.executor is not None:
        if task.executor.type not in (None, ExecutorInfoType.CUSTOM):
            return f"'ExecutorInfo.type' must be CUSTOM or unset, not {task.executor.type}"
        if task.executor.command is None:
            return "'ExecutorInfo.command' must be set for 'CUSTOM' executor"
        problem = executor_problem(task.executor, framework, agent)
        if problem is not None:
            return problem
        if not runs(task.executor, framework, agent):
            extra = Resources.of(task.executor.resources)
    return room_problem(own + extra, left, allocation_of(task.resources))


def group_problem(
    group: TaskGroupInfo, executor: ExecutorInfo, framework: FrameworkRecord, agent: AgentRecord, left: Resources
) -> str | None:
    """All tasks of LAUNCH_GROUP; each already has ``executor`` filled in."""
    if executor.type in (None, ExecutorInfoType.UNKNOWN):
        return "'ExecutorInfo.type' must be set"
    if executor.type is ExecutorInfoType.DEFAULT:
        if executor.command is not None:
            return "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"
        if executor.container is not None:
            if executor.container.type is not ContainerInfoType.MESOS:
                return "'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor"
            if executor.container.mesos is not None and executor.container.mesos.image is not None:
                return "'ExecutorInfo.container.mesos.image' must not be set for 'DEFAULT' executor"
    elif executor.command is None:
        return "'ExecutorInfo.command' must be set for 'CUSTOM' executor"
    if executor.container is not None and executor.container.type is ContainerInfoType.DOCKER:
        return "Docker ContainerInfo is not supported on the executor of a task group"
    problem = executor_problem(executor, framework, agent)
    if problem is not None:
        return problem
    overhead = Resources.of(executor.resources)
    if overhead.scalar("cpus") < _MIN_EXECUTOR_CPUS:
        return "Executor of a task group must have at least 0.01 cpus"
    if overhead.scalar("mem") < _MIN_EXECUTOR_MEM:
        return "Executor of a task group must have at least 32MB of memory"
    if not overhead.scalar("disk"):
        return "Executor of a task group must have disk"
    if not group.tasks:
        return "Task group has no tasks"
    seen: set[str] = set()
    total = EMPTY
    for task in group.tasks:
        problem = task_problem(task, framework, agent)
        if problem is None and task.task_id.value in seen:
            problem = f"Task has duplicate ID: {task.task_id.value}"
        if problem is None and task.executor != executor:
            problem = "The 'ExecutorInfo' of a task in a group must be that of the group"
        if problem is None and task.container is not None and task.container.type is ContainerInfoType.DOCKER:
            problem = "Docker ContainerInfo is not supported on a task of a task group"
        if problem is None and task.command is None:
            problem = "A task of a task group must have a command"
        if problem is not None:
            return f"Task '{task.task_id.value}' is invalid: {problem}"
        seen.add(task.task_id.value)
        total += Resources.of(task.resources)
    if len({shares_no_cgroups(task) for task in group.tasks}) > 1:
        return "All tasks under one executor must have the same 'share_cgroups'"
    if not runs(executor, framework, agent):
        total += overhead
    return room_problem(total, left, allocation_of(group.tasks[0].resources))


def room_problem(needed: Resources, left: Resources, role: str | None) -> str | None:
    if left.contains(needed):
        return None
    return (
        f"Total resources {needed.describe(role)} required by task and its executor is more than available "
        f"{left.describe(role)}"
    )


def executor_problem(executor: ExecutorInfo, framework: FrameworkRecord, agent: AgentRecord) -> str | None:
    problem = id_problem(executor.executor_id.value)
    if problem is not None:
        return problem
    if executor.framework_id is not None and executor.framework_id.value != framework.id:
        return f"ExecutorInfo has an invalid FrameworkID (Actual: {executor.framework_id.value} vs Expected: {framework.id})"
    if _negative(executor.shutdown_grace_period):
        return "ExecutorInfo's 'shutdown_grace_period' must be non-negative"
    if any(one.shared is not None for one in executor.resources):
        return "Executor resources must not be shared"
    problem = resources_problem(executor.resources)
    if problem is None and executor.command is not None:
        problem = _command_problem(executor.command)
    if problem is None and executor.container is not None:
        problem = _container_problem(executor.container)
    if problem is not None:
        return f"Executor is invalid: {problem}"
    running = framework.executors.get((agent.id, executor.executor_id.value))
    if running is not None and running.info != executor:
        return "Task has invalid ExecutorInfo: existing ExecutorInfo with same ExecutorID is not compatible"
    return None


def runs(executor: ExecutorInfo, framework: FrameworkRecord, agent: AgentRecord) -> bool:
    """Whether it is there already, so that its resources are charged."""
    return (agent.id, executor.executor_id.value) in framework.executors


def allocation_of(resources: tuple[Resource, ...]) -> str | None:
    return allocation_role(resources[0]) if resources else None


def _negative(duration: DurationInfo | None) -> bool:
    return duration is not None and duration.nanoseconds < 0


def shares_no_cgroups(task: TaskInfo) -> bool:
    linux = task.container.linux_info if task.container is not None else None
    return linux is not None and not linux.share_cgroups


def _task_resources_problem(resources: tuple[Resource, ...]) -> str | None:
    if not resources:
        return "Task uses no resources"
    problem = resources_problem(resources)
    if problem is not None:
        return f"Task uses invalid resources: {problem}"
    if len({allocation_role(one) for one in resources}) > 1:
        return "The resources have multiple allocation roles"
    if not Resources.of(resources):
        return "Task uses no resources"
    return None


def _check_problem(check: CheckInfo) -> str | None:
    if check.type in (None, CheckInfoType.UNKNOWN):
        return "Task uses invalid check: CheckInfo must specify 'type'"
    if check.type is CheckInfoType.COMMAND and (check.command is None or check.command.command.value is None):
        return "Task uses invalid check: Expecting 'command' to be set for COMMAND check"
    if check.type is CheckInfoType.HTTP:
        if check.http is None:
            return "Task uses invalid check: Expecting 'http' to be set for HTTP check"
        if check.http.path is not None and not check.http.path.startswith("/"):
            return f"Task uses invalid check: The path '{check.http.path}' of HTTP check must start with '/'"
    if check.type is CheckInfoType.TCP and check.tcp is None:
        return "Task uses invalid check: Expecting 'tcp' to be set for TCP check"
    for name in ("delay_seconds", "interval_seconds", "timeout_seconds"):
        if _bad_time(getattr(check, name)):
            return f"Task uses invalid check: Expecting '{name}' to be non-negative"
    return None


def _health_problem(check: HealthCheck) -> str | None:
    if check.type in (None, HealthCheckType.UNKNOWN):
        return "Task uses invalid health check: HealthCheck must specify 'type'"
    if check.type is HealthCheckType.COMMAND:
        if check.command is None or check.command.value is None:
            return "Task uses invalid health check: Expecting 'command' to be set for COMMAND health check"
        problem = _command_problem(check.command)
        if problem is not None:
            return f"Task uses invalid health check: {problem}"
    if check.type is HealthCheckType.HTTP:
        if check.http is None:
            return "Task uses invalid health check: Expecting 'http' to be set for HTTP health check"
        if check.http.scheme not in (None, "http", "https"):
            return f"Task uses invalid health check: Unsupported HTTP health check scheme: '{check.http.scheme}'"
        if check.http.path is not None and not check.http.path.startswith("/"):
            return (
                f"Task uses invalid health check: The path '{check.http.path}' of HTTP health check must start with '/'"
            )
    if check.type is HealthCheckType.TCP and check.tcp is None:
        return "Task uses invalid health check: Expecting 'tcp' to be set for TCP health check"
    for name in ("delay_seconds", "grace_period_seconds", "interval_seconds", "timeout_seconds"):
        if _bad_time(getattr(check, name)):
            return f"Task uses invalid health check: Expecting '{name}' to be non-negative"
    return None


def _bad_time(seconds: float) -> bool:
    return not math.isfinite(seconds) or seconds < 0


def _command_problem(command: CommandInfo) -> str | None:
    for variable in command.environment.variables if command.environment is not None else ():
        said = f"Environment variable '{variable.name}'"
        if variable.type is EnvironmentVariableType.VALUE:
            if variable.secret is not None:
                return f"{said} of type 'VALUE' must not have a secret set"
            if variable.value is None:
                return f"{said} of type 'VALUE' must have a value set"
        elif variable.type is EnvironmentVariableType.SECRET:
            if variable.value is not None:
                return f"{said} of type 'SECRET' must not have a value set"
            if variable.secret is None:
                return f"{said} of type 'SECRET' must have a secret set"
            if (variable.secret.reference is None) == (variable.secret.value is None):
                return f"{said} specifies an invalid secret"
            if variable.secret.value is not None and b"\0" in variable.secret.value.data:
                return f"{said} specifies a secret containing null bytes, which is not allowed in the environment"
        else:
            return f"{said} of type 'UNKNOWN' is not allowed"
    return None


def _container_problem(container: ContainerInfo) -> str | None:
    for volume in container.volumes:
        if sum(one is not None for one in (volume.host_path, volume.image, volume.source)) != 1:
            return "Only one of them should be set: 'host_path', 'image' and 'source'"
        if volume.source is not None:
            problem = _source_problem(volume.source)
            if problem is not None:
                return problem
    if container.type is ContainerInfoType.DOCKER:
        if container.docker is None:
            return "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo"
        if any(parameter.key == "name" for parameter in container.docker.parameters):
            return "Parameter in DockerInfo must not be 'name'"
    return None


_SOURCES = {
    VolumeSourceType.DOCKER_VOLUME: "docker_volume",
    VolumeSourceType.HOST_PATH: "host_path",
    VolumeSourceType.SANDBOX_PATH: "sandbox_path",
    VolumeSourceType.SECRET: "secret",
    VolumeSourceType.CSI_VOLUME: "csi_volume",
}


def _source_problem(source: VolumeSource) -> str | None:
    member = _SOURCES.get(source.type) if source.type is not None else None
    if member is None:
        return "'Volume.source.type' is unknown"
    if getattr(source, member) is None:
        return f"'source.{member}' is not set for {source.type} volume"
    if source.csi_volume is not None and source.csi_volume.static_provisioning is None:
        return "'source.csi_volume.static_provisioning' is not set for CSI_VOLUME volume"
    return None


def _limits_problem(task: TaskInfo, agent: AgentRecord) -> str | None:
    if not task.limits:
        return None
    if agent.capabilities and AgentInfoCapabilityType.TASK_RESOURCE_LIMITS not in agent.capabilities:
        return f"Agent {agent.id} does not support resource limits"
    asked = Resources.of(task.resources)
    for name, limit in task.limits.items():
        if name not in ("cpus", "mem"):
            return f"Setting a limit on resource '{name}' is not supported"
        request = asked.scalar(name)
        if not request:
            return f"When a limit for '{name}' is set, a request must be set too"
        if math.isnan(limit.value) or (math.isfinite(limit.value) and thousandths(limit.value) < request):
            return f"The limit of '{name}' is below its request"
    return None
