"""Small readings of names and messages that several parts share."""

from __future__ import annotations

from dcos.master.core.records import AgentRecord, FrameworkRecord
from dcos.master.core.tally import Holdings
from dcos.model.resource_messages import Form
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1 import master
from dcos.model.v1.types import AgentInfoCapability, Resource, TimeInfo


def time_info(seconds: float) -> TimeInfo:
    return TimeInfo(nanoseconds=int(seconds * 1e9))


def held_by_role(holder: AgentRecord | FrameworkRecord, *, offered: bool) -> dict[str, Resources]:
    """What is used of (or by) it, or offered, by the role that it is allocated to."""
    if isinstance(holder, FrameworkRecord):
        return {role: tally.whole for role, tally in _holdings(holder, offered=offered).tallies()}
    out: dict[str, Resources] = {}
    if offered:
        for offer in holder.offers.values():
            out[offer.role] = out.get(offer.role, EMPTY) + offer.resources
        return out
    for task in holder.tasks.values():
        if task.holds:
            out[task.role] = out.get(task.role, EMPTY) + task.resources
    for executor in holder.executors.values():
        out[executor.role] = out.get(executor.role, EMPTY) + executor.resources
    return out


def _holdings(framework: FrameworkRecord, *, offered: bool) -> Holdings:
    return framework.offered_tally if offered else framework.used_tally


def held_messages(holder: AgentRecord | FrameworkRecord, *, offered: bool) -> tuple[Resource, ...]:
    return tuple(
        message
        for role, resources in held_by_role(holder, offered=offered).items()
        for message in resources.messages(role, Form.ENDPOINT)
    )


def agent_view(agent: AgentRecord) -> master.ResponseGetAgentsAgent:
    """An agent as the v1 operator API shows it."""
    return master.ResponseGetAgentsAgent(
        agent_info=agent.info,
        active=agent.active,
        deactivated=agent.deactivated,
        version=agent.version,
        pid=agent.pid,
        registered_time=time_info(agent.registered),
        reregistered_time=time_info(agent.reregistered) if agent.reregistered else None,
        total_resources=agent.total.messages(form=Form.ENDPOINT),
        allocated_resources=held_messages(agent, offered=False),
        offered_resources=held_messages(agent, offered=True),
        capabilities=tuple(AgentInfoCapability(type=one) for one in sorted(agent.capabilities)),
        drain_info=agent.drain,
        estimated_drain_start_time=time_info(agent.drain_started) if agent.drain_started is not None else None,
    )


def framework_view(framework: FrameworkRecord, *, whole: bool = True) -> master.ResponseGetFrameworksFramework:
    """A framework as the v1 operator API shows it; events leave out offers and resources (``whole`` false)."""
    return master.ResponseGetFrameworksFramework(
        framework_info=framework.info,
        active=framework.active and framework.connected,
        connected=framework.connected,
        recovered=framework.recovered,
        registered_time=time_info(framework.registered) if framework.registered else None,
        reregistered_time=time_info(framework.reregistered) if framework.reregistered else None,
        unregistered_time=time_info(framework.unregistered) if framework.unregistered else None,
        offers=tuple(offer.message for offer in framework.offers.values()) if whole else (),
        inverse_offers=tuple(one.message for one in framework.inverse_offers.values()) if whole else (),
        allocated_resources=held_messages(framework, offered=False) if whole else (),
        offered_resources=held_messages(framework, offered=True) if whole else (),
        offer_constraints=framework.constraints,
    )
