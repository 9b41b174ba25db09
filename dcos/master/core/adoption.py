"""What an agent brings along when it comes back: frameworks, executors and tasks, compared with what we know of it.

Source: Mesos master (re-registration of agents, recovery of frameworks from them).
"""

from __future__ import annotations

from collections.abc import Iterable

from dcos.master.core import operations, tasks, views
from dcos.master.core.records import AgentRecord, ExecutorRecord, FrameworkRecord, TaskRecord
from dcos.master.core.state import State
from dcos.model.resource_kinds import UNRESERVED
from dcos.model.resource_messages import allocation_role
from dcos.model.resources import Resources
from dcos.model.task_states import TERMINAL
from dcos.model.v1 import master
from dcos.model.v1.types import (
    FrameworkInfo,
    Resource,
    Task,
    TaskStatusReason,
)
from dcos.wire import agent_link


def end_given_up(state: State, agent: AgentRecord, before: set[tuple[str, str]]) -> None:
    """Tasks of frameworks without checkpointing were told LOST when the link broke, yet the agent lived on: they end now.

    ``before``: what we knew of the agent's when it came back.
    """
    for (framework_id, task_id), task in agent.tasks.items():
        checkpoints = state.frameworks[framework_id].info.checkpoint
        if (framework_id, task_id) not in before and not checkpoints and not task.is_terminal:
            tasks.send_kill(state, agent, framework_id, task_id, None)


def adopt(
    state: State, agent: AgentRecord, message: agent_link.Reregister, now: float, *, tell: str | None = None
) -> None:
    """Take over the frameworks, executors and tasks that the agent brings and we do not know.

    ``tell``: why each task's scheduler gets its state (the agent had been given up): that of the update which the agent has
    in flight, for the later ones are still to come and a terminal state must be the last.
    """
    named = {one.info.id.value for one in message.frameworks if one.info.id is not None}
    for owner, executor_id in list(agent.executors):
        if owner not in named and owner in state.frameworks:
            tasks.remove_executor(state, state.frameworks[owner], agent, executor_id)
    for one in message.frameworks:
        if one.info.id is None:
            continue
        framework_id = one.info.id.value
        if framework_id in state.completed:
            state.send(agent, agent_link.ShutdownFramework(framework_id=one.info.id))
            continue
        if one.completed:
            continue
        framework = state.frameworks.get(framework_id) or _recover_framework(state, one.info)
        role = framework.roles[0] if framework.roles else UNRESERVED
        reported = {executor.executor_id.value for executor in one.executors}
        for owner, executor_id in list(agent.executors):
            if owner == framework_id and executor_id not in reported:
                tasks.remove_executor(state, framework, agent, executor_id)
        for info in one.executors:
            if (agent.id, info.executor_id.value) not in framework.executors:
                executor = ExecutorRecord(
                    info, framework_id, agent.id, _role_of(info.resources, role), Resources.of(info.resources)
                )
                tasks.add_executor(state, framework, agent, executor, charged=False)
        unknown: dict[str, TaskRecord] = {}
        for task in one.tasks:
            known = agent.tasks.get((framework_id, task.task_id.value))
            if known is None:
                unknown[task.task_id.value] = _record_of(task, framework_id, agent.id, role)
            elif task.state in TERMINAL and not known.is_terminal:
                tasks.found_ended(state, framework, agent, known, task.state)
        for task_id in unknown:
            tasks.bring_back(state, framework, task_id)
        if tell is not None:
            tasks.recall(state, framework, agent.id, unknown.keys())
        tasks.bring(state, framework, agent, unknown.values())
        if tell is not None:
            _tell(state, framework, agent, unknown.values(), tell, now)


def _tell(
    state: State, framework: FrameworkRecord, agent: AgentRecord, brought: Iterable[TaskRecord], why: str, now: float
) -> None:
    for made in brought:
        status = tasks.status_of_master(
            made.id,
            made.message.status_update_state or made.message.state,
            TaskStatusReason.REASON_AGENT_REREGISTERED,
            why,
            now,
            agent=agent.id,
            executor=made.message.executor_id,
        )
        tasks.tell_status(state, framework, status)


def _record_of(task: Task, framework: str, agent: str, default_role: str) -> TaskRecord:
    return TaskRecord(task, framework, agent, _role_of(task.resources, default_role), Resources.of(task.resources))


def _role_of(resources: tuple[Resource, ...], default: str) -> str:
    for one in resources:
        if (role := allocation_role(one)) is not None:
            return role
    return default


def _recover_framework(state: State, info: FrameworkInfo) -> FrameworkRecord:
    """A framework known from its agents only, until its scheduler subscribes again."""
    from_agents = state.new_framework(info, 0.0)
    from_agents.recovered = True
    from_agents.active = False
    operations.framework_added(state, from_agents)
    state.allocator.add_framework(from_agents.id, from_agents.roles, traits=state.traits(from_agents), active=False)
    state.publish(
        master.Event(
            type=master.EventType.FRAMEWORK_ADDED,
            framework_added=master.EventFrameworkAdded(framework=views.framework_view(from_agents, whole=False)),
        )
    )
    return from_agents
