"""The master's decisions, event by event."""

from __future__ import annotations

import msgspec
import pytest

from dcos.master.core import effects
from dcos.master.core.events import MarkGone, Teardown
from dcos.master.core.registry import AgentEntry, Standing
from dcos.master.core.state import Rules
from dcos.model.resources import Resources
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import (
    AgentID,
    AgentInfo,
    CommandInfo,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    FrameworkID,
    FrameworkInfo,
    FrameworkInfoCapabilityType,
    OfferFilters,
    OfferFiltersMinAllocatableResources,
    OfferFiltersResourceQuantities,
    Task,
    TaskID,
    TaskState,
    ValueScalar,
)
from dcos.wire import agent_link
from tests.unit.master.stage import Stage, framework_info, launch, launch_group, task

LEGACY: tuple[FrameworkInfoCapabilityType, ...] = ()


def reconcile(*tasks: tuple[str, str | None]) -> Call:
    wanted = tuple(
        scheduler.CallReconcileTask(
            task_id=TaskID(value=name), agent_id=AgentID(value=agent) if agent is not None else None
        )
        for name, agent in tasks
    )
    return Call(type=CallType.RECONCILE, reconcile=scheduler.CallReconcile(tasks=wanted))


def kill(name: str, agent: str | None = None) -> Call:
    agent_id = AgentID(value=agent) if agent is not None else None
    return Call(type=CallType.KILL, kill=scheduler.CallKill(task_id=TaskID(value=name), agent_id=agent_id))


# ---- subscription ----------------------------------------------------------------------------------------------------


def test_subscribed_comes_first_then_a_heartbeat_then_offers() -> None:
    stage = Stage()
    agent, _ = stage.agent()
    framework, stream = stage.subscribe()
    assert framework == "m-0000"
    assert [str(event.type) for event in stage.events(stream)] == ["SUBSCRIBED", "HEARTBEAT", "OFFERS"]
    (offer,) = stage.offers(stream)
    assert offer.id.value == "m-O0"
    assert offer.agent_id.value == agent == "m-S0"
    assert offer.url is not None
    assert offer.url.path == "/slave(1)"
    assert {one.allocation_info.role for one in offer.resources if one.allocation_info} == {"r"}


def test_old_frameworks_see_the_old_form() -> None:
    stage = Stage()
    stage.agent("cpus(*):1;mem:64")
    _, stream = stage.subscribe(framework_info("old", capabilities=LEGACY))
    (offer,) = stage.offers(stream)
    assert offer.allocation_info is None
    assert {(one.role, one.allocation_info) for one in offer.resources} == {("*", None)}


def filtered(quantities: dict[str, ValueScalar]) -> FrameworkInfo:
    wanted = OfferFiltersMinAllocatableResources(quantities=(OfferFiltersResourceQuantities(quantities=quantities),))
    filters = OfferFilters(min_allocatable_resources=wanted)
    return msgspec.structs.replace(framework_info("f"), offer_filters={"r": filters})


@pytest.mark.parametrize(
    ("info", "rules", "text"),
    [
        (framework_info("f", "a/"), Rules(), "cannot end with a slash"),
        (framework_info("f", "a", "a"), Rules(), "duplicate items"),
        (
            framework_info("f", "x"),
            Rules(roles=frozenset({"y"})),
            "Roles { x } are not present in the master's --roles",
        ),
        (framework_info("f"), Rules(root_submissions=False), "User 'root' is not allowed"),
        (framework_info("f", framework_id="a/b"), Rules(), "contains invalid characters"),
        (framework_info("f", failover_timeout=1e300), Rules(), "The framework failover_timeout (1e+300) is invalid"),
        (
            msgspec.structs.replace(framework_info("f"), role="r"),
            Rules(),
            "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable",
        ),
        (
            msgspec.structs.replace(framework_info("f", capabilities=LEGACY), roles=("r",)),
            Rules(),
            "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable",
        ),
        (
            framework_info("f", "-x", capabilities=LEGACY),
            Rules(),
            "'FrameworkInfo.role' is not a valid role: Role component '-x' is invalid because it begins with a dash",
        ),
        (filtered({}), Rules(), "Resource quantities must contain at least one quantity"),
        (
            filtered({"cpus": ValueScalar(value=-1)}),
            Rules(),
            "Invalid resource quantity for 'cpus': Negative values not supported",
        ),
    ],
    ids=range(11),
)
def test_a_bad_framework_gets_an_error_and_the_end(info: object, rules: Rules, text: str) -> None:
    stage = Stage(rules)
    _, stream = stage.subscribe(info)  # type: ignore[arg-type]
    (event,) = stage.events(stream)
    assert event.error is not None
    assert text in event.error.message
    assert effects.CloseStream(stream) in stage.effects
    assert not stage.state.frameworks


def test_a_successor_ends_its_predecessor() -> None:
    stage = Stage()
    stage.agent()
    framework, first = stage.subscribe(framework_info(failover_timeout=10))
    stage.clear()
    _, second = stage.subscribe(framework_info(failover_timeout=10, framework_id=framework))
    (error,) = stage.events(first)
    assert error.error is not None
    assert error.error.message == "Framework failed over"
    assert "RESCIND" not in stage.kinds(first)
    assert stage.kinds(second) == ["SUBSCRIBED"]
    stage.close(first)
    assert stage.state.frameworks[framework].connected
    stage.wait(1)
    assert len(stage.offers(second)) == 1


def test_a_framework_outlives_its_scheduler_for_the_failover_timeout() -> None:
    stage = Stage()
    _, link = stage.agent()
    framework, stream = stage.subscribe(framework_info(failover_timeout=10))
    stage.run_task(framework)
    stage.close(stream)
    assert stage.state.offers == {}
    stage.wait(9)
    _, stream = stage.subscribe(framework_info(failover_timeout=10, framework_id=framework))
    stage.wait(5)
    assert list(stage.state.frameworks[framework].tasks) == ["t"]
    stage.close(stream)
    stage.wait(11)
    assert framework in stage.state.completed
    assert [one.framework_id.value for one in stage.sent(link, agent_link.ShutdownFramework)] == [framework]
    (done,) = stage.state.completed[framework].completed
    assert done.message.state is TaskState.TASK_KILLED
    _, stream = stage.subscribe(framework_info(framework_id=framework))
    assert stage.events(stream)[0].error is not None


def test_the_default_failover_timeout_removes_at_once() -> None:
    stage = Stage()
    framework, stream = stage.subscribe()
    stage.close(stream)
    stage.wait(0)
    assert framework in stage.state.completed


def test_principals_do_not_change() -> None:
    stage = Stage()
    framework, _ = stage.subscribe(framework_info(principal="a"))
    _, stream = stage.subscribe(framework_info(principal="b", framework_id=framework))
    assert stage.events(stream)[0].error is not None
    assert stage.state.frameworks[framework].connected


def test_calls_are_checked_in_order() -> None:
    stage = Stage()
    framework, stream = stage.subscribe(framework_info(failover_timeout=10))
    revive = Call(type=CallType.REVIVE)
    assert stage.call("nope", revive).text == "Framework cannot be found"
    assert stage.call(framework, revive, stream=None).status == 400
    assert stage.call(framework, revive, stream="other").status == 400
    assert stage.call(framework, revive).status == 202
    assert stage.call(framework, Call(type=CallType.UNKNOWN)).status == 501
    stage.close(stream)
    assert stage.call(framework, revive, stream=stream).status == 403


def test_update_framework_is_all_or_nothing() -> None:
    stage = Stage()
    stage.agent()
    framework, stream = stage.subscribe(framework_info("fw", "a"))
    stage.clear()

    def update(info: object) -> effects.Answer:
        call = scheduler.CallUpdateFramework(framework_info=info)  # type: ignore[arg-type]
        return stage.call(framework, Call(type=CallType.UPDATE_FRAMEWORK, update_framework=call))

    assert update(framework_info("fw", "b", framework_id=framework, principal="x")).status == 400
    assert stage.kinds(stream) == []
    assert update(framework_info("fw", "b", framework_id=framework)).status == 200
    assert stage.kinds(stream)[0] == "RESCIND"
    allocation = stage.offers(stream)[0].allocation_info
    assert allocation is not None
    assert allocation.role == "b"


# ---- launching -------------------------------------------------------------------------------------------------------


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


# ---- updates, kills --------------------------------------------------------------------------------------------------


def test_a_terminal_task_stays_known_until_acknowledged() -> None:
    stage = Stage()
    stage.agent()
    framework, _ = stage.subscribe()
    stage.run_task(framework)
    stage.update(framework, "t", TaskState.TASK_FAILED, acknowledge=False)
    record = stage.state.frameworks[framework].tasks["t"]
    assert record.is_terminal
    assert not stage.state.frameworks[framework].used
    stage.update(framework, "t", TaskState.TASK_RUNNING, acknowledge=False)
    assert record.message.state is TaskState.TASK_FAILED
    stage.update(framework, "t", TaskState.TASK_FAILED)
    assert [one.id for one in stage.state.frameworks[framework].completed] == ["t"]


def test_kills_reach_the_agent_even_later() -> None:
    stage = Stage()
    agent, link = stage.agent()
    framework, _ = stage.subscribe()
    info = stage.run_task(framework)
    stage.call(framework, kill("t", "another agent"))
    assert stage.sent(link, agent_link.KillTask) == []
    stage.cut(link)
    stage.call(framework, kill("t"))
    record = stage.state.frameworks[framework].tasks["t"]
    frameworks = (agent_link.AgentFramework(info=stage.state.frameworks[framework].info, tasks=(record.message,)),)
    pid = stage.state.agents[agent].pid
    link = stage.back(stage.state.agents[agent].info, frameworks, pid=pid)
    assert [one.task_id for one in stage.sent(link, agent_link.KillTask)] == [info.task_id]


def test_kills_are_told_again_until_the_task_has_ended() -> None:
    stage = Stage()
    agent, link = stage.agent()
    framework, _ = stage.subscribe()
    info = stage.run_task(framework)
    stage.call(framework, kill("t"))
    assert len(stage.sent(link, agent_link.KillTask)) == 1
    record = stage.state.frameworks[framework].tasks["t"]
    known, pid = stage.state.agents[agent].info, stage.state.agents[agent].pid

    def again() -> list[TaskID]:
        stage.cut(stage.state.agents[agent].link or "")
        frameworks = (agent_link.AgentFramework(info=stage.state.frameworks[framework].info, tasks=(record.message,)),)
        back = stage.back(known, frameworks, pid=pid)
        return [one.task_id for one in stage.sent(back, agent_link.KillTask)]

    assert [again(), again()] == [[info.task_id]] * 2
    stage.update(framework, "t", TaskState.TASK_KILLED, acknowledge=False)
    assert again() == []
    stage.update(framework, "t", TaskState.TASK_KILLED)
    assert not stage.state.agents[agent].kills


def test_an_executor_nobody_knows_cannot_fail() -> None:
    stage = Stage()
    _, link = stage.agent()
    framework, stream = stage.subscribe()
    gone = agent_link.ExitedExecutor(
        framework_id=FrameworkID(value=framework), executor_id=ExecutorID(value="nobody"), status=1
    )
    stage.say(link, gone)
    assert not [event for event in stage.events(stream) if event.failure is not None]


def test_messages_to_nobody_are_counted() -> None:
    stage = Stage()
    _, link = stage.agent()
    framework, stream = stage.subscribe()
    for name in (framework, "nobody"):
        said = agent_link.ExecutorMessage(
            framework_id=FrameworkID(value=name),
            executor_id=ExecutorID(value="e"),
            data=b"x",
        )
        stage.say(link, said)
    assert [event.message.data for event in stage.events(stream) if event.message is not None] == [b"x"]
    counted = stage.state.counters
    assert counted["valid_executor_to_framework_messages"] == counted["invalid_executor_to_framework_messages"] == 1


def test_an_unknown_task_to_kill_is_answered() -> None:
    stage = Stage()
    framework, stream = stage.subscribe()
    stage.call(framework, kill("nobody"))
    assert [str(status.state) for status in stage.statuses(stream)] == ["TASK_UNKNOWN"]


# ---- reconciliation --------------------------------------------------------------------------------------------------


def entry(standing: Standing, agent: str = "old") -> tuple[str, AgentEntry]:
    info = AgentInfo(hostname="h", id=AgentID(value=agent))
    return agent, AgentEntry(info=info, standing=standing, since=5.0)


@pytest.mark.parametrize("aware", [True, False], ids=["aware", "unaware"])
@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (Standing.ADMITTED, None),
        (Standing.UNREACHABLE, "TASK_UNREACHABLE"),
        (Standing.GONE, "TASK_GONE_BY_OPERATOR"),
    ],
)
def test_explicit_answers_follow_the_agents_standing(standing: Standing, expected: str | None, aware: bool) -> None:
    stage = Stage(agents=(entry(standing),))
    info = framework_info() if aware else framework_info(capabilities=LEGACY)
    framework, stream = stage.subscribe(info)
    stage.call(framework, reconcile(("t", "old")))
    wanted = [] if expected is None else [expected if aware else "TASK_LOST"]
    assert [str(status.state) for status in stage.statuses(stream)] == wanted
    if standing is Standing.UNREACHABLE:
        assert stage.statuses(stream)[0].unreachable_time is not None


def test_explicit_and_implicit_answers() -> None:
    stage = Stage()
    agent, _ = stage.agent()
    framework, stream = stage.subscribe()
    stage.run_task(framework)
    stage.clear()
    stage.call(framework, reconcile(("t", None), ("x", agent), ("y", None)))
    assert [(one.task_id.value, str(one.state)) for one in stage.statuses(stream)] == [
        ("t", "TASK_RUNNING"),
        ("x", "TASK_GONE"),
        ("y", "TASK_UNKNOWN"),
    ]
    assert {one.reason for one in stage.statuses(stream)} == {"REASON_RECONCILIATION"}
    assert all(one.uuid is None for one in stage.statuses(stream))
    stage.clear()
    stage.call(framework, reconcile())
    assert [one.task_id.value for one in stage.statuses(stream)] == ["t"]


# ---- agents ----------------------------------------------------------------------------------------------------------


def test_an_agent_is_written_before_it_is_welcomed() -> None:
    stage = Stage()
    agent, link = stage.agent()
    assert stage.writes() == [(agent, "ADMITTED")]
    (welcome,) = stage.sent(link, agent_link.Registered)
    assert (welcome.agent_id, welcome.master_id, welcome.ping_timeout_s) == (agent, "m", 75.0)


def test_a_broken_link_rescinds_and_loses_what_is_not_checkpointed() -> None:
    stage = Stage()
    _, link = stage.agent("cpus:4;mem:1024")
    careless, stream = stage.subscribe(framework_info(checkpoint=False))
    stage.run_task(careless, "a")
    stage.wait(1)
    stage.clear()
    stage.cut(link)
    assert stage.kinds(stream) == ["RESCIND", "UPDATE"]
    (status,) = stage.statuses(stream)
    assert (status.state, status.reason) == ("TASK_LOST", "REASON_AGENT_DISCONNECTED")


def test_five_unanswered_pings_make_an_agent_unreachable() -> None:
    stage = Stage()
    agent, link = stage.agent()
    framework, stream = stage.subscribe()
    stage.run_task(framework)
    stage.clear()
    stage.wait(61)
    assert len(stage.sent(link, agent_link.Ping)) == 4
    stage.say(link, agent_link.Pong())
    stage.wait(60)
    assert agent in stage.state.agents
    stage.clear()
    stage.wait(30)
    assert stage.writes() == [(agent, "UNREACHABLE")]
    (status,) = stage.statuses(stream)
    assert (status.state, status.reason) == ("TASK_UNREACHABLE", "REASON_AGENT_REMOVED")
    assert status.unreachable_time is not None
    assert "FAILURE" in stage.kinds(stream)
    assert effects.CloseLink(link) in stage.effects
    assert list(stage.state.frameworks[framework].unreachable) == ["t"]
    assert not stage.state.frameworks[framework].used


def test_an_unreachable_agent_returns_with_its_tasks() -> None:
    stage = Stage()
    agent, _ = stage.agent()
    framework, stream = stage.subscribe()
    stage.run_task(framework)
    record = stage.state.frameworks[framework].tasks["t"]
    running: Task = record.message
    info, pid = stage.state.agents[agent].info, stage.state.agents[agent].pid
    stage.wait(100)
    assert agent in stage.state.unreachable
    stage.clear()
    frameworks = (agent_link.AgentFramework(info=stage.state.frameworks[framework].info, tasks=(running,)),)
    stage.back(info, frameworks, pid=pid)
    assert stage.writes() == [(agent, "ADMITTED")]
    (status,) = stage.statuses(stream)
    assert (status.state, status.reason) == ("TASK_RUNNING", "REASON_AGENT_REREGISTERED")
    assert list(stage.state.frameworks[framework].tasks) == ["t"]
    assert stage.state.frameworks[framework].unreachable == {}
    assert stage.state.agents[agent].used == Resources.parse("cpus:1;mem:64")


def test_what_the_agent_forgot_is_reconciled_through_it() -> None:
    stage = Stage()
    agent, link = stage.agent()
    framework, _ = stage.subscribe()
    stage.run_task(framework)
    record = stage.state.agents[agent]
    stage.cut(link)
    link = stage.back(record.info, pid=record.pid)
    (welcome,) = stage.sent(link, agent_link.Registered)
    assert [(one.task_id.value, one.partition_aware) for one in welcome.reconcile] == [("t", True)]


def test_after_a_change_of_leader_frameworks_come_from_agents() -> None:
    first = Stage()
    agent, _ = first.agent()
    framework, _ = first.subscribe(framework_info(failover_timeout=60))
    first.run_task(framework)
    fw = first.state.frameworks[framework]
    known = first.state.agents[agent]
    admitted = AgentEntry(info=known.info, standing=Standing.ADMITTED, since=1.0)
    second = Stage(master_id="n", agents=((agent, admitted),))
    returning = (agent_link.AgentFramework(info=fw.info, tasks=(fw.tasks["t"].message,)),)
    second.back(known.info, returning, pid=known.pid)
    assert second.writes() == []
    assert second.state.frameworks[framework].recovered
    assert second.state.agents[agent].used == Resources.parse("cpus:1;mem:64")
    _, stream = second.subscribe(framework_info(failover_timeout=60, framework_id=framework))
    assert not second.state.frameworks[framework].recovered
    assert Resources.of(second.offers(stream)[0].resources) == known.total - Resources.parse("cpus:1;mem:64")
    assert second.statuses(stream) == []


def test_agents_that_do_not_come_back_are_unreachable() -> None:
    stage = Stage(agents=(entry(Standing.ADMITTED),))
    _, stream = stage.subscribe()
    stage.wait(599)
    assert list(stage.state.recovered) == ["old"]
    stage.wait(2)
    assert list(stage.state.unreachable) == ["old"]
    assert stage.writes() == [("old", "UNREACHABLE")]
    assert "FAILURE" in stage.kinds(stream)


def test_a_gone_agent_is_refused_for_ever() -> None:
    stage = Stage()
    agent, link = stage.agent()
    framework, stream = stage.subscribe()
    stage.run_task(framework)
    info = stage.state.agents[agent].info
    stage.clear()
    stage.do(MarkGone(stage.now, 7, agent))
    assert effects.Answer(7, 200) in stage.effects
    assert [str(status.state) for status in stage.statuses(stream)] == ["TASK_GONE_BY_OPERATOR"]
    assert len(stage.sent(link, agent_link.Shutdown)) == 1
    link = stage.back(info)
    assert stage.sent(link, agent_link.Shutdown) == [agent_link.Shutdown(message="Agent has been marked gone")]
    assert effects.CloseLink(link) in stage.effects
    stage.do(MarkGone(stage.now, 8, "who"))
    assert effects.Answer(8, 404, "Agent 'who' not found") in stage.effects


def test_a_new_agent_at_the_same_address_replaces_the_old() -> None:
    stage = Stage()
    old, _ = stage.agent(pid="slave(1)@10.0.0.1:5051")
    framework, stream = stage.subscribe()
    stage.run_task(framework)
    stage.clear()
    new, _ = stage.agent(pid="slave(1)@10.0.0.1:5051")
    assert new != old
    assert stage.writes() == [(old, None), (new, "ADMITTED")]
    assert [str(status.state) for status in stage.statuses(stream)] == ["TASK_LOST"]


def test_offers_time_out() -> None:
    stage = Stage(Rules(offer_timeout_s=30))
    stage.agent()
    _, stream = stage.subscribe()
    stage.clear()
    stage.wait(31)
    assert stage.kinds(stream)[0] == "RESCIND"
    stage.wait(1)
    assert len(stage.offers(stream)) == 1


def test_teardown_by_an_operator() -> None:
    stage = Stage()
    framework, stream = stage.subscribe()
    stage.do(Teardown(stage.now, 1, "nope"))
    stage.do(Teardown(stage.now, 2, framework))
    answers = [one for one in stage.effects if isinstance(one, effects.Answer)]
    assert [one.status for one in answers] == [400, 200]
    assert effects.CloseStream(stream) in stage.effects


def test_the_registry_is_kept_small() -> None:
    stage = Stage(Rules(registry_max_count=1), agents=(entry(Standing.GONE, "a"), entry(Standing.GONE, "b")))
    stage.wait(901)
    assert len(stage.state.gone) == 1
    assert len(stage.writes()) == 1


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
