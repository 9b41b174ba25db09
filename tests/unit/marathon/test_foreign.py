"""Times that clocks ahead of the leader's wrote make nothing wait until the leader's has caught up."""

from __future__ import annotations

from typing import Any

from dcos.marathon.core import events, foreign
from dcos.marathon.core.autoscale import Sample
from dcos.marathon.core.state import State
from dcos.model.marathon_state import AgentRef, Deployment, Instance, InstanceTask, Release, Rollout
from tests.unit.marathon.conftest import House, Running

APP: dict[str, Any] = {"id": "/web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32, "instances": 1}
DAY_S = 86400.0


async def test_a_task_that_the_master_calls_unreachable_since_tomorrow_is_replaced(marathon: Running) -> None:
    """Found by seed 10428 of the simulation."""
    await marathon.ask("POST", "/v2/apps", APP, 201)
    await marathon.until("runs", lambda: marathon.running() == 1)
    [task] = marathon.mesos.tasks.values()
    marathon.mesos.lose(task.agent, since=marathon.clock.now() + DAY_S)
    await marathon.until("replaced", lambda: marathon.running() == 2)


async def test_a_launch_that_a_former_leader_dated_tomorrow_is_given_up_in_time(house: House) -> None:
    house.mesos.autorun = False
    house.clock.time += DAY_S
    async with house.marathon() as former:
        await former.ask("POST", "/v2/apps", APP, 201)
        await former.until("launched", lambda: len(house.mesos.tasks) == 1)
    house.mesos.tasks.clear()
    house.clock.time -= DAY_S
    async with house.marathon() as leader:
        [instance] = leader.leader.state.instances.values()
        assert instance.since == house.clock.now()
        await leader.tick(leader.leader.core.settings.launch_confirm_timeout_s + 1.0)
        await leader.tick(1.0)
        assert instance.id not in leader.leader.state.instances


async def test_autoscaling_cools_down_from_when_it_saw_a_number_that_is_dated_tomorrow(house: House) -> None:
    policy = {"max": 9, "cpu": 50.0, "cooldownSeconds": 60}
    house.clock.time += DAY_S
    async with house.marathon() as former:
        await former.ask("POST", "/v2/apps", {**APP, "instances": 2, "autoscaling": policy}, 201)
        await former.settled()
    house.clock.time -= DAY_S
    async with house.marathon() as leader:
        await leader.settled()  # the end of the former leader's deployment may not have been stored
        await leader.leader.ask(events.Sampled("/web", Sample(cpu=100.0)))
        assert leader.leader.state.apps["/web"].instances == 2
        house.clock.time += 61.0
        await leader.leader.ask(events.Sampled("/web", Sample(cpu=100.0)))
        assert leader.leader.state.apps["/web"].instances == 4


def test_all_that_was_stored() -> None:
    task = InstanceTask(id="t", staged_at=9.0)
    instance = Instance(
        id="i",
        app_id="/a",
        version="v",
        role="*",
        agent=AgentRef(host="h", agent_id="S"),
        tasks=(task,),
        since=8.0,
        active_since=1.0,
        unreachable_since=7.0,
    )
    deployment = Deployment(
        id="d",
        version="v",
        steps=(),
        originals={},
        targets={},
        rollouts={"/a": Rollout(entered_at=9.0, reached_at=10.0), "/b": Rollout(entered_at=1.0)},
    )
    release = Release(instance_id="i", agent_id="S", role="*", since=9.0)
    state = State(instances={"i": instance}, deployments={"d": deployment}, releases={"i": release})
    foreign.correct(state, 5.0)
    made = state.instances["i"]
    assert (made.since, made.active_since, made.unreachable_since, made.task.staged_at) == (5.0, 1.0, 5.0, 5.0)
    assert state.deployments["d"].rollouts == {
        "/a": Rollout(entered_at=5.0, reached_at=5.0),
        "/b": Rollout(entered_at=1.0),
    }
    assert state.releases["i"].since == 5.0
