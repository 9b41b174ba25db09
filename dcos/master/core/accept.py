"""ACCEPT: offers become tasks, reservations and volumes.

The offers of one call are one pool; operations are applied to it in order, each alone; what is left of the offers is
declined with the call's filter, what operations made of them is free without one. Tasks that cannot be launched get
TASK_ERROR (or TASK_LOST/TASK_DROPPED when the offers are no more), operations OPERATION_ERROR where they carry an id.

Source: Mesos master ``accept`` (order of checks, states and reasons).
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from dcos.master.core import offers, operations, task_validation, tasks
from dcos.master.core.authorization import operation_problem as operation_refused
from dcos.master.core.authorization import task_problem
from dcos.master.core.clients import refuse_seconds
from dcos.master.core.operation_validation import feedback_problem, operation_problem
from dcos.master.core.records import AgentRecord, ExecutorRecord, FrameworkRecord, OfferRecord, TaskRecord
from dcos.master.core.state import State
from dcos.model.conversions import RESIZING, Conversion, ConversionError, conversion, resources_of, stacked
from dcos.model.resource_rules import named_problem
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1 import scheduler
from dcos.model.v1.types import (
    ExecutorInfo,
    FrameworkID,
    HealthCheck,
    HealthCheckType,
    OfferOperation,
    OfferOperationType,
    Resource,
    ResourceAllocationInfo,
    Task,
    TaskGroupInfo,
    TaskInfo,
    TaskState,
    TaskStatusReason,
)
from dcos.wire import agent_link


def accept(state: State, framework: FrameworkRecord, call: scheduler.CallAccept, now: float) -> None:
    for one in call.operations:
        if one.type is OfferOperationType.LAUNCH and one.launch is not None:
            launches = bool(one.launch.task_infos)
            state.counters["messages_launch_tasks" if launches else "messages_decline_offers"] += 1
    problem = _offers_problem(state, framework, call)
    found = [offer for one in call.offer_ids if (offer := framework.offers.get(one.value)) is not None]
    if problem is not None:
        for offer in {offer.message.id.value: offer for offer in found}.values():
            offers.discard(state, offer, now)
        for operation in call.operations:
            _refuse(state, framework, operation, problem, now)
        return
    agent, role = state.agents[found[0].agent], found[0].role
    given = EMPTY
    framework.counts["offers/accepted"] += len(found)
    for offer in found:
        offers.take(state, offer)
        given += offer.resources
    left = Left(given)
    for operation in call.operations:
        _apply(state, framework, agent, role, operation, left, now)
    pool = left.pool + left.resized
    made = pool - given
    refuse_s = refuse_seconds(call.filters.refuse_seconds if call.filters is not None else None)
    state.allocator.recover(framework.id, role, agent.id, made)
    state.allocator.recover(framework.id, role, agent.id, pool - made, refuse_s=refuse_s, now=now, offered=True)


@dataclass(slots=True)
class Left:
    """What is left of the offers of one call."""

    pool: Resources
    resized: Resources = EMPTY
    """Made by GROW_VOLUME and SHRINK_VOLUME: later operations of the call cannot use it."""


def _offers_problem(state: State, framework: FrameworkRecord, call: scheduler.CallAccept) -> str | None:
    if not call.offer_ids:
        return "No offers specified"
    names = [one.value for one in call.offer_ids]
    if len(set(names)) != len(names):
        twice = next(name for position, name in enumerate(names) if name in names[:position])
        return f"Duplicate offer {twice} in offer list"
    found: list[OfferRecord] = []
    for name in names:
        offer = state.offers.get(name)
        if offer is None:
            return f"Offer {name} is no longer valid"
        if offer.framework != framework.id:
            return f"Offer {name} has invalid framework {offer.framework} while framework {framework.id} is expected"
        found.append(offer)
    first = found[0]
    for offer in found:
        if offer.role != first.role:
            return (
                f"Aggregated offers must be allocated to the same role. Offer {offer.message.id.value} uses role "
                f"'{offer.role} but another is using role '{first.role}"
            )
    for offer in found:
        if offer.agent != first.agent:
            return (
                f"Aggregated offers must belong to one single agent. Offer {offer.message.id.value} uses agent "
                f"{offer.agent} and agent {first.agent}"
            )
    return None


def _refuse(state: State, framework: FrameworkRecord, operation: OfferOperation, why: str, now: float) -> None:
    """The offers of the call are not valid."""
    if operation.type is OfferOperationType.LAUNCH and operation.launch is not None:
        infos = operation.launch.task_infos
    elif operation.type is OfferOperationType.LAUNCH_GROUP and operation.launch_group is not None:
        infos = operation.launch_group.task_group.tasks
    else:
        operations.refused(state, framework, operation, f"Operation attempted with invalid offers: {why}")
        return
    why = f"Task launched with invalid offers: {why}"
    lost = TaskState.TASK_DROPPED if framework.partition_aware else TaskState.TASK_LOST
    for info in infos:
        _tell(state, framework, info, lost, TaskStatusReason.REASON_INVALID_OFFERS, why, now, info.agent_id.value)


def _tell(
    state: State,
    framework: FrameworkRecord,
    info: TaskInfo,
    to: TaskState,
    reason: TaskStatusReason,
    why: str,
    now: float,
    agent: str,
) -> None:
    status = tasks.status_of_master(info.task_id.value, to, reason, why, now, agent=agent)
    tasks.refuse(state, framework, status)


def _apply(
    state: State,
    framework: FrameworkRecord,
    agent: AgentRecord,
    role: str,
    operation: OfferOperation,
    left: Left,
    now: float,
) -> None:
    match operation.type:
        case OfferOperationType.LAUNCH if operation.launch is not None:
            for info in operation.launch.task_infos:
                left.pool = _launch(state, framework, agent, role, operation, info, left.pool, now)
        case OfferOperationType.LAUNCH_GROUP if operation.launch_group is not None:
            left.pool = _launch_group(state, framework, agent, role, operation, left.pool, now)
        case _:
            problem = _convert(state, framework, agent, role, operation, left, now)
            if problem is not None:
                operations.refused(state, framework, operation, problem)


def _convert(
    state: State,
    framework: FrameworkRecord,
    agent: AgentRecord,
    role: str,
    given: OfferOperation,
    left: Left,
    now: float,
) -> str | None:
    """Apply an operation on resources to the books and send it to the agent; or say what forbids it."""
    problem = _named_problem(given, framework, role) or feedback_problem(given, agent)
    if problem is not None:
        return problem
    operation = stacked(given, role)
    problem = operation_problem(operation, agent, framework, framework.info.principal)
    if problem is not None:
        return f"{problem}; on agent {agent.described}"
    problem = operation_refused(state.rules.acls, given, framework.info, state.asker(framework))
    if problem is not None:
        return problem
    change = conversion(operation)
    try:
        pool = change.apply(left.pool)
    except ConversionError:
        return _missing(operation, left.pool, change.consumed, role)
    if operation.type is OfferOperationType.DESTROY:
        more = _copies(change.consumed, left.pool)
        pool -= more
        change = Conversion(change.consumed + more, change.converted)
        for offer in list(agent.offers.values()):
            if any(offer.resources.get(kind) is not None for kind, _ in change.consumed):
                offers.rescind(state, offer, now)
    if operation.type in RESIZING:
        pool -= change.converted
        left.resized += change.converted
    left.pool = pool
    state.allocator.convert(framework.id, role, agent.id, change.consumed, change.converted)
    agent.total = agent.total - change.consumed + change.converted
    framework.counts[f"operations/{operation.type}"] += 1
    operations.begin(state, framework, agent, operation)
    return None


def _missing(operation: OfferOperation, have: Resources, wanted: Resources, role: str) -> str:
    said = f"{have.describe(role)} does not contain {wanted.describe(role)}"
    return f"Invalid {operation.type} operation: {said}" if operation.type in RESIZING else said


def _copies(volumes: Resources, pool: Resources) -> Resources:
    """Shared volumes that the pool holds more than once, being of several offers: all of them but one."""
    shared = volumes.shared()
    return pool.filter(lambda kind: shared.get(kind) is not None) - shared if shared else EMPTY


def _named_problem(operation: OfferOperation, framework: FrameworkRecord, role: str) -> str | None:
    if operation.id is not None and operation.id.value in framework.operations:
        return f"Operation has duplicate ID: {operation.id.value}"
    if operation.reserve is not None and operation.reserve.source:
        why = "Reservation updates are not yet implemented for the scheduler API."
        return f"Operation attempted with invalid resources: {why}"
    for one in resources_of(operation):
        problem = named_problem(one)
        if problem is not None:
            return f"Operation attempted with invalid resources: {problem}"
        if one.allocation_info is not None and one.allocation_info.role not in (None, role):
            return f"Resource '{one.name}' is allocated to role '{one.allocation_info.role}', the offer to '{role}'"
    return None


# ---- launching -------------------------------------------------------------------------------------------------------


def _launch(
    state: State,
    framework: FrameworkRecord,
    agent: AgentRecord,
    role: str,
    operation: OfferOperation,
    given: TaskInfo,
    pool: Resources,
    now: float,
) -> Resources:
    reason = TaskStatusReason.REASON_TASK_INVALID
    problem = _given_problem(operation, given.resources, given.executor, role)
    info = _complete(_owned(given, framework), role)
    if problem is None:
        problem = task_problem(state.rules.acls, given, given.executor, framework.info, state.asker(framework))
        if problem is not None:
            reason = TaskStatusReason.REASON_TASK_UNAUTHORIZED
            problem = f"Principal '{framework.info.principal or ''}' no authorized to {problem}"
    if problem is None:
        problem = task_validation.launch_problem(info, framework, agent, pool)
    if problem is not None:
        _tell(state, framework, given, TaskState.TASK_ERROR, reason, problem, now, agent.id)
        return pool
    framework.counts[f"operations/{operation.type}"] += 1
    first = info.executor is not None and not task_validation.runs(info.executor, framework, agent)
    taken = _enter(state, framework, agent, role, info, info.executor if first else None)
    state.send(
        agent,
        agent_link.RunTask(framework=framework.info, task=info, launch_executor=first or info.executor is None),
    )
    return _taken(state, framework, agent, role, pool, taken)


def _taken(
    state: State, framework: FrameworkRecord, agent: AgentRecord, role: str, pool: Resources, taken: Resources
) -> Resources:
    """The pool without what a task took of it. Of a shared volume it took a copy: the volume stays in the pool."""
    copies = taken.shared()
    if copies:
        state.allocator.charge(framework.id, role, agent.id, copies)
    return pool - taken.exclusive()


def _launch_group(
    state: State,
    framework: FrameworkRecord,
    agent: AgentRecord,
    role: str,
    operation: OfferOperation,
    pool: Resources,
    now: float,
) -> Resources:
    launch = operation.launch_group
    assert launch is not None
    executor = _executor(launch.executor, role)
    problem = _given_problem(operation, launch.executor.resources, None, role)
    infos: list[TaskInfo] = []
    for given in launch.task_group.tasks:
        problem = problem or _given_problem(operation, given.resources, given.executor, role)
        info = _complete(given, role)
        infos.append(info if info.executor is not None else msgspec.structs.replace(info, executor=executor))
    group = TaskGroupInfo(tasks=tuple(infos))
    reason = TaskStatusReason.REASON_TASK_GROUP_INVALID
    if problem is None:
        for info in infos:
            refused = task_problem(state.rules.acls, info, info.executor, framework.info, state.asker(framework))
            if refused is not None:
                reason = TaskStatusReason.REASON_TASK_GROUP_UNAUTHORIZED
                problem = f"Task '{info.task_id.value}' is not authorized to {refused}"
    if problem is None:
        problem = task_validation.group_problem(group, executor, framework, agent, pool)
    if problem is not None:
        for info in infos:
            _tell(state, framework, info, TaskState.TASK_ERROR, reason, problem, now, agent.id)
        return pool
    framework.counts[f"operations/{operation.type}"] += 1
    first = not task_validation.runs(executor, framework, agent)
    for position, info in enumerate(infos):
        taken = _enter(state, framework, agent, role, info, executor if first and position == 0 else None)
        pool = _taken(state, framework, agent, role, pool, taken)
    state.send(
        agent,
        agent_link.RunTaskGroup(framework=framework.info, executor=executor, task_group=group, launch_executor=first),
    )
    return pool


def _given_problem(
    operation: OfferOperation, resources: tuple[Resource, ...], executor: ExecutorInfo | None, role: str
) -> str | None:
    """What must hold before anything is filled in."""
    if operation.id is not None:
        return f"The `id` field cannot be set on {operation.type} operations"
    for one in resources + (executor.resources if executor is not None else ()):
        problem = named_problem(one)
        if problem is not None:
            return problem
        if one.allocation_info is not None and one.allocation_info.role not in (None, role):
            return f"Resource '{one.name}' is allocated to role '{one.allocation_info.role}', the offer to '{role}'"
    return None


def _owned(info: TaskInfo, framework: FrameworkRecord) -> TaskInfo:
    """Fill in the executor's framework: done for LAUNCH only, an executor of LAUNCH_GROUP has to name it."""
    executor = info.executor
    if executor is None or executor.framework_id is not None:
        return info
    executor = msgspec.structs.replace(executor, framework_id=FrameworkID(value=framework.id))
    return msgspec.structs.replace(info, executor=executor)


def _complete(info: TaskInfo, role: str) -> TaskInfo:
    """Fill in the allocated role and the type of an old health check."""
    return msgspec.structs.replace(
        info,
        resources=_allocated(info.resources, role),
        executor=_executor(info.executor, role) if info.executor is not None else None,
        health_check=_typed(info.health_check) if info.health_check is not None else None,
    )


def _executor(executor: ExecutorInfo, role: str) -> ExecutorInfo:
    return msgspec.structs.replace(executor, resources=_allocated(executor.resources, role))


def _allocated(resources: tuple[Resource, ...], role: str) -> tuple[Resource, ...]:
    info = ResourceAllocationInfo(role=role)
    return tuple(
        one if one.allocation_info is not None else msgspec.structs.replace(one, allocation_info=info)
        for one in resources
    )


def _typed(check: HealthCheck) -> HealthCheck:
    if check.type is not None:
        return check
    match check.command is not None, check.http is not None:
        case True, False:
            return msgspec.structs.replace(check, type=HealthCheckType.COMMAND)
        case False, True:
            return msgspec.structs.replace(check, type=HealthCheckType.HTTP)
    return check


def _enter(
    state: State,
    framework: FrameworkRecord,
    agent: AgentRecord,
    role: str,
    info: TaskInfo,
    executor: ExecutorInfo | None,
) -> Resources:
    """Note the task and, with ``executor``, its new executor; returns what they take."""
    own = Resources.of(info.resources)
    taken = own
    if executor is not None:
        record = ExecutorRecord(executor, framework.id, agent.id, role, Resources.of(executor.resources))
        tasks.add_executor(state, framework, agent, record)
        taken += record.resources
    tasks.add(state, framework, agent, TaskRecord(message_of(info, framework.id), framework.id, agent.id, role, own))
    return taken


def message_of(info: TaskInfo, framework: str) -> Task:
    """A task as it starts."""
    command = info.command if info.command is not None else info.executor.command if info.executor is not None else None
    return Task(
        name=info.name,
        task_id=info.task_id,
        framework_id=FrameworkID(value=framework),
        executor_id=info.executor.executor_id if info.executor is not None else None,
        agent_id=info.agent_id,
        state=TaskState.TASK_STAGING,
        resources=info.resources,
        labels=info.labels,
        discovery=info.discovery,
        container=info.container,
        health_check=info.health_check,
        kill_policy=info.kill_policy,
        user=command.user if command is not None else None,
        limits=info.limits,
    )
