"""Agents that come back: what they hear, and in which order."""

from __future__ import annotations

import msgspec
import pytest

from dcos.master.core import effects
from dcos.master.core.state import Rules
from dcos.model.attributes import parse as parse_attributes
from dcos.model.resources import Resources
from dcos.model.v1 import master, scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import (
    AgentID,
    AgentInfo,
    DomainInfo,
    DomainInfoFaultDomain,
    DomainInfoFaultDomainRegionInfo,
    DomainInfoFaultDomainZoneInfo,
    TaskID,
    TaskState,
)
from dcos.wire import agent_link
from tests.unit.master.stage import Stage, framework_info


@pytest.mark.parametrize("given_up", [False, True])
def test_registered_is_heard_before_a_removed_framework_is_ended(given_up: bool) -> None:
    """An agent breaks a link whose first word is another one."""
    stage = Stage()
    agent, link = stage.agent()
    framework, _ = stage.subscribe()
    stage.run_task(framework)
    record = stage.state.agents[agent]
    told = agent_link.AgentFramework(
        info=stage.state.frameworks[framework].info, tasks=tuple(one.message for one in record.tasks.values())
    )
    stage.cut(link)
    if given_up:
        stage.wait(601.0)
        assert agent in stage.state.unreachable
    stage.call(framework, Call(type=CallType.TEARDOWN))
    assert framework in stage.state.completed
    stage.clear()
    link = stage.back(record.info, (told,), pid=record.pid)
    heard = [one.message for one in stage.effects if isinstance(one, effects.ToAgent) and one.link == link]
    assert [type(one) for one in heard[:2]] == [agent_link.Registered, agent_link.ShutdownFramework]


def test_what_was_given_up_with_the_link_ends_when_the_agent_is_back() -> None:
    """A framework without checkpointing hears LOST at once, nothing of GONE before it is known, and the task is killed."""
    stage = Stage()
    agent, link = stage.agent()
    framework, stream = stage.subscribe(framework_info(checkpoint=False))
    stage.run_task(framework)
    record = stage.state.agents[agent]
    told = agent_link.AgentFramework(
        info=stage.state.frameworks[framework].info, tasks=tuple(one.message for one in record.tasks.values())
    )
    stage.cut(link)
    assert stage.statuses(stream)[-1].state is TaskState.TASK_LOST
    stage.clear()
    asked = scheduler.CallReconcileTask(task_id=TaskID(value="t"), agent_id=AgentID(value=agent))
    stage.call(framework, Call(type=CallType.RECONCILE, reconcile=scheduler.CallReconcile(tasks=(asked,))))
    assert stage.statuses(stream) == []
    link = stage.back(record.info, (told,), pid=record.pid)
    assert [one.task_id.value for one in stage.sent(link, agent_link.KillTask)] == ["t"]
    assert stage.state.agents[agent].used == Resources.parse("cpus:1;mem:64")
    stage.update(framework, "t", TaskState.TASK_KILLED)
    assert not stage.state.agents[agent].used


def test_a_state_is_not_told_before_the_updates_that_lead_to_it() -> None:
    """The task ended while its agent was away, and the agent still has TASK_RUNNING in flight."""
    stage = Stage()
    agent, link = stage.agent()
    framework, stream = stage.subscribe()
    stage.run_task(framework)
    record = stage.state.agents[agent]
    (task,) = record.tasks.values()
    ended = msgspec.structs.replace(
        task.message, state=TaskState.TASK_FAILED, status_update_state=TaskState.TASK_RUNNING
    )
    told = agent_link.AgentFramework(info=stage.state.frameworks[framework].info, tasks=(ended,))
    stage.cut(link)
    stage.wait(601.0)
    stage.clear()
    stage.back(record.info, (told,), pid=record.pid)
    assert [status.state for status in stage.statuses(stream)] == [TaskState.TASK_RUNNING]
    assert stage.statuses(stream)[0].message == "Unreachable agent reregistered"


def test_what_an_unreachable_agent_does_not_bring_back_is_not_unreachable_any_more() -> None:
    stage = Stage()
    agent, link = stage.agent()
    framework, stream = stage.subscribe()
    stage.run_task(framework)
    record = stage.state.agents[agent]
    stage.cut(link)
    stage.wait(601.0)
    assert list(stage.state.frameworks[framework].unreachable) == ["t"]
    stage.back(record.info, pid=record.pid)
    assert not stage.state.frameworks[framework].unreachable
    assert not stage.state.unreachable_tasks
    stage.clear()
    asked = scheduler.CallReconcileTask(task_id=TaskID(value="t"), agent_id=AgentID(value=agent))
    stage.call(framework, Call(type=CallType.RECONCILE, reconcile=scheduler.CallReconcile(tasks=(asked,))))
    (status,) = stage.statuses(stream)
    assert (status.state, status.message) == (TaskState.TASK_GONE, "Reconciliation: Task is unknown to the agent")


def test_a_task_that_was_ended_behind_its_agents_back_is_not_shown_twice() -> None:
    """An agent that the master removed comes back running what was said to be LOST."""
    stage = Stage()
    agent, link = stage.agent()
    framework, stream = stage.subscribe()
    stage.run_task(framework)
    record = stage.state.agents[agent]
    (task,) = record.tasks.values()
    told = agent_link.AgentFramework(info=stage.state.frameworks[framework].info, tasks=(task.message,))
    stage.say(link, agent_link.Unregister())
    assert [one.id for one in stage.state.frameworks[framework].completed] == ["t"]
    stage.clear()
    stage.back(record.info, (told,), pid=record.pid)
    assert list(stage.state.frameworks[framework].tasks) == ["t"]
    assert not stage.state.frameworks[framework].completed
    assert [one.message for one in stage.statuses(stream)] == ["Unknown agent reregistered"]


def test_nobody_takes_over_a_framework_that_only_its_agents_know() -> None:
    """After a change of leader its id is all that a stranger would need."""
    first = Stage()
    agent, _ = first.agent()
    framework, _ = first.subscribe(framework_info("mine", principal="me"))
    first.run_task(framework)
    record = first.state.agents[agent]
    (task,) = record.tasks.values()
    told = agent_link.AgentFramework(info=first.state.frameworks[framework].info, tasks=(task.message,))
    second = first.successor()
    second.back(record.info, (told,), pid=record.pid)
    _, stream = second.subscribe(framework_info("mine", principal="you", framework_id=framework))
    (event,) = second.events(stream)
    assert event.error is not None
    assert event.error.message == "Changing framework's principal is not allowed."
    changed = msgspec.structs.replace(framework_info("mine", principal="me", framework_id=framework), user="other")
    again, _ = second.subscribe(changed)
    assert again == framework
    assert second.state.frameworks[framework].info.user == "root", "a user never changes"


def test_changed_attributes_void_what_was_refused() -> None:
    stage = Stage()
    framework, stream = stage.subscribe()
    agent, link = stage.agent()
    stage.decline(framework, stage.offers(stream), refuse_s=1000)
    info = stage.state.agents[agent].info
    for attributes, offers in (((), 0), (parse_attributes("rack:2"), 1)):
        stage.cut(link)
        stage.clear()
        link = stage.back(msgspec.structs.replace(info, attributes=attributes), pid=stage.state.agents[agent].pid)
        stage.wait(2)
        assert len(stage.offers(stream)) == offers


def test_a_task_that_ended_while_its_agent_was_away_is_counted_once() -> None:
    stage = Stage()
    framework, _ = stage.subscribe(framework_info(failover_timeout=100.0))
    agent, link = stage.agent()
    stage.run_task(framework)
    record = stage.state.frameworks[framework].tasks["t"]
    stage.cut(link)
    ended = msgspec.structs.replace(record.message, state=TaskState.TASK_FINISHED)
    brought = agent_link.AgentFramework(info=stage.state.frameworks[framework].info, tasks=(ended,))
    stage.back(stage.state.agents[agent].info, (brought,), pid=stage.state.agents[agent].pid)
    assert not stage.state.frameworks[framework].used, "its resources are free at once"
    assert record.message.state is TaskState.TASK_FINISHED
    stage.update(framework, "t", TaskState.TASK_FINISHED)
    assert stage.state.counters["tasks_finished"] == 1
    assert stage.state.frameworks[framework].counts["ended/TASK_FINISHED"] == 1
    assert stage.state.frameworks[framework].tasks == {}


def test_an_agent_that_is_away_is_reactivated_when_it_returns() -> None:
    stage = Stage()
    agent, _ = stage.agent()
    call = master.CallDeactivateAgent(agent_id=AgentID(value=agent))
    assert stage.operate(master.CallType.DEACTIVATE_AGENT, deactivate_agent=call).status == 200
    successor = stage.successor()
    back = master.CallReactivateAgent(agent_id=AgentID(value=agent))
    answer = successor.operate(master.CallType.REACTIVATE_AGENT, reactivate_agent=back)
    assert (answer.status, answer.text) == (409, "Agent removed while processing the call")
    assert not successor.registry[agent].deactivated


def test_an_agent_that_cannot_drain_is_not_asked_to() -> None:
    stage = Stage()
    agent, _ = stage.agent()
    stage.state.agents[agent].capabilities = frozenset()
    call = master.CallDrainAgent(agent_id=AgentID(value=agent))
    answer = stage.operate(master.CallType.DRAIN_AGENT, drain_agent=call)
    assert (answer.status, answer.text) == (400, f"Agent {agent} is not capable of draining")


REGION = DomainInfo(
    fault_domain=DomainInfoFaultDomain(
        region=DomainInfoFaultDomainRegionInfo(name="r"), zone=DomainInfoFaultDomainZoneInfo(name="z")
    )
)


@pytest.mark.parametrize(
    ("rules", "version", "domain", "words"),
    [
        (Rules(), "0.28.3", None, "its version 0.28.3 is older than 1.0.0"),
        (Rules(), "new", None, "its version 'new' makes no sense"),
        (Rules(), "1.11.0", REGION, "it has a domain, and this master has none: whether it is remote cannot be told"),
        (Rules(require_domain=True), "1.11.0", None, "it has no domain, and --require_agent_domain is set"),
    ],
)
def test_who_does_not_fit_is_ignored(rules: Rules, version: str, domain: DomainInfo | None, words: str) -> None:
    """It is told nothing, and may try again when it was changed."""
    stage = Stage(rules)
    info = AgentInfo(hostname="h", domain=domain)
    stage.say("l", agent_link.Register(agent=info, pid="slave(1)@10.0.0.1:5051", version=version))
    assert stage.state.agents == {}
    assert [type(one) for one in stage.effects if isinstance(one, effects.ToAgent | effects.CloseLink)] == [
        effects.CloseLink
    ]
    (why,) = [dict(one.about)["why"] for one in stage.effects if getattr(one, "event", "") == "agent_refused"]
    assert why == words
