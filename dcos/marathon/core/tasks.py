"""Tasks: what their updates mean, how they are killed, when they are given up.

An instance that ended is forgotten at once; its replacement is a new instance. A task that we do not know is killed when
it still runs: it was given up while unreachable, or its app was removed meanwhile.
Source: Marathon's instance update operations.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from dcos.marathon.core import backoff, health
from dcos.marathon.core.health import Health
from dcos.marathon.core.state import Turn
from dcos.model.marathon import MARATHON_CHECKS, App
from dcos.model.marathon_state import TERMINAL, Condition, Goal, Instance, InstanceTask, TaskFailure, iso
from dcos.model.v1.types import TaskState, TaskStatus, TaskStatusReason
from dcos.scheduling import calls, ids
from dcos.scheduling.build import kill_policy

_CONDITIONS = {
    TaskState.TASK_STAGING: Condition.STAGING,
    TaskState.TASK_STARTING: Condition.STARTING,
    TaskState.TASK_RUNNING: Condition.RUNNING,
    TaskState.TASK_KILLING: Condition.KILLING,
    TaskState.TASK_FINISHED: Condition.FINISHED,
    TaskState.TASK_FAILED: Condition.FAILED,
    TaskState.TASK_KILLED: Condition.KILLED,
    TaskState.TASK_ERROR: Condition.ERROR,
    TaskState.TASK_DROPPED: Condition.DROPPED,
    TaskState.TASK_UNREACHABLE: Condition.UNREACHABLE,
    TaskState.TASK_GONE: Condition.GONE,
    TaskState.TASK_GONE_BY_OPERATOR: Condition.GONE,
    TaskState.TASK_UNKNOWN: Condition.UNKNOWN,
}
_MAY_RETURN = frozenset(
    {
        TaskStatusReason.REASON_RECONCILIATION,
        TaskStatusReason.REASON_AGENT_DISCONNECTED,
        TaskStatusReason.REASON_AGENT_REMOVED,
    }
)
_FAILURES = frozenset({Condition.FAILED, Condition.ERROR, Condition.DROPPED, Condition.GONE, Condition.UNKNOWN})
"""Ends that are remembered as the app's last failure and slow down its launches."""


def condition_of(status: TaskStatus) -> Condition:
    if status.state is TaskState.TASK_LOST:
        return Condition.UNREACHABLE if status.reason in _MAY_RETURN else Condition.GONE
    return _CONDITIONS[status.state]


# ---- updates ---------------------------------------------------------------------------------------------------------


def status_update(turn: Turn, status: TaskStatus) -> None:
    turn.state.unheard.task_ids.discard(status.task_id.value)
    instance_id = ids.instance_of(status.task_id.value)
    instance = turn.state.instances.get(instance_id) if instance_id else None
    if instance is None or all(task.id != status.task_id.value for task in instance.tasks):
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
    task = _updated_task(instance.task, status, turn.now)
    if condition in TERMINAL:
        _ended(turn, instance, task, condition, status)
        return
    if condition is Condition.UNREACHABLE:
        since = status.unreachable_time.nanoseconds / 1e9 if status.unreachable_time else turn.now
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
    instance = replace(instance, tasks=(task, *instance.tasks[1:]))
    if instance != before:
        turn.save_instance(instance)
        _publish_status(turn, instance, task, status)
    _agent_health(turn, instance, status)
    if instance.goal is not Goal.RUNNING and not instance.is_unreachable and before.is_unreachable:
        send_kill(turn, instance, "came back after it was given up")
    if instance.is_unreachable and instance.goal is not Goal.RUNNING:
        turn.drop_instance(instance)
    elif condition is Condition.UNREACHABLE:
        check_unreachable(turn, instance)


def _updated_task(task: InstanceTask, status: TaskStatus, now: float) -> InstanceTask:
    addresses = task.addresses
    if status.container_status is not None:
        found = tuple(
            dict.fromkeys(
                address.ip_address
                for info in status.container_status.network_infos
                for address in info.ip_addresses
                if address.ip_address
            )
        )
        addresses = found or addresses
    started = task.started_at
    if status.state is TaskState.TASK_RUNNING and started is None:
        started = status.timestamp or now
    return replace(
        task,
        state=status.state,
        addresses=addresses,
        started_at=started,
        healthy=status.healthy if status.healthy is not None else task.healthy,
        check=status.check_status or task.check,
        message=(status.message or "")[:2000],
    )


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


def _ended(turn: Turn, instance: Instance, task: InstanceTask, condition: Condition, status: TaskStatus) -> None:
    ended = replace(instance, condition=condition, since=turn.now, tasks=(task, *instance.tasks[1:]))
    turn.publish_condition(ended)
    _publish_status(turn, ended, task, status)
    turn.drop_instance(ended)
    app = turn.state.spec_of(instance)
    if condition in _FAILURES and app is not None and instance.goal is Goal.RUNNING:
        current = turn.state.apps.get(instance.app_id)
        if current is not None and instance.version >= current.config_version:
            app = current
        delay = turn.state.delays.get(instance.app_id)
        turn.state.delays[instance.app_id] = backoff.after_failure(app, delay, turn.now)
    if condition in _FAILURES and instance.app_id in turn.state.apps:
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


def _agent_health(turn: Turn, instance: Instance, status: TaskStatus) -> None:
    app = turn.state.spec_of(instance)
    if status.healthy is None or app is None:
        return
    for index, check in enumerate(app.health_checks):
        if check.protocol not in MARATHON_CHECKS:
            known = turn.state.health.get(instance.id, ())
            before = known[index] if index < len(known) else Health()
            if before.is_known and before.alive == status.healthy:
                return
            made = health.after(check, before, status.healthy, status.message, started_at=0.0, now=turn.now)
            set_health(turn, instance, app, index, made)


def set_health(turn: Turn, instance: Instance, app: App, index: int, made: Health) -> None:
    state = turn.state
    was = state.health_of(instance)
    known = list(state.health.get(instance.id, ()))
    known += [Health()] * (len(app.health_checks) - len(known))
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
        or app is None
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
        kill(turn, instance, f"failed its health check {made.consecutive_failures} times")


# ---- killing ---------------------------------------------------------------------------------------------------------


def kill(turn: Turn, instance: Instance, reason: str) -> None:
    """Give an instance up for good. One that cannot be reached is forgotten; should it return, it is killed then."""
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
    app = turn.state.spec_of(instance)
    policy = kill_policy(app) if app else None
    for task in instance.tasks:
        turn.send(calls.kill(task.id, instance.agent.agent_id, policy), reason)


def not_launched(turn: Turn, task_ids: Iterable[str]) -> None:
    """The master never took these launches."""
    for task_id in task_ids:
        instance = turn.state.instances.get(ids.instance_of(task_id) or "")
        if instance is not None and instance.condition is Condition.PROVISIONED:
            turn.drop_instance(instance)
            turn.state.wants_revive = True


# ---- time ------------------------------------------------------------------------------------------------------------


def check_unreachable(turn: Turn, instance: Instance) -> None:
    """Replace, then forget, as the app's unreachable strategy says."""
    app = turn.state.apps.get(instance.app_id) or turn.state.spec_of(instance)
    strategy = app.unreachable_strategy if app else None
    if strategy == "disabled" or strategy is None or instance.unreachable_since is None:
        return
    gone_s = turn.now - instance.unreachable_since
    if gone_s >= strategy.expunge_after_seconds:
        turn.drop_instance(instance)
    elif gone_s >= strategy.inactive_after_seconds and instance.condition is Condition.UNREACHABLE:
        turn.save_instance(replace(instance, condition=Condition.UNREACHABLE_INACTIVE, since=turn.now))


def tick(turn: Turn) -> None:
    """Everything about instances that only time brings."""
    settings = turn.settings
    for instance in list(turn.state.instances.values()):
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
                turn.drop_instance(instance)
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
        if everything or instance.condition is not Condition.PROVISIONED or turn.now - instance.since > 60
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
