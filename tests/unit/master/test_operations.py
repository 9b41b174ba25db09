"""Operations on resources: by schedulers in ACCEPT, by operators, their feedback, and agents that come and go."""

from __future__ import annotations

import dataclasses
import json

import msgspec
import pytest

from dcos.master.core import effects
from dcos.master.core.events import MarkGone, Operate
from dcos.master.core.registry import AgentEntry, Standing
from dcos.model.acls import Acls
from dcos.model.resource_messages import Form, join, split
from dcos.model.resources import Resources
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import (
    UUID,
    AgentID,
    AgentInfo,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    FrameworkID,
    FrameworkInfoCapabilityType,
    Offer,
    OfferOperation,
    Operation,
    OperationID,
    OperationState,
    OperationStatus,
    Resource,
    ResourceDiskInfo,
    ResourceDiskInfoPersistence,
    ResourceDiskInfoSource,
    ResourceDiskInfoSourceMount,
    ResourceDiskInfoSourcePath,
    ResourceDiskInfoSourceType,
    ResourceProviderID,
    TaskInfo,
    TaskState,
    ValueScalar,
    Volume,
    VolumeMode,
)
from dcos.wire import agent_link, mesos_json
from tests.unit.master.operation_makers import create, destroy, grow, res, reserve, shrink, unreserve
from tests.unit.master.stage import AWARE, Stage, framework_info, launch, launch_group, task

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


@pytest.fixture
def play() -> Play:
    return Play()


# ---- in ACCEPT -------------------------------------------------------------------------------------------------------


def test_reserve_create_and_launch_in_one_call(play: Play) -> None:
    play.begin()
    disk, volume = res("disk:64", "r"), res("disk:64", "r", volume="v")
    info = with_resources(task("t", play.agent_id), volume)
    play.take(reserve(disk, res("cpus:1", "r")), create(volume), launch(info))
    assert [str(one.info.type) for one in play.applied()] == ["RESERVE", "CREATE"]
    (run,) = play.sent(play.link, agent_link.RunTask)
    assert bag(*run.task.resources).contains(bag(volume))
    record = play.state.agents[play.agent_id]
    assert record.total.contains(bag(volume, res("cpus:1", "r")))
    assert record.used == bag(*info.resources)
    play.check()
    play.update(play.framework, "t", TaskState.TASK_FINISHED)
    play.wait(6)
    play.check()
    offered = play.state.frameworks[play.framework].offered
    assert offered.contains(bag(volume, res("cpus:1", "r")))


def test_what_was_made_is_offered_at_once_and_to_the_role_only(play: Play) -> None:
    play.begin()
    other, other_stream = play.subscribe(framework_info("other", "s"))
    play.clear()
    play.take(reserve(res("cpus:1;", "r"), res("mem:100", "r")), refuse_s=1000.0)
    offers = play.offers(play.stream)
    assert offers
    assert bag(*offers[-1].resources) == bag(res("cpus:1", "r"), res("mem:100", "r"))
    (rest,) = play.offers(other_stream)
    assert bag(*rest.resources) == Resources.parse("cpus:3;mem:924;disk:1000;ports:[31000-31009]")
    assert other != play.framework
    play.check()


def test_undone_in_reverse_order(play: Play) -> None:
    play.begin()
    disk, volume = res("disk:64", "r"), res("disk:64", "r", volume="v")
    play.take(reserve(disk), create(volume), refuse_s=0)
    play.wait(2)
    play.take(destroy(volume), unreserve(disk), refuse_s=0)
    assert [str(one.info.type) for one in play.applied()] == ["RESERVE", "CREATE", "DESTROY", "UNRESERVE"]
    assert play.state.agents[play.agent_id].total == Resources.parse(BIG)
    play.check()


def test_grow_and_shrink(play: Play) -> None:
    play.begin()
    disk, volume = res("disk:100", "r"), res("disk:60", "r", volume="v")
    play.take(reserve(disk), create(volume), refuse_s=0)
    play.wait(2)
    bigger = res("disk:80", "r", volume="v")
    # what grew cannot be used by a later operation of the same call
    play.take(grow(volume, res("disk:20", "r")), launch(with_resources(task("t", play.agent_id), bigger)), refuse_s=0)
    assert [one.state for one in play.statuses(play.stream)] == [TaskState.TASK_ERROR]
    assert play.state.agents[play.agent_id].total.contains(bag(bigger, res("disk:20", "r")))
    play.check()
    play.wait(2)
    play.take(shrink(bigger, 70.0), refuse_s=0)
    assert play.state.agents[play.agent_id].total.contains(bag(res("disk:10", "r", volume="v"), res("disk:90", "r")))
    play.check()


def test_refinement(play: Play) -> None:
    play.begin("a/b", resources="cpus:2;mem:512")
    assert play.order(reserve(res("cpus:2", "a"))) == 202
    play.wait(6)
    play.take(reserve(res("cpus:1", "a", "a/b")), refuse_s=0)
    record = play.state.agents[play.agent_id]
    assert record.total == bag(res("cpus:1", "a"), res("cpus:1", "a", "a/b"), res("mem:512"))
    play.wait(2)
    plain, plain_stream = play.subscribe(
        framework_info("plain", "a/b", capabilities=(FrameworkInfoCapabilityType.MULTI_ROLE,))
    )
    assert plain
    play.decline(play.framework, [play.offer()], refuse_s=1000.0)
    (given,) = play.offers(plain_stream)
    assert bag(*given.resources) == bag(res("cpus:1", "a"), res("mem:512"))
    assert {one.role for one in given.resources} == {"a", "*"}
    play.check()


def test_legacy_form_is_understood(play: Play) -> None:
    play.begin("r", capabilities=())
    (legacy,) = Resources.of([res("disk:64", "r", principal="p")]).messages()
    (old,) = join(*split(legacy), None, Form.LEGACY)
    assert (old.role, old.reservations) == ("r", ())
    play.take(reserve(old), refuse_s=0)
    assert play.state.agents[play.agent_id].total.contains(bag(legacy))
    (sent,) = play.applied()
    assert sent.info.reserve is not None
    assert sent.info.reserve.resources[0].reservations[0].principal == "p"


READ_ONLY = msgspec.structs.replace(
    res("disk:10", "r", volume="v"),
    disk=ResourceDiskInfo(
        persistence=ResourceDiskInfoPersistence(id="v"), volume=Volume(container_path="data", mode=VolumeMode.RO)
    ),
)
ZERO = msgspec.structs.replace(res("disk:1", "r"), scalar=ValueScalar(value=0.0))
REFUSED = [
    (reserve(res("cpus:1")), "is not dynamically reserved"),
    (reserve(res("cpus:1", "s")), "was allocated to role 'r'"),
    (reserve(res("cpus:9", "r")), "does not contain"),
    (reserve(res("cpus:1", "r"), source=(res("cpus:1"),)), "Reservation updates are not yet implemented"),
    (reserve(res("disk:10", "r", volume="v")), "must already be reserved"),
    (unreserve(res("cpus:1")), "is not dynamically reserved"),
    (unreserve(res("cpus:1", "r")), "does not contain"),
    (unreserve(res("disk:1", "r", volume="v")), "Please destroy the persistent volume first"),
    (create(res("disk:10", "r")), "Not a persistent volume"),
    (create(res("disk:10", volume="v")), "cannot be created from unreserved resources"),
    (create(res("disk:10", "r", volume="a/b")), "contains invalid characters"),
    (create(res("disk:10", "r", volume="v", shared=True)), "no SHARED_RESOURCES capability"),
    (create(READ_ONLY), "Read-only persistent volume not supported"),
    (destroy(res("disk:10", "r", volume="v")), "Persistent volumes not found"),
    (grow(res("disk:10", "r", volume="v"), ZERO), "must be greater than zero"),
    (grow(res("disk:10", "r", volume="v"), res("disk:5")), "Incompatible resources"),
    (grow(res("disk:10", "r", volume="v"), res("cpus:5", "r")), "Incompatible resources"),
    (shrink(res("disk:10", "r", volume="v"), 10.0), "must be smaller than the size"),
    (shrink(res("disk:10", "r", volume="v"), -1.0), "must be greater than zero"),
    (shrink(res("disk:10", "r", volume="v", shared=True), 1.0), "shared persistent volume is not supported"),
]


def disk(kind: str, *, provider: str | None = "p", profile: str | None = None, volume: str | None = None) -> Resource:
    """A disk as a resource provider would offer it."""
    given = {
        "name": "disk",
        "type": "SCALAR",
        "scalar": {"value": 10},
        "disk": {"source": {"type": kind, "profile": profile, "id": volume}},
        "provider_id": {"value": provider} if provider is not None else None,
    }
    return mesos_json.decode(json.dumps(given).encode(), Resource)


def create_disk(source: Resource, to: str = "MOUNT", profile: str | None = None) -> OfferOperation:
    given = {"type": "CREATE_DISK", "create_disk": {"source": {}, "target_type": to, "target_profile": profile}}
    given["create_disk"]["source"] = json.loads(mesos_json.encode(source))  # type: ignore[index]
    return mesos_json.decode(json.dumps(given).encode(), OfferOperation)


def destroy_disk(source: Resource) -> OfferOperation:
    given = {"type": "DESTROY_DISK", "destroy_disk": {"source": json.loads(mesos_json.encode(source))}}
    return mesos_json.decode(json.dumps(given).encode(), OfferOperation)


OF_PROVIDERS = [
    (create_disk(disk("RAW", provider=None)), "'source' is not managed by a resource provider"),
    (create_disk(disk("MOUNT")), "'source' is not a RAW disk resource"),
    (create_disk(disk("RAW"), "PATH"), "'target_type' is neither MOUNT or BLOCK"),
    (
        create_disk(disk("RAW", profile="x"), profile="y"),
        "'target_profile' must not be set when 'source' has a profile",
    ),
    (create_disk(disk("RAW")), "'target_profile' must be set when 'source' has no profile"),
    (create_disk(disk("RAW", profile="x")), "Resource provider p is not known"),
    (destroy_disk(disk("MOUNT", provider=None, volume="v")), "'source' is not managed by a resource provider"),
    (destroy_disk(disk("PATH", volume="v")), "'source' is neither a MOUNT, BLOCK or RAW disk resource"),
    (destroy_disk(disk("BLOCK")), "'source' is not backed by a CSI volume"),
    (destroy_disk(disk("BLOCK", volume="v")), "Resource provider p is not known"),
    (
        reserve(res("cpus:1", "r"), msgspec.structs.replace(disk("RAW"), reservations=res("cpus:1", "r").reservations)),
        "Some resources have a resource provider and some do not",
    ),
]
REFUSED += OF_PROVIDERS


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


@pytest.mark.parametrize(("operation", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_refused(play: Play, operation: OfferOperation, why: str) -> None:
    check_refused(play, operation, why)


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


def test_principals_must_match(play: Play) -> None:
    play.begin(principal="p")
    play.take(
        reserve(res("disk:10", "r", principal="q"), id="1"),
        reserve(res("disk:10", "r"), id="2"),
        reserve(res("disk:10", "r", principal="p"), id="3"),
    )
    assert [one.state for one in play.operation_statuses()] == [OperationState.OPERATION_ERROR] * 2
    assert "principal 'q'" in str(play.operation_statuses()[0].message)
    assert "no principal" in str(play.operation_statuses()[1].message)
    assert len(play.applied()) == 1


def test_volume_ids_are_unique_for_each_role(play: Play) -> None:
    play.begin()
    volume = res("disk:10", "r", volume="v")
    play.take(reserve(res("disk:100", "r")), create(volume), create(volume, id="again"), refuse_s=0)
    (status,) = play.operation_statuses()
    assert "Persistence ID 'v' is not unique" in str(status.message)


def test_feedback_needs_capabilities(play: Play) -> None:
    play.begin()
    play.state.agents[play.agent_id].capabilities = frozenset()
    play.take(reserve(res("cpus:1", "r"), id="o"))
    (status,) = play.operation_statuses()
    assert "RESOURCE_PROVIDER" in str(status.message)


def test_invalid_offers(play: Play) -> None:
    play.begin()
    offer = play.offer()
    play.decline(play.framework, [offer], refuse_s=100.0)
    play.accept(play.framework, [offer], [reserve(res("cpus:1", "r"), id="o")])
    (status,) = play.operation_statuses()
    assert status.state is OperationState.OPERATION_ERROR
    assert "is no longer valid" in str(status.message)


def test_a_task_may_only_read_a_volume(play: Play) -> None:
    play.begin()
    volume = res("disk:10", "r", volume="v")
    reader = with_resources(task("t", play.agent_id), READ_ONLY)
    play.take(reserve(res("disk:10", "r")), create(volume), launch(reader), refuse_s=0)
    assert "t" in play.state.frameworks[play.framework].tasks
    play.check()
    assert volume.disk in [kind.disk for kind, _ in play.state.agents[play.agent_id].total], "shown as it was made"


def test_a_group_uses_a_volume(play: Play) -> None:
    play.begin()
    volume = res("disk:10", "r", volume="v")
    executor = ExecutorInfo(
        executor_id=ExecutorID(value="e"),
        type=ExecutorInfoType.DEFAULT,
        framework_id=FrameworkID(value=play.framework),
        resources=Resources.parse("cpus:0.1;mem:32;disk:1").messages(),
    )
    tasks = with_resources(task("one", play.agent_id), volume), task("two", play.agent_id)
    play.take(reserve(res("disk:10", "r")), create(volume), launch_group(executor, *tasks), refuse_s=0)
    assert set(play.state.frameworks[play.framework].tasks) == {"one", "two"}
    play.check()


# ---- shared volumes --------------------------------------------------------------------------------------------------


def test_a_shared_volume_serves_many_tasks(play: Play) -> None:
    play.begin(capabilities=SHARING)
    volume = res("disk:64", "r", volume="v", shared=True)
    one = with_resources(task("one", play.agent_id), volume)
    two = with_resources(task("two", play.agent_id), volume)
    play.take(reserve(res("disk:64", "r")), create(volume), launch(one, two), refuse_s=0)
    assert set(play.state.frameworks[play.framework].tasks) == {"one", "two"}
    play.check()
    play.wait(2)
    offer = play.offer()
    assert bag(*offer.resources).contains(bag(volume)), "in use, and offered still"
    play.take(destroy(volume, id="o"), refuse_s=0)
    assert "Persistent volumes in use" in str(play.operation_statuses()[-1].message)
    for name in ("one", "two"):
        play.update(play.framework, name, TaskState.TASK_FINISHED)
    play.check()
    play.wait(2)
    play.take(destroy(volume), unreserve(res("disk:64", "r")), refuse_s=0)
    assert play.state.agents[play.agent_id].total == Resources.parse(BIG)
    play.check()


def test_destroying_a_shared_volume_rescinds_other_offers_of_it(play: Play) -> None:
    play.begin(capabilities=SHARING)
    volume = res("disk:64", "r", volume="v", shared=True)
    play.take(
        reserve(res("disk:64", "r")), create(volume), launch(task("t", play.agent_id, "cpus:1;mem:64")), refuse_s=0
    )
    play.wait(2)
    other, stream = play.subscribe(framework_info("other", "r", capabilities=SHARING))
    play.update(play.framework, "t", TaskState.TASK_FINISHED)
    play.wait(2)
    holders = [one for one in play.state.offers.values() if one.resources.contains(bag(volume))]
    assert len(holders) > 1
    mine = next(one for one in holders if one.framework == play.framework)
    play.accept(play.framework, [mine.message], [destroy(volume)], refuse_s=0)
    assert not [one for one in play.state.offers.values() if one.resources.shared()]
    assert play.kinds(stream).count("RESCIND") + play.kinds(play.stream).count("RESCIND") == len(holders) - 1
    assert other
    play.check()


# ---- feedback --------------------------------------------------------------------------------------------------------


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


# ---- agents come and go ----------------------------------------------------------------------------------------------


def test_what_did_not_reach_the_agent_is_sent_again(play: Play) -> None:
    play.begin()
    disk, volume = res("disk:64", "r"), res("disk:64", "r", volume="v")
    play.take(reserve(disk, id="o"), create(volume), refuse_s=0)
    orders = play.applied()
    record = play.state.agents[play.agent_id]
    play.cut(play.link)
    play.clear()
    status = OperationStatus(operation_id=OperationID(value="o"), state=FINISHED, uuid=UUID(value=b"u" * 16))
    known = Operation(info=orders[0].info, latest_status=status, uuid=UUID(value=orders[0].operation_uuid))
    play.link = play.back(record.info, pid=record.pid, operations=(known,), checkpointed=(disk,))
    again = play.applied()
    assert [one.operation_uuid for one in again] == [orders[1].operation_uuid]
    assert record.total.contains(bag(volume))
    play.check()
    play.finish(again[0])
    play.finish(orders[0])
    assert play.operation_statuses()[-1].state is FINISHED
    play.check()


def test_what_the_agent_cannot_do_any_more_is_dropped(play: Play) -> None:
    play.begin()
    play.take(reserve(res("disk:64", "r"), id="o"), refuse_s=0)
    record = play.state.agents[play.agent_id]
    play.cut(play.link)
    smaller = msgspec.structs.replace(record.info, resources=Resources.parse("cpus:4;mem:1024;disk:10").messages())
    play.link = play.back(smaller, pid=record.pid)
    assert play.operation_statuses()[-1].state is OperationState.OPERATION_DROPPED
    assert play.applied() == [], "on the new link"
    assert record.total == Resources.parse("cpus:4;mem:1024;disk:10")
    play.check()


def succeeded(play: Play) -> tuple[Play, agent_link.ApplyOperation]:
    """A new leader, to which the agent brings an operation whose end is not acknowledged."""
    play.begin()
    play.take(reserve(res("disk:64", "r"), id="o"), refuse_s=0)
    (order,) = play.applied()
    record, info = play.state.agents[play.agent_id], play.state.frameworks[play.framework].info
    status = OperationStatus(operation_id=OperationID(value="o"), state=FINISHED, uuid=UUID(value=b"u" * 16))
    known = Operation(
        framework_id=info.id, info=order.info, latest_status=status, uuid=UUID(value=order.operation_uuid)
    )
    new = Play(master_id="n")
    new.agent_id = play.agent_id
    new.link = new.back(record.info, pid=record.pid, operations=(known,), checkpointed=(res("disk:64", "r"),))
    return new, order


def test_a_new_leader_takes_operations_over(play: Play) -> None:
    new, order = succeeded(play)
    assert new.state.agents[play.agent_id].total == play.state.agents[play.agent_id].total
    new.framework, new.stream = new.subscribe(play.state.frameworks[play.framework].info)
    assert new.reconcile("o")[0].state is FINISHED
    uuid = new.finish(order)
    new.acknowledge_operation("o", uuid)
    assert new.state.agents[play.agent_id].operations == {}
    new.check()


def test_a_framework_that_never_comes_back(play: Play) -> None:
    new, order = succeeded(play)
    new.finish(order)
    assert new.sent(new.link, agent_link.AcknowledgeOperation) == []
    new.now += 86401
    new.finish(order)
    assert len(new.sent(new.link, agent_link.AcknowledgeOperation)) == 1
    assert new.state.agents[play.agent_id].operations == {}


def test_an_agent_that_is_lost(play: Play) -> None:
    play.begin()
    play.take(reserve(res("disk:64", "r"), id="o"), refuse_s=0)
    play.cut(play.link)
    play.wait(700)
    assert play.operation_statuses()[-1].state is OperationState.OPERATION_UNREACHABLE
    assert play.reconcile("o", agent=play.agent_id)[0].state is OperationState.OPERATION_UNREACHABLE
    assert play.state.frameworks[play.framework].operations == {}


def test_an_agent_that_is_gone_or_recovering(play: Play) -> None:
    play.begin()
    play.take(reserve(res("disk:64", "r"), id="o"), refuse_s=0)
    play.do(MarkGone(play.now, 1, play.agent_id))
    assert play.operation_statuses()[-1].state is OperationState.OPERATION_GONE_BY_OPERATOR
    assert play.reconcile("o", agent=play.agent_id)[0].state is OperationState.OPERATION_GONE_BY_OPERATOR
    assert play.reconcile("o")[0].state is OperationState.OPERATION_UNKNOWN
    info = AgentInfo(hostname="h", id=AgentID(value="away"))
    entry = AgentEntry(info=info, standing=Standing.ADMITTED, since=0.0)
    new = Play(master_id="n", agents=(("away", entry),))
    new.begin()
    assert new.reconcile("o", agent="away")[0].state is OperationState.OPERATION_RECOVERING


def test_an_agent_that_grew(play: Play) -> None:
    play.begin()
    volume = res("disk:64", "r", volume="v")
    info = with_resources(task("t", play.agent_id), volume)
    play.take(reserve(res("disk:64", "r")), create(volume), launch(info), refuse_s=0)
    for order in play.applied():
        play.finish(order)
    play.update(play.framework, "t", TaskState.TASK_RUNNING)
    record = play.state.agents[play.agent_id]
    told = (
        agent_link.AgentFramework(
            info=play.state.frameworks[play.framework].info,
            tasks=tuple(one.message for one in record.tasks.values()),
        ),
    )
    play.cut(play.link)
    bigger = msgspec.structs.replace(
        record.info, resources=Resources.parse("cpus:8;mem:2048;disk:2000;ports:[31000-31009]").messages()
    )
    play.link = play.back(bigger, told, pid=record.pid, checkpointed=(volume,))
    assert record.total == Resources.parse("cpus:8;mem:2048;disk:1936;ports:[31000-31009]") + bag(volume)
    assert record.used == bag(*info.resources)
    assert play.applied() == []
    play.check()
    play.wait(2)
    assert play.state.frameworks[play.framework].offered.scalar("cpus") == 7000


def test_an_agent_that_could_not(play: Play) -> None:
    play.begin()
    volume = res("disk:64", "r", volume="v")
    play.take(reserve(res("disk:64", "r")), create(volume, id="o"), refuse_s=0)
    play.finish(play.applied()[0])
    total = Resources.parse("cpus:4;mem:1024;disk:936;ports:[31000-31009]") + bag(res("disk:64", "r"))
    play.say(play.link, agent_link.UpdateResources(total=total.messages()))
    uuid = play.finish(play.applied()[1], OperationState.OPERATION_FAILED)
    assert play.operation_statuses()[-1].state is OperationState.OPERATION_FAILED
    play.acknowledge_operation("o", uuid)
    assert play.state.agents[play.agent_id].total == total
    play.check()


# ---- operators -------------------------------------------------------------------------------------------------------


def test_operators_reserve_and_rescind_offers(play: Play) -> None:
    play.begin()
    assert play.order(reserve(res("cpus:2", "s"))) == 202
    assert play.kinds(play.stream).count("RESCIND") == 1
    (order,) = play.applied()
    assert order.framework_id is None
    play.check()
    assert bag(res("cpus:2", "s")) == play.state.agents[play.agent_id].total.reserved()["s"]
    play.finish(order)
    assert len(play.sent(play.link, agent_link.AcknowledgeOperation)) == 1
    play.wait(6)
    assert bag(*play.offer().resources) == Resources.parse("cpus:2;mem:1024;disk:1000;ports:[31000-31009]")
    assert play.order(unreserve(res("cpus:2", "s"))) == 202
    assert play.state.agents[play.agent_id].total == Resources.parse(BIG)
    play.check()


def test_operators_take_what_is_free_before_what_is_offered(play: Play) -> None:
    play.begin()
    play.decline(play.framework, [play.offer()], refuse_s=1000.0)
    assert play.order(reserve(res("cpus:2", "s"))) == 202
    assert "RESCIND" not in play.kinds(play.stream)
    play.check()


def test_operators_are_refused(play: Play) -> None:
    play.begin()
    assert play.order(reserve(res("cpus:1", "s")), agent="nobody") == 400
    assert play.answer == "No agent found with specified ID"
    assert play.order(reserve(res("cpus:1"))) == 400
    assert play.answer.startswith(f"Invalid RESERVE operation on agent {play.agent_id} at ")
    assert play.order(reserve(res("cpus:1", "s")), principal="p") == 400
    assert play.order(reserve(res("cpus:5", "s"))) == 409
    assert "does not contain" in play.answer
    play.run_task(play.framework, resources="cpus:3;mem:64")
    assert play.order(reserve(res("cpus:2", "s"))) == 409
    play.check()


def test_what_makes_no_sense_is_said_before_what_is_forbidden(play: Play) -> None:
    play.begin()
    disk, volume = res("disk:100", "s"), res("disk:60", "s", volume="v")
    assert play.order(reserve(disk)) == 202
    assert play.order(create(volume)) == 202
    play.state.rules = dataclasses.replace(play.state.rules, acls=Acls(permissive=False))
    before = play.state.agents[play.agent_id].total
    for sound, bad in (
        (reserve(disk), reserve(res("disk:100"))),
        (unreserve(res("disk:40", "s")), unreserve(res("disk:40"))),
        (create(res("disk:40", "s", volume="w")), create(res("disk:40", "s"))),
        (destroy(volume), destroy(res("disk:60", "s"))),
        (grow(volume, res("disk:40", "s")), grow(volume, res("disk:40"))),
        (shrink(volume, 10.0), shrink(volume, 0.0)),
    ):
        assert play.order(bad) == 400, bad.type
        assert play.order(sound, agent="nobody") == 400, sound.type
        assert (play.order(sound), play.answer) == (403, ""), sound.type
    assert play.order(reserve(res("disk:5000", "s"))) == 403, "who may not learns nothing of what is there"
    assert play.state.agents[play.agent_id].total == before
    play.check()


def test_operators_make_and_resize_volumes(play: Play) -> None:
    play.begin()
    disk, volume = res("disk:100", "s"), res("disk:60", "s", volume="v")
    for operation in (
        reserve(disk),
        create(volume),
        grow(volume, res("disk:40", "s")),
        shrink(res("disk:100", "s", volume="v"), 50.0),
        destroy(res("disk:50", "s", volume="v")),
        unreserve(disk),
    ):
        assert play.order(operation) == 202, play.answer
        play.check()
    assert play.state.agents[play.agent_id].total == Resources.parse(BIG)


def test_operators_reserve_anew_in_one_step(play: Play) -> None:
    play.begin()
    assert play.order(reserve(res("cpus:1", "s"))) == 202
    assert play.order(reserve(res("cpus:1", "t"), source=(res("cpus:1", "s"),))) == 202, play.answer
    assert set(play.state.agents[play.agent_id].total.reserved()) == {"t"}
    assert play.order(reserve(res("cpus:2", "t"), source=(res("cpus:1", "t"),))) == 400
    play.check()


# ---- disks -----------------------------------------------------------------------------------------------------------


def on(one: Resource, kind: str, root: str) -> Resource:
    kinds = ResourceDiskInfoSourceType
    source = ResourceDiskInfoSource(
        type=kinds(kind),
        path=ResourceDiskInfoSourcePath(root=root) if kind == "PATH" else None,
        mount=ResourceDiskInfoSourceMount(root=root) if kind == "MOUNT" else None,
    )
    return msgspec.structs.replace(one, disk=msgspec.structs.replace(one.disk or ResourceDiskInfo(), source=source))


def test_a_mount_disk_goes_as_a_whole(play: Play) -> None:
    play.begin()
    record = play.state.agents[play.agent_id]
    total = Resources.parse("cpus:4;mem:1024") + bag(
        on(res("disk:500"), "MOUNT", "/m"), on(res("disk:500"), "PATH", "/p")
    )
    play.say(play.link, agent_link.UpdateResources(total=total.messages()))
    whole, part = on(res("disk:500", "r"), "MOUNT", "/m"), on(res("disk:100", "r"), "MOUNT", "/m")
    volume = on(res("disk:500", "r", volume="v"), "MOUNT", "/m")
    assert play.order(reserve(part)) == 409
    assert play.order(reserve(whole)) == 202
    assert play.order(create(on(res("disk:100", "r", volume="v"), "MOUNT", "/m"))) == 409
    assert play.order(create(volume)) == 202
    assert play.order(shrink(volume, 100.0)) == 400
    assert "on a MOUNT disk is not supported" in play.answer
    assert play.order(grow(volume, whole)) == 400
    assert "Incompatible resources" in play.answer
    assert play.order(destroy(volume)) == 202
    assert play.order(unreserve(whole)) == 202
    assert record.total == total


def test_a_path_disk_can_be_divided_but_not_mixed(play: Play) -> None:
    play.begin()
    record = play.state.agents[play.agent_id]
    total = Resources.parse("cpus:4;mem:1024;disk:100") + bag(on(res("disk:500"), "PATH", "/p"))
    play.say(play.link, agent_link.UpdateResources(total=total.messages()))
    volume = on(res("disk:60", "r", volume="v"), "PATH", "/p")
    assert play.order(reserve(on(res("disk:100", "r"), "PATH", "/p"), res("disk:50", "r"))) == 202
    assert play.order(create(volume)) == 202
    assert play.order(grow(volume, res("disk:10", "r"))) == 400
    assert play.order(grow(volume, on(res("disk:10", "r"), "PATH", "/p"))) == 202
    wanted = on(res("disk:70", "r", volume="v"), "PATH", "/p"), on(res("disk:30", "r"), "PATH", "/p")
    assert record.total.contains(bag(*wanted, res("disk:50", "r")))
    assert record.total.quantities() == total.quantities()
