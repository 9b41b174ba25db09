"""Operations on resources by operators: reservations and volumes without a framework.

One that makes no sense is refused before it is asked whether the operator may (400, then 403).
Unused resources are taken first. If they do not suffice, outstanding offers of the agent that can help are rescinded one by
one (their frameworks do not want the resources back for 5 s) until the operation can be applied.

Source: Mesos operator API (RESERVE_RESOURCES, ..., /reserve, ...) and the master's ``_operation``.
"""

from __future__ import annotations

from dcos.master.core import offers, operations
from dcos.master.core.authorization import operation_wants
from dcos.master.core.clients import DEFAULT_REFUSE_S
from dcos.master.core.effects import Answer
from dcos.master.core.events import Operate
from dcos.master.core.operation_validation import operation_problem
from dcos.master.core.records import AgentRecord
from dcos.master.core.state import State
from dcos.model.conversions import Conversion, ConversionError, conversion, resources_of, stacked
from dcos.model.resource_rules import named_problem
from dcos.model.resources import Resources
from dcos.model.v1.types import OfferOperationType

_PLACELESS = (OfferOperationType.UNRESERVE, OfferOperationType.DESTROY)
"""Refused without a word on which agent."""


def operate(state: State, event: Operate) -> None:
    agent = state.agents.get(event.agent)
    if agent is None:
        state.emit(Answer(event.request, 400, "No agent found with specified ID"))
        return
    problem = next((text for one in resources_of(event.operation) if (text := named_problem(one)) is not None), None)
    if problem is not None:
        state.emit(Answer(event.request, 400, problem))
        return
    operation = stacked(event.operation)
    problem = operation_problem(operation, agent, None, event.principal)
    if problem is not None:
        where = "" if operation.type in _PLACELESS else f" on agent {agent.described}"
        state.emit(Answer(event.request, 400, f"Invalid {operation.type} operation{where}: {problem}"))
        return
    for action, what in operation_wants(operation):
        if not state.rules.acls.allows(action, event.principal, what):
            missing = state.rules.acls.missing(action, event.principal, what)
            state.emit(Answer(event.request, 403, missing=missing))
            return
    change = conversion(operation)
    problem = _impossible(state, agent, change)
    if problem is not None:
        state.emit(Answer(event.request, 409, problem))
        return
    if operation.type is OfferOperationType.DESTROY:
        _rescind_holders(state, agent, change.consumed, event.now)
    _make_room(state, agent, change.consumed, event.now)
    state.allocator.convert_free(agent.id, change.consumed, change.converted)
    agent.total = agent.total - change.consumed + change.converted
    operations.begin(state, None, agent, operation)
    state.emit(Answer(event.request, 202))


def _impossible(state: State, agent: AgentRecord, change: Conversion) -> str | None:
    """Why no offer needs to be rescinded: even then there is not enough."""
    try:
        change.apply(sum((offer.resources for offer in agent.offers.values()), state.allocator.free(agent.id)))
    except ConversionError as error:
        return str(error)
    return None


def _rescind_holders(state: State, agent: AgentRecord, volumes: Resources, now: float) -> None:
    """Shared volumes are free and offered at once."""
    for offer in list(agent.offers.values()):
        if any(kind.shared and offer.resources.get(kind) is not None for kind, _ in volumes):
            offers.rescind(state, offer, now, refuse_s=DEFAULT_REFUSE_S)


def _make_room(state: State, agent: AgentRecord, wanted: Resources, now: float) -> None:
    missing = wanted - state.allocator.free(agent.id)
    for offer in list(agent.offers.values()):
        if state.allocator.free(agent.id).contains(wanted):
            return
        if missing - offer.resources == missing:
            continue
        missing -= offer.resources
        offers.rescind(state, offer, now, refuse_s=DEFAULT_REFUSE_S)
