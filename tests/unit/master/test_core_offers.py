"""The master's decisions about offers: who gets them, and what is launched with them."""

from __future__ import annotations

import pytest

from dcos.master.core.state import Rules
from dcos.model.resources import Resources
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import (
    CommandInfo,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    FrameworkID,
    FrameworkInfoCapabilityType,
    TaskState,
)
from dcos.wire import agent_link
from tests.unit.master.stage import Stage, framework_info, launch, launch_group, task

LEGACY: tuple[FrameworkInfoCapabilityType, ...] = ()


def test_what_a_task_leaves_is_offered_to_others_at_once() -> None:
    stage = Stage()
    agent, link = stage.agent("cpus:4;mem:1024")
    one, first = stage.subscribe(framework_info("one", "a"))
    _, second = stage.subscribe(framework_info("two", "b"))
    stage.accept(one, stage.offers(first), [launch(task("t", agent))])
    (run,) = stage.sent(link, agent_link.RunTask)
    assert run.task.resources[0].allocation_info is not None
    assert run.launch_executor
    (offer,) = stage.offers(second)
    assert Resources.of(offer.resources) == Resources.parse("cpus:3;mem:960")


def test_the_rest_comes_back_after_the_filter() -> None:
    stage = Stage()
    agent, _ = stage.agent("cpus:4;mem:1024")
    framework, stream = stage.subscribe()
    stage.accept(framework, stage.offers(stream), [launch(task("t", agent))], refuse_s=30)
    stage.clear()
    stage.wait(29)
    assert stage.offers(stream) == []
    stage.wait(2)
    assert len(stage.offers(stream)) == 1


def test_freed_resources_are_offered_at_once() -> None:
    stage = Stage()
    agent, _ = stage.agent("cpus:1;mem:64")
    framework, stream = stage.subscribe()
    stage.accept(framework, stage.offers(stream), [launch(task("t", agent))])
    stage.clear()
    stage.update(framework, "t", TaskState.TASK_FINISHED)
    assert Resources.of(stage.offers(stream)[0].resources) == Resources.parse("cpus:1;mem:64")
    assert stage.state.frameworks[framework].tasks == {}


@pytest.mark.parametrize(
    ("name", "resources", "text"),
    [
        ("bad/1", "cpus:1;mem:1", "'bad/1' contains invalid characters"),
        ("t", "cpus:1000", "is more than available"),
        ("t", "cpus:0", "Task uses no resources"),
    ],
)
def test_an_invalid_task_is_an_error_and_the_others_run(name: str, resources: str, text: str) -> None:
    stage = Stage()
    agent, link = stage.agent()
    framework, stream = stage.subscribe()
    stage.accept(framework, stage.offers(stream), [launch(task(name, agent, resources), task("good", agent))])
    (status,) = stage.statuses(stream)
    assert (status.state, status.reason) == ("TASK_ERROR", "REASON_TASK_INVALID")
    assert status.uuid is None
    assert text in (status.message or "")
    assert [run.task.name for run in stage.sent(link, agent_link.RunTask)] == ["good"]


def test_the_text_of_too_much_is_upstreams() -> None:
    stage = Stage()
    agent, _ = stage.agent("ports:[31000-31009];cpus:2;mem:1024")
    framework, stream = stage.subscribe(framework_info("fw", "golden"))
    stage.accept(framework, stage.offers(stream), [launch(task("greedy", agent, "cpus:1000"))])
    assert stage.statuses(stream)[0].message == (
        "Total resources cpus(allocated: golden):1000 required by task and its executor is more than available "
        "ports(allocated: golden):[31000-31009]; cpus(allocated: golden):2; mem(allocated: golden):1024"
    )


def test_an_offer_can_be_used_once() -> None:
    stage = Stage()
    agent, _ = stage.agent()
    framework, stream = stage.subscribe()
    offers = stage.offers(stream)
    stage.accept(framework, offers, [launch(task("a", agent))])
    stage.accept(framework, offers, [launch(task("b", agent))])
    (status,) = stage.statuses(stream)
    assert (status.task_id.value, status.state, status.reason) == ("b", "TASK_DROPPED", "REASON_INVALID_OFFERS")


def test_offers_of_two_agents_cannot_be_combined() -> None:
    stage = Stage()
    agent, _ = stage.agent()
    stage.agent()
    framework, stream = stage.subscribe(framework_info(capabilities=LEGACY))
    stage.accept(framework, stage.offers(stream), [launch(task("a", agent))])
    assert [str(status.state) for status in stage.statuses(stream)] == ["TASK_LOST"]
    assert stage.state.offers == {}
    stage.clear()
    stage.wait(1)
    assert len(stage.offers(stream)) == 2


def test_a_group_is_launched_whole_or_not_at_all() -> None:
    stage = Stage()
    agent, link = stage.agent("cpus:4;mem:1024;disk:100")
    framework, stream = stage.subscribe()
    executor = ExecutorInfo(
        type=ExecutorInfoType.DEFAULT,
        executor_id=ExecutorID(value="e"),
        framework_id=FrameworkID(value=framework),
        resources=Resources.parse("cpus:0.1;mem:32;disk:10").messages(),
    )
    bad = task("b", agent, "cpus:100")
    stage.accept(framework, stage.offers(stream), [launch_group(executor, task("a", agent), bad)], refuse_s=0)
    assert [(one.state, one.reason) for one in stage.statuses(stream)] == [
        ("TASK_ERROR", "REASON_TASK_GROUP_INVALID")
    ] * 2
    stage.wait(1)
    offer = stage.offers(stream)[-1:]
    stage.accept(framework, offer, [launch_group(executor, task("a", agent), task("b", agent))], refuse_s=0)
    (run,) = stage.sent(link, agent_link.RunTaskGroup)
    assert [one.task_id.value for one in run.task_group.tasks] == ["a", "b"]
    assert all(one.executor == run.executor for one in run.task_group.tasks)
    assert stage.state.agents[agent].used.scalar("cpus") == 2100
    for name in ("a", "b"):
        stage.update(framework, name, TaskState.TASK_FINISHED)
    assert stage.state.agents[agent].used.scalar("cpus") == 100
    stage.say(
        link,
        agent_link.ExitedExecutor(
            framework_id=FrameworkID(value=framework), executor_id=ExecutorID(value="e"), status=0
        ),
    )
    assert not stage.state.agents[agent].used
    (failure,) = [event.failure for event in stage.events(stream) if event.failure is not None]
    assert failure.executor_id == ExecutorID(value="e")


def test_a_custom_executor_is_charged_once() -> None:
    executor = ExecutorInfo(
        executor_id=ExecutorID(value="e"),
        command=CommandInfo(value="run"),
        resources=Resources.parse("cpus:0.5").messages(),
    )
    stage = Stage()
    agent, link = stage.agent("cpus:4;mem:1024")
    framework, stream = stage.subscribe()
    one, two = (task(name, agent, executor=executor) for name in ("a", "b"))
    stage.accept(framework, stage.offers(stream), [launch(one, two)])
    assert [run.launch_executor for run in stage.sent(link, agent_link.RunTask)] == [True, False]
    assert stage.state.agents[agent].used.scalar("cpus") == 2500


def test_offers_time_out() -> None:
    stage = Stage(Rules(offer_timeout_s=30))
    stage.agent()
    _, stream = stage.subscribe()
    stage.clear()
    stage.wait(31)
    assert stage.kinds(stream)[0] == "RESCIND"
    stage.wait(1)
    assert len(stage.offers(stream)) == 1


def test_suppress_and_revive_take_own_roles_only() -> None:
    stage = Stage()
    stage.agent()
    framework, stream = stage.subscribe(suppressed=("r",))
    assert stage.offers(stream) == []
    stage.call(framework, Call(type=CallType.REVIVE, revive=scheduler.CallRevive(roles=("other",))))
    assert stage.offers(stream) == []
    stage.call(framework, Call(type=CallType.REVIVE))
    assert len(stage.offers(stream)) == 1
    stage.call(framework, Call(type=CallType.SUPPRESS))
    stage.decline(framework, stage.offers(stream), refuse_s=0)
    stage.clear()
    stage.wait(5)
    assert stage.offers(stream) == []
