"""Apps and pods that follow agents, in a small random world where agents join and leave: one instance on each, or spread evenly.

On every agent: never two on one, and when the world gets quiet one on each. Spread evenly: rebalancing never takes health, never
has more under way than it may, and when the world gets quiet it is even and rests.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcos.marathon.core import events
from dcos.marathon.core.agents import Agent, Cluster
from dcos.model.marathon import CheckCommand
from dcos.model.marathon_growth import Rebalance
from dcos.model.marathon_state import AgentRef
from dcos.model.pods import Backoff, Pod, PodContainer, PodExec, Scaling, Scheduling
from dcos.model.pods import Resources as Needs
from dcos.model.resources import Resources
from dcos.model.v1 import types as t
from tests.property.test_deploy_whole import World

SIZE = Resources.parse("cpus:2;mem:2048;disk:100;ports:[31000-31020]")
ZONES = "xyz"


class Agents(World):
    """The world with agents; each is as large as the others."""

    def __init__(self, kind: str, instances: int | None = None, rebalance: dict[str, Any] | None = None) -> None:
        """An app or pod ``/a``; without ``instances`` on all agents."""
        self.kind, self.instances, self.rebalance = kind, instances, rebalance
        self.agents: dict[str, str] = {}
        """Their zones."""
        self.names = itertools.count(1)
        super().__init__()
        self.want("run")
        assert self.scheduler.state.wanted("/a") is not None

    def want(self, command: str) -> None:
        """The app or pod with this command: created, or updated."""
        if self.kind == "app":
            mode = {"instancesMode": "all"} if self.instances is None else {"instances": self.instances}
            app = {"id": "/a", "cmd": command, "cpus": 0.1, "mem": 32, "backoffSeconds": 0, **mode}
            if self.rebalance is not None:
                app["rebalance"] = self.rebalance
            self.tell(events.PutApps((("/a", app),), force=True))
            return
        container = PodContainer(
            name="one", resources=Needs(cpus=0.1, mem=16.0), exec=PodExec(command=CheckCommand(shell=command))
        )
        scaling = Scaling(kind="all") if self.instances is None else Scaling(instances=self.instances)
        rebalance = msgspec.convert(self.rebalance, Rebalance) if self.rebalance is not None else None
        scheduling = Scheduling(backoff=Backoff(backoff=0.0), rebalance=rebalance)
        pod = Pod(id="/a", containers=(container,), scaling=scaling, scheduling=scheduling)
        self.tell(events.PutPod(pod, force=True))

    def join(self, zone: str) -> None:
        self.agents[f"S{next(self.names)}"] = zone

    def on(self, agent_id: str) -> list[str]:
        return [key for key, one in self.tasks.items() if one.agent_id.value == agent_id]

    def leave(self, agent_id: str) -> None:
        del self.agents[agent_id]
        for task_id in self.on(agent_id):
            self.end(task_id, t.TaskState.TASK_GONE)

    def attributes(self, agent_id: str) -> tuple[t.Attribute, ...]:
        text = t.ValueText(value=self.agents[agent_id])
        return (t.Attribute(name="zone", type=t.ValueType.TEXT, text=text),)

    def offer_of(self, agent_id: str) -> None:
        free = SIZE
        for task_id in self.on(agent_id):
            free -= Resources.of(self.tasks[task_id].resources)
        offer = t.Offer(
            id=t.OfferID(value=f"O{next(self.numbers)}"),
            framework_id=t.FrameworkID(value="F"),
            agent_id=t.AgentID(value=agent_id),
            hostname=f"h{agent_id}",
            resources=free.messages("*"),
            attributes=self.attributes(agent_id),
            allocation_info=t.ResourceAllocationInfo(role="*"),
        )
        self.tell(events.OffersReceived((offer,)))

    def see(self) -> None:
        self.now += 1
        agents = {}
        for agent_id in self.agents:
            held = Resources.of(one for task in self.on(agent_id) for one in self.tasks[task].resources)
            ref = AgentRef(host=f"h{agent_id}", agent_id=agent_id, attributes=self.attributes(agent_id))
            agents[agent_id] = Agent(ref, SIZE, held)
        self.tell(events.ClusterSeen(Cluster(self.now, agents)))

    def calm(self, rounds: int = 25) -> None:
        """Nothing bad happens any more."""
        for _ in range(rounds):
            self.now += 70
            self.see()
            self.tell(events.Tick())
            for task_id in sorted(self.doomed):
                self.end(task_id)
            for agent_id in sorted(self.agents):
                self.offer_of(agent_id)
            for task_id in sorted(set(self.tasks) - self.running):
                self.run(task_id)

    def act(self, move: str, data: st.DataObject) -> None:
        def some(pool: set[str]) -> str | None:
            return data.draw(st.sampled_from(sorted(pool))) if pool else None

        if move == "join":
            self.join(data.draw(st.sampled_from(ZONES)))
        elif move == "see":
            self.see()
        elif move == "tick":
            self.now += 30
            self.tell(events.Tick())
        elif move == "lead":
            self.lead()
            self.reconcile()
        elif move == "update":
            self.want(data.draw(st.sampled_from(["run y", "run z"])))
        elif move == "offer" and (agent := some(set(self.agents))):
            self.offer_of(agent)
        elif move == "leave" and (agent := some(set(self.agents))):
            self.leave(agent)
        elif move == "run" and (task := some(set(self.tasks) - self.running)):
            self.run(task)
        elif move == "end" and (task := some(self.doomed)):
            self.end(task)
        elif move == "fail" and (task := some(set(self.tasks))):
            self.end(task, t.TaskState.TASK_FAILED)


kinds = st.sampled_from(["app", "pod"])
gentle = ["join", "see", "see", "tick", "offer", "offer", "run", "run", "end", "lead"]


@pytest.mark.timeout(300)
@given(kinds, st.lists(st.sampled_from([*gentle, "leave", "fail", "update"]), max_size=40), st.data())
@settings(max_examples=25, deadline=None)
def test_one_on_every_agent_and_never_two(kind: str, story: list[str], data: st.DataObject) -> None:
    world = Agents(kind)
    for move in story:
        world.act(move, data)
        assert all(len(world.on(agent)) <= 1 for agent in world.agents), "two on one agent"
    world.calm()
    assert not world.scheduler.state.deployments
    assert {agent: len(world.on(agent)) for agent in world.agents} == dict.fromkeys(world.agents, 1)
    assert len(world.tasks) == len(world.agents)


@pytest.mark.timeout(300)
@given(kinds, st.integers(1, 6), st.integers(1, 2), st.lists(st.sampled_from(gentle), max_size=40), st.data())
@settings(max_examples=25, deadline=None)
def test_rebalancing_takes_no_health_and_comes_to_rest(
    kind: str, instances: int, budget: int, story: list[str], data: st.DataObject
) -> None:
    policy = {"by": "zone", "maxDisruption": budget, "intervalSeconds": 0}
    world = Agents(kind, instances, policy)
    world.join("x")
    world.calm(4)
    assert world.ready("/a") == instances
    for move in story:
        before = world.ready("/a")
        world.act(move, data)
        if move not in ("end", "lead"):
            assert world.ready("/a") >= min(before, instances), f"{move} took health"
        assert len(world.scheduler.state.moves.get("/a", ())) <= budget
        assert len(world.tasks) - len(world.doomed) <= instances + budget
    world.calm()
    assert len(world.tasks) == instances
    zones = Counter(dict.fromkeys(world.agents.values(), 0))
    zones.update(world.agents[one.agent_id.value] for one in world.tasks.values())
    assert max(zones.values()) - min(zones.values()) <= 1, zones
    tasks = set(world.tasks)
    world.calm(5)
    assert set(world.tasks) == tasks, "even is even"
