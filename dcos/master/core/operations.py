"""Operations on an agent's resources, from order to acknowledgement.

Theory: an operation takes effect in our books at once (it is *speculative*: agents do not refuse what these books allow)
and is PENDING until its agent tells its end. The link may break between: an agent that comes back names the operations it
knows, and those of ours that it does not name never reached it, so they are sent again, in their order, as long as its
resources allow. So nothing is lost or done twice by a broken link or a dead agent process. A new leader knows nothing of
what its predecessor had not got to the agent; schedulers learn that by reconciliation.

The end is told to the scheduler, if the operation has an id, and the agent repeats it until the scheduler acknowledged;
without an id, or without a framework to tell, this master acknowledges. Then it is forgotten on both sides.

Source: Mesos master (operation feedback, docs/operator-http-api.md, docs/reconciliation.md).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Final

import msgspec

from dcos.master.core.records import AgentRecord, FrameworkRecord, OperationRecord
from dcos.master.core.state import State
from dcos.model.conversions import ConversionError, conversion, show_volumes
from dcos.model.operation_states import TERMINAL_OPERATIONS
from dcos.model.resources import Resources
from dcos.model.v1 import scheduler
from dcos.model.v1.types import (
    UUID,
    AgentID,
    FrameworkID,
    OfferOperation,
    OfferOperationType,
    Operation,
    OperationState,
    OperationStatus,
)
from dcos.wire import agent_link

TYPES: Final = (
    OfferOperationType.RESERVE,
    OfferOperationType.UNRESERVE,
    OfferOperationType.CREATE,
    OfferOperationType.DESTROY,
    OfferOperationType.GROW_VOLUME,
    OfferOperationType.SHRINK_VOLUME,
    OfferOperationType.CREATE_DISK,
    OfferOperationType.DESTROY_DISK,
)
ORPHANED_AFTER_S: Final = 86400.0
"""How long a leader waits for a framework that only its operations are known of, before it acknowledges them itself."""
ENDS: Final = ("finished", "failed", "error", "dropped", "gone_by_operator")


def begin(state: State, framework: FrameworkRecord | None, agent: AgentRecord, operation: OfferOperation) -> None:
    """Note an operation that the books have applied already, and send it off."""
    number = state.number("operation")
    show_volumes(operation)
    pending = OperationStatus(
        operation_id=operation.id,
        state=OperationState.OPERATION_PENDING,
        agent_id=AgentID(value=agent.id),
    )
    record = OperationRecord(
        uuid=uuid.uuid5(uuid.NAMESPACE_OID, f"{state.info.id}/{number}").bytes,
        info=operation,
        framework=framework.id if framework is not None else None,
        agent=agent.id,
        latest=pending,
        statuses=(pending,),
    )
    _enter(state, agent, record)
    _send(state, agent, record)
    state.note("operation_begun", agent=agent.id, type=str(operation.type), framework=record.framework or "")


def _enter(state: State, agent: AgentRecord, record: OperationRecord) -> None:
    agent.operations[record.uuid] = record
    framework = state.frameworks.get(record.framework or "")
    if framework is not None and record.id is not None:
        framework.operations[record.id] = record


def _forget(state: State, agent: AgentRecord, record: OperationRecord) -> None:
    agent.operations.pop(record.uuid, None)
    if agent.draining:
        state.drained.add(agent.id)
    framework = state.frameworks.get(record.framework or "")
    if framework is not None and record.id is not None and framework.operations.get(record.id) is record:
        del framework.operations[record.id]


def _send(state: State, agent: AgentRecord, record: OperationRecord) -> None:
    framework = FrameworkID(value=record.framework) if record.framework is not None else None
    state.send(agent, agent_link.ApplyOperation(operation_uuid=record.uuid, info=record.info, framework_id=framework))


def refused(state: State, framework: FrameworkRecord, operation: OfferOperation, why: str) -> None:
    """It is not even begun: OPERATION_ERROR where it carries an id, a line in the log where not. No agent is named, as
    it may be one that the operation was never for."""
    state.note("operation_refused", framework=framework.id, type=str(operation.type), why=why)
    count(state, operation.type, OperationState.OPERATION_ERROR)
    if operation.id is None:
        return
    status = OperationStatus(operation_id=operation.id, state=OperationState.OPERATION_ERROR, message=why)
    tell(state, framework, status)


def dropped(state: State, framework: FrameworkRecord, operation: OfferOperation, agent: AgentRecord, why: str) -> None:
    """It cannot be sent to its agent any more."""
    state.note("operation_dropped", framework=framework.id, type=str(operation.type), why=why)
    count(state, operation.type, OperationState.OPERATION_DROPPED)
    if operation.id is not None:
        status = OperationStatus(
            operation_id=operation.id,
            state=OperationState.OPERATION_DROPPED,
            message=why,
            agent_id=AgentID(value=agent.id),
        )
        tell(state, framework, status)


def tell(state: State, framework: FrameworkRecord, status: OperationStatus) -> None:
    update = scheduler.EventUpdateOperationStatus(status=status)
    state.tell(
        framework,
        scheduler.Event(type=scheduler.EventType.UPDATE_OPERATION_STATUS, update_operation_status=update),
    )


def count(state: State, kind: OfferOperationType | None, to: OperationState) -> None:
    """Ends, for the metrics ``operations/<end>`` and ``operations/<type>/<end>``."""
    end = to.removeprefix("OPERATION_").lower()
    state.counters[f"operations/{end}"] += 1
    if kind is not None:
        state.counters[f"operations/{kind.lower()}/{end}"] += 1


# ---- ends ------------------------------------------------------------------------------------------------------------


def updated(state: State, agent: AgentRecord, update: agent_link.UpdateOperationStatus, now: float) -> None:
    """An agent tells an operation's end, perhaps again."""
    state.counters["messages_operation_status_update"] += 1
    record = agent.operations.get(update.operation_uuid)
    if record is None:
        state.counters["invalid_operation_status_updates"] += 1
        _acknowledge(state, agent, update.operation_uuid, update.status)
        return
    state.counters["valid_operation_status_updates"] += 1
    status = msgspec.structs.replace(update.status, agent_id=AgentID(value=agent.id))
    if not record.is_terminal and status.state in TERMINAL_OPERATIONS:
        count(state, record.info.type, status.state)
    record.latest = status
    if record.statuses[-1].uuid != status.uuid or status.uuid is None:
        record.statuses = (*record.statuses, status)
    framework = state.frameworks.get(record.framework or "")
    if framework is None and now - (state.elected or now) > ORPHANED_AFTER_S:
        record.orphan = True
    if record.id is None or record.orphan or record.framework is None:
        _acknowledge(state, agent, record.uuid, status)
        if record.is_terminal:
            _forget(state, agent, record)
    elif framework is not None:
        tell(state, framework, status)


def _acknowledge(state: State, agent: AgentRecord, operation: bytes, status: OperationStatus) -> None:
    if status.uuid is not None:
        state.send(agent, agent_link.AcknowledgeOperation(operation_uuid=operation, status_uuid=status.uuid.value))


def acknowledge(state: State, framework: FrameworkRecord, call: scheduler.CallAcknowledgeOperationStatus) -> None:
    """The scheduler knows how its operation ended: both sides forget it."""
    state.counters["messages_operation_status_update_acknowledgement"] += 1
    record = framework.operations.get(call.operation_id.value)
    agent = state.agents.get(record.agent) if record is not None else None
    latest = record.latest.uuid if record is not None else None
    if (
        record is None
        or agent is None
        or not agent.connected
        or latest is None
        or latest.value != call.uuid
        or (call.agent_id is not None and call.agent_id.value != agent.id)
    ):
        state.counters["invalid_operation_status_update_acknowledgements"] += 1
        return
    state.counters["valid_operation_status_update_acknowledgements"] += 1
    state.send(agent, agent_link.AcknowledgeOperation(operation_uuid=record.uuid, status_uuid=call.uuid))
    if record.is_terminal:
        _forget(state, agent, record)


# ---- agents come and go ----------------------------------------------------------------------------------------------


def returned(state: State, agent: AgentRecord, told: Iterable[Operation], total: Resources) -> Resources:
    """An agent is back with ``told`` and ``total``; returns its total with what is sent to it (again) by ``resend``.

    To be called for every registration with an id, before its total goes into the books.
    """
    known = {}
    for one in told:
        known[one.uuid.value] = one
        if one.uuid.value not in agent.operations:
            _adopt(state, agent, one)
    for record in list(agent.operations.values()):
        if record.uuid in known:
            continue
        if record.is_terminal:
            _forget(state, agent, record)
            continue
        try:
            total = conversion(record.info).apply(total)
        except ConversionError as error:
            _drop(state, agent, record, f"Agent re-registered without the resources of the operation: {error}")
            continue
        record.unsent = True
    return total


def _adopt(state: State, agent: AgentRecord, one: Operation) -> None:
    """An operation of a former leader's, or from before the agent was given up."""
    framework = one.framework_id.value if one.framework_id is not None else None
    _enter(
        state,
        agent,
        OperationRecord(
            uuid=one.uuid.value,
            info=one.info,
            framework=framework,
            agent=agent.id,
            latest=one.latest_status,
            statuses=one.statuses or (one.latest_status,),
            orphan=framework in state.completed,
        ),
    )


def _drop(state: State, agent: AgentRecord, record: OperationRecord, why: str) -> None:
    _forget(state, agent, record)
    framework = state.frameworks.get(record.framework or "")
    if framework is not None:
        dropped(state, framework, record.info, agent, why)
    else:
        count(state, record.info.type, OperationState.OPERATION_DROPPED)


def resend(state: State, agent: AgentRecord) -> None:
    """Once the agent was told that it is registered."""
    for record in agent.operations.values():
        if record.unsent:
            record.unsent = False
            _send(state, agent, record)


def lost(state: State, agent: AgentRecord, to: OperationState, why: str) -> None:
    """The agent is unreachable, gone or removed: schedulers hear of what had not ended, the books forget it."""
    for record in list(agent.operations.values()):
        _forget(state, agent, record)
        if record.is_terminal:
            continue
        count(state, record.info.type, to)
        framework = state.frameworks.get(record.framework or "")
        if framework is not None and record.id is not None:
            status = OperationStatus(
                operation_id=record.info.id, state=to, message=why, agent_id=AgentID(value=agent.id)
            )
            tell(state, framework, status)


def framework_added(state: State, framework: FrameworkRecord) -> None:
    """Operations that its agents brought before it came."""
    for agent in state.agents.values():
        for record in agent.operations.values():
            if record.framework == framework.id and record.id is not None:
                framework.operations[record.id] = record


def framework_removed(state: State, framework: FrameworkRecord) -> None:
    """Nobody waits for its operations any more."""
    for agent in state.agents.values():
        for record in [one for one in agent.operations.values() if one.framework == framework.id]:
            record.orphan = True
            if record.is_terminal:
                _acknowledge(state, agent, record.uuid, record.latest)
                _forget(state, agent, record)
    framework.operations.clear()


# ---- reconciliation --------------------------------------------------------------------------------------------------


def reconcile(state: State, framework: FrameworkRecord, call: scheduler.CallReconcileOperations) -> None:
    """Each operation that the call names; all of the framework's if it names none."""
    state.counters["messages_reconcile_operations"] += 1
    if not call.operations:
        for record in framework.operations.values():
            tell(state, framework, _latest(record))
        return
    for asked in call.operations:
        tell(state, framework, _answer(state, framework, asked))


def _latest(record: OperationRecord) -> OperationStatus:
    return msgspec.structs.replace(record.latest, uuid=None)


def _answer(
    state: State, framework: FrameworkRecord, asked: scheduler.CallReconcileOperationsOperation
) -> OperationStatus:
    """No agent here has resource providers: what is asked of one is asked of nobody known."""
    record = framework.operations.get(asked.operation_id.value)
    if record is not None:
        return _latest(record)
    agent = asked.agent_id.value if asked.agent_id is not None else None
    found, text = OperationState.OPERATION_UNKNOWN, "Both operation and agent are unknown"
    if agent is None:
        text = "Operation is unknown and no 'agent_id' was provided"
    elif agent in state.recovered:
        found, text = OperationState.OPERATION_RECOVERING, "Agent is recovered but has not re-registered"
    elif agent in state.agents:
        text = "Operation is unknown"
    elif agent in state.unreachable:
        found, text = OperationState.OPERATION_UNREACHABLE, "Agent is unreachable"
    elif agent in state.gone:
        found, text = OperationState.OPERATION_GONE_BY_OPERATOR, "Agent marked gone by operator"
    return OperationStatus(
        operation_id=asked.operation_id,
        state=found,
        message=f"Reconciliation: {text}",
        agent_id=asked.agent_id,
        resource_provider_id=asked.resource_provider_id,
    )


# ---- views -----------------------------------------------------------------------------------------------------------


def message_of(record: OperationRecord) -> Operation:
    """As the operators' API shows it."""
    return Operation(
        framework_id=FrameworkID(value=record.framework) if record.framework is not None else None,
        agent_id=AgentID(value=record.agent),
        info=record.info,
        latest_status=record.latest,
        statuses=record.statuses,
        uuid=UUID(value=record.uuid),
    )
