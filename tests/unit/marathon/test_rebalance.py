"""Rebalancing: the planner's promises, and an app that follows them on a fake Mesos."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcos.marathon.core import events, rebalance
from dcos.marathon.core.agents import Agent, Cluster
from dcos.marathon.core.rebalance import GIVE_UP_S, Placed
from dcos.model.marathon_growth import Rebalance
from dcos.model.marathon_state import AgentRef
from dcos.model.resources import Resources
from dcos.model.v1.types import TaskState
from tests.unit.marathon.conftest import House, Running
from tests.unit.marathon.test_everywhere import see

APP: dict[str, Any] = {
    "id": "/web",
    "cmd": "sleep 1000",
    "cpus": 0.1,
    "mem": 32,
    "instances": 4,
    "rebalance": {"by": "rack", "intervalSeconds": 10},
}
groups = st.sampled_from("abcd")


@given(st.lists(groups, max_size=12), st.dictionaries(groups, st.integers(0, 4)), st.integers(1, 3), st.data())
def test_moves_keep_the_budget_even_out_and_come_to_rest(
    where: list[str], room: dict[str, int], budget: int, data: st.DataObject
) -> None:
    policy = Rebalance(max_disruption=budget)
    placed = {f"i{number}": group for number, group in enumerate(where)}
    for _ in range(1000):
        seen = [Placed(name, group) for name, group in placed.items()]
        before = Counter({**dict.fromkeys(room, 0), **Counter(placed.values())})
        under_way: list[rebalance.Move] = []
        while data.draw(st.booleans()):
            more = rebalance.plan(policy, seen, room, under_way)
            under_way += more
            assert len(under_way) <= budget
            if not more:
                break
        if not under_way and not rebalance.plan(policy, seen, room):
            break
        assert len({move.victim for move in under_way}) == len(under_way)
        for move in under_way:
            assert placed[move.victim] == move.source
            placed[move.victim] = move.target
            room[move.target] -= 1
            room[move.source] = room.get(move.source, 0) + 1
            assert room[move.target] >= 0, "it moved to where there is no room"
        after = Counter(placed.values())
        if under_way:
            assert sum(count**2 for count in after.values()) < sum(count**2 for count in before.values())
    else:
        raise AssertionError("it never rests")


def racks(marathon: Running) -> dict[str, int]:
    number = {one.host: one.id.removeprefix("S") for one in marathon.mesos.agents.values()}
    return dict(sorted(Counter(f"r{number[one.agent.host]}" for one in marathon.mesos.running()).items()))


async def look(marathon: Running, seconds: float = 11) -> None:
    """The cluster is seen, time goes on."""
    await see(marathon)
    await marathon.tick(seconds)


@pytest.fixture
async def crowded(house: House) -> Any:
    """Four instances on the only agent."""
    for number in (2, 3):
        del house.mesos.agents[f"S{number}"]
    async with house.marathon() as marathon:
        await marathon.ask("POST", "/v2/apps", APP, 201)
        await marathon.settled()
        assert racks(marathon) == {"r1": 4}
        yield marathon


async def test_an_agent_that_joins_gets_its_share_and_nothing_is_missing_meanwhile(crowded: Running) -> None:
    crowded.mesos.agent(2, rack="r2")
    for _ in range(1000):
        await look(crowded)
        await asyncio.sleep(0.01)
        assert crowded.running() >= 4
        if racks(crowded) == {"r1": 2, "r2": 2} and not crowded.leader.state.moves:
            break
    else:
        raise AssertionError(racks(crowded))
    tasks = set(crowded.mesos.tasks)
    for _ in range(3):
        await look(crowded, 100)
    assert set(crowded.mesos.tasks) == tasks, "even is even"
    assert crowded.mesos.highest == 5, "one at a time"


async def test_what_is_launched_is_spread_from_the_start(marathon: Running) -> None:
    await see(marathon)
    await marathon.ask("POST", "/v2/apps", {**APP, "instances": 6}, 201)
    await marathon.settled()
    assert racks(marathon) == {"r1": 2, "r2": 2, "r3": 2}


@given(st.integers(0, 12), st.dictionaries(groups, st.integers(0, 4)), st.dictionaries(groups, st.integers(-4, 6)))
def test_the_limit_per_group_is_the_smallest_that_suffices(
    missing: int, have: dict[str, int], room: dict[str, int]
) -> None:
    most = rebalance.most_per_group(missing, have, room)

    def places(limit: int) -> int:
        return sum(min(max(0, amount), max(0, limit - have.get(group, 0))) for group, amount in room.items())

    if most is None:
        assert missing == 0 or sum(max(0, amount) for amount in room.values()) < missing
    else:
        assert places(most) >= missing
        assert most == 1 or places(most - 1) < missing


async def test_a_move_that_finds_no_room_is_given_up(crowded: Running) -> None:
    """The agent that was seen never offers."""
    crowded.mesos.agent(2, rack="r2").filtered = True
    crowded.mesos.suppressed = True
    cluster = Cluster(
        crowded.clock.time,
        {
            "S9": Agent(
                AgentRef("h9", "S9", attributes=crowded.mesos.agents["S2"].attributes),
                Resources.parse("cpus:4;mem:999"),
            )
        },
    )
    del crowded.mesos.agents["S2"]
    await crowded.leader.ask(events.ClusterSeen(cluster))
    assert [move.target for move in crowded.leader.state.moves["/web"]] == ["r2"]
    await crowded.tick(GIVE_UP_S + 1)
    await crowded.leader.ask(events.ClusterSeen(cluster))
    assert not crowded.leader.state.moves, "left alone for a while"
    assert crowded.running() == 4
    assert not crowded.leader.state.queue


async def test_a_move_ends_when_its_new_instance_is_needed_for_another_that_goes(crowded: Running) -> None:
    mesos, state = crowded.mesos, crowded.leader.state
    mesos.agent(2, rack="r2")
    mesos.autorun = False
    await see(crowded)
    await crowded.until("the new one begins", lambda: len(mesos.tasks) == 5)
    [move] = state.moves["/web"]
    mesos.agents["S1"].reachable = False  # kills are not answered
    other = next(one.id for one in state.instances.values() if one.id != move.victim and state.is_ready(one))
    await crowded.leader.ask(events.KillInstances((other,)))
    new = next(key for key, one in mesos.tasks.items() if one.state is TaskState.TASK_STAGING)
    mesos.update(new, TaskState.TASK_RUNNING)
    [arrived] = [one.id for one in state.instances.values() if new in {task.id for task in one.tasks}]
    await crowded.until("it is ready", lambda: state.is_ready(state.instances[arrived]))
    await crowded.tick(1)
    await crowded.until("the move ended", lambda: not state.moves)
    wanted = [one for one in state.instances.values() if one.is_wanted]
    assert len(wanted) == 4
    assert move.victim in {one.id for one in wanted}


async def test_a_new_leader_ends_what_is_too_many(house: House) -> None:
    for number in (2, 3):
        del house.mesos.agents[f"S{number}"]
    async with house.marathon() as first:
        await first.ask("POST", "/v2/apps", APP, 201)
        await first.settled()
        house.mesos.agent(2, rack="r2")
        await see(first)
        await first.until("five", lambda: first.running() == 5)
    async with house.marathon() as second:
        await second.until("four again", lambda: second.running() == 4)


async def test_bad_policies_say_why(marathon: Running) -> None:
    answer = await marathon.ask("POST", "/v2/apps", {**APP, "rebalance": {"by": "", "maxDisruption": 0}}, 422)
    assert {one["path"] for one in answer["details"]} == {"/rebalance/by", "/rebalance/maxDisruption"}
