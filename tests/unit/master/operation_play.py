"""A play of one framework and one agent about operations, for the tests that share it."""

from __future__ import annotations

import msgspec

from dcos.master.core import effects
from dcos.master.core.events import Operate
from dcos.model.resources import Resources
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import (
    UUID,
    AgentID,
    FrameworkInfoCapabilityType,
    Offer,
    OfferOperation,
    OperationID,
    OperationState,
    OperationStatus,
    Resource,
    TaskInfo,
)
from dcos.wire import agent_link
from tests.unit.master.stage import AWARE, Stage, framework_info, launch, task

BIG = "cpus:4;mem:1024;disk:1000;ports:[31000-31009]"
SHARING = (*AWARE, FrameworkInfoCapabilityType.SHARED_RESOURCES)
FINISHED = OperationState.OPERATION_FINISHED


def bag(*resources: Resource) -> Resources:
    return Resources.of(resources)


def with_resources(info: TaskInfo, *more: Resource) -> TaskInfo:
    return msgspec.structs.replace(info, resources=(*info.resources, *more))


class Play(Stage):
    """One framework of role ``r`` (or ``roles``) on one agent."""

    def begin(self, *roles: str, resources: str = BIG, principal: str | None = None, **more: object) -> None:
        self.agent_id, self.link = self.agent(resources)
        info = framework_info("fw", *roles, principal=principal, failover_timeout=100.0, **more)  # type: ignore[arg-type]
        self.framework, self.stream = self.subscribe(info)

    def offer(self) -> Offer:
        """The latest offer that is still good."""
        return next(reversed(self.state.frameworks[self.framework].offers.values())).message

    def take(self, *operations: OfferOperation, refuse_s: float | None = None) -> None:
        self.accept(self.framework, [self.offer()], list(operations), refuse_s)

    def operation_statuses(self) -> list[OperationStatus]:
        return [one.update_operation_status.status for one in self.events(self.stream) if one.update_operation_status]

    def applied(self) -> list[agent_link.ApplyOperation]:
        return self.sent(self.link, agent_link.ApplyOperation)

    def finish(self, which: agent_link.ApplyOperation, to: OperationState = FINISHED) -> bytes:
        """The agent tells an end; returns the status's uuid."""
        number = next(self.numbers).to_bytes(16, "big")
        status = OperationStatus(operation_id=which.info.id, state=to, uuid=UUID(value=number))
        self.say(
            self.link,
            agent_link.UpdateOperationStatus(
                operation_uuid=which.operation_uuid, status=status, framework_id=which.framework_id
            ),
        )
        return number

    def acknowledge_operation(self, name: str, uuid: bytes) -> None:
        call = scheduler.CallAcknowledgeOperationStatus(
            agent_id=AgentID(value=self.agent_id), uuid=uuid, operation_id=OperationID(value=name)
        )
        self.call(self.framework, Call(type=CallType.ACKNOWLEDGE_OPERATION_STATUS, acknowledge_operation_status=call))

    def reconcile(self, *names: str, agent: str | None = None) -> list[OperationStatus]:
        asked = tuple(
            scheduler.CallReconcileOperationsOperation(
                operation_id=OperationID(value=name), agent_id=AgentID(value=agent) if agent is not None else None
            )
            for name in names
        )
        before = len(self.operation_statuses())
        call = scheduler.CallReconcileOperations(operations=asked)
        self.call(self.framework, Call(type=CallType.RECONCILE_OPERATIONS, reconcile_operations=call))
        return self.operation_statuses()[before:]

    def order(self, operation: OfferOperation, *, agent: str | None = None, principal: str | None = None) -> int:
        request = next(self.numbers)
        made = self.do(Operate(self.now, request, agent or self.agent_id, operation, principal))
        answer = next(one for one in made if isinstance(one, effects.Answer))
        self.answer = answer.text
        return answer.status

    def check(self) -> None:
        """The books agree."""
        record = self.state.agents[self.agent_id]
        free = self.state.allocator.free(self.agent_id)
        assert free.exclusive() == (record.total - record.used - record.offered).exclusive()
        assert free.shared() == record.total.shared()
        assert record.total.quantities() == Resources.of(record.info.resources).quantities()


def check_refused(play: Play, operation: OfferOperation, why: str) -> None:
    """OPERATION_ERROR with these words; nothing changes, and later operations of the call go on."""
    play.begin()
    named = msgspec.structs.replace(operation, id=OperationID(value="o"))
    play.take(named, launch(task("t", play.agent_id)), refuse_s=0)
    (status,) = play.operation_statuses()
    assert status.state is OperationState.OPERATION_ERROR
    assert status.operation_id == OperationID(value="o")
    assert why in str(status.message)
    assert status.uuid is None
    assert status.agent_id is None, "as upstream, which may not know the agent"
    assert play.applied() == []
    assert "t" in play.state.frameworks[play.framework].tasks, "later operations go on"
    assert play.state.agents[play.agent_id].total == Resources.parse(BIG)
    play.check()
