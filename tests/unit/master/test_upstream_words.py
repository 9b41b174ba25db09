"""What schedulers and operators read of lost agents, refused updates and forwarded states, as upstream writes it.

Source: Mesos master (removeSlave, markUnreachable, updateFramework, forward, updateTask).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from dcos.master.core import roles
from dcos.master.core.state import Rules
from dcos.master.service import make_info, regions_differ
from dcos.model.resources import Resources
from dcos.model.v1 import maintenance, master, scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import (
    AgentID,
    CommandInfo,
    ContainerID,
    ContainerStatus,
    DomainInfo,
    DomainInfoFaultDomain,
    DomainInfoFaultDomainRegionInfo,
    DomainInfoFaultDomainZoneInfo,
    DurationInfo,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    FrameworkID,
    FrameworkInfo,
    FrameworkInfoCapabilityType,
    MachineID,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    TaskStatusReason,
    TaskStatusSource,
    TimeInfo,
    Unavailability,
)
from dcos.wire import agent_link
from tests.unit.master.stage import AWARE, Stage, framework_info, launch, launch_group, task

PID = "slave(1)@10.0.0.9:5051"


def running(rules: Rules | None = None) -> tuple[Stage, str, str, str, str]:
    """(stage, framework, its stream, agent, its link) with one running task on it."""
    stage = Stage(rules)
    agent, link = stage.agent(pid=PID)
    framework, stream = stage.subscribe(framework_info(failover_timeout=1000.0))
    stage.run_task(framework)
    stage.clear()
    return stage, framework, stream, agent, link


# ---- lost agents -----------------------------------------------------------------------------------------------------


def unregister(stage: Stage, link: str) -> None:
    stage.say(link, agent_link.Unregister())


def replace(stage: Stage, _: str) -> None:
    stage.agent(pid=PID)


def down(stage: Stage, _: str) -> None:
    machine = MachineID(hostname="host", ip="10.0.0.9")
    start, hour = TimeInfo(nanoseconds=0), DurationInfo(nanoseconds=3_600_000_000_000)
    window = maintenance.Window(machine_ids=(machine,), unavailability=Unavailability(start=start, duration=hour))
    schedule = master.CallUpdateMaintenanceSchedule(schedule=maintenance.Schedule(windows=(window,)))
    kinds = master.CallType
    stage.operate(kinds.UPDATE_MAINTENANCE_SCHEDULE, update_maintenance_schedule=schedule)
    stage.operate(kinds.START_MAINTENANCE, start_maintenance=master.CallStartMaintenance(machines=(machine,)))


def fall_silent(stage: Stage, _: str) -> None:
    stage.wait(100)


def stay_away(stage: Stage, link: str) -> None:
    """Its pings are answered by nobody else: it would be silent too, were it not for the long interval of this test."""
    stage.cut(link)
    stage.wait(601)


@pytest.mark.parametrize(
    ("lose", "state", "text"),
    [
        (unregister, "TASK_LOST", "Agent host removed: the agent unregistered"),
        (replace, "TASK_LOST", "Agent host removed: a new agent registered at the same address"),
        (down, "TASK_LOST", "Agent host removed: Operator initiated 'Machine DOWN'"),
        (fall_silent, "TASK_UNREACHABLE", "health check timed out"),
        (stay_away, "TASK_UNREACHABLE", "agent did not reregister within 10mins after disconnecting"),
    ],
)
def test_a_lost_agents_task(lose: Callable[[Stage, str], None], state: str, text: str) -> None:
    rules = Rules(ping_s=900.0) if lose is stay_away else Rules()
    stage, _, stream, agent, link = running(rules)
    lose(stage, link)
    (status,) = stage.statuses(stream)
    assert (status.state, status.message) == (state, text)
    assert (status.source, status.reason, status.uuid) == ("SOURCE_MASTER", "REASON_AGENT_REMOVED", None)
    assert status.agent_id == AgentID(value=agent)


@pytest.mark.parametrize("lose", [unregister, replace, fall_silent])
@pytest.mark.parametrize("was_told", [False, True], ids=["its end waits behind another update", "its end was told"])
def test_a_lost_agents_task_that_ended(lose: Callable[[Stage, str], None], was_told: bool) -> None:
    """Its scheduler is told of the loss unless it was told of the end: it would wait for ever."""
    stage, framework, stream, _, link = running()
    latest = None if was_told else TaskState.TASK_FINISHED
    to = TaskState.TASK_FINISHED if was_told else TaskState.TASK_RUNNING
    stage.update(framework, "t", to, acknowledge=False, latest=latest)
    stage.clear()
    lose(stage, link)
    lost = "TASK_UNREACHABLE" if lose is fall_silent else "TASK_LOST"
    assert [one.state for one in stage.statuses(stream)] == ([] if was_told else [lost])
    record = stage.state.frameworks[framework]
    assert (record.tasks, record.unreachable, record.used) == ({}, {}, record.used)
    (completed,) = record.completed
    assert completed.message.state == "TASK_FINISHED"


def test_who_does_not_return_to_a_new_leader() -> None:
    stage, *_ = running()
    successor = stage.successor()
    successor.wait(601)
    notes = [dict(one.about) for one in successor.effects if getattr(one, "event", "") == "agent_unreachable"]
    assert [one["why"] for one in notes] == ["did not reregister within 10mins after master failover"]


def test_tasks_of_an_agent_that_the_registry_forgot_are_not_unreachable_for_ever() -> None:
    stage, framework, _, agent, _ = running(Rules(registry_max_age_s=3600.0, registry_gc_s=900.0))
    stage.wait(100)
    assert list(stage.state.frameworks[framework].unreachable) == ["t"]
    stage.wait(2 * 3600)
    assert agent not in stage.state.unreachable
    assert stage.state.frameworks[framework].unreachable == {}
    assert stage.state.unreachable_tasks == {}
    assert not stage.state.census.of(framework).states


# ---- UPDATE_FRAMEWORK ------------------------------------------------------------------------------------------------


def updating(stage: Stage, framework: str, info: FrameworkInfo, *suppressed: str) -> tuple[int, str]:
    call = scheduler.CallUpdateFramework(framework_info=info, suppressed_roles=suppressed)
    answer = stage.call(framework, Call(type=CallType.UPDATE_FRAMEWORK, update_framework=call))
    return answer.status, answer.text


def test_why_an_update_of_a_framework_is_refused() -> None:
    stage = Stage()
    framework, _ = stage.subscribe(framework_info("fw", "a"))
    good = framework_info("fw", "a", framework_id=framework)
    bad_role = msgspec.structs.replace(good, roles=("-a",), user="other")
    status, text = updating(stage, framework, bad_role, "b")
    assert (status, text[:51]) == (400, "Supplied FrameworkInfo is not valid: 'FrameworkInfo")
    other_user = msgspec.structs.replace(good, user="other")
    assert updating(stage, framework, other_user, "b") == (
        400,
        "FrameworkInfo update is not valid: Updating 'FrameworkInfo.user' is unsupported; attempted to update from "
        "'root' to 'other'",
    )
    assert updating(stage, framework, good, "b") == (
        400,
        "'UpdateFramework' call is not valid: Suppressed roles { b } are not contained in the set of roles",
    )
    assert updating(stage, framework, good, "a") == (200, "")


def test_who_watches_hears_only_of_updates_that_change_something() -> None:
    stage = Stage()
    stage.state.watched = True
    framework, _ = stage.subscribe(framework_info("fw", "a", "b"))

    def told() -> int:
        events = [one.event for one in stage.effects if hasattr(one, "event")]
        return sum(getattr(one, "framework_updated", None) is not None for one in events)

    good = framework_info("fw", "a", "b", framework_id=framework)
    updating(stage, framework, good, "a")
    updating(stage, framework, msgspec.structs.replace(good, roles=("b", "a")))
    assert told() == 0
    updating(stage, framework, msgspec.structs.replace(good, webui_url="http://x"))
    assert told() == 1
    stage.subscribe(msgspec.structs.replace(good, webui_url="http://x"))
    assert told() == 2, "a scheduler that comes back is always told of"


# ---- updates of tasks ------------------------------------------------------------------------------------------------


def test_what_nobody_was_there_to_hear_was_not_forwarded() -> None:
    stage, framework, stream, _, _ = running()
    stage.close(stream)
    stage.update(framework, "t", TaskState.TASK_FINISHED, acknowledge=False)
    message = stage.state.frameworks[framework].tasks["t"].message
    assert (message.state, message.status_update_state) == ("TASK_FINISHED", "TASK_RUNNING")
    assert stage.state.counters["invalid_status_updates"] == 1
    assert not stage.state.frameworks[framework].used
    _, stream = stage.subscribe(framework_info(framework_id=framework, failover_timeout=1000.0))
    stage.clear()
    stage.call(framework, Call(type=CallType.RECONCILE, reconcile=scheduler.CallReconcile()))
    assert [one.state for one in stage.statuses(stream)] == ["TASK_RUNNING"], "the last that it was told"
    stage.update(framework, "t", TaskState.TASK_FINISHED)
    assert stage.state.frameworks[framework].tasks == {}


def say(stage: Stage, framework: str, link: str, to: TaskState, **about: object) -> None:
    status = TaskStatus(
        task_id=TaskID(value="t"),
        state=to,
        source=TaskStatusSource.SOURCE_EXECUTOR,
        uuid=next(stage.numbers).to_bytes(16, "big"),
        timestamp=stage.now,
        **about,  # type: ignore[arg-type]
    )
    stage.say(link, agent_link.StatusUpdate(framework_id=FrameworkID(value=framework), status=status, latest_state=to))


def test_reconciliation_knows_the_container_of_an_earlier_state() -> None:
    stage, framework, stream, _, link = running()
    container = ContainerStatus(container_id=ContainerID(value="c"))
    say(stage, framework, link, TaskState.TASK_RUNNING, container_status=container)
    say(stage, framework, link, TaskState.TASK_KILLING)
    stage.clear()
    stage.call(framework, Call(type=CallType.RECONCILE, reconcile=scheduler.CallReconcile()))
    (status,) = stage.statuses(stream)
    assert (status.state, status.container_status) == ("TASK_KILLING", container)


def test_only_ends_count_by_reason() -> None:
    stage, framework, _, _, link = running()
    healthy = TaskStatusReason.REASON_TASK_HEALTH_CHECK_STATUS_UPDATED
    say(stage, framework, link, TaskState.TASK_RUNNING, reason=healthy)
    assert not [name for name in stage.state.counters if name.startswith("task_")]
    why = TaskStatusReason.REASON_CONTAINER_LIMITATION_MEMORY
    for _ in range(2):
        say(stage, framework, link, TaskState.TASK_FAILED, reason=why)
    counters = stage.state.counters
    assert counters["task_failed/source_executor/reason_container_limitation_memory"] == 1
    assert counters["tasks_failed"] == stage.state.frameworks[framework].counts["ended/TASK_FAILED"] == 1


def test_an_unknown_task_to_kill_counts_as_asked_about() -> None:
    stage, framework, _, _, _ = running()
    kill = scheduler.CallKill(task_id=TaskID(value="nobody"))
    stage.call(framework, Call(type=CallType.KILL, kill=kill))
    assert stage.state.counters["messages_reconcile_tasks"] == 1


# ---- launches --------------------------------------------------------------------------------------------------------


def test_launches_count_by_tasks_that_were_launched() -> None:
    stage = Stage()
    agent, _ = stage.agent()
    framework, stream = stage.subscribe()
    tasks = (task("a", agent), task("b", agent), task("c/d", agent))
    stage.accept(framework, stage.offers(stream), [launch(*tasks), launch(task("e", agent, "cpus:100"))])
    counts = stage.state.frameworks[framework].counts
    assert (counts["operations/LAUNCH"], counts["ended/TASK_ERROR"]) == (2, 0)
    assert stage.state.counters["tasks_error"] == 2
    assert stage.state.counters["task_error/source_master/reason_task_invalid"] == 2


def test_tasks_for_a_custom_executor_need_no_command_in_a_group_either() -> None:
    stage = Stage()
    agent, link = stage.agent("cpus:4;mem:1024;disk:100")
    framework, stream = stage.subscribe()
    executor = ExecutorInfo(
        type=ExecutorInfoType.CUSTOM,
        executor_id=ExecutorID(value="e"),
        framework_id=FrameworkID(value=framework),
        command=CommandInfo(value="run"),
        resources=Resources.parse("cpus:0.1;mem:32;disk:10").messages(),
    )
    data = TaskInfo(
        name="a",
        task_id=TaskID(value="a"),
        agent_id=AgentID(value=agent),
        resources=Resources.parse("cpus:1;mem:64").messages(),
        data=b"work",
    )
    stage.accept(framework, stage.offers(stream), [launch_group(executor, data)])
    assert stage.statuses(stream) == []
    (run,) = stage.sent(link, agent_link.RunTaskGroup)
    assert run.task_group.tasks[0].data == b"work"


# ---- roles and regions -----------------------------------------------------------------------------------------------


def test_with_a_list_of_roles_exactly_those_are_known() -> None:
    stage = Stage(Rules(roles=frozenset({"*", "a/b"})))
    stage.subscribe(framework_info("fw", "*", capabilities=(FrameworkInfoCapabilityType.PARTITION_AWARE,)))
    assert roles.known(stage.state) == ["*", "a", "a/b"]
    assert roles.known(Stage().state) == []
    stage = Stage()
    stage.subscribe(framework_info("fw", "x/y", capabilities=AWARE))
    stage.state.allocator.set_weight("w", 2.0)
    stage.agent("cpus(res/erved):1")
    assert roles.known(stage.state) == ["res", "res/erved", "w", "x", "x/y"]


def test_masters_of_one_cluster_are_in_one_region() -> None:
    def placed(region: str | None) -> DomainInfo | None:
        if region is None:
            return None
        zone = DomainInfoFaultDomainZoneInfo(name="z")
        return DomainInfo(
            fault_domain=DomainInfoFaultDomain(region=DomainInfoFaultDomainRegionInfo(name=region), zone=zone)
        )

    for one, other, differ in (("a", "b", True), ("a", "a", False), ("a", None, False), (None, None, False)):
        infos = [make_info("m", "127.0.0.1", 5050, "h", placed(region)) for region in (one, other)]
        assert regions_differ(*infos) is differ
