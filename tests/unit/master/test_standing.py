"""Agents on their way out: draining, deactivation, removal limits, maintenance, inverse offers, a change of leader."""

from __future__ import annotations

import msgspec
import pytest

from dcos.master.core import effects, machines
from dcos.master.core.events import MarkGone
from dcos.master.core.state import Rules
from dcos.model.v1 import maintenance, master, scheduler
from dcos.model.v1.master import CallType
from dcos.model.v1.quota import QuotaConfig
from dcos.model.v1.scheduler import Call
from dcos.model.v1.types import (
    AgentID,
    AgentInfo,
    DomainInfo,
    DomainInfoFaultDomain,
    DomainInfoFaultDomainRegionInfo,
    DomainInfoFaultDomainZoneInfo,
    DrainState,
    DurationInfo,
    Filters,
    FrameworkInfoCapabilityType,
    InverseOffer,
    MachineID,
    TaskState,
    TaskStatusReason,
    TimeInfo,
    Unavailability,
    ValueScalar,
    WeightInfo,
)
from dcos.wire import agent_link
from tests.unit.master.stage import AWARE, Stage, framework_info

AWAY = Unavailability(start=TimeInfo(nanoseconds=10), duration=DurationInfo(nanoseconds=20))
PID = "slave(1)@10.0.0.9:5051"


def drain(stage: Stage, agent: str, *, mark_gone: bool = False) -> effects.Answer:
    return stage.operate(
        CallType.DRAIN_AGENT, drain_agent=master.CallDrainAgent(agent_id=AgentID(value=agent), mark_gone=mark_gone)
    )


def deactivate(stage: Stage, agent: str) -> effects.Answer:
    call = master.CallDeactivateAgent(agent_id=AgentID(value=agent))
    return stage.operate(CallType.DEACTIVATE_AGENT, deactivate_agent=call)


def reactivate(stage: Stage, agent: str) -> effects.Answer:
    call = master.CallReactivateAgent(agent_id=AgentID(value=agent))
    return stage.operate(CallType.REACTIVATE_AGENT, reactivate_agent=call)


def schedule(stage: Stage, *hosts: str, unavailability: Unavailability = AWAY) -> effects.Answer:
    windows = (
        (
            maintenance.Window(
                machine_ids=tuple(MachineID(hostname=one) for one in hosts), unavailability=unavailability
            ),
        )
        if hosts
        else ()
    )
    call = master.CallUpdateMaintenanceSchedule(schedule=maintenance.Schedule(windows=windows))
    return stage.operate(CallType.UPDATE_MAINTENANCE_SCHEDULE, update_maintenance_schedule=call)


def inverse(stage: Stage, stream: str) -> list[InverseOffer]:
    return [
        one for event in stage.events(stream) if event.inverse_offers for one in event.inverse_offers.inverse_offers
    ]


def alive(stage: Stage, seconds: float) -> None:
    """Time passes and connected agents answer pings."""
    until = stage.now + seconds
    while stage.now < until:
        for link in list(stage.state.links):
            stage.say(link, agent_link.Pong())
        stage.wait(min(5.0, until - stage.now))


# ---- draining --------------------------------------------------------------------------------------------------------


def test_an_agent_is_drained_when_its_last_end_is_acknowledged() -> None:
    stage = Stage()
    framework, stream = stage.subscribe()
    agent, link = stage.agent()
    stage.run_task(framework)
    stage.wait(1)
    stage.clear()
    assert drain(stage, agent).status == 200
    assert [message.config.mark_gone for message in stage.sent(link, agent_link.DrainAgent)] == [False]
    assert "RESCIND" in stage.kinds(stream)
    assert stage.state.allocator.run(stage.now) == []
    record = stage.state.agents[agent]
    assert record.draining
    stage.update(framework, "t", TaskState.TASK_KILLED, acknowledge=False)
    assert record.draining
    uuid = stage.state.frameworks[framework].tasks["t"].message.status_update_uuid
    assert uuid is not None
    done = scheduler.CallAcknowledge(
        agent_id=AgentID(value=agent), task_id=stage.statuses(stream)[-1].task_id, uuid=uuid
    )
    stage.call(framework, Call(type=scheduler.CallType.ACKNOWLEDGE, acknowledge=done))
    assert record.drain is not None
    assert record.drain.state is DrainState.DRAINED
    assert stage.registry[agent].drain == record.drain
    alive(stage, 60)
    assert not stage.state.offers
    stage.clear()
    assert reactivate(stage, agent).status == 200
    stage.wait(1)
    assert len(stage.offers(stream)) == 1
    assert not stage.registry[agent].deactivated


def test_an_agent_still_draining_is_not_reactivated() -> None:
    stage = Stage()
    framework, _ = stage.subscribe()
    agent, _ = stage.agent()
    stage.run_task(framework)
    drain(stage, agent)
    assert reactivate(stage, agent).text == "Agent is still in the DRAINING state"


def test_a_drained_agent_may_be_gone() -> None:
    stage = Stage()
    agent, link = stage.agent()
    assert drain(stage, agent, mark_gone=True).status == 200
    assert agent in stage.state.gone
    assert stage.sent(link, agent_link.Shutdown)
    assert str(stage.registry[agent].standing) == "GONE"


def test_a_drain_goes_on_over_a_change_of_leader_and_a_return() -> None:
    stage = Stage()
    framework, _ = stage.subscribe(framework_info(failover_timeout=1000.0))
    agent, _ = stage.agent(pid=PID)
    stage.run_task(framework)
    info = stage.state.agents[agent].info
    task = stage.state.frameworks[framework].tasks["t"].message
    brought = (agent_link.AgentFramework(info=stage.state.frameworks[framework].info, tasks=(task,)),)
    drain(stage, agent)
    stage = stage.successor()
    link = stage.back(info, brought)
    assert stage.sent(link, agent_link.DrainAgent)
    assert stage.state.agents[agent].draining
    assert not stage.state.agents[agent].active
    stage.cut(link)
    link = stage.back(info, brought)
    assert stage.sent(link, agent_link.DrainAgent)
    assert stage.state.agents[agent].draining
    stage.cut(link)
    link = stage.back(info)
    framework, stream = stage.subscribe(framework_info(framework_id=framework, failover_timeout=1000.0))
    stage.update(framework, "t", TaskState.TASK_KILLED)
    assert not stage.state.agents[agent].draining
    assert stage.state.agents[agent].deactivated
    assert not stage.offers(stream)


def test_an_unreachable_agent_is_drained_when_it_returns() -> None:
    stage = Stage(Rules(ping_s=1.0))
    agent, link = stage.agent(pid=PID)
    info = stage.state.agents[agent].info
    stage.cut(link)
    stage.wait(10)
    assert agent in stage.state.unreachable
    assert drain(stage, agent).status == 200
    assert stage.registry[agent].drain is not None
    link = stage.back(info)
    assert stage.sent(link, agent_link.DrainAgent)
    record = stage.state.agents[agent]
    assert record.drain is not None
    assert record.drain.state is DrainState.DRAINED
    assert record.deactivated


def test_a_deactivated_agent_gets_no_offers_even_when_it_returns() -> None:
    stage = Stage()
    framework, stream = stage.subscribe()
    agent, link = stage.agent(pid=PID)
    stage.run_task(framework)
    stage.wait(1)
    stage.clear()
    assert deactivate(stage, agent).status == 200
    assert stage.kinds(stream) == ["RESCIND"]
    assert not stage.sent(link, agent_link.DrainAgent)
    info = stage.state.agents[agent].info
    stage.cut(link)
    stage.back(info)
    stage.wait(2)
    assert not stage.state.offers
    assert reactivate(stage, agent).status == 200
    stage.wait(2)
    assert len(stage.state.offers) == 1


# ---- removal ---------------------------------------------------------------------------------------------------------


def test_agents_are_given_up_at_a_rate() -> None:
    stage = Stage(Rules(ping_s=1.0, removal_interval_s=60.0))
    links = [stage.agent(hostname=f"h{number}") for number in range(3)]
    infos = {agent: stage.state.agents[agent] for agent, _ in links}
    for _, link in links:
        stage.cut(link)
    stage.wait(10)
    assert len(stage.state.unreachable) == 1
    assert stage.state.counters["slave_unreachable_scheduled"] == 3
    waiting = list(stage.state.removals.waiting)
    returned = infos[waiting[0]]
    stage.back(returned.info, pid=returned.pid)
    assert stage.state.counters["slave_unreachable_canceled"] == 1
    alive(stage, 70)
    assert set(stage.state.agents) == {returned.id}
    assert stage.state.counters["slave_unreachable_completed"] == 2


def test_a_new_leader_gives_up_the_missing_at_the_rate() -> None:
    stage = Stage(Rules(removal_interval_s=60.0, agent_reregister_s=100.0))
    ids = [stage.agent(hostname=f"h{number}")[0] for number in range(3)]
    stage = stage.successor()
    assert set(stage.state.recovered) == set(ids)
    stage.wait(99)
    assert len(stage.state.recovered) == 3
    stage.wait(2)
    assert len(stage.state.unreachable) == 1
    stage.wait(60)
    assert len(stage.state.unreachable) == 2
    stage.wait(60)
    assert not stage.state.recovered
    assert {str(entry.standing) for entry in stage.registry.values()} == {"UNREACHABLE"}
    assert stage.state.counters["recovery_slave_removals"] == 3


@pytest.mark.parametrize(("limit", "aborts"), [(0.5, True), (0.7, False)])
def test_too_many_missing_agents_end_the_leader(limit: float, aborts: bool) -> None:
    stage = Stage(Rules(recovery_removal_limit=limit, agent_reregister_s=100.0))
    agents = [stage.agent(hostname=f"h{number}", pid=f"slave(1)@10.0.1.{number}:5051")[0] for number in range(3)]
    info = stage.state.agents[agents[0]].info
    stage = stage.successor()
    stage.back(info, pid="slave(1)@10.0.1.0:5051")
    alive(stage, 105)
    found = [one.why for one in stage.effects if isinstance(one, effects.Abort)]
    assert bool(found) is aborts
    if aborts:
        assert "2 (67%) of 3 agents" in found[0]
        assert len(stage.state.recovered) == 2


def test_an_unreachable_agent_can_be_marked_gone() -> None:
    stage = Stage(Rules(ping_s=1.0))
    framework, stream = stage.subscribe()
    agent, link = stage.agent(pid=PID)
    info = stage.state.agents[agent].info
    stage.run_task(framework)
    stage.cut(link)
    stage.wait(10)
    assert str(stage.statuses(stream)[-1].state) == "TASK_UNREACHABLE"
    stage.clear()
    stage.do(MarkGone(stage.now, 5, agent))
    assert agent in stage.state.gone
    assert agent not in stage.state.unreachable
    (told,) = stage.statuses(stream)
    assert (told.state, told.reason) == (
        TaskState.TASK_GONE_BY_OPERATOR,
        TaskStatusReason.REASON_AGENT_REMOVED_BY_OPERATOR,
    )
    record = stage.state.frameworks[framework]
    assert not record.unreachable
    assert [one.message.state for one in record.completed] == [TaskState.TASK_GONE_BY_OPERATOR]
    link = stage.back(info)
    assert stage.sent(link, agent_link.Shutdown)


def test_old_lost_agents_leave_the_registry() -> None:
    rules = Rules(ping_s=1.0, registry_gc_s=50.0, registry_max_count=1, registry_max_age_s=200.0)
    stage = Stage(rules)
    links = [stage.agent(hostname=f"h{number}")[1] for number in range(2)]
    stage.cut(links[0])
    stage.wait(20)
    stage.cut(links[1])
    stage.wait(60)
    assert len(stage.registry) == 1
    stage.wait(250)
    assert stage.registry == {}


# ---- weights and quota over a change of leader -----------------------------------------------------------------------


def test_stored_weights_replace_the_flag() -> None:
    stage = Stage(Rules(weights={"a": 2.0}))
    assert stage.state.allocator.weights == {"a": 2.0}
    infos = (WeightInfo(role="b", weight=3.0),)
    stage.operate(CallType.UPDATE_WEIGHTS, update_weights=master.CallUpdateWeights(weight_infos=infos))
    stage = stage.successor(Rules(weights={"c": 9.0}))
    assert stage.state.allocator.weights == {"a": 2.0, "b": 3.0}


def test_a_weight_of_a_role_in_use_takes_all_offers_back() -> None:
    stage = Stage()
    _, stream = stage.subscribe()
    stage.agent()
    stage.clear()
    infos = (WeightInfo(role="unused", weight=3.0),)
    stage.operate(CallType.UPDATE_WEIGHTS, update_weights=master.CallUpdateWeights(weight_infos=infos))
    assert stage.kinds(stream) == []
    infos = (WeightInfo(role="r", weight=3.0),)
    stage.operate(CallType.UPDATE_WEIGHTS, update_weights=master.CallUpdateWeights(weight_infos=infos))
    assert stage.kinds(stream) == ["RESCIND"]


def quota(stage: Stage, role: str, *, force: bool = False, **limits: float) -> effects.Answer:
    scalars = {name: ValueScalar(value=value) for name, value in limits.items()}
    call = master.CallUpdateQuota(quota_configs=(QuotaConfig(role=role, limits=scalars),), force=force)
    return stage.operate(CallType.UPDATE_QUOTA, update_quota=call)


def test_a_limit_below_what_is_used_needs_force() -> None:
    stage = Stage()
    framework, _ = stage.subscribe()
    stage.agent()
    stage.run_task(framework, resources="cpus:2;mem:64")
    refused = quota(stage, "r", cpus=1)
    assert refused.text == (
        "Invalid QuotaConfig: Role 'r' is already consuming 'cpus:2; mem:64'; this is more than the requested limits "
        "'cpus:1' (use 'force' flag to bypass this check)"
    )
    assert quota(stage, "r", cpus=1, force=True).status == 200
    stage.wait(2)
    left = [offer.resources.scalar("cpus") for offer in stage.state.offers.values()]
    assert sum(left) == 0


def test_a_limit_takes_offers_back() -> None:
    stage = Stage()
    _, stream = stage.subscribe()
    stage.agent("cpus:4;mem:1024")
    stage.agent("cpus:4;mem:1024")
    stage.clear()
    assert quota(stage, "r", cpus=5).status == 200
    assert stage.kinds(stream).count("RESCIND") == 1
    stage.wait(2)
    assert sum(offer.resources.scalar("cpus") for offer in stage.state.offers.values()) == 5000


def test_a_new_leader_with_quota_waits_for_agents() -> None:
    stage = Stage(Rules(allocator_recovery_s=50.0))
    agents = [stage.agent(hostname=f"h{number}", pid=f"slave(1)@10.0.1.{number}:5051")[0] for number in range(5)]
    infos = [stage.state.agents[agent].info for agent in agents]
    quota(stage, "q", cpus=1)
    stage = stage.successor()
    _, stream = stage.subscribe()
    for number in range(3):
        stage.back(infos[number], pid=f"slave(1)@10.0.1.{number}:5051")
    alive(stage, 2)
    assert not stage.offers(stream)
    stage.back(infos[3], pid="slave(1)@10.0.1.3:5051")
    assert len(stage.offers(stream)) == 4
    other = stage.successor()
    _, stream = other.subscribe()
    other.back(infos[0], pid="slave(1)@10.0.1.0:5051")
    alive(other, 55)
    assert len(other.offers(stream)) == 1


# ---- maintenance -----------------------------------------------------------------------------------------------------


def test_a_schedule_is_told_by_offers_and_inverse_offers() -> None:
    stage = Stage()
    framework, stream = stage.subscribe()
    agent, _ = stage.agent()
    stage.run_task(framework)
    stage.wait(1)
    stage.clear()
    assert schedule(stage, "HOST").status == 200
    assert stage.kinds(stream)[0] == "RESCIND"
    stage.wait(2)
    (offer,) = stage.offers(stream)
    assert offer.unavailability == AWAY
    (asked,) = inverse(stage, stream)
    assert asked.unavailability == AWAY
    assert asked.agent_id == AgentID(value=agent)
    assert asked.resources == ()
    stage.wait(30)
    assert len(inverse(stage, stream)) == 1
    schedule(stage)
    assert "RESCIND_INVERSE_OFFER" in stage.kinds(stream)
    stage.wait(2)
    assert stage.offers(stream)[-1].unavailability is None


def test_answers_are_kept_and_the_question_comes_again() -> None:
    stage = Stage()
    framework, stream = stage.subscribe()
    agent, _ = stage.agent()
    stage.run_task(framework)
    schedule(stage, "host")
    stage.wait(2)
    (asked,) = inverse(stage, stream)
    declined = scheduler.CallDeclineInverseOffers(inverse_offer_ids=(asked.id,), filters=Filters(refuse_seconds=20))
    stage.call(framework, Call(type=scheduler.CallType.DECLINE_INVERSE_OFFERS, decline_inverse_offers=declined))
    (machine,) = machines.status(stage.state).draining_machines
    assert [str(one.status) for one in machine.statuses] == ["DECLINE"]
    alive(stage, 15)
    assert len(inverse(stage, stream)) == 1
    alive(stage, 10)
    again = inverse(stage, stream)[-1]
    accepted = scheduler.CallAcceptInverseOffers(inverse_offer_ids=(again.id, asked.id))
    stage.call(framework, Call(type=scheduler.CallType.ACCEPT_INVERSE_OFFERS, accept_inverse_offers=accepted))
    assert [str(one.status) for one in stage.state.agents[agent].answers.values()] == ["ACCEPT"]
    stage.call(framework, Call(type=scheduler.CallType.REVIVE))
    assert len(inverse(stage, stream)) == 3
    stage.call(framework, Call(type=scheduler.CallType.TEARDOWN))
    assert stage.state.agents[agent].answers == {}
    assert stage.state.inverse_offers == {}


def test_an_unanswered_question_times_out_like_an_offer() -> None:
    stage = Stage(Rules(offer_timeout_s=10.0))
    framework, stream = stage.subscribe()
    stage.agent()
    stage.run_task(framework)
    schedule(stage, "host")
    alive(stage, 11)
    assert "RESCIND_INVERSE_OFFER" in stage.kinds(stream)
    assert len(inverse(stage, stream)) == 2


def test_a_returning_framework_is_asked_again() -> None:
    stage = Stage()
    framework, stream = stage.subscribe(framework_info(failover_timeout=100.0))
    stage.agent()
    stage.run_task(framework)
    schedule(stage, "host")
    stage.wait(1)
    assert len(inverse(stage, stream)) == 1
    stage.close(stream)
    assert stage.state.inverse_offers == {}
    _, stream = stage.subscribe(framework_info(framework_id=framework, failover_timeout=100.0))
    assert len(inverse(stage, stream)) == 1


def test_a_machine_that_is_down_is_removed_and_refused() -> None:
    stage = Stage()
    framework, stream = stage.subscribe()
    agent, link = stage.agent(pid=PID, hostname="h")
    stage.run_task(framework)
    info = stage.state.agents[agent].info
    down = MachineID(hostname="h", ip="10.0.0.9")
    window = maintenance.Window(machine_ids=(down,), unavailability=AWAY)
    call = master.CallUpdateMaintenanceSchedule(schedule=maintenance.Schedule(windows=(window,)))
    stage.operate(CallType.UPDATE_MAINTENANCE_SCHEDULE, update_maintenance_schedule=call)
    stage.clear()
    start = master.CallStartMaintenance(machines=(down,))
    assert stage.operate(CallType.START_MAINTENANCE, start_maintenance=start).status == 200
    assert [str(status.state) for status in stage.statuses(stream)] == ["TASK_LOST"]
    assert [one.message for one in stage.sent(link, agent_link.Shutdown)] == ["Operator initiated 'Machine DOWN'"]
    assert stage.registry == {}
    stage = stage.successor()
    assert machines.schedule(stage.state).windows == (window,)
    link = stage.back(info)
    assert [one.message for one in stage.sent(link, agent_link.Shutdown)] == ["Machine is `DOWN`"]
    stop = master.CallStopMaintenance(machines=(down,))
    assert stage.operate(CallType.STOP_MAINTENANCE, stop_maintenance=stop).status == 200
    assert stage.kept == {}
    stage.back(info)
    assert agent in stage.state.agents


# ---- where agents are ------------------------------------------------------------------------------------------------


def domain(region: str) -> DomainInfo:
    fault = DomainInfoFaultDomain(
        region=DomainInfoFaultDomainRegionInfo(name=region), zone=DomainInfoFaultDomainZoneInfo(name="z")
    )
    return DomainInfo(fault_domain=fault)


def test_other_regions_are_offered_to_region_aware_frameworks() -> None:
    stage = Stage()
    stage.state.info = msgspec.structs.replace(stage.state.info, domain=domain("here"))
    _, plain = stage.subscribe(framework_info("plain"))
    _, aware = stage.subscribe(framework_info("aware", capabilities=(*AWARE, FrameworkInfoCapabilityType.REGION_AWARE)))
    agent, link = stage.agent(pid=PID)
    stage.cut(link)
    stage.clear()
    info = msgspec.structs.replace(stage.state.agents[agent].info, domain=domain("far"))
    stage.back(info)
    stage.wait(2)
    assert not stage.offers(plain)
    assert [offer.domain for offer in stage.offers(aware)] == [domain("far")]


def test_agents_without_a_domain_may_be_refused() -> None:
    stage = Stage(Rules(require_domain=True))
    assert stage.agent()[0] == ""
    assert not stage.state.agents
    assert any(isinstance(one, effects.CloseLink) for one in stage.effects)


@pytest.mark.parametrize(
    ("version", "region"), [("0.28.2", None), ("nonsense", None), ("1.11.0", "here")], ids=["old", "unknown", "domain"]
)
def test_agents_that_do_not_fit_are_not_let_in(version: str, region: str | None) -> None:
    """They are not shut down: whoever runs there goes on."""
    stage = Stage()
    info = AgentInfo(hostname="h", domain=domain(region) if region is not None else None)
    stage.say("link", agent_link.Register(agent=info, pid=PID, version=version))
    assert not stage.state.agents
    assert any(isinstance(one, effects.CloseLink) for one in stage.effects)
    assert not stage.sent("link", agent_link.Shutdown)


@pytest.mark.parametrize("moved", ["ip", "hostname"])
def test_a_registered_agent_does_not_come_back_from_elsewhere(moved: str) -> None:
    stage = Stage()
    agent, _ = stage.agent(pid=PID)
    info = stage.state.agents[agent].info
    if moved == "ip":
        link = stage.back(info, pid="slave(1)@10.9.9.9:5051")
    else:
        link = stage.back(msgspec.structs.replace(info, hostname="other"), pid=PID)
    (told,) = stage.sent(link, agent_link.Shutdown)
    assert told.message == "Agent attempted to reregister with different IP / hostname"
    assert stage.state.agents[agent].link != link
    assert stage.back(info, pid=PID.replace(":5051", ":5052")) == stage.state.agents[agent].link, "another port is fine"
