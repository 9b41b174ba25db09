"""Inverse offers: frameworks are asked whether they can let an agent go that will be away for maintenance.

Each framework that has something offered or allocated on such an agent is asked once at a time; its answer is kept until the
schedule changes, and it is asked again when the filter of its answer is over.

Source: Mesos docs/maintenance.md and its allocator (one outstanding per framework and agent; whole agents, no resources).
"""

from __future__ import annotations

from collections.abc import Iterable

from dcos.master.core import views
from dcos.master.core.clients import refuse_seconds
from dcos.master.core.records import AgentRecord, FrameworkRecord, InverseOfferRecord
from dcos.master.core.state import Deadline, State
from dcos.model.v1 import allocator, scheduler
from dcos.model.v1.types import (
    URL,
    Address,
    AgentID,
    Filters,
    FrameworkID,
    InverseOffer,
    OfferID,
    Unavailability,
)
from dcos.wire.pid import pid_address

_Status = allocator.InverseOfferStatusStatus


def make(state: State, now: float) -> None:
    """Ask about the agents that something happened to."""
    if not state.leaving or state.recovered_at is None:
        return
    by_framework: dict[str, list[InverseOffer]] = {}
    leaving, state.leaving = state.leaving, {}
    for agent_id in leaving:
        agent = state.agents.get(agent_id)
        if agent is None or agent.unavailability is None:
            continue
        for framework in _concerned(state, agent):
            if framework.id in agent.inverse_offers or framework.inverse_filters.get(agent_id, 0.0) > now:
                continue
            made = _make(state, framework, agent, agent.unavailability, now)
            by_framework.setdefault(framework.id, []).append(made.message)
    for framework_id, asked in by_framework.items():
        sent = scheduler.EventInverseOffers(inverse_offers=tuple(asked))
        event = scheduler.Event(type=scheduler.EventType.INVERSE_OFFERS, inverse_offers=sent)
        state.tell(state.frameworks[framework_id], event)


def _concerned(state: State, agent: AgentRecord) -> list[FrameworkRecord]:
    """Active frameworks that have something there."""
    names = dict.fromkeys(framework for (framework, _), task in agent.tasks.items() if task.holds)
    names |= dict.fromkeys(framework for framework, _ in agent.executors)
    names |= dict.fromkeys(offer.framework for offer in agent.offers.values())
    found = [state.frameworks[name] for name in names]
    return [framework for framework in found if framework.connected and framework.active]


def _make(
    state: State, framework: FrameworkRecord, agent: AgentRecord, unavailability: Unavailability, now: float
) -> InverseOfferRecord:
    offer_id = f"{state.info.id}-O{state.number('offer')}"
    ip, port = pid_address(agent.pid) or (agent.info.hostname, agent.info.port)
    message = InverseOffer(
        id=OfferID(value=offer_id),
        url=URL(scheme="http", address=Address(hostname=agent.info.hostname, ip=ip, port=port), path="/slave(1)"),
        framework_id=FrameworkID(value=framework.id),
        agent_id=AgentID(value=agent.id),
        unavailability=unavailability,
    )
    record = InverseOfferRecord(message, framework.id, agent.id)
    state.inverse_offers[offer_id] = framework.inverse_offers[offer_id] = agent.inverse_offers[framework.id] = record
    if state.rules.offer_timeout_s is not None:
        state.schedule(now + state.rules.offer_timeout_s, Deadline.INVERSE_OFFER, offer_id)
    return record


def discard(state: State, record: InverseOfferRecord) -> None:
    """It is over, telling nobody."""
    del state.inverse_offers[record.id]
    del state.frameworks[record.framework].inverse_offers[record.id]
    del state.agents[record.agent].inverse_offers[record.framework]


def discard_all(state: State, framework: FrameworkRecord) -> None:
    for record in list(framework.inverse_offers.values()):
        discard(state, record)


def rescind(state: State, record: InverseOfferRecord) -> None:
    discard(state, record)
    gone = scheduler.EventRescindInverseOffer(inverse_offer_id=record.message.id)
    event = scheduler.Event(type=scheduler.EventType.RESCIND_INVERSE_OFFER, rescind_inverse_offer=gone)
    state.tell(state.frameworks[record.framework], event)


def rescind_all(state: State, holder: AgentRecord | FrameworkRecord) -> None:
    for record in list(holder.inverse_offers.values()):
        rescind(state, record)


def expired(state: State, offer_id: str) -> None:
    """``--offer_timeout`` is over: asked again."""
    record = state.inverse_offers.get(offer_id)
    if record is not None:
        rescind(state, record)
        state.leaving[record.agent] = None


def answer(
    state: State,
    framework: FrameworkRecord,
    offer_ids: Iterable[OfferID],
    filters: Filters | None,
    now: float,
    *,
    yes: bool,
) -> None:
    """Unknown ones are passed over."""
    refuse_s = refuse_seconds(filters.refuse_seconds if filters is not None else None)
    until = now + max(refuse_s, state.rules.allocation_interval_s)
    for offer_id in offer_ids:
        record = framework.inverse_offers.get(offer_id.value)
        if record is None:
            continue
        discard(state, record)
        state.agents[record.agent].answers[framework.id] = allocator.InverseOfferStatus(
            status=_Status.ACCEPT if yes else _Status.DECLINE,
            framework_id=FrameworkID(value=framework.id),
            timestamp=views.time_info(now),
        )
        framework.inverse_filters[record.agent] = until
        state.schedule(until, Deadline.INVERSE_FILTER, record.agent)


def ask_again(state: State, framework: FrameworkRecord) -> None:
    """It is back, or wants to hear everything: whatever it answered before."""
    framework.inverse_filters.clear()
    for agent_id in framework.agents():
        if state.agents[agent_id].unavailability is not None:
            state.leaving[agent_id] = None


def forget(state: State, framework: FrameworkRecord) -> None:
    """The framework is no more."""
    discard_all(state, framework)
    for agent in state.agents.values():
        if agent.answers:
            agent.answers.pop(framework.id, None)
