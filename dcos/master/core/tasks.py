"""Tasks: their updates, acknowledgements, kills, and their end.

A task holds its resources until it is terminal or unreachable; it stays known until its terminal update was acknowledged
and is then kept as completed. ``state`` is the latest state at the agent, ``status_update_state`` the last one that was
forwarded to the scheduler. A terminal state is never left.

Source: Mesos master (status updates, acknowledgement, kill).
"""

from __future__ import annotations

from collections.abc import Container, Iterable

import msgspec

from dcos.master.core import reconcile
from dcos.master.core.records import AgentRecord, ExecutorRecord, FrameworkRecord, TaskRecord
from dcos.master.core.state import State
from dcos.model.resources import Resources
from dcos.model.task_states import TERMINAL
from dcos.model.v1 import master, scheduler
from dcos.model.v1.types import (
    AgentID,
    ExecutorID,
    FrameworkID,
    KillPolicy,
    TaskID,
    TaskState,
    TaskStatus,
    TaskStatusReason,
    TaskStatusSource,
    TimeInfo,
)
from dcos.wire import agent_link

_OUT = TERMINAL | {TaskState.TASK_UNREACHABLE}
"""The states in which a task holds nothing."""
_PROBED = (
    TaskStatusReason.REASON_TASK_CHECK_STATUS_UPDATED,
    TaskStatusReason.REASON_TASK_HEALTH_CHECK_STATUS_UPDATED,
)


def status_of_master(
    task_id: str,
    state: TaskState,
    reason: TaskStatusReason,
    message: str,
    now: float,
    *,
    agent: str | None = None,
    executor: ExecutorID | None = None,
    unreachable_since: float | None = None,
) -> TaskStatus:
    """A status that the master itself makes: without uuid, not to be acknowledged."""
    return TaskStatus(
        task_id=TaskID(value=task_id),
        state=state,
        message=message,
        source=TaskStatusSource.SOURCE_MASTER,
        reason=reason,
        agent_id=AgentID(value=agent) if agent is not None else None,
        executor_id=executor,
        timestamp=now,
        unreachable_time=(
            TimeInfo(nanoseconds=int(unreachable_since * 1e9)) if unreachable_since is not None else None
        ),
    )


def end_was_told(task: TaskRecord) -> bool:
    """Whether its scheduler was sent its terminal update (which may wait behind others that it has not acknowledged)."""
    return task.message.status_update_state in TERMINAL


def tell_status(state: State, framework: FrameworkRecord, status: TaskStatus) -> None:
    """Send an update to the scheduler."""
    state.tell(framework, scheduler.Event(type=scheduler.EventType.UPDATE, update=scheduler.EventUpdate(status=status)))


def refuse(state: State, framework: FrameworkRecord, status: TaskStatus) -> None:
    """A task that is not even launched: told and counted, but not among the framework's tasks, which it never was."""
    _count_end(state, status.state, status)
    tell_status(state, framework, status)


def _count(state: State, framework: FrameworkRecord, before: TaskState, after: TaskState, status: TaskStatus) -> None:
    """``status`` took a task from one state to another."""
    if before is not after and before not in TERMINAL and after in TERMINAL:
        framework.counts[f"ended/{after}"] += 1
    if before not in _OUT and after in _OUT:
        _count_end(state, after, status)


def _count_end(state: State, to: TaskState, status: TaskStatus) -> None:
    if to in TERMINAL:
        state.counters["tasks_" + to.removeprefix("TASK_").lower()] += 1
    if status.reason is not None:
        source = (status.source or "source_unknown").lower()
        reason = status.reason.lower().replace("agent", "slave")
        state.counters[f"{to.lower()}/{source}/{reason}"] += 1


# ---- entering and leaving --------------------------------------------------------------------------------------------


def add(state: State, framework: FrameworkRecord, agent: AgentRecord, task: TaskRecord) -> None:
    """Enter a task whose resources the allocator counts already: they come from an offer."""
    _enter(state, framework, agent, task)
    if task.holds:
        framework.used_tally.add(task.role, task.resources)
        agent.used += task.resources


def bring(state: State, framework: FrameworkRecord, agent: AgentRecord, brought: Iterable[TaskRecord]) -> None:
    """Enter tasks that an agent brings along: what they hold is summed up and charged at once."""
    held: dict[str, list[Resources]] = {}
    for task in brought:
        _enter(state, framework, agent, task)
        if task.holds:
            held.setdefault(task.role, []).append(task.resources)
    for role, bags in held.items():
        whole = Resources.total(bags)
        framework.used_tally.add(role, whole)
        agent.used += whole
        state.allocator.charge(framework.id, role, agent.id, whole)


def _enter(state: State, framework: FrameworkRecord, agent: AgentRecord, task: TaskRecord) -> None:
    if (before := framework.tasks.get(task.id)) is not None:
        state.census.leave(before)
    framework.tasks[task.id] = task
    state.census.enter(task)
    agent.tasks[framework.id, task.id] = task
    task.holds = not task.is_terminal
    if agent.unavailability is not None:
        state.leaving[agent.id] = None
    if state.watched:
        added = master.EventTaskAdded(task=task.message)
        state.publish(master.Event(type=master.EventType.TASK_ADDED, task_added=added))


def release(state: State, framework: FrameworkRecord, agent: AgentRecord | None, task: TaskRecord) -> None:
    """Its resources are free."""
    if not task.holds:
        return
    task.holds = False
    framework.used_tally.remove(task.role, task.resources)
    if agent is not None:
        agent.used -= task.resources
        state.allocator.recover(framework.id, task.role, agent.id, task.resources)


def remove(state: State, framework: FrameworkRecord, agent: AgentRecord | None, task: TaskRecord) -> None:
    """From current to completed."""
    release(state, framework, agent, task)
    if (known := framework.tasks.pop(task.id, None)) is not None:
        state.census.leave(known)
        _complete(state, framework, task)
    if agent is not None:
        agent.tasks.pop((framework.id, task.id), None)
        agent.kills.pop((framework.id, task.id), None)
        if agent.draining:
            state.drained.add(agent.id)


def _complete(state: State, framework: FrameworkRecord, task: TaskRecord) -> None:
    """Keep it as completed; the oldest goes where they are too many."""
    if framework.completed.maxlen is not None and len(framework.completed) >= framework.completed.maxlen:
        if not framework.completed:
            return
        state.census.leave(framework.completed.popleft())
    framework.completed.append(task)
    state.census.enter(task)


def set_apart(state: State, framework: FrameworkRecord, task: TaskRecord) -> None:
    """From current to unreachable; the oldest of those goes where they are too many."""
    if (known := framework.tasks.pop(task.id, None)) is not None:
        state.census.leave(known)
    bring_back(state, framework, task.id)
    framework.unreachable[task.id] = task
    state.unreachable_tasks.setdefault(task.agent, set()).add((framework.id, task.id))
    state.census.enter(task)
    while len(framework.unreachable) > state.rules.max_unreachable_tasks:
        bring_back(state, framework, next(iter(framework.unreachable)))


def bring_back(state: State, framework: FrameworkRecord, task_id: str) -> None:
    """It is not unreachable, or not known as that any more."""
    known = framework.unreachable.pop(task_id, None)
    if known is None:
        return
    state.census.leave(known)
    of_agent = state.unreachable_tasks[known.agent]
    of_agent.discard((framework.id, task_id))
    if not of_agent:
        del state.unreachable_tasks[known.agent]


def give_up(state: State, framework: FrameworkRecord, task: TaskRecord, status: TaskStatus) -> None:
    """From unreachable to completed: its agent is gone for ever."""
    bring_back(state, framework, task.id)
    record(state, framework, task, status, status.state)
    _complete(state, framework, task)
    tell_status(state, framework, status)


def recall(state: State, framework: FrameworkRecord, agent_id: str, running: Container[str]) -> None:
    """Tasks that we had ended by ourselves, and whose agent never heard of that, are not shown as completed too."""
    for ended in [one for one in framework.completed if one.agent == agent_id and one.id in running]:
        framework.completed.remove(ended)
        state.census.leave(ended)


def add_executor(
    state: State, framework: FrameworkRecord, agent: AgentRecord, executor: ExecutorRecord, *, charged: bool = True
) -> None:
    executor_id = executor.info.executor_id.value
    framework.executors[agent.id, executor_id] = executor
    agent.executors[framework.id, executor_id] = executor
    framework.used_tally.add(executor.role, executor.resources)
    agent.used += executor.resources
    if not charged:
        state.allocator.charge(framework.id, executor.role, agent.id, executor.resources)


def remove_executor(state: State, framework: FrameworkRecord, agent: AgentRecord, executor_id: str) -> None:
    executor = agent.executors.pop((framework.id, executor_id), None)
    if executor is None:
        return
    framework.executors.pop((agent.id, executor_id), None)
    framework.used_tally.remove(executor.role, executor.resources)
    agent.used -= executor.resources
    state.allocator.recover(framework.id, executor.role, agent.id, executor.resources)


# ---- updates ---------------------------------------------------------------------------------------------------------


def record(state: State, framework: FrameworkRecord, task: TaskRecord, status: TaskStatus, latest: TaskState) -> None:
    """Write ``status`` into the task; resources are the caller's business.

    A status of the same state replaces the last one; ``data`` is not kept.
    """
    before = task.message
    kept = msgspec.structs.replace(status, data=None)
    previous = before.statuses[-1] if before.statuses else None
    same = previous is not None and previous.state is kept.state
    statuses = (*before.statuses[:-1], kept) if same else (*before.statuses, kept)
    was_terminal = before.state in TERMINAL
    task.message = msgspec.structs.replace(before, statuses=statuses, state=before.state if was_terminal else latest)
    task.ready = None
    if framework.tasks.get(task.id) is task:
        state.census.changed(task, before.state)
    if state.watched and (not same or status.reason in _PROBED):
        updated = master.EventTaskUpdated(
            framework_id=FrameworkID(value=framework.id), status=kept, state=task.message.state
        )
        state.publish(master.Event(type=master.EventType.TASK_UPDATED, task_updated=updated))
    _count(state, framework, before.state, task.message.state, status)


def end(
    state: State,
    framework: FrameworkRecord,
    agent: AgentRecord,
    task: TaskRecord,
    status: TaskStatus,
    *,
    silent: bool = False,
) -> None:
    """The master ends a task by itself: recorded, told (unless ``silent``), completed."""
    record(state, framework, task, status, status.state)
    remove(state, framework, agent, task)
    if not silent:
        tell_status(state, framework, status)


def found_ended(state: State, framework: FrameworkRecord, agent: AgentRecord, task: TaskRecord, to: TaskState) -> None:
    """The agent came back and knows that it ended; the update is still to come."""
    before = task.message.state
    task.message = msgspec.structs.replace(task.message, state=to)
    _count(state, framework, before, to, TaskStatus(task_id=task.message.task_id, state=to))
    task.ready = None
    if framework.tasks.get(task.id) is task:
        state.census.changed(task, before)
    release(state, framework, agent, task)


def updated(state: State, agent: AgentRecord, update: agent_link.StatusUpdate) -> None:
    """An agent reports; forwarded to the scheduler as it is.

    What nobody is there to hear was not forwarded: the agent sends it again.
    """
    state.counters["messages_status_update"] += 1
    framework = state.frameworks.get(update.framework_id.value)
    if framework is None:
        state.counters["invalid_status_updates"] += 1
        return
    status = update.status
    if status.agent_id is None or status.agent_id.value != agent.id:
        status = msgspec.structs.replace(status, agent_id=AgentID(value=agent.id))
    tell_status(state, framework, status)
    task = agent.tasks.get((framework.id, status.task_id.value))
    heard = framework.connected
    state.counters["valid_status_updates" if heard and task is not None else "invalid_status_updates"] += 1
    if task is None:
        return
    latest = TaskState(update.latest_state) if update.latest_state in TaskState.__members__ else status.state
    record(state, framework, task, status, latest)
    if heard:
        task.message = msgspec.structs.replace(
            task.message, status_update_state=status.state, status_update_uuid=status.uuid
        )
    if task.is_terminal:
        release(state, framework, agent, task)
        if status.uuid is None:
            remove(state, framework, agent, task)


def acknowledge(state: State, framework: FrameworkRecord, call: scheduler.CallAcknowledge) -> None:
    """The scheduler has an update: tell its agent; after the terminal one the task is completed."""
    state.counters["messages_status_update_acknowledgement"] += 1
    agent = state.agents.get(call.agent_id.value)
    if agent is None or not agent.connected:
        state.counters["invalid_status_update_acknowledgements"] += 1
        return
    task = agent.tasks.get((framework.id, call.task_id.value))
    if task is not None:
        message = task.message
        if message.status_update_state is None:
            state.counters["invalid_status_update_acknowledgements"] += 1
            return
        if message.status_update_state in TERMINAL and message.status_update_uuid == call.uuid:
            remove(state, framework, agent, task)
    state.counters["valid_status_update_acknowledgements"] += 1
    state.send(
        agent,
        agent_link.Acknowledge(framework_id=FrameworkID(value=framework.id), task_id=call.task_id, uuid=call.uuid),
    )


def kill(state: State, framework: FrameworkRecord, call: scheduler.CallKill, now: float) -> None:
    """An unknown task is answered as by reconciliation.

    The kill is kept until the task has ended: an agent that comes back gets it again, since it may not have had it.
    """
    state.counters["messages_kill_task"] += 1
    task = framework.tasks.get(call.task_id.value)
    if task is None:
        asked = scheduler.CallReconcileTask(task_id=call.task_id, agent_id=call.agent_id)
        state.rest.append(reconcile.explicit(state, framework, (asked,), now))
        return
    if call.agent_id is not None and call.agent_id.value != task.agent:
        return
    agent = state.agents[task.agent]
    agent.kills[framework.id, task.id] = call.kill_policy
    if agent.connected:
        send_kill(state, agent, framework.id, task.id, call.kill_policy)


def send_kill(state: State, agent: AgentRecord, framework: str, task: str, policy: KillPolicy | None) -> None:
    state.send(
        agent,
        agent_link.KillTask(framework_id=FrameworkID(value=framework), task_id=TaskID(value=task), kill_policy=policy),
    )


def executor_exited(state: State, agent: AgentRecord, message: agent_link.ExitedExecutor) -> None:
    """A custom or default executor ended: its own resources are free; its tasks' updates come apart."""
    state.counters["messages_exited_executor"] += 1
    framework = state.frameworks.get(message.framework_id.value)
    if framework is None or (framework.id, message.executor_id.value) not in agent.executors:
        return
    remove_executor(state, framework, agent, message.executor_id.value)
    failure = scheduler.EventFailure(
        agent_id=AgentID(value=agent.id), executor_id=message.executor_id, status=message.status
    )
    state.tell(framework, scheduler.Event(type=scheduler.EventType.FAILURE, failure=failure))
