"""Calls that every scheduler makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import AgentID, KillPolicy, TaskID, TaskStatus

_CHUNK = 5000


def reconcile(tasks: Sequence[tuple[str, str]]) -> Iterator[Call]:
    """Ask for the states of (task id, agent id), some thousand a call."""
    for start in range(0, len(tasks), _CHUNK):
        asked = tuple(
            scheduler.CallReconcileTask(task_id=TaskID(value=task), agent_id=AgentID(value=agent))
            for task, agent in tasks[start : start + _CHUNK]
        )
        yield Call(type=CallType.RECONCILE, reconcile=scheduler.CallReconcile(tasks=asked))


def reconcile_all() -> Call:
    """Ask for everything that the master knows of us."""
    return Call(type=CallType.RECONCILE, reconcile=scheduler.CallReconcile())


def acknowledge(status: TaskStatus) -> Call | None:
    """Only updates with a uuid want one."""
    if status.uuid is None or status.agent_id is None:
        return None
    made = scheduler.CallAcknowledge(agent_id=status.agent_id, task_id=status.task_id, uuid=status.uuid)
    return Call(type=CallType.ACKNOWLEDGE, acknowledge=made)


def kill(task_id: str, agent_id: str | None, policy: KillPolicy | None = None) -> Call:
    agent = AgentID(value=agent_id) if agent_id else None
    return Call(
        type=CallType.KILL, kill=scheduler.CallKill(task_id=TaskID(value=task_id), agent_id=agent, kill_policy=policy)
    )


def suppress(roles: Iterable[str]) -> Call:
    return Call(type=CallType.SUPPRESS, suppress=scheduler.CallSuppress(roles=tuple(roles)))


def revive(roles: Iterable[str]) -> Call:
    return Call(type=CallType.REVIVE, revive=scheduler.CallRevive(roles=tuple(roles)))
