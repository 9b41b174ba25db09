"""The link to agents: what they say, and what a broken link means.

A registered agent is connected (has a link) or not.

Source: Mesos master (messages of agents, exited).
"""

from __future__ import annotations

from dcos.master.core import admission, inverse_offers, loss, offers, operations, tasks
from dcos.master.core.effects import CloseLink
from dcos.master.core.records import AgentRecord
from dcos.master.core.state import Deadline, State
from dcos.model.durations import text as duration_text
from dcos.model.resources import Resources
from dcos.model.v1 import scheduler
from dcos.model.v1.types import (
    AgentID,
    TaskState,
    TaskStatusReason,
)
from dcos.wire import agent_link


def said(state: State, link: str, message: agent_link.AgentMessage, now: float) -> None:
    match message:
        case agent_link.Register():
            admission.register(state, link, message, now)
            return
        case agent_link.Reregister():
            admission.reregister(state, link, message, now)
            return
    agent = state.agents.get(state.links.get(link, ""))
    if agent is None:
        state.emit(CloseLink(link))
        return
    agent.heard = True
    match message:
        case agent_link.Unregister():
            state.counters["messages_unregister_slave"] += 1
            state.counters["slave_removals/reason_unregistered"] += 1
            loss.remove(state, agent, "the agent unregistered", now)
        case agent_link.StatusUpdate():
            tasks.updated(state, agent, message)
        case agent_link.ExitedExecutor():
            tasks.executor_exited(state, agent, message)
        case agent_link.ExecutorMessage():
            _executor_message(state, agent, message)
        case agent_link.UpdateOperationStatus():
            operations.updated(state, agent, message, now)
        case agent_link.UpdateResources():
            state.counters["messages_update_slave"] += 1
            if agent.total != Resources.of(message.total):
                offers.rescind_all(state, agent, now)
                admission.set_total(state, agent, Resources.of(message.total))
        case agent_link.Pong():
            pass


def _executor_message(state: State, agent: AgentRecord, message: agent_link.ExecutorMessage) -> None:
    state.counters["messages_executor_to_framework"] += 1
    framework = state.frameworks.get(message.framework_id.value)
    reachable = framework is not None and framework.connected
    state.counters[
        "valid_executor_to_framework_messages" if reachable else "invalid_executor_to_framework_messages"
    ] += 1
    if framework is not None and reachable:
        sent = scheduler.EventMessage(
            agent_id=AgentID(value=agent.id), executor_id=message.executor_id, data=message.data
        )
        state.tell(framework, scheduler.Event(type=scheduler.EventType.MESSAGE, message=sent))


def link_closed(state: State, link: str, now: float) -> None:
    """The agent may come back within ``agent_reregister_s``; until then it gets no new work."""
    agent = state.agents.get(state.links.pop(link, ""))
    if agent is None or agent.link != link:
        return
    agent.link = None
    agent.disconnections += 1
    state.note("agent_disconnected", agent=agent.id)
    state.allocator.deactivate_agent(agent.id)
    offers.rescind_all(state, agent, now)
    inverse_offers.rescind_all(state, agent)
    for task in list(agent.tasks.values()):
        framework = state.frameworks[task.framework]
        if not framework.info.checkpoint and not task.is_terminal:
            status = tasks.status_of_master(
                task.id,
                TaskState.TASK_LOST,
                TaskStatusReason.REASON_AGENT_DISCONNECTED,
                "Agent " + agent.info.hostname + " disconnected",
                now,
                agent=agent.id,
                executor=task.message.executor_id,
            )
            tasks.end(state, framework, agent, task, status)
    for framework_id, executor_id in list(agent.executors):
        framework = state.frameworks[framework_id]
        if not framework.info.checkpoint:
            tasks.remove_executor(state, framework, agent, executor_id)
    state.schedule(now + state.rules.agent_reregister_s, Deadline.AGENT_RETURN, agent.id, agent.disconnections)


def not_returned(state: State, agent_id: str, disconnections: int, now: float) -> None:
    agent = state.agents.get(agent_id)
    if agent is not None and not agent.connected and agent.disconnections == disconnections:
        limit = duration_text(state.rules.agent_reregister_s)
        loss.suspect(state, agent_id, f"agent did not reregister within {limit} after disconnecting", now)
