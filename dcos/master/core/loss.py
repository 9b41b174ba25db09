"""Agents given up: unreachable after silence, removed, gone for ever; what becomes of their tasks and operations.

An agent to be given up waits for ``--agent_removal_rate_limit``; one that is heard of again meanwhile is kept. Standing in the
registry changes by a ``Write`` that is durable before anybody hears of it.

Source: Mesos master (SlaveObserver, markUnreachable, markGone, removeSlave).
"""

from __future__ import annotations

import msgspec

from dcos.master.core import inverse_offers, offers, operations, tasks
from dcos.master.core.effects import Answer, CloseLink, Write
from dcos.master.core.records import AgentRecord, FrameworkRecord, TaskRecord
from dcos.master.core.registry import AgentEntry, Standing
from dcos.master.core.state import Deadline, State
from dcos.model.v1 import master, scheduler
from dcos.model.v1.types import (
    AgentID,
    OperationState,
    TaskState,
    TaskStatus,
    TaskStatusReason,
)
from dcos.wire import agent_link

GONE = "Agent has been marked gone"


def suspect(state: State, agent_id: str, why: str, now: float) -> None:
    """The agent is to be given up, as fast as ``--agent_removal_rate_limit`` allows."""
    if agent_id in state.removals.waiting:
        return
    state.counters["slave_unreachable_scheduled"] += 1
    if state.removals.ask(agent_id, why, now, state.rules.removal_interval_s):
        _give_up(state, agent_id, why, now)
    elif len(state.removals.waiting) == 1:
        state.schedule(state.removals.next_at, Deadline.REMOVAL)


def remove_next(state: State, now: float) -> None:
    taken = state.removals.take(now, state.rules.removal_interval_s)
    if taken is not None:
        _give_up(state, *taken, now)
    if state.removals.waiting:
        state.schedule(state.removals.next_at, Deadline.REMOVAL)


def _give_up(state: State, agent_id: str, why: str, now: float) -> None:
    state.counters["slave_unreachable_completed"] += 1
    agent = state.agents.get(agent_id)
    if agent is not None:
        mark_unreachable(state, agent, now, why)
    elif agent_id in state.recovered:
        known = state.recovered.pop(agent_id)
        state.counters["recovery_slave_removals"] += 1
        state.counters["slave_removals"] += 1
        state.counters["slave_removals/reason_unhealthy"] += 1
        lost = msgspec.structs.replace(known, standing=Standing.UNREACHABLE, since=now)
        state.unreachable[agent_id] = lost
        state.emit(Write(agent_id, lost))
        tell_lost(state, agent_id)
        _tell_removed(state, agent_id, extension=True)
        state.note("agent_unreachable", agent=agent_id, hostname=known.info.hostname, why=why)


def trusted(state: State, agent_id: str) -> None:
    """The agent is well: it is not to be given up any more."""
    if state.removals.cancel(agent_id):
        state.counters["slave_unreachable_canceled"] += 1


def entry_of(agent: AgentRecord) -> AgentEntry:
    """A registered agent in the registry."""
    return AgentEntry(
        info=agent.info,
        standing=Standing.ADMITTED,
        since=agent.registered,
        deactivated=agent.deactivated,
        drain=agent.drain,
    )


def mark_unreachable(state: State, agent: AgentRecord, now: float, why: str) -> None:
    entry = msgspec.structs.replace(entry_of(agent), standing=Standing.UNREACHABLE, since=now)
    state.emit(Write(agent.id, entry))
    state.counters["slave_removals"] += 1
    state.counters["slave_removals/reason_unhealthy"] += 1
    for task in list(agent.tasks.values()):
        framework = state.frameworks[task.framework]
        ended = task.is_terminal
        if ended and tasks.end_was_told(task):
            tasks.remove(state, framework, agent, task)
            continue
        status = tasks.status_of_master(
            task.id,
            TaskState.TASK_UNREACHABLE if framework.partition_aware else TaskState.TASK_LOST,
            TaskStatusReason.REASON_AGENT_REMOVED,
            why,
            now,
            agent=agent.id,
            executor=task.message.executor_id,
            unreachable_since=now,
        )
        tasks.record(state, framework, task, status, status.state)
        if ended:
            tasks.remove(state, framework, agent, task)
        else:
            tasks.release(state, framework, agent, task)
            tasks.set_apart(state, framework, task)
        tasks.tell_status(state, framework, status)
    agent.tasks.clear()
    operations.lost(state, agent, OperationState.OPERATION_UNREACHABLE, "Agent was marked unreachable")
    state.unreachable[agent.id] = entry
    _leave(state, agent, now)
    tell_lost(state, agent.id)
    _tell_removed(state, agent.id, extension=True)
    state.note("agent_unreachable", agent=agent.id, hostname=agent.info.hostname, why=why)


def remove(state: State, agent: AgentRecord, why: str, now: float) -> None:
    """The agent is no more: it said so, or another took its place."""
    state.emit(Write(agent.id, None))
    state.counters["slave_removals"] += 1
    told = f"Agent {agent.info.hostname} removed: {why}"
    _end_tasks(state, agent, now, TaskState.TASK_LOST, TaskStatusReason.REASON_AGENT_REMOVED, told)
    operations.lost(state, agent, OperationState.OPERATION_UNKNOWN, why)
    state.send(agent, agent_link.Shutdown(message=why))
    _leave(state, agent, now)
    tell_lost(state, agent.id)
    state.note("agent_removed", agent=agent.id, why=why)
    _tell_removed(state, agent.id)


def _tell_removed(state: State, agent_id: str, *, extension: bool = False) -> None:
    """Upstream does not tell operators of agents that are unreachable or gone: whoever asks for extensions hears of them too."""
    removed = master.EventAgentRemoved(agent_id=AgentID(value=agent_id))
    state.publish(master.Event(type=master.EventType.AGENT_REMOVED, agent_removed=removed), extension=extension)


def mark_gone(state: State, request: int, agent_id: str, now: float) -> None:
    """By an operator, for ever."""
    if agent_id in state.gone:
        state.emit(Answer(request, 200))
        return
    if not gone(state, agent_id, now):
        state.emit(Answer(request, 404, f"Agent '{agent_id}' not found"))
        return
    state.emit(Answer(request, 200))


def gone(state: State, agent_id: str, now: float) -> bool:
    """For ever; whether the agent is known."""
    agent = state.agents.get(agent_id)
    known = state.recovered.pop(agent_id, None) or state.unreachable.pop(agent_id, None)
    if agent is None and known is None:
        return False
    info = agent.info if agent is not None else known.info if known is not None else None
    assert info is not None
    entry = AgentEntry(info=info, standing=Standing.GONE, since=now)
    state.gone[agent_id] = entry
    state.emit(Write(agent_id, entry))
    if agent is None:
        _end_unreachable_tasks(state, agent_id, now)
    else:
        state.counters["slave_removals"] += 1
        _end_tasks(
            state,
            agent,
            now,
            TaskState.TASK_GONE_BY_OPERATOR,
            TaskStatusReason.REASON_AGENT_REMOVED_BY_OPERATOR,
            GONE,
        )
        operations.lost(state, agent, OperationState.OPERATION_GONE_BY_OPERATOR, GONE)
        state.send(agent, agent_link.Shutdown(message=GONE))
        _leave(state, agent, now)
    tell_lost(state, agent_id)
    _tell_removed(state, agent_id, extension=True)
    trusted(state, agent_id)
    state.note("agent_gone", agent=agent_id)
    return True


def returned(state: State, agent_id: str) -> None:
    """An unreachable agent is back, or forgotten: its tasks are not unreachable any more, whether it brings them along or not."""
    for framework, task in _unreachable_tasks(state, agent_id):
        tasks.bring_back(state, framework, task.id)


def _end_unreachable_tasks(state: State, agent_id: str, now: float) -> None:
    """Their agent will never come back."""
    for framework, task in _unreachable_tasks(state, agent_id):
        status = _status_of_gone(framework, task, now)
        tasks.give_up(state, framework, task, status)


def _unreachable_tasks(state: State, agent_id: str) -> list[tuple[FrameworkRecord, TaskRecord]]:
    found = sorted(state.unreachable_tasks.get(agent_id, ()))
    return [(state.frameworks[one], state.frameworks[one].unreachable[task]) for one, task in found]


def _status_of_gone(framework: FrameworkRecord, task: TaskRecord, now: float) -> TaskStatus:
    kinds = TaskStatusReason
    aware = framework.partition_aware
    return tasks.status_of_master(
        task.id,
        TaskState.TASK_GONE_BY_OPERATOR if aware else TaskState.TASK_LOST,
        kinds.REASON_AGENT_REMOVED_BY_OPERATOR if aware else kinds.REASON_AGENT_REMOVED,
        GONE,
        now,
        agent=task.agent,
        executor=task.message.executor_id,
    )


def _end_tasks(state: State, agent: AgentRecord, now: float, to: TaskState, reason: TaskStatusReason, why: str) -> None:
    for task in list(agent.tasks.values()):
        framework = state.frameworks[task.framework]
        if task.is_terminal and tasks.end_was_told(task):
            tasks.remove(state, framework, agent, task)
            continue
        aware = framework.partition_aware or to is TaskState.TASK_LOST
        status = tasks.status_of_master(
            task.id,
            to if aware else TaskState.TASK_LOST,
            reason if aware else TaskStatusReason.REASON_AGENT_REMOVED,
            why,
            now,
            agent=agent.id,
            executor=task.message.executor_id,
        )
        tasks.end(state, framework, agent, task, status)


def _leave(state: State, agent: AgentRecord, now: float) -> None:
    """The agent is registered no more; its tasks were dealt with."""
    state.allocator.deactivate_agent(agent.id)
    offers.rescind_all(state, agent, now)
    inverse_offers.rescind_all(state, agent)
    state.removals.cancel(agent.id)
    for framework_id, executor_id in list(agent.executors):
        tasks.remove_executor(state, state.frameworks[framework_id], agent, executor_id)
    state.allocator.remove_agent(agent.id)
    del state.agents[agent.id]
    if state.by_pid.get(agent.pid) == agent.id:
        del state.by_pid[agent.pid]
    if agent.link is not None:
        state.links.pop(agent.link, None)
        state.emit(CloseLink(agent.link))
        agent.link = None


def tell_lost(state: State, agent_id: str) -> None:
    failure = scheduler.Event(
        type=scheduler.EventType.FAILURE, failure=scheduler.EventFailure(agent_id=AgentID(value=agent_id))
    )
    for framework in state.frameworks.values():
        state.tell(framework, failure)
