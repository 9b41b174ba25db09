"""The master's decisions about agents: admission, pings, return, gone ones."""

from __future__ import annotations

from dcos.master.core import effects
from dcos.master.core.events import MarkGone
from dcos.master.core.registry import AgentEntry, Standing
from dcos.master.core.state import Rules
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    Task,
)
from dcos.wire import agent_link
from tests.unit.master.stage import Stage, entry, framework_info


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


def test_the_registry_is_kept_small() -> None:
    stage = Stage(Rules(registry_max_count=1), agents=(entry(Standing.GONE, "a"), entry(Standing.GONE, "b")))
    stage.wait(901)
    assert len(stage.state.gone) == 1
    assert len(stage.writes()) == 1
