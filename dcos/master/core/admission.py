"""Agents come and come back: registration, re-registration, and who is refused.

Standing in the registry changes by a ``Write`` that is durable before anybody hears of it. An unreachable agent may come
back with its tasks; a gone one may not.

Source: Mesos master (registerSlave, reregisterSlave).
"""

from __future__ import annotations

import msgspec

from dcos.master.core import adoption, loss, machines, offers, operations, pings, tasks, views
from dcos.master.core.agent_validation import registration_problem
from dcos.master.core.effects import CloseLink, ToAgent, Write
from dcos.master.core.ledger import Abilities
from dcos.master.core.records import AgentRecord
from dcos.master.core.registry import AgentEntry, Standing
from dcos.master.core.state import State
from dcos.model.conversions import ConversionError, with_checkpointed
from dcos.model.resources import Resources
from dcos.model.v1 import master
from dcos.model.v1.types import (
    AgentID,
    AgentInfoCapability,
    AgentInfoCapabilityType,
    FrameworkID,
    TaskID,
)
from dcos.wire import agent_link
from dcos.wire.pid import pid_address


def register(state: State, link: str, message: agent_link.Register, now: float) -> None:
    state.counters["messages_register_slave"] += 1
    if _refused(state, link, message):
        return
    old = state.agents.get(state.by_pid.get(message.pid, ""))
    if old is not None:
        state.counters["slave_removals/reason_registered"] += 1
        loss.remove(state, old, "a new agent registered at the same address", now)
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


def reregister(state: State, link: str, message: agent_link.Reregister, now: float) -> None:
    state.counters["messages_reregister_slave"] += 1
    if message.agent.id is None:
        state.emit(ToAgent(link, agent_link.Shutdown(message="Agent re-registered without an id")))
        state.emit(CloseLink(link))
        return
    agent_id = message.agent.id.value
    if agent_id in state.gone:
        state.emit(ToAgent(link, agent_link.Shutdown(message=loss.GONE)))
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
    loss.trusted(state, agent_id)
    same_address = state.agents.get(state.by_pid.get(message.pid, ""))
    if same_address is not None:
        loss.remove(state, same_address, "another agent reregistered at the same address", now)
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
        state.emit(Write(agent_id, loss.entry_of(agent)))
    operations.returned(state, agent, message.operations, total)
    state.counters["slave_reregistrations"] += 1
    _enter(state, agent, link, now)
    _welcome(state, agent, ())
    if before is None:
        adoption.adopt(state, agent, message, now, tell="Unknown agent reregistered")
    elif before.standing is Standing.UNREACHABLE:
        loss.returned(state, agent_id)
        adoption.adopt(state, agent, message, now, tell="Unreachable agent reregistered")
    else:
        adoption.adopt(state, agent, message, now)
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
    pings.start(state, agent, now)
    state.note("agent_registered", agent=agent.id, hostname=agent.info.hostname, pid=agent.pid)
    if state.watched:
        added = master.EventAgentAdded(agent=views.agent_view(agent))
        state.publish(master.Event(type=master.EventType.AGENT_ADDED, agent_added=added))


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


_OLDEST = 1
"""Agents of version 0.x are not let in."""


def _refused(state: State, link: str, message: agent_link.Register | agent_link.Reregister) -> bool:
    """Its machine is down for maintenance (then it ends), or it has to be changed first (it may try again)."""
    if machines.is_down(state, message.agent.hostname, message.pid):
        state.emit(ToAgent(link, agent_link.Shutdown(message="Machine is `DOWN`")))
        state.emit(CloseLink(link))
        return True
    problem = _misfit(state, message)
    if problem is not None:
        state.note("agent_refused", pid=message.pid, why=problem)
        state.emit(CloseLink(link))
    return problem is not None


def _misfit(state: State, message: agent_link.Register | agent_link.Reregister) -> str | None:
    major = message.version.partition(".")[0]
    if not major.isascii() or not major.isdigit():
        return f"its version '{message.version}' makes no sense"
    if int(major) < _OLDEST:
        return f"its version {message.version} is older than {_OLDEST}.0.0"
    if message.agent.domain is not None and state.info.domain is None:
        return "it has a domain, and this master has none: whether it is remote cannot be told"
    if message.agent.domain is None and state.rules.require_domain:
        return "it has no domain, and --require_agent_domain is set"
    return registration_problem(message)


def _ip(pid: str) -> str | None:
    address = pid_address(pid)
    return address[0] if address is not None else None


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
    loss.trusted(state, agent.id)


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
    moved = _ip(agent.pid) != _ip(message.pid)
    if moved or agent.info.hostname != message.agent.hostname:
        why = "Agent attempted to reregister with different IP / hostname"
        state.emit(ToAgent(link, agent_link.Shutdown(message=why)))
        state.emit(CloseLink(link))
        state.note("agent_refused", agent=agent.id, pid=message.pid, why=why)
        return
    if agent.info != message.agent:
        changed = msgspec.structs.replace(loss.entry_of(agent), info=message.agent)
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
    set_total(state, agent, operations.returned(state, agent, message.operations, total))
    state.allocator.describe_agent(agent.id, **_abilities(state, agent))
    if not agent.deactivated:
        state.allocator.activate_agent(agent.id)
    machines.attach(state, agent)
    pings.start(state, agent, now)
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
    adoption.adopt(state, agent, message, now)
    adoption.end_given_up(state, agent, before)
    operations.resend(state, agent)
    for (framework_id, task_id), policy in agent.kills.items():
        if (known := agent.tasks.get((framework_id, task_id))) is not None and not known.is_terminal:
            tasks.send_kill(state, agent, framework_id, task_id, policy)
    tell_draining(state, agent, now)


def set_total(state: State, agent: AgentRecord, total: Resources) -> None:
    if total != agent.total:
        agent.total = total
        state.allocator.update_agent(agent.id, total)


def _total(state: State, link: str, message: agent_link.Register | agent_link.Reregister) -> Resources | None:
    """The agent's resources with its dynamic reservations and volumes in their place; None (and the link ended) if they
    do not fit.
    """
    try:
        own = with_checkpointed(Resources.of(message.agent.resources), message.checkpointed_resources)
        return own + Resources.of(message.oversubscribed_resources)
    except ConversionError as error:
        state.note("agent_refused", pid=message.pid, why=str(error))
        state.emit(CloseLink(link))
        return None


def _capabilities(given: tuple[AgentInfoCapability, ...]) -> frozenset[AgentInfoCapabilityType]:
    return frozenset(one.type for one in given if one.type is not None)
