"""Operations whose agents come and go."""

from __future__ import annotations

import msgspec

from dcos.master.core.events import MarkGone
from dcos.master.core.registry import AgentEntry, Standing
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    UUID,
    AgentID,
    AgentInfo,
    Operation,
    OperationID,
    OperationState,
    OperationStatus,
    TaskState,
)
from dcos.wire import agent_link
from tests.unit.master.operation_makers import (
    create,
    res,
    reserve,
)
from tests.unit.master.operation_play import FINISHED, Play, bag, with_resources
from tests.unit.master.stage import launch, task


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
