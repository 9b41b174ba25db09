"""Feedback of operations: statuses, acknowledgements, reconciliation."""

from __future__ import annotations

from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import (
    UUID,
    AgentID,
    OperationID,
    OperationState,
    ResourceProviderID,
)
from dcos.wire import agent_link
from tests.unit.master.operation_makers import (
    res,
    reserve,
)
from tests.unit.master.operation_play import FINISHED, Play


def test_reconciliation_of_operations_says_where_it_looked(play: Play) -> None:
    play.begin()
    asked = scheduler.CallReconcileOperationsOperation
    named = OperationID(value="o")
    provider = ResourceProviderID(value="p")
    for agent in (None, play.agent_id, "nobody"):
        agent_id = AgentID(value=agent) if agent is not None else None
        one = asked(operation_id=named, agent_id=agent_id, resource_provider_id=provider)
        call = scheduler.CallReconcileOperations(operations=(one,))
        play.call(play.framework, Call(type=CallType.RECONCILE_OPERATIONS, reconcile_operations=call))
    statuses = play.operation_statuses()
    assert {one.state for one in statuses} == {OperationState.OPERATION_UNKNOWN}
    assert {one.resource_provider_id for one in statuses} == {provider}
    assert [one.message for one in statuses] == [
        "Reconciliation: Operation is unknown and no 'agent_id' was provided",
        "Reconciliation: Operation is unknown",
        "Reconciliation: Both operation and agent are unknown",
    ]


def test_feedback_and_acknowledgement(play: Play) -> None:
    play.begin()
    play.take(reserve(res("cpus:1", "r"), id="o"))
    (order,) = play.applied()
    assert order.framework_id is not None
    pending = play.reconcile("o")
    assert [one.state for one in pending] == [OperationState.OPERATION_PENDING]
    uuid = play.finish(order)
    told = play.operation_statuses()[-1]
    assert (told.state, told.uuid, told.agent_id) == (FINISHED, UUID(value=uuid), AgentID(value=play.agent_id))
    assert play.reconcile("o")[0].uuid is None
    play.acknowledge_operation("o", b"x" * 16)
    assert play.sent(play.link, agent_link.AcknowledgeOperation) == []
    play.acknowledge_operation("o", uuid)
    (done,) = play.sent(play.link, agent_link.AcknowledgeOperation)
    assert (done.operation_uuid, done.status_uuid) == (order.operation_uuid, uuid)
    assert play.state.frameworks[play.framework].operations == {}
    assert play.state.agents[play.agent_id].operations == {}
    assert play.reconcile("o", agent=play.agent_id)[0].state is OperationState.OPERATION_UNKNOWN
    assert play.state.counters["operations/finished"] == play.state.counters["operations/reserve/finished"] == 1


def test_without_id_the_master_acknowledges(play: Play) -> None:
    play.begin()
    play.take(reserve(res("cpus:1", "r")))
    uuid = play.finish(play.applied()[0])
    assert play.operation_statuses() == []
    assert [one.status_uuid for one in play.sent(play.link, agent_link.AcknowledgeOperation)] == [uuid]
    assert play.state.agents[play.agent_id].operations == {}


def test_ids_are_not_used_twice(play: Play) -> None:
    play.begin()
    play.take(reserve(res("cpus:1", "r"), id="o"), reserve(res("cpus:1", "r"), id="o"))
    (status,) = play.operation_statuses()
    assert "duplicate ID" in str(status.message)


def test_a_removed_framework_waits_for_nothing(play: Play) -> None:
    play.begin()
    play.take(reserve(res("cpus:1", "r"), id="o"), reserve(res("mem:1", "r"), id="p"))
    play.finish(play.applied()[0])
    play.call(play.framework, Call(type=CallType.TEARDOWN))
    assert len(play.sent(play.link, agent_link.AcknowledgeOperation)) == 1
    play.finish(play.applied()[1])
    assert len(play.sent(play.link, agent_link.AcknowledgeOperation)) == 2
    assert play.state.agents[play.agent_id].operations == {}
    play.check()
