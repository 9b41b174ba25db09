"""Tasks: what their updates mean, how they are killed, when they are given up.

An instance that ended is forgotten at once; its replacement is a new instance. When one container of a pod ends, whatever
the reason, the others are killed: an instance lives and ends as one. A task that we do not know is killed when it still
runs: it was given up while unreachable, or its app or pod was removed meanwhile.
Source: Marathon's instance update operations.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from dcos.marathon.core import backoff, health, launch, residents, rollout
from dcos.marathon.core.conditions import FAILURES, condition_of, of_task, together
from dcos.marathon.core.deploy import is_current
from dcos.marathon.core.health import Health
from dcos.marathon.core.turn import Turn
from dcos.model.marathon import MARATHON_CHECKS, App
from dcos.model.marathon_state import (
    TERMINAL,
    Condition,
    EndedContainer,
    EndedInstance,
    Goal,
    Instance,
    InstanceTask,
    TaskFailure,
    TaskNetwork,
    iso,
)
from dcos.model.pods import Pod
from dcos.model.run_spec import RunSpec
from dcos.model.v1.types import ContainerStatus, KillPolicy, TaskState, TaskStatus
from dcos.scheduling import calls, ids
from dcos.scheduling.build import kill_policy

# ---- updates ---------------------------------------------------------------------------------------------------------


def status_update(turn: Turn, status: TaskStatus) -> None:
    turn.state.unheard.task_ids.discard(status.task_id.value)
    instance_id = ids.instance_of(status.task_id.value)
    instance = turn.state.instances.get(instance_id) if instance_id else None
    if (
        instance is None
        or instance.rests
        or instance.condition is Condition.SCHEDULED
        or all(task.id != status.task_id.value for task in instance.tasks)
    ):
        _unknown(turn, status)
    else:
        _known(turn, instance, status)
    acknowledgement = calls.acknowledge(status)
    if acknowledgement is not None:
        turn.send(acknowledgement)  # after what the update changed is stored


def _unknown(turn: Turn, status: TaskStatus) -> None:
    condition = condition_of(status)
    if condition in TERMINAL:
        instance_id = ids.instance_of(status.task_id.value)
        turn.publish(
            "unknown_instance_terminated_event",
            instanceId=instance_id or status.task_id.value,
            runSpecId=ids.app_of(status.task_id.value) or "",
            condition=condition.value,
        )
    elif condition is not Condition.UNREACHABLE and condition is not Condition.KILLING:
        agent_id = status.agent_id.value if status.agent_id else None
        turn.send(calls.kill(status.task_id.value, agent_id), "a task of no known instance")


def _known(turn: Turn, instance: Instance, status: TaskStatus) -> None:
    condition = condition_of(status)
    before = instance
    if status.uuid is not None:
        instance = residents.confirm(turn, instance)  # from the agent: its operations come before its tasks
    task = _updated_task(next(one for one in instance.tasks if one.id == status.task_id.value), status, turn.now)
    tasks = tuple(task if one.id == task.id else one for one in instance.tasks)
    others = [of_task(one) for one in tasks if one.id != task.id]
    if condition in TERMINAL:
        _ended(turn, replace(instance, tasks=tasks), task, [condition, *others], status)
        return
    condition = together([condition, *others])
    if condition is Condition.UNREACHABLE:
        since = min(status.unreachable_time.nanoseconds / 1e9, turn.now) if status.unreachable_time else turn.now
        if instance.is_unreachable:
            condition, since = instance.condition, instance.unreachable_since or since
        instance = replace(instance, unreachable_since=since)
    elif condition is not Condition.RUNNING and instance.condition is Condition.RUNNING and status.uuid is None:
        condition = instance.condition if condition is not Condition.KILLING else condition
    else:
        instance = replace(instance, unreachable_since=None)
    if condition is not instance.condition:
        instance = replace(instance, condition=condition, since=turn.now)
    if condition is Condition.RUNNING and instance.active_since is None:
        instance = replace(instance, active_since=turn.now)
        launch.give_tokens(turn, 1)
    instance = replace(instance, tasks=tasks)
    if instance != before:
        turn.save_instance(instance)
        _publish_status(turn, instance, task, status)
    _agent_health(turn, instance, task, status)
    if instance.goal is not Goal.RUNNING and not instance.is_unreachable and before.is_unreachable:
        send_kill(turn, instance, "came back after it was given up")
    if instance.is_unreachable and instance.goal is not Goal.RUNNING and not _keeps_reservation(instance):
        turn.drop_instance(instance)
    elif condition is Condition.UNREACHABLE:
        check_unreachable(turn, instance)


def _updated_task(task: InstanceTask, status: TaskStatus, now: float) -> InstanceTask:
    networks = _networks(status.container_status) or task.networks
    addresses = tuple(dict.fromkeys(address for network in networks for address in network.addresses))
    started = task.started_at
    if status.state is TaskState.TASK_RUNNING and started is None:
        started = status.timestamp or now
    return replace(
        task,
        state=status.state,
        addresses=addresses or task.addresses,
        networks=networks if any(one.name for one in networks) else (),
        started_at=started,
        healthy=status.healthy if status.healthy is not None else task.healthy,
        check=status.check_status or task.check,
        message=(status.message or "")[:2000],
    )


def _networks(status: ContainerStatus | None) -> tuple[TaskNetwork, ...]:
    """Those that the container has addresses in."""
    infos = status.network_infos if status is not None else ()
    made = (
        TaskNetwork(name=info.name, addresses=tuple(one.ip_address for one in info.ip_addresses if one.ip_address))
        for info in infos
    )
    return tuple(one for one in made if one.addresses)


def _publish_status(turn: Turn, instance: Instance, task: InstanceTask, status: TaskStatus) -> None:
    turn.publish(
        "status_update_event",
        slaveId=instance.agent.agent_id,
        taskId=task.id,
        taskStatus=status.state.value,
        message=status.message or "",
        appId=instance.app_id,
        host=instance.agent.host,
        ipAddresses=[{"ipAddress": one, "protocol": "IPv6" if ":" in one else "IPv4"} for one in task.addresses],
        ports=list(task.host_ports),
        version=instance.version,
    )


def _ended(turn: Turn, instance: Instance, task: InstanceTask, conditions: list[Condition], status: TaskStatus) -> None:
    """``instance`` has the ended task; ``conditions``: that task's, then those of the others."""
    ended = replace(instance, condition=together(conditions), since=turn.now)
    if ended.is_terminal:
        turn.publish_condition(ended)
    _publish_status(turn, ended, task, status)
    _count_failure(turn, instance, task, conditions, status)
    if ended.is_terminal:
        _remember(turn, ended, task)
        if status.state is TaskState.TASK_GONE_BY_OPERATOR or not _keeps_reservation(ended):
            turn.drop_instance(ended)
        else:
            _rest(turn, ended)
        return
    turn.save_instance(ended)
    kill(turn, ended, f"container {task.name} ended as {conditions[0].value}")


def _remember(turn: Turn, instance: Instance, last: InstanceTask) -> None:
    """A pod's ended instance, told of by the container that ended badly, or last."""
    if not isinstance(turn.state.spec_of(instance), Pod) or instance.app_id not in turn.state.pods:
        return
    failed = next((one for one in instance.tasks if of_task(one) in FAILURES), last)
    turn.save_end(
        instance.app_id,
        EndedInstance(
            id=instance.id,
            version=instance.version,
            started_at=instance.active_since or instance.task.staged_at,
            ended_at=turn.now,
            message=failed.message,
            containers=tuple(
                EndedContainer(name=one.name, task_id=one.id, state=one.state, message=one.message)
                for one in instance.tasks
            ),
        ),
    )


def _count_failure(
    turn: Turn, instance: Instance, task: InstanceTask, conditions: list[Condition], status: TaskStatus
) -> None:
    """Slow down launches and remember why; of a pod's containers only the first that ends counts."""
    first = not any(one in TERMINAL for one in conditions[1:])
    if conditions[0] not in FAILURES or not first:
        return
    spec, current = turn.state.spec_of(instance), turn.state.wanted(instance.app_id)
    if spec is not None and instance.goal is Goal.RUNNING:
        rollout.note_failure(turn, instance)
        if current is not None and is_current(instance, current):
            spec = current
        delay = turn.state.delays.get(instance.app_id)
        turn.state.delays[instance.app_id] = backoff.after_failure(spec, delay, turn.now)
    if current is not None:
        turn.save_failure(
            TaskFailure(
                app_id=instance.app_id,
                task_id=task.id,
                host=instance.agent.host,
                agent_id=instance.agent.agent_id,
                state=status.state,
                message=task.message,
                timestamp=iso(status.timestamp or turn.now),
                version=instance.version,
            )
        )


# ---- health ----------------------------------------------------------------------------------------------------------


def _agent_health(turn: Turn, instance: Instance, task: InstanceTask, status: TaskStatus) -> None:
    spec = turn.state.spec_of(instance)
    if status.healthy is None or spec is None:
        return
    index = _agent_check(spec, task)
    if index is None:
        return
    known = turn.state.health.get(instance.id, ())
    before = known[index] if index < len(known) else Health()
    if before.is_known and before.alive == status.healthy:
        return
    check = spec.health_checks[index]
    made = health.after(check, before, status.healthy, status.message, started_at=0.0, now=turn.now)
    set_health(turn, instance, spec, index, made)


def _agent_check(spec: RunSpec, task: InstanceTask) -> int | None:
    """Which health check the agent runs for this task."""
    if isinstance(spec, App):
        by_agent = [check.protocol not in MARATHON_CHECKS for check in spec.health_checks]
    else:
        by_agent = [container.name == task.name for container in spec.checked_containers]
    return by_agent.index(True) if any(by_agent) else None


def set_health(turn: Turn, instance: Instance, spec: RunSpec, index: int, made: Health) -> None:
    state = turn.state
    was = state.health_of(instance)
    known = list(state.health.get(instance.id, ()))
    known += [Health()] * (len(spec.health_checks) - len(known))
    was_alive = known[index].alive if known[index].is_known else None
    known[index] = made
    state.health[instance.id] = tuple(known)
    if was_alive != made.alive:
        turn.publish(
            "health_status_changed_event",
            appId=instance.app_id,
            instanceId=instance.id,
            version=instance.version,
            alive=made.alive,
        )
    now_healthy = state.health_of(instance)
    if was != now_healthy:
        turn.publish(
            "instance_health_changed_event",
            instanceId=instance.id,
            runSpecId=instance.app_id,
            runSpecVersion=instance.version,
            healthy=now_healthy,
        )
        state.dirty.add(instance.app_id)


def probed(turn: Turn, instance_id: str, index: int, alive: bool, cause: str | None) -> None:
    """A result of one of Marathon's own checks."""
    instance = turn.state.instances.get(instance_id)
    app = turn.state.spec_of(instance) if instance else None
    if (
        instance is None
        or not isinstance(app, App)
        or index >= len(app.health_checks)
        or instance.condition is not Condition.RUNNING
    ):
        return
    check = app.health_checks[index]
    known = turn.state.health.get(instance.id, ())
    before = known[index] if index < len(known) else Health()
    started = instance.active_since or instance.since
    made = health.after(check, before, alive, cause, started_at=started, now=turn.now)
    if made is before:
        return
    set_health(turn, instance, app, index, made)
    if alive:
        return
    turn.publish("failed_health_check_event", appId=app.id, taskId=instance.id, healthCheck=check)
    if health.must_kill(check, made) and instance.goal is Goal.RUNNING:
        turn.publish(
            "unhealthy_instance_kill_event",
            appId=app.id,
            taskId=instance.task.id,
            instanceId=instance.id,
            version=instance.version,
            reason=cause or "",
            host=instance.agent.host,
            slaveId=instance.agent.agent_id,
        )
        rollout.note_failure(turn, instance)
        kill(turn, instance, f"failed its health check {made.consecutive_failures} times")


# ---- killing ---------------------------------------------------------------------------------------------------------


def kill(turn: Turn, instance: Instance, reason: str) -> None:
    """End an instance. One with a reservation keeps it, also while it cannot be reached."""
    if instance.reservation is None:
        give_up(turn, instance, reason)
        return
    if instance.is_terminal:
        return
    if instance.condition is Condition.SCHEDULED:
        _rest(turn, replace(instance, goal=Goal.STOPPED, condition=Condition.KILLED, since=turn.now))
        return
    if instance.goal is Goal.RUNNING:
        instance = replace(instance, goal=Goal.STOPPED)
        turn.save_instance(instance)
    if instance.id not in turn.state.kill_sent:
        send_kill(turn, instance, reason)


def wipe(turn: Turn, instance: Instance, reason: str) -> None:
    """End it, and forget it with its reservation at once."""
    if instance.reservation is None:
        give_up(turn, instance, reason)
        return
    send_kill(turn, instance, reason)
    turn.drop_instance(instance)


def _keeps_reservation(instance: Instance) -> bool:
    return instance.reservation is not None and instance.goal is not Goal.DECOMMISSIONED


def _rest(turn: Turn, instance: Instance) -> None:
    """It ended; what it reserved stays its own."""
    turn.state.forget_health(instance.id)
    turn.save_instance(instance)


def give_up(turn: Turn, instance: Instance, reason: str) -> None:
    """End it for good. One that cannot be reached is forgotten; should it return, it is killed then."""
    if instance.rests or instance.condition is Condition.SCHEDULED:
        turn.drop_instance(instance)
        return
    if instance.is_unreachable:
        send_kill(turn, instance, reason)
        turn.drop_instance(instance)
        return
    if instance.goal is not Goal.DECOMMISSIONED:
        instance = replace(instance, goal=Goal.DECOMMISSIONED)
        turn.save_instance(instance)
    if instance.id not in turn.state.kill_sent:
        send_kill(turn, instance, reason)


def send_kill(turn: Turn, instance: Instance, reason: str) -> None:
    turn.state.kill_sent[instance.id] = turn.now
    spec = turn.state.spec_of(instance)
    for task in instance.tasks:
        if of_task(task) not in TERMINAL:
            turn.send(calls.kill(task.id, instance.agent.agent_id, _kill_policy(spec, task)), reason)


def _kill_policy(spec: RunSpec | None, task: InstanceTask) -> KillPolicy | None:
    if isinstance(spec, App):
        return kill_policy(spec.task_kill_grace_period_seconds)
    container = spec.container(task.name) if spec is not None else None
    lifecycle = container.lifecycle if container is not None else None
    return kill_policy(lifecycle.kill_grace_period_seconds if lifecycle is not None else None)


def not_launched(turn: Turn, task_ids: Iterable[str]) -> None:
    """The master never took these launches."""
    for task_id in task_ids:
        instance = turn.state.instances.get(ids.instance_of(task_id) or "")
        if instance is not None and instance.condition is Condition.PROVISIONED:
            _never_launched(turn, instance)
            turn.state.wants_revive = True


def _never_launched(turn: Turn, instance: Instance) -> None:
    """Where nobody saw its reservation either, there is none."""
    if _keeps_reservation(instance) and instance.reservation is not None and instance.reservation.confirmed:
        _rest(turn, replace(instance, condition=Condition.DROPPED, since=turn.now))
    else:
        turn.drop_instance(instance)


# ---- time ------------------------------------------------------------------------------------------------------------


def check_unreachable(turn: Turn, instance: Instance) -> None:
    """Replace, then forget, as the unreachable strategy says; whatever that says, one that nobody ever heard of again after its
    launch is not waited for: neither its tasks nor its volumes were seen, and its agent may never come back under this id."""
    if _was_never_seen(instance) and _gone_s(turn, instance) >= turn.settings.launch_confirm_timeout_s:
        turn.drop_instance(instance)
        return
    spec = turn.state.wanted(instance.app_id) or turn.state.spec_of(instance)
    strategy = spec.unreachable_strategy if spec else None
    if strategy == "disabled" or strategy is None or instance.unreachable_since is None:
        return
    gone_s = _gone_s(turn, instance)
    if gone_s >= strategy.expunge_after_seconds:
        turn.drop_instance(instance)
    elif gone_s >= strategy.inactive_after_seconds and instance.condition is Condition.UNREACHABLE:
        turn.save_instance(replace(instance, condition=Condition.UNREACHABLE_INACTIVE, since=turn.now))


def _gone_s(turn: Turn, instance: Instance) -> float:
    """How long it has been unreachable."""
    return turn.now - (turn.now if instance.unreachable_since is None else instance.unreachable_since)


def _was_never_seen(instance: Instance) -> bool:
    started = instance.incarnation > 1 or any(task.started_at is not None for task in instance.tasks)
    return instance.reservation is not None and not instance.reservation.confirmed and not started


def tick(turn: Turn) -> None:
    """Everything about instances that only time brings."""
    settings = turn.settings
    for instance_id in sorted(turn.state.moving):
        instance = turn.state.instances.get(instance_id)
        if instance is None:
            continue
        if instance.is_unreachable:
            check_unreachable(turn, instance)
        elif instance.goal is not Goal.RUNNING:
            sent = turn.state.kill_sent.get(instance.id)
            if sent is None or turn.now - sent >= settings.kill_retry_s:
                send_kill(turn, instance, "the kill was not answered yet")
            if (
                instance.condition is Condition.PROVISIONED
                and turn.now - instance.since > settings.launch_confirm_timeout_s
            ):
                _never_launched(turn, instance)
        elif instance.condition is Condition.PROVISIONED:
            if turn.now - instance.since > settings.launch_confirm_timeout_s:
                kill(turn, instance, "its launch was not confirmed in time")
        elif (
            instance.condition in (Condition.STAGING, Condition.STARTING)
            and turn.now - instance.task.staged_at > settings.launch_timeout_s
        ):
            kill(turn, instance, "it did not get running in time")


def reconcile(turn: Turn, *, everything: bool) -> None:
    """Ask the master about all instances; those just provisioned only after a new subscription (``everything``)."""
    asked = [
        (task.id, instance.agent.agent_id)
        for instance in turn.state.instances.values()
        if not instance.rests
        and instance.condition is not Condition.SCHEDULED
        and (everything or instance.condition is not Condition.PROVISIONED or turn.now - instance.since > 60)
        for task in instance.tasks
    ]
    if everything:
        turn.state.unheard.begin((task_id for task_id, _ in asked), turn.now)
    for call in (*calls.reconcile(asked), calls.reconcile_all()):
        turn.send(call)


def ask_again(turn: Turn) -> None:
    """About tasks that a new master has not spoken of."""
    due = turn.state.unheard.due(turn.now)
    if not due:
        return
    known = {task.id: one.agent.agent_id for one in turn.state.instances.values() for task in one.tasks}
    turn.state.unheard.task_ids &= known.keys()
    for call in calls.reconcile([(task_id, agent) for task_id, agent in known.items() if task_id in due]):
        turn.send(call)
