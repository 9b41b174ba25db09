"""Whether a task may be launched; the first problem in upstream's order, or None.

Source: Mesos master task validation (order and words).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from dcos.master.core.records import AgentRecord, FrameworkRecord
from dcos.model import values
from dcos.model.identifiers import id_problem
from dcos.model.message_rules import (
    check_problem,
    command_problem,
    container_problem,
    health_check_problem,
    shares_no_cgroups,
)
from dcos.model.resource_messages import allocation_role
from dcos.model.resource_rules import mixture_problem, persistence_problem, validation_problem
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1.types import (
    AgentInfoCapabilityType,
    ContainerInfoType,
    DurationInfo,
    ExecutorInfo,
    ExecutorInfoType,
    HealthCheckType,
    Resource,
    TaskGroupInfo,
    TaskInfo,
    ValueType,
)

_MIN_EXECUTOR_CPUS = 10
_MIN_EXECUTOR_MEM = 32_000


def task_problem(task: TaskInfo, framework: FrameworkRecord, agent: AgentRecord) -> str | None:
    """What holds for every task, alone or in a group."""
    problem = id_problem(task.task_id.value)
    if problem is not None:
        return problem
    if task.task_id.value in framework.tasks:
        return f"Task has duplicate ID: {task.task_id.value}"
    if task.task_id.value in framework.unreachable:
        return f"Task reuses the ID of an unreachable task: {task.task_id.value}"
    if task.agent_id.value != agent.id:
        return f"Task uses invalid agent {task.agent_id.value} while agent {agent.id} is expected"
    if task.kill_policy is not None and _negative(task.kill_policy.grace_period):
        return "Task's 'kill_policy.grace_period' must be non-negative"
    if _negative(task.max_completion_time):
        return "Task's `max_completion_time` must be non-negative"
    return (
        _said("Task uses invalid check", check_problem(task.check) if task.check is not None else None)
        or _said(
            "Task uses invalid health check",
            health_check_problem(task.health_check) if task.health_check is not None else None,
        )
        or _task_resources_problem(task.resources)
        or _said("Task's `CommandInfo` is invalid", command_problem(task.command) if task.command is not None else None)
        or _said(
            "Task's `ContainerInfo` is invalid",
            container_problem(task.container) if task.container is not None else None,
        )
        or _limits_problem(task, agent)
    )


def _said(before: str, problem: str | None) -> str | None:
    return f"{before}: {problem}" if problem is not None else None


# ---- LAUNCH ----------------------------------------------------------------------------------------------------------


def launch_problem(task: TaskInfo, framework: FrameworkRecord, agent: AgentRecord, left: Resources) -> str | None:
    """A task of LAUNCH, with what is ``left`` of the offers (all of one role)."""
    problem = task_problem(task, framework, agent)
    if problem is not None:
        return problem
    if (task.command is None) == (task.executor is None):
        return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
    own = Resources.of(task.resources)
    needed = own
    if task.executor is not None:
        problem = executor_problem(task.executor, framework, agent) or _launched_executor_problem(task.executor)
        if problem is not None:
            return problem
        if not runs(task.executor, framework, agent):
            needed += Resources.of(task.executor.resources)
        problem = _together_problem(task.resources, task.executor.resources)
        if problem is not None:
            return problem
    if not left.contains(needed):
        role = allocation_of(task.resources)
        return (
            f"Total resources {needed.describe(role)} required by task and its executor is more than available "
            f"{left.describe(role)}"
        )
    if shares_no_cgroups(task.container):
        return "Only tasks in a task group may have 'share_cgroups' set to 'false'"
    return None


def _launched_executor_problem(executor: ExecutorInfo) -> str | None:
    if executor.type not in (None, ExecutorInfoType.CUSTOM):
        return "'ExecutorInfo.type' must be 'CUSTOM'"
    if executor.command is None:
        return "'ExecutorInfo.command' must be set"
    if any(one.shared is not None for one in executor.resources):
        shown = Resources.of(executor.resources).describe(allocation_of(executor.resources))
        return f"Executor resources {shown} should not contain any shared resources"
    return None


def _together_problem(task: tuple[Resource, ...], executor: tuple[Resource, ...]) -> str | None:
    """A task and its executor, also one that runs already."""
    if _overlap((Resources.of(task), Resources.of(executor))):
        role = allocation_of(task)
        return (
            f"There are overlapping resources in the task resources {Resources.of(task).describe(role)} and executor "
            f"resources {Resources.of(executor).describe(role)}"
        )
    both = (*task, *executor)
    return _said("Task and its executor use duplicate persistence ID", persistence_problem(both)) or _said(
        "Task and its executor mix revocable and non-revocable resources", mixture_problem(both)
    )


def _overlap(bags: Iterable[Resources]) -> bool:
    """Whether a range or set holds the same number or item twice."""
    total, amounts = EMPTY, 0
    for bag in bags:
        own = bag.filter(lambda kind: kind.type is not ValueType.SCALAR)
        total += own
        amounts += sum(own.quantities().values())
    return sum(total.quantities().values()) != amounts


# ---- LAUNCH_GROUP ----------------------------------------------------------------------------------------------------


def group_problem(
    group: TaskGroupInfo, executor: ExecutorInfo, framework: FrameworkRecord, agent: AgentRecord, left: Resources
) -> str | None:
    """All tasks of LAUNCH_GROUP; each already has ``executor`` filled in."""
    if not group.tasks:
        return "Task group has no tasks"
    seen: set[str] = set()
    for task in group.tasks:
        problem = task_problem(task, framework, agent) or _grouped_problem(task)
        if problem is None and task.task_id.value in seen:
            problem = f"Task has duplicate ID: {task.task_id.value}"
        if problem is not None:
            return f"Task '{task.task_id.value}' is invalid: {problem}"
        seen.add(task.task_id.value)
    return (
        executor_problem(executor, framework, agent)
        or _group_executor_problem(group, executor)
        or _group_resources_problem(group, executor, framework, agent, left)
        or _group_cgroups_problem(group, executor, framework, agent)
    )


def _grouped_problem(task: TaskInfo) -> str | None:
    """What only tasks of a group must keep to. Whether it needs a command is its executor's business."""
    container, check = task.container, task.health_check
    if container is not None:
        apart = bool(container.network_infos)
        if apart and check is not None and check.type in (HealthCheckType.HTTP, HealthCheckType.TCP):
            return "HTTP and TCP health checks are not supported for nested containers not joining parent's network"
        if container.type is ContainerInfoType.DOCKER:
            return "Docker ContainerInfo is not supported on the task"
    if task.limits and not shares_no_cgroups(container):
        return (
            "Resource limits may only be set for tasks within a task group when the 'share_cgroups' field is set to "
            "'false'."
        )
    return None


def _group_executor_problem(group: TaskGroupInfo, executor: ExecutorInfo) -> str | None:
    if executor.type is None:
        return "'ExecutorInfo.type' must be set"
    if executor.type is ExecutorInfoType.UNKNOWN:
        return "Unknown executor type"
    if executor.container is not None and executor.container.type is ContainerInfoType.DOCKER:
        return "Docker ContainerInfo is not supported on the executor"
    name = executor.executor_id.value
    for task in group.tasks:
        if task.executor is not None and task.executor != executor:
            return f"The `ExecutorInfo` of task '{task.task_id.value}' is different from executor '{name}'"
    have = Resources.of(executor.resources).scalar_quantities()
    for resource, what, least, shown, unit in (
        ("cpus", "CPUs", _MIN_EXECUTOR_CPUS, "0.01", ""),
        ("mem", "memory", _MIN_EXECUTOR_MEM, "32MB", "MB"),
    ):
        if have.get(resource, 0) < least:
            given = values.text_of_number(have[resource]) + unit if resource in have else "None"
            return f"Executor '{name}' uses less {what} ({given}) than the minimum required ({shown})"
    return None if "disk" in have else f"Executor '{name}' uses no disk"


def _group_resources_problem(
    group: TaskGroupInfo, executor: ExecutorInfo, framework: FrameworkRecord, agent: AgentRecord, left: Resources
) -> str | None:
    every = (*executor.resources, *(one for task in group.tasks for one in task.resources))
    problem = _said("Task group and executor use duplicate persistence ID", persistence_problem(every)) or _said(
        "Task group and executor mix revocable and non-revocable resources", mixture_problem(every)
    )
    if problem is not None:
        return problem
    bags = [Resources.of(task.resources) for task in group.tasks]
    own = Resources.of(executor.resources)
    role = allocation_of(group.tasks[0].resources)
    if _overlap((*bags, own)):
        shown = ", ".join(bag.describe(role) for bag in bags)
        return (
            f"There are overlapping resources in the task group's task resources [ {shown} ] and/or executor "
            f"resources {own.describe(role)}"
        )
    needed = sum(bags, EMPTY if runs(executor, framework, agent) else own)
    if left.contains(needed):
        return None
    return (
        f"Total resources {needed.describe(role)} required by task group and its executor are more than available "
        f"{left.describe(role)}"
    )


def _group_cgroups_problem(
    group: TaskGroupInfo, executor: ExecutorInfo, framework: FrameworkRecord, agent: AgentRecord
) -> str | None:
    """All tasks under one executor agree, also with those that run already."""
    containers = [task.container for task in group.tasks]
    if runs(executor, framework, agent):
        containers += [
            record.message.container
            for record in (*framework.tasks.values(), *framework.unreachable.values())
            if record.agent == agent.id and record.message.executor_id == executor.executor_id
        ]
    if len({shares_no_cgroups(one) for one in containers}) > 1:
        return (
            "If set, the value of 'share_cgroups' must be the same for all tasks in each task group and under a "
            "single executor"
        )
    return None


# ---- executors -------------------------------------------------------------------------------------------------------


def executor_problem(executor: ExecutorInfo, framework: FrameworkRecord, agent: AgentRecord) -> str | None:
    problem = _executor_type_problem(executor) or id_problem(executor.executor_id.value)
    if problem is not None:
        return problem
    if _negative(executor.shutdown_grace_period):
        return "ExecutorInfo's 'shutdown_grace_period' must be non-negative"
    problem = _said(
        "Executor's `CommandInfo` is invalid",
        command_problem(executor.command) if executor.command is not None else None,
    ) or _said(
        "Executor's `ContainerInfo` is invalid",
        container_problem(executor.container) if executor.container is not None else None,
    )
    if problem is not None:
        return problem
    if executor.framework_id is None:  # one of LAUNCH has been filled in
        return "'ExecutorInfo.framework_id' must be set"
    if executor.framework_id.value != framework.id:
        return (
            f"ExecutorInfo has an invalid FrameworkID (Actual: {executor.framework_id.value} vs Expected: "
            f"{framework.id})"
        )
    problem = (
        _said("Executor uses invalid resources", validation_problem(executor.resources))
        or _said("Executor uses duplicate persistence ID", persistence_problem(executor.resources))
        or _said("Invalid executor resources", _roles_problem(executor.resources))
        or _said("Executor mixes revocable and non-revocable resources", mixture_problem(executor.resources))
    )
    if problem is not None:
        return problem
    running = framework.executors.get((agent.id, executor.executor_id.value))
    if running is not None and running.info != executor:
        return "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID."
    return None


def _executor_type_problem(executor: ExecutorInfo) -> str | None:
    if executor.type is ExecutorInfoType.DEFAULT:
        if executor.command is not None:
            return "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"
        if executor.container is not None:
            if executor.container.type is not ContainerInfoType.MESOS:
                return "'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor"
            if executor.container.mesos is not None and executor.container.mesos.image is not None:
                return "'ExecutorInfo.container.mesos.image' must not be set for 'DEFAULT' executor"
    elif executor.type is ExecutorInfoType.CUSTOM and executor.command is None:
        return "'ExecutorInfo.command' must be set for 'CUSTOM' executor"
    return None


def runs(executor: ExecutorInfo, framework: FrameworkRecord, agent: AgentRecord) -> bool:
    """Whether it is there already, so that its resources are charged."""
    return (agent.id, executor.executor_id.value) in framework.executors


# ---- parts -----------------------------------------------------------------------------------------------------------


def allocation_of(resources: tuple[Resource, ...]) -> str | None:
    return allocation_role(resources[0]) if resources else None


def _negative(duration: DurationInfo | None) -> bool:
    return duration is not None and duration.nanoseconds < 0


def _roles_problem(resources: tuple[Resource, ...]) -> str | None:
    first = allocation_of(resources)
    for one in resources:
        role = allocation_role(one)
        if role is None:
            return "The resources are not allocated to a role"
        if role != first:
            return (
                f"The resources have multiple allocation roles ('{role}' and '{first}') but only one allocation role "
                "is allowed"
            )
    return None


def _task_resources_problem(resources: tuple[Resource, ...]) -> str | None:
    """Something must be named, though it may be of size 0."""
    if not resources:
        return "Task uses no resources"
    return (
        _said("Task uses invalid resources", validation_problem(resources))
        or _said("Task uses duplicate persistence ID", persistence_problem(resources))
        or _said("Invalid task resources", _roles_problem(resources))
        or _said("Task mixes revocable and non-revocable resources", mixture_problem(resources))
    )


_LIMITED = {"cpus": ("CPU", "cpu"), "mem": ("memory", "memory")}


def _limits_problem(task: TaskInfo, agent: AgentRecord) -> str | None:
    if not task.limits:
        return None
    if agent.capabilities and AgentInfoCapabilityType.TASK_RESOURCE_LIMITS not in agent.capabilities:
        return "Agent is not capable of handling task resource limits"
    if any(name not in _LIMITED for name in task.limits):
        return "Only cpus and mem may be included in a task's resource limits"
    asked = Resources.of(task.resources)
    for name, (what, short) in _LIMITED.items():
        if name not in task.limits:
            continue
        limit, request = task.limits[name].value, asked.scalar(name)
        if not request:
            return f"When a {what} limit is specified, a {what} request must also be specified"
        if math.isnan(limit) or (math.isfinite(limit) and values.thousandths(limit) < request) or limit < 0:
            return f"The {short} limit must be greater than or equal to the {short} request"
    return None
