"""Reconciliation: what the master can say about tasks a scheduler asks for.

Source: Mesos docs/reconciliation.md and the master's order of cases.
"""

from __future__ import annotations

from collections.abc import Iterator

from dcos.master.core.records import FrameworkRecord, TaskRecord
from dcos.master.core.state import State
from dcos.model.v1 import scheduler
from dcos.model.v1.types import (
    AgentID,
    TaskID,
    TaskState,
    TaskStatus,
    TaskStatusReason,
    TaskStatusSource,
    TimeInfo,
)

_RECONCILIATION = TaskStatusReason.REASON_RECONCILIATION


def reconcile(state: State, framework: FrameworkRecord, call: scheduler.CallReconcile, now: float) -> Iterator[None]:
    """Implicit (every known task) when the call names none. One by one."""
    if call.tasks:
        yield from explicit(state, framework, call.tasks, now)
        return
    state.counters["messages_reconcile_tasks"] += 1
    for task in list(framework.tasks.values()):
        if framework.tasks.get(task.id) is task:
            _tell(state, framework, latest(task, now))
            yield


def explicit(
    state: State, framework: FrameworkRecord, tasks: tuple[scheduler.CallReconcileTask, ...], now: float
) -> Iterator[None]:
    state.counters["messages_reconcile_tasks"] += 1
    for asked in tasks:
        status = _answer(state, framework, asked, now)
        if status is not None:
            _tell(state, framework, status)
        yield


def _tell(state: State, framework: FrameworkRecord, status: TaskStatus) -> None:
    state.tell(framework, scheduler.Event(type=scheduler.EventType.UPDATE, update=scheduler.EventUpdate(status=status)))


def latest(task: TaskRecord, now: float) -> TaskStatus:
    """The last state forwarded to the scheduler if any, else the current one."""
    message = task.message
    last = message.statuses[-1] if message.statuses else None
    return TaskStatus(
        task_id=message.task_id,
        state=message.status_update_state or message.state,
        message="Reconciliation: Latest task state",
        source=TaskStatusSource.SOURCE_MASTER,
        reason=_RECONCILIATION,
        agent_id=message.agent_id,
        executor_id=message.executor_id,
        timestamp=now,
        healthy=last.healthy if last is not None else None,
        check_status=last.check_status if last is not None else None,
        container_status=next(
            (one.container_status for one in reversed(message.statuses) if one.container_status is not None), None
        ),
    )


def _answer(
    state: State, framework: FrameworkRecord, asked: scheduler.CallReconcileTask, now: float
) -> TaskStatus | None:
    known = framework.tasks.get(asked.task_id.value)
    if known is not None:
        return latest(known, now)
    agent = asked.agent_id.value if asked.agent_id is not None else None
    if (agent is None and state.recovered) or (agent is not None and agent in state.recovered):
        return None
    unreachable_since: float | None = None
    here = state.agents.get(agent or "")
    if here is not None and not here.connected and not framework.info.checkpoint:
        return None  # given up when the link broke; whether it is gone shows when the agent is back
    if agent is not None and agent in state.agents:
        found, text = TaskState.TASK_GONE, "Reconciliation: Task is unknown to the agent"
    elif agent is not None and agent in state.unreachable:
        found, text = TaskState.TASK_UNREACHABLE, "Reconciliation: Task is unreachable"
        unreachable_since = state.unreachable[agent].since
    elif agent is not None and agent in state.gone:
        found, text = TaskState.TASK_GONE_BY_OPERATOR, "Reconciliation: Task is gone"
    else:
        found, text = TaskState.TASK_UNKNOWN, "Reconciliation: Task is unknown"
    return TaskStatus(
        task_id=TaskID(value=asked.task_id.value),
        state=found if framework.partition_aware else TaskState.TASK_LOST,
        message=text,
        source=TaskStatusSource.SOURCE_MASTER,
        reason=_RECONCILIATION,
        agent_id=AgentID(value=agent) if agent is not None else None,
        timestamp=now,
        unreachable_time=(
            TimeInfo(nanoseconds=int(unreachable_since * 1e9)) if unreachable_since is not None else None
        ),
    )
