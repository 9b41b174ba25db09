"""Offers: made from the allocator's grants, taken back, refused.

Source: Mesos master (offers, rescind, decline).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from dcos.master.core.allocator import Grant
from dcos.master.core.clients import refuse_seconds
from dcos.master.core.records import AgentRecord, FrameworkRecord, OfferRecord
from dcos.master.core.state import Deadline, State
from dcos.model.resource_messages import Form
from dcos.model.v1 import scheduler
from dcos.model.v1.types import (
    URL,
    Address,
    AgentID,
    ExecutorID,
    Filters,
    FrameworkID,
    FrameworkInfoCapabilityType,
    Offer,
    OfferID,
    ResourceAllocationInfo,
)
from dcos.wire.pid import pid_address

AGENTS_AT_ONCE: Final = 256
"""Offers of ten thousand agents take a second to make: others have their turn meanwhile."""


def to_allocate(state: State) -> bool:
    return state.allocator.has_work and state.recovered_at is not None


def allocate(state: State, now: float) -> None:
    """Let the allocator decide and send what it granted, one event per framework.

    Not over more than ``AGENTS_AT_ONCE``: then there is still something ``to_allocate``.
    """
    if not to_allocate(state):
        return
    by_framework: dict[str, list[Offer]] = {}
    for grant in state.allocator.run(now, AGENTS_AT_ONCE):
        offer = _make(state, grant, now)
        by_framework.setdefault(grant.framework, []).append(offer.message)
    for framework_id, offers in by_framework.items():
        event = scheduler.Event(type=scheduler.EventType.OFFERS, offers=scheduler.EventOffers(offers=tuple(offers)))
        state.tell(state.frameworks[framework_id], event)


def _make(state: State, grant: Grant, now: float) -> OfferRecord:
    framework = state.frameworks[grant.framework]
    agent = state.agents[grant.agent]
    offer_id = f"{state.info.id}-O{state.number('offer')}"
    multi_role = FrameworkInfoCapabilityType.MULTI_ROLE in framework.capabilities
    refined = FrameworkInfoCapabilityType.RESERVATION_REFINEMENT in framework.capabilities
    ip, port = pid_address(agent.pid) or (agent.info.hostname, agent.info.port)
    message = Offer(
        id=OfferID(value=offer_id),
        framework_id=FrameworkID(value=framework.id),
        agent_id=AgentID(value=agent.id),
        hostname=agent.info.hostname,
        url=URL(
            scheme="http",
            address=Address(hostname=agent.info.hostname, ip=ip, port=port),
            path="/slave(1)",
        ),
        domain=agent.info.domain,
        resources=grant.resources.messages(grant.role if multi_role else None, Form.STACK if refined else Form.LEGACY),
        attributes=agent.info.attributes,
        executor_ids=tuple(ExecutorID(value=executor) for owner, executor in agent.executors if owner == framework.id),
        unavailability=agent.unavailability,
        allocation_info=ResourceAllocationInfo(role=grant.role) if multi_role else None,
    )
    if agent.unavailability is not None:
        state.leaving[agent.id] = None
    offer = OfferRecord(message, framework.id, grant.role, agent.id, grant.resources)
    state.offers[offer_id] = framework.offers[offer_id] = agent.offers[offer_id] = offer
    framework.offered_tally.add(grant.role, grant.resources)
    agent.offered += grant.resources
    framework.counts["offers/sent"] += 1
    if state.rules.offer_timeout_s is not None:
        state.schedule(now + state.rules.offer_timeout_s, Deadline.OFFER, offer_id)
    return offer


def take(state: State, offer: OfferRecord) -> None:
    """The offer is over; its resources are still charged to its framework."""
    offer_id = offer.message.id.value
    del state.offers[offer_id]
    framework, agent = state.frameworks[offer.framework], state.agents[offer.agent]
    del framework.offers[offer_id]
    del agent.offers[offer_id]
    framework.offered_tally.remove(offer.role, offer.resources)
    agent.offered -= offer.resources


def discard(state: State, offer: OfferRecord, now: float, *, refuse_s: float | None = None) -> None:
    """End an offer and free its resources, telling nobody."""
    take(state, offer)
    state.allocator.recover(
        offer.framework, offer.role, offer.agent, offer.resources, refuse_s=refuse_s, now=now, offered=True
    )


def rescind(state: State, offer: OfferRecord, now: float, *, refuse_s: float | None = None) -> None:
    """End an offer, free its resources (for others than its framework, for ``refuse_s``) and tell its scheduler."""
    framework = state.frameworks[offer.framework]
    discard(state, offer, now, refuse_s=refuse_s)
    framework.counts["offers/rescinded"] += 1
    state.tell(
        framework,
        scheduler.Event(type=scheduler.EventType.RESCIND, rescind=scheduler.EventRescind(offer_id=offer.message.id)),
    )


def rescind_all(state: State, holder: AgentRecord | FrameworkRecord, now: float) -> None:
    for offer in list(holder.offers.values()):
        rescind(state, offer, now)


def rescinding(state: State, given: Sequence[OfferRecord], now: float) -> Iterator[None]:
    """Those of ``given`` that still stand, one by one."""
    for offer in given:
        if offer.message.id.value in state.offers:
            rescind(state, offer, now)
            yield


def discarding(state: State, given: Sequence[OfferRecord], now: float) -> Iterator[None]:
    """As ``rescinding``, telling nobody."""
    for offer in given:
        if offer.message.id.value in state.offers:
            discard(state, offer, now)
            yield


def decline(
    state: State, framework: FrameworkRecord, offer_ids: Iterable[OfferID], filters: Filters | None, now: float
) -> Iterator[None]:
    """One by one; unknown offers are passed over."""
    state.counters["messages_decline_offers"] += 1
    refuse_s = refuse_seconds(filters.refuse_seconds if filters is not None else None)
    for offer_id in offer_ids:
        offer = framework.offers.get(offer_id.value)
        if offer is not None:
            framework.counts["offers/declined"] += 1
            discard(state, offer, now, refuse_s=refuse_s)
            yield
