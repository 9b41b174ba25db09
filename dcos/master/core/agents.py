"""Agents: admission, the link, pings, loss and return.

Standing in the registry (admitted, unreachable, gone) changes by a ``Write`` that is durable before anybody hears of it.
A registered agent is connected (has a link) or not; a silent one becomes unreachable after ``max_missed_pings`` pings,
linked or not. An unreachable agent may come back with its tasks; a gone one may not.

Source: Mesos master (registration, SlaveObserver, markUnreachable, markGone, recovery).
"""

from __future__ import annotations

import msgspec

from dcos.master.core import inverse_offers, machines, offers, operations, tasks, views
from dcos.master.core.effects import Abort, Answer, CloseLink, ToAgent, Write
from dcos.master.core.ledger import Abilities
from dcos.master.core.records import AgentRecord, ExecutorRecord, FrameworkRecord, TaskRecord
from dcos.master.core.registry import AgentEntry, Standing
from dcos.master.core.state import Deadline, State
from dcos.model.conversions import ConversionError, with_checkpointed
from dcos.model.resources import UNRESERVED, Resources, allocation_role
from dcos.model.task_states import TERMINAL
from dcos.model.v1 import master, scheduler
from dcos.model.v1.types import (
    AgentID,
    AgentInfoCapability,
    AgentInfoCapabilityType,
    FrameworkID,
    FrameworkInfo,
    OperationState,
    Resource,
    TaskID,
    TaskState,
    TaskStatusReason,
)
from dcos.wire import agent_link

_GONE = "Agent has been marked gone"


def recovered(state: State, entries: tuple[tuple[str, AgentEntry], ...], now: float) -> None:
    """This master leads; admitted agents have ``agent_reregister_s`` to come back."""
    state.elected = now
    state.recovered_at = now
    for agent_id, entry in entries:
        home = {
            Standing.ADMITTED: state.recovered,
            Standing.UNREACHABLE: state.unreachable,
            Standing.GONE: state.gone,
        }[entry.standing]
        home[agent_id] = entry
    state.awaited = len(state.recovered)
    if state.recovered:
        state.schedule(now + state.rules.agent_reregister_s, Deadline.RECOVERY)
    state.schedule(now + state.rules.allocation_interval_s, Deadline.CYCLE)
    state.schedule(now + state.rules.registry_gc_s, Deadline.REGISTRY)


def recovery_over(state: State, now: float) -> None:
    """Whoever did not come back after the change of leader is unreachable; if those are too many, something is wrong."""
    missing = len(state.recovered)
    if not missing:
        return
    part = missing / state.awaited
    if part > state.rules.recovery_removal_limit:
        state.emit(
            Abort(
                f"Post-recovery agent removal limit exceeded! After {state.rules.agent_reregister_s:g} s {missing} "
                f"({part:.0%}) of {state.awaited} agents recovered from the registry did not re-register: "
                f"{', '.join(list(state.recovered)[:20])}. The limit is {state.rules.recovery_removal_limit:.0%}"
            )
        )
        return
    for agent_id in list(state.recovered):
        _suspect(state, agent_id, "Agent did not re-register after the master failed over", now)


def _suspect(state: State, agent_id: str, why: str, now: float) -> None:
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
        lost = msgspec.structs.replace(known, standing=Standing.UNREACHABLE, since=now)
        state.unreachable[agent_id] = lost
        state.emit(Write(agent_id, lost))
        _tell_lost(state, agent_id)
        state.note("agent_unreachable", agent=agent_id, hostname=known.info.hostname, why=why)


def _trusted(state: State, agent_id: str) -> None:
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


def collect_registry(state: State, now: float) -> None:
    """Forget the oldest unreachable and gone agents beyond the registry's bounds."""
    for home in (state.unreachable, state.gone):
        by_age = sorted(home, key=lambda agent_id: home[agent_id].since)
        surplus = len(by_age) - state.rules.registry_max_count
        for position, agent_id in enumerate(by_age):
            if position < surplus or now - home[agent_id].since > state.rules.registry_max_age_s:
                del home[agent_id]
                state.emit(Write(agent_id, None))
    state.schedule(now + state.rules.registry_gc_s, Deadline.REGISTRY)


# ---- the link --------------------------------------------------------------------------------------------------------


def said(state: State, link: str, message: agent_link.AgentMessage, now: float) -> None:
    match message:
        case agent_link.Register():
            _register(state, link, message, now)
            return
        case agent_link.Reregister():
            _reregister(state, link, message, now)
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
            remove(state, agent, "Agent unregistered", now)
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
                _set_total(state, agent, Resources.of(message.total))
        case agent_link.Pong():
            pass


def _executor_message(state: State, agent: AgentRecord, message: agent_link.ExecutorMessage) -> None:
    state.counters["messages_executor_to_framework"] += 1
    framework = state.frameworks.get(message.framework_id.value)
    if framework is not None:
        sent = scheduler.EventMessage(
            agent_id=AgentID(value=agent.id), executor_id=message.executor_id, data=message.data
        )
        state.tell(framework, scheduler.Event(type=scheduler.EventType.MESSAGE, message=sent))


def _set_total(state: State, agent: AgentRecord, total: Resources) -> None:
    if total != agent.total:
        agent.total = total
        state.allocator.update_agent(agent.id, total)


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
        _suspect(state, agent_id, "Agent did not re-register in time", now)


def ping(state: State, agent_id: str, generation: int, now: float) -> None:
    """Once per ping interval and agent."""
    agent = state.agents.get(agent_id)
    if agent is None or generation != _ping_generation(agent):
        return
    if agent.heard and agent.connected:
        agent.missed = 0
        _trusted(state, agent_id)
    else:
        agent.missed += 1
    if agent.missed >= state.rules.max_missed_pings:
        _suspect(state, agent_id, "Agent did not answer pings", now)
        if agent_id not in state.agents:
            return
    agent.heard = False
    state.send(agent, agent_link.Ping())
    state.schedule(now + state.rules.ping_s, Deadline.PING, agent_id, generation)


def _ping_generation(agent: AgentRecord) -> int:
    """Differs between two registrations of the same id."""
    return int((agent.reregistered or agent.registered) * 1000) if agent.registered else 0


# ---- admission -------------------------------------------------------------------------------------------------------


def _register(state: State, link: str, message: agent_link.Register, now: float) -> None:
    state.counters["messages_register_slave"] += 1
    if _refused(state, link, message):
        return
    old = state.agents.get(state.by_pid.get(message.pid, ""))
    if old is not None:
        state.counters["slave_removals/reason_registered"] += 1
        remove(state, old, "A new agent registered at the same address", now)
    total = _total(state, link, message)
    if total is None:
        return
    agent_id = f"{state.info.id}-S{state.number('agent')}"
    info = msgspec.structs.replace(message.agent, id=AgentID(value=agent_id))
    state.emit(Write(agent_id, AgentEntry(info=info, standing=Standing.ADMITTED, since=now)))
    agent = AgentRecord(
        id=agent_id,
        info=info,
        pid=message.pid,
        version=message.version,
        registered=now,
        total=total,
        capabilities=_capabilities(message.capabilities),
    )
    state.counters["slave_registrations"] += 1
    _enter(state, agent, link, now)
    _welcome(state, agent, ())


def _reregister(state: State, link: str, message: agent_link.Reregister, now: float) -> None:
    state.counters["messages_reregister_slave"] += 1
    if message.agent.id is None:
        state.emit(ToAgent(link, agent_link.Shutdown(message="Agent re-registered without an id")))
        state.emit(CloseLink(link))
        return
    agent_id = message.agent.id.value
    if agent_id in state.gone:
        state.emit(ToAgent(link, agent_link.Shutdown(message=_GONE)))
        state.emit(CloseLink(link))
        return
    if _refused(state, link, message):
        return
    total = _total(state, link, message)
    if total is None:
        return
    known = state.agents.get(agent_id)
    if known is not None:
        _return_known(state, known, link, message, total, now)
        return
    before = state.recovered.pop(agent_id, None) or state.unreachable.pop(agent_id, None)
    _trusted(state, agent_id)
    same_address = state.agents.get(state.by_pid.get(message.pid, ""))
    if same_address is not None:
        remove(state, same_address, "Another agent re-registered at the same address", now)
    agent = AgentRecord(
        id=agent_id,
        info=message.agent,
        pid=message.pid,
        version=message.version,
        registered=now,
        reregistered=now,
        total=total,
        capabilities=_capabilities(message.capabilities),
        deactivated=before is not None and before.deactivated,
        drain=before.drain if before is not None else None,
    )
    if before is None or before.standing is not Standing.ADMITTED or before.info != message.agent:
        state.emit(Write(agent_id, entry_of(agent)))
    operations.returned(state, agent, message.operations, total)
    state.counters["slave_reregistrations"] += 1
    _enter(state, agent, link, now)
    _welcome(state, agent, ())
    _adopt(state, agent, message, now, tell=before is None or before.standing is Standing.UNREACHABLE)
    tell_draining(state, agent, now)


def _enter(state: State, agent: AgentRecord, link: str, now: float) -> None:
    """The agent is registered and connected."""
    state.agents[agent.id] = agent
    state.by_pid[agent.pid] = agent.id
    _attach(state, agent, link)
    state.allocator.add_agent(
        agent.id,
        agent.total,
        active=not agent.deactivated,
        hostname=agent.info.hostname,
        **_abilities(state, agent),
    )
    machines.attach(state, agent)
    state.schedule(now + state.rules.ping_s, Deadline.PING, agent.id, _ping_generation(agent))
    state.note("agent_registered", agent=agent.id, hostname=agent.info.hostname, pid=agent.pid)
    state.publish(
        master.Event(
            type=master.EventType.AGENT_ADDED, agent_added=master.EventAgentAdded(agent=views.agent_view(agent))
        )
    )


def _abilities(state: State, agent: AgentRecord) -> Abilities:
    kinds = AgentInfoCapabilityType
    here, there = state.info.domain, agent.info.domain
    ours = here.fault_domain.region.name if here is not None and here.fault_domain is not None else None
    theirs = there.fault_domain.region.name if there is not None and there.fault_domain is not None else None
    return Abilities(
        remote=ours is not None and theirs is not None and ours != theirs,
        multi_role=kinds.MULTI_ROLE in agent.capabilities or not agent.capabilities,
        hierarchical=kinds.HIERARCHICAL_ROLE in agent.capabilities or not agent.capabilities,
    )


def _refused(state: State, link: str, message: agent_link.Register | agent_link.Reregister) -> bool:
    """Its machine is down for maintenance (then it ends), or it has no domain where one is required (it may try again)."""
    if machines.is_down(state, message.agent.hostname, message.pid):
        state.emit(ToAgent(link, agent_link.Shutdown(message="Machine is `DOWN`")))
        state.emit(CloseLink(link))
        return True
    if state.rules.require_domain and message.agent.domain is None:
        state.note("agent_refused", pid=message.pid, why="it has no domain, and --require_agent_domain is set")
        state.emit(CloseLink(link))
        return True
    return False


def tell_draining(state: State, agent: AgentRecord, now: float) -> None:
    """Tell a draining agent so; each time it comes back."""
    if agent.drain is not None and agent.draining:
        state.send(agent, agent_link.DrainAgent(config=agent.drain.config))
        agent.drain_started = now
        state.drained.add(agent.id)


def _attach(state: State, agent: AgentRecord, link: str) -> None:
    if agent.link is not None and agent.link != link:
        state.links.pop(agent.link, None)
        state.emit(CloseLink(agent.link))
    agent.link = link
    agent.heard = True
    agent.missed = 0
    state.links[link] = agent.id
    _trusted(state, agent.id)


def _welcome(state: State, agent: AgentRecord, missing: tuple[agent_link.ReconcileTask, ...]) -> None:
    """The first message on a link: an agent takes no other before it."""
    state.send(
        agent,
        agent_link.Registered(
            agent_id=agent.id,
            master_id=state.info.id,
            ping_timeout_s=state.rules.ping_s * state.rules.max_missed_pings,
            reconcile=missing,
        ),
    )


def _return_known(
    state: State, agent: AgentRecord, link: str, message: agent_link.Reregister, total: Resources, now: float
) -> None:
    """A registered agent comes back on a new link: it and we compare what it runs."""
    if agent.info.hostname != message.agent.hostname:
        state.emit(ToAgent(link, agent_link.Shutdown(message="Agent re-registered with another hostname")))
        state.emit(CloseLink(link))
        return
    if agent.info != message.agent:
        changed = msgspec.structs.replace(entry_of(agent), info=message.agent)
        state.emit(Write(agent.id, changed))
        if agent.info.attributes != message.agent.attributes:
            state.allocator.unfilter_agent(agent.id)
    if agent.pid != message.pid:
        state.by_pid.pop(agent.pid, None)
        state.by_pid[message.pid] = agent.id
    agent.info, agent.pid, agent.version = message.agent, message.pid, message.version
    agent.capabilities = _capabilities(message.capabilities)
    agent.reregistered = now
    offers.rescind_all(state, agent, now)
    _attach(state, agent, link)
    _set_total(state, agent, operations.returned(state, agent, message.operations, total))
    state.allocator.describe_agent(agent.id, **_abilities(state, agent))
    if not agent.deactivated:
        state.allocator.activate_agent(agent.id)
    machines.attach(state, agent)
    state.schedule(now + state.rules.ping_s, Deadline.PING, agent.id, _ping_generation(agent))
    state.counters["slave_reregistrations"] += 1
    state.note("agent_reregistered", agent=agent.id)
    told = {
        (one.info.id.value, task.task_id.value)
        for one in message.frameworks
        if one.info.id is not None
        for task in one.tasks
    }
    missing = tuple(
        agent_link.ReconcileTask(
            framework_id=FrameworkID(value=framework),
            task_id=TaskID(value=task.id),
            partition_aware=state.frameworks[framework].partition_aware,
        )
        for (framework, task_id), task in agent.tasks.items()
        if (framework, task_id) not in told and not task.is_terminal
    )
    for (framework_id, task_id), task in list(agent.tasks.items()):
        if (framework_id, task_id) not in told and task.is_terminal:
            tasks.remove(state, state.frameworks[framework_id], agent, task)
    _welcome(state, agent, missing)
    before = set(agent.tasks)
    _adopt(state, agent, message, now, tell=False)
    _end_given_up(state, agent, before)
    operations.resend(state, agent)
    for (framework_id, task_id), policy in list(agent.kills.items()):
        tasks.send_kill(state, agent, framework_id, task_id, policy)
    agent.kills.clear()
    tell_draining(state, agent, now)


def _end_given_up(state: State, agent: AgentRecord, before: set[tuple[str, str]]) -> None:
    """Tasks of frameworks without checkpointing were told LOST when the link broke, yet the agent lived on: they end now.

    ``before``: what we knew of the agent's when it came back.
    """
    for (framework_id, task_id), task in agent.tasks.items():
        checkpoints = state.frameworks[framework_id].info.checkpoint
        if (framework_id, task_id) not in before and not checkpoints and not task.is_terminal:
            tasks.send_kill(state, agent, framework_id, task_id, None)


def _adopt(state: State, agent: AgentRecord, message: agent_link.Reregister, now: float, *, tell: bool) -> None:
    """Take over the frameworks, executors and tasks that the agent brings and we do not know.

    ``tell``: each task's scheduler gets its state (the agent had been given up): that of the update which the agent has in
    flight, for the later ones are still to come and a terminal state must be the last.
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
        for task in one.tasks:
            known = agent.tasks.get((framework_id, task.task_id.value))
            if known is not None:
                if task.state in TERMINAL and not known.is_terminal:
                    known.message = msgspec.structs.replace(known.message, state=task.state)
                    known.ready = None
                    tasks.release(state, framework, agent, known)
                continue
            framework.unreachable.pop(task.task_id.value, None)
            made = TaskRecord(
                task, framework_id, agent.id, _role_of(task.resources, role), Resources.of(task.resources)
            )
            tasks.add(state, framework, agent, made, charged=False)
            if tell:
                status = tasks.status_of_master(
                    made.id,
                    task.status_update_state or task.state,
                    TaskStatusReason.REASON_AGENT_REREGISTERED,
                    "Agent re-registered",
                    now,
                    agent=agent.id,
                    executor=task.executor_id,
                )
                tasks.tell_status(state, framework, status)


def _role_of(resources: tuple[Resource, ...], default: str) -> str:
    return next((role for one in resources if (role := allocation_role(one)) is not None), default)


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


def _total(state: State, link: str, message: agent_link.Register | agent_link.Reregister) -> Resources | None:
    """The agent's resources with its dynamic reservations and volumes in their place; None (and the link ended) if they
    do not fit.
    """
    try:
        return with_checkpointed(Resources.of(message.agent.resources), message.checkpointed_resources)
    except ConversionError as error:
        state.note("agent_refused", pid=message.pid, why=str(error))
        state.emit(CloseLink(link))
        return None


def _capabilities(given: tuple[AgentInfoCapability, ...]) -> frozenset[AgentInfoCapabilityType]:
    return frozenset(one.type for one in given if one.type is not None)


# ---- loss ------------------------------------------------------------------------------------------------------------


def mark_unreachable(state: State, agent: AgentRecord, now: float, why: str) -> None:
    entry = msgspec.structs.replace(entry_of(agent), standing=Standing.UNREACHABLE, since=now)
    state.emit(Write(agent.id, entry))
    state.counters["slave_removals"] += 1
    state.counters["slave_removals/reason_unhealthy"] += 1
    for task in list(agent.tasks.values()):
        framework = state.frameworks[task.framework]
        if task.is_terminal:
            tasks.remove(state, framework, agent, task)
            continue
        status = tasks.status_of_master(
            task.id,
            TaskState.TASK_UNREACHABLE if framework.partition_aware else TaskState.TASK_LOST,
            TaskStatusReason.REASON_AGENT_REMOVED,
            f"Agent {agent.info.hostname} is unreachable: {why}",
            now,
            agent=agent.id,
            executor=task.message.executor_id,
            unreachable_since=now,
        )
        tasks.record(state, framework, task, status, status.state)
        tasks.release(state, framework, agent, task)
        framework.tasks.pop(task.id, None)
        framework.unreachable[task.id] = task
        while len(framework.unreachable) > state.rules.max_unreachable_tasks:
            del framework.unreachable[next(iter(framework.unreachable))]
        tasks.tell_status(state, framework, status)
    agent.tasks.clear()
    operations.lost(state, agent, OperationState.OPERATION_UNREACHABLE, "Agent was marked unreachable")
    state.unreachable[agent.id] = entry
    _leave(state, agent, now)
    _tell_lost(state, agent.id)
    state.note("agent_unreachable", agent=agent.id, hostname=agent.info.hostname, why=why)


def remove(state: State, agent: AgentRecord, why: str, now: float) -> None:
    """The agent is no more: it said so, or another took its place."""
    state.emit(Write(agent.id, None))
    state.counters["slave_removals"] += 1
    _end_tasks(state, agent, now, TaskState.TASK_LOST, TaskStatusReason.REASON_AGENT_REMOVED, why)
    operations.lost(state, agent, OperationState.OPERATION_UNKNOWN, why)
    state.send(agent, agent_link.Shutdown(message=why))
    _leave(state, agent, now)
    _tell_lost(state, agent.id)
    state.note("agent_removed", agent=agent.id, why=why)
    removed = master.EventAgentRemoved(agent_id=AgentID(value=agent.id))
    state.publish(master.Event(type=master.EventType.AGENT_REMOVED, agent_removed=removed))


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
    if agent is not None:
        state.counters["slave_removals"] += 1
        _end_tasks(
            state,
            agent,
            now,
            TaskState.TASK_GONE_BY_OPERATOR,
            TaskStatusReason.REASON_AGENT_REMOVED_BY_OPERATOR,
            _GONE,
        )
        operations.lost(state, agent, OperationState.OPERATION_GONE_BY_OPERATOR, _GONE)
        state.send(agent, agent_link.Shutdown(message=_GONE))
        _leave(state, agent, now)
    _tell_lost(state, agent_id)
    _trusted(state, agent_id)
    state.note("agent_gone", agent=agent_id)
    return True


def _end_tasks(state: State, agent: AgentRecord, now: float, to: TaskState, reason: TaskStatusReason, why: str) -> None:
    for task in list(agent.tasks.values()):
        framework = state.frameworks[task.framework]
        if task.is_terminal:
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


def _tell_lost(state: State, agent_id: str) -> None:
    failure = scheduler.Event(
        type=scheduler.EventType.FAILURE, failure=scheduler.EventFailure(agent_id=AgentID(value=agent_id))
    )
    for framework in state.frameworks.values():
        state.tell(framework, failure)
