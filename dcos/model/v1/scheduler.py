"""Scheduler calls and events.

Source: the schema table in ``dcos/wire/schema`` (Mesos 1.11); a test holds the two together.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import field

from dcos.model.v1.base import Message
from dcos.model.v1.types import (
    AgentID,
    ExecutorID,
    Filters,
    FrameworkID,
    FrameworkInfo,
    InverseOffer,
    KillPolicy,
    MasterInfo,
    Offer,
    OfferID,
    OfferOperation,
    OperationID,
    OperationStatus,
    Request,
    ResourceProviderID,
    TaskID,
    TaskStatus,
)


class EventType(StrEnum):
    UNKNOWN = "UNKNOWN"
    SUBSCRIBED = "SUBSCRIBED"
    OFFERS = "OFFERS"
    INVERSE_OFFERS = "INVERSE_OFFERS"
    RESCIND = "RESCIND"
    RESCIND_INVERSE_OFFER = "RESCIND_INVERSE_OFFER"
    UPDATE = "UPDATE"
    UPDATE_OPERATION_STATUS = "UPDATE_OPERATION_STATUS"
    MESSAGE = "MESSAGE"
    FAILURE = "FAILURE"
    ERROR = "ERROR"
    HEARTBEAT = "HEARTBEAT"


class ResponseType(StrEnum):
    UNKNOWN = "UNKNOWN"
    RECONCILE_OPERATIONS = "RECONCILE_OPERATIONS"


class AttributeConstraintSelectorPseudoattributeType(StrEnum):
    UNKNOWN = "UNKNOWN"
    HOSTNAME = "HOSTNAME"
    REGION = "REGION"
    ZONE = "ZONE"


class CallType(StrEnum):
    UNKNOWN = "UNKNOWN"
    SUBSCRIBE = "SUBSCRIBE"
    TEARDOWN = "TEARDOWN"
    ACCEPT = "ACCEPT"
    DECLINE = "DECLINE"
    ACCEPT_INVERSE_OFFERS = "ACCEPT_INVERSE_OFFERS"
    DECLINE_INVERSE_OFFERS = "DECLINE_INVERSE_OFFERS"
    REVIVE = "REVIVE"
    KILL = "KILL"
    SHUTDOWN = "SHUTDOWN"
    ACKNOWLEDGE = "ACKNOWLEDGE"
    ACKNOWLEDGE_OPERATION_STATUS = "ACKNOWLEDGE_OPERATION_STATUS"
    RECONCILE = "RECONCILE"
    RECONCILE_OPERATIONS = "RECONCILE_OPERATIONS"
    MESSAGE = "MESSAGE"
    REQUEST = "REQUEST"
    SUPPRESS = "SUPPRESS"
    UPDATE_FRAMEWORK = "UPDATE_FRAMEWORK"


class Event(Message, frozen=True, kw_only=True):
    type: EventType | None = None
    subscribed: EventSubscribed | None = None
    offers: EventOffers | None = None
    inverse_offers: EventInverseOffers | None = None
    rescind: EventRescind | None = None
    rescind_inverse_offer: EventRescindInverseOffer | None = None
    update: EventUpdate | None = None
    update_operation_status: EventUpdateOperationStatus | None = None
    message: EventMessage | None = None
    failure: EventFailure | None = None
    error: EventError | None = None


class EventSubscribed(Message, frozen=True, kw_only=True):
    framework_id: FrameworkID
    heartbeat_interval_seconds: float | None = None
    master_info: MasterInfo | None = None


class EventOffers(Message, frozen=True, kw_only=True):
    offers: tuple[Offer, ...] = ()


class EventInverseOffers(Message, frozen=True, kw_only=True):
    inverse_offers: tuple[InverseOffer, ...] = ()


class EventRescind(Message, frozen=True, kw_only=True):
    offer_id: OfferID


class EventRescindInverseOffer(Message, frozen=True, kw_only=True):
    inverse_offer_id: OfferID


class EventUpdate(Message, frozen=True, kw_only=True):
    status: TaskStatus


class EventUpdateOperationStatus(Message, frozen=True, kw_only=True):
    status: OperationStatus


class EventMessage(Message, frozen=True, kw_only=True):
    agent_id: AgentID
    executor_id: ExecutorID
    data: bytes


class EventFailure(Message, frozen=True, kw_only=True):
    agent_id: AgentID | None = None
    executor_id: ExecutorID | None = None
    status: int | None = None


class EventError(Message, frozen=True, kw_only=True):
    message: str


class Response(Message, frozen=True, kw_only=True):
    type: ResponseType | None = None
    reconcile_operations: ResponseReconcileOperations | None = None


class ResponseReconcileOperations(Message, frozen=True, kw_only=True):
    operation_statuses: tuple[OperationStatus, ...] = ()


class AttributeConstraint(Message, frozen=True, kw_only=True):
    selector: AttributeConstraintSelector
    predicate: AttributeConstraintPredicate


class AttributeConstraintSelector(Message, frozen=True, kw_only=True):
    pseudoattribute_type: AttributeConstraintSelectorPseudoattributeType | None = None
    attribute_name: str | None = None


class AttributeConstraintPredicate(Message, frozen=True, kw_only=True):
    exists: AttributeConstraintPredicateExists | None = None
    not_exists: AttributeConstraintPredicateNotExists | None = None
    text_equals: AttributeConstraintPredicateTextEquals | None = None
    text_not_equals: AttributeConstraintPredicateTextNotEquals | None = None
    text_matches: AttributeConstraintPredicateTextMatches | None = None
    text_not_matches: AttributeConstraintPredicateTextNotMatches | None = None


class AttributeConstraintPredicateTextEquals(Message, frozen=True, kw_only=True):
    value: str


class AttributeConstraintPredicateTextNotEquals(Message, frozen=True, kw_only=True):
    value: str


class AttributeConstraintPredicateTextMatches(Message, frozen=True, kw_only=True):
    regex: str


class AttributeConstraintPredicateTextNotMatches(Message, frozen=True, kw_only=True):
    regex: str


class OfferConstraints(Message, frozen=True, kw_only=True):
    role_constraints: dict[str, OfferConstraintsRoleConstraints] = field(default_factory=dict)


class OfferConstraintsRoleConstraints(Message, frozen=True, kw_only=True):
    groups: tuple[OfferConstraintsRoleConstraintsGroup, ...] = ()


class OfferConstraintsRoleConstraintsGroup(Message, frozen=True, kw_only=True):
    attribute_constraints: tuple[AttributeConstraint, ...] = ()


class Call(Message, frozen=True, kw_only=True):
    framework_id: FrameworkID | None = None
    type: CallType | None = None
    subscribe: CallSubscribe | None = None
    accept: CallAccept | None = None
    decline: CallDecline | None = None
    accept_inverse_offers: CallAcceptInverseOffers | None = None
    decline_inverse_offers: CallDeclineInverseOffers | None = None
    revive: CallRevive | None = None
    kill: CallKill | None = None
    shutdown: CallShutdown | None = None
    acknowledge: CallAcknowledge | None = None
    acknowledge_operation_status: CallAcknowledgeOperationStatus | None = None
    reconcile: CallReconcile | None = None
    reconcile_operations: CallReconcileOperations | None = None
    message: CallMessage | None = None
    request: CallRequest | None = None
    suppress: CallSuppress | None = None
    update_framework: CallUpdateFramework | None = None


class CallSubscribe(Message, frozen=True, kw_only=True):
    framework_info: FrameworkInfo
    suppressed_roles: tuple[str, ...] = ()
    offer_constraints: OfferConstraints | None = None


class CallAccept(Message, frozen=True, kw_only=True):
    offer_ids: tuple[OfferID, ...] = ()
    operations: tuple[OfferOperation, ...] = ()
    filters: Filters | None = None


class CallDecline(Message, frozen=True, kw_only=True):
    offer_ids: tuple[OfferID, ...] = ()
    filters: Filters | None = None


class CallAcceptInverseOffers(Message, frozen=True, kw_only=True):
    inverse_offer_ids: tuple[OfferID, ...] = ()
    filters: Filters | None = None


class CallDeclineInverseOffers(Message, frozen=True, kw_only=True):
    inverse_offer_ids: tuple[OfferID, ...] = ()
    filters: Filters | None = None


class CallRevive(Message, frozen=True, kw_only=True):
    roles: tuple[str, ...] = ()


class CallKill(Message, frozen=True, kw_only=True):
    task_id: TaskID
    agent_id: AgentID | None = None
    kill_policy: KillPolicy | None = None


class CallShutdown(Message, frozen=True, kw_only=True):
    executor_id: ExecutorID
    agent_id: AgentID


class CallAcknowledge(Message, frozen=True, kw_only=True):
    agent_id: AgentID
    task_id: TaskID
    uuid: bytes


class CallAcknowledgeOperationStatus(Message, frozen=True, kw_only=True):
    agent_id: AgentID | None = None
    resource_provider_id: ResourceProviderID | None = None
    uuid: bytes
    operation_id: OperationID


class CallReconcile(Message, frozen=True, kw_only=True):
    tasks: tuple[CallReconcileTask, ...] = ()


class CallReconcileTask(Message, frozen=True, kw_only=True):
    task_id: TaskID
    agent_id: AgentID | None = None


class CallReconcileOperations(Message, frozen=True, kw_only=True):
    operations: tuple[CallReconcileOperationsOperation, ...] = ()


class CallReconcileOperationsOperation(Message, frozen=True, kw_only=True):
    operation_id: OperationID
    agent_id: AgentID | None = None
    resource_provider_id: ResourceProviderID | None = None


class CallMessage(Message, frozen=True, kw_only=True):
    agent_id: AgentID
    executor_id: ExecutorID
    data: bytes


class CallRequest(Message, frozen=True, kw_only=True):
    requests: tuple[Request, ...] = ()


class CallSuppress(Message, frozen=True, kw_only=True):
    roles: tuple[str, ...] = ()


class CallUpdateFramework(Message, frozen=True, kw_only=True):
    framework_info: FrameworkInfo
    suppressed_roles: tuple[str, ...] = ()
    offer_constraints: OfferConstraints | None = None


class APIResult(Message, frozen=True, kw_only=True):
    status_code: int
    response: Response | None = None
    error: str | None = None


class AttributeConstraintPredicateExists(Message, frozen=True, kw_only=True):
    pass


class AttributeConstraintPredicateNotExists(Message, frozen=True, kw_only=True):
    pass
