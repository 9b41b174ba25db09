"""Whatever happens in whatever order: nothing is offered or used twice, nothing leaks, terminal stays terminal."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dcos.master.core.records import TaskRecord
from dcos.master.v0 import agents as v0_agents
from dcos.master.v0 import tasks as v0_tasks
from dcos.master.v0.agents import SHARED
from dcos.master.v0.parts import encode
from dcos.master.v0.summary import Roll, summary
from dcos.model.resources import EMPTY, Resources
from dcos.model.task_states import TERMINAL
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import Task, TaskID, TaskState
from dcos.wire import agent_link
from tests.unit.master.stage import AWARE, Stage, framework_info, launch, task

PICK = st.integers(0, 1000)
SIZES = st.sampled_from(["cpus:1;mem:64", "cpus:0.5;ports:[1-3]", "cpus:2;mem:512", "cpus(a):1", "mem:10000"])
STATES = st.sampled_from([TaskState.TASK_RUNNING, TaskState.TASK_FINISHED, TaskState.TASK_FAILED])
AGENTS = st.sampled_from(["cpus:4;mem:1024;ports:[1-10]", "cpus:2;cpus(a):2;mem:256", "cpus:1;mem:64"])


class Cluster(RuleBasedStateMachine):
    """Frameworks and agents come, go, return, launch, finish and refuse."""

    @initialize()
    def begin(self) -> None:
        self.stage = Stage()
        self.names = 0
        self.roll = Roll()
        self.away: list[tuple[Any, str, tuple[agent_link.AgentFramework, ...]]] = []
        self.ended: dict[TaskRecord, TaskState] = {}

    def _one(self, of: Any, pick: int) -> Any:
        items = list(of)
        return items[pick % len(items)] if items else None

    # ---- frameworks --------------------------------------------------------------------------------------------------

    @rule(
        roles=st.sampled_from([("a",), ("b",), ("a/c", "b"), ("*",)]),
        aware=st.booleans(),
        timeout=st.sampled_from([0.0, 30.0]),
    )
    def subscribe(self, roles: tuple[str, ...], aware: bool, timeout: float) -> None:
        capabilities = AWARE if aware else ()
        self.stage.subscribe(
            framework_info(
                "f",
                *(roles if aware else roles[:1]),
                capabilities=capabilities,
                failover_timeout=timeout,
                checkpoint=aware,
            )
        )

    @rule(pick=PICK)
    def resubscribe(self, pick: int) -> None:
        framework = self._one(self.stage.state.frameworks.values(), pick)
        if framework is not None:
            self.stage.subscribe(framework.info)

    @rule(pick=PICK)
    def disconnect(self, pick: int) -> None:
        stream = self._one(self.stage.state.streams, pick)
        if stream is not None:
            self.stage.close(stream)

    @rule(pick=PICK, kind=st.sampled_from([CallType.REVIVE, CallType.SUPPRESS, CallType.TEARDOWN]))
    def call(self, pick: int, kind: CallType) -> None:
        framework = self._one(self.stage.state.frameworks, pick)
        if framework is not None:
            self.stage.call(framework, Call(type=kind))

    @rule(pick=PICK, sizes=st.lists(SIZES, max_size=3), refuse=st.sampled_from([None, 0.0, 60.0]), group=st.booleans())
    def accept(self, pick: int, sizes: list[str], refuse: float | None, group: bool) -> None:
        offer = self._one(self.stage.state.offers.values(), pick)
        if offer is None:
            return
        infos = []
        for size in sizes:
            self.names += 1
            infos.append(task(f"t{self.names}", offer.agent, size))
        self.stage.accept(offer.framework, [offer.message], [launch(*infos)] if infos else [], refuse)

    @rule(pick=PICK, refuse=st.sampled_from([None, 0.0, 60.0]))
    def decline(self, pick: int, refuse: float | None) -> None:
        offer = self._one(self.stage.state.offers.values(), pick)
        if offer is not None:
            self.stage.decline(offer.framework, [offer.message], refuse)

    # ---- agents ------------------------------------------------------------------------------------------------------

    @rule(resources=AGENTS)
    def join(self, resources: str) -> None:
        self.stage.agent(resources)

    @rule(pick=PICK)
    def cut(self, pick: int) -> None:
        link = self._one(self.stage.state.links, pick)
        if link is None:
            return
        self._remember(self.stage.state.links[link])
        self.stage.cut(link)

    def _remember(self, agent_id: str) -> None:
        agent = self.stage.state.agents[agent_id]
        frameworks: dict[str, list[Task]] = {}
        for (framework, _), record in agent.tasks.items():
            frameworks.setdefault(framework, []).append(record.message)
        told = tuple(
            agent_link.AgentFramework(info=self.stage.state.frameworks[name].info, tasks=tuple(tasks))
            for name, tasks in frameworks.items()
        )
        self.away.append((agent.info, agent.pid, told))

    @rule(pick=PICK)
    def come_back(self, pick: int) -> None:
        if self.away:
            info, pid, told = self.away.pop(pick % len(self.away))
            self.stage.back(info, told, pid=pid)

    @rule(pick=PICK, to=STATES, acknowledge=st.booleans())
    def update(self, pick: int, to: TaskState, acknowledge: bool) -> None:
        records = [
            record for agent in self.stage.state.agents.values() if agent.connected for record in agent.tasks.values()
        ]
        record = self._one(records, pick)
        if record is not None:
            self.stage.update(record.framework, record.id, to, acknowledge=acknowledge)

    @rule(pick=PICK)
    def kill(self, pick: int) -> None:
        framework = self._one(self.stage.state.frameworks.values(), pick)
        if framework is not None and framework.tasks:
            name = self._one(framework.tasks, pick)
            self.stage.call(framework.id, Call(type=CallType.KILL, kill=scheduler.CallKill(task_id=TaskID(value=name))))

    @rule(seconds=st.sampled_from([1.0, 6.0, 40.0]))
    def wait(self, seconds: float) -> None:
        for link in list(self.stage.state.links):
            self.stage.say(link, agent_link.Pong())
        self.stage.wait(seconds)

    # ---- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_given_twice_and_nothing_leaks(self) -> None:
        if not hasattr(self, "stage"):
            return
        state = self.stage.state
        for agent in state.agents.values():
            used = EMPTY
            for record in agent.tasks.values():
                if record.holds:
                    assert (agent.total - used).contains(record.resources)
                    used += record.resources
            offered = EMPTY
            for offer in agent.offers.values():
                offered += offer.resources
            assert agent.used == used
            assert agent.offered == offered
            assert agent.total.contains(used + offered)
            assert state.allocator.free(agent.id) == agent.total - used - offered

    @invariant()
    def books_agree(self) -> None:
        if not hasattr(self, "stage"):
            return
        state = self.stage.state
        for framework in state.frameworks.values():
            held = {
                name: record
                for agent in state.agents.values()
                for (owner, name), record in agent.tasks.items()
                if owner == framework.id
            }
            assert held == framework.tasks
            used = EMPTY
            for record in framework.tasks.values():
                used += record.resources if record.holds else EMPTY
            assert framework.used == used
        assert set(state.offers) == {offer for framework in state.frameworks.values() for offer in framework.offers}
        assert all(state.frameworks[offer.framework].connected for offer in state.offers.values())
        assert all(state.agents[offer.agent].connected for offer in state.offers.values())

    @invariant()
    def the_census_is_a_count(self) -> None:
        if not hasattr(self, "stage"):
            return
        state = self.stage.state
        assert set(state.census.frameworks) <= set(state.frameworks)
        on_agents: dict[str, dict[str, dict[str, int]]] = {}
        for framework in state.frameworks.values():
            known = [*framework.tasks.values(), *framework.unreachable.values(), *framework.completed]
            counted = state.census.of(framework.id)
            assert counted.states == Counter(one.message.state for one in known)
            assert counted.agents == Counter(one.agent for one in known)
            for one in known:
                here = on_agents.setdefault(one.agent, {}).setdefault(framework.id, {})
                here[one.message.state] = here.get(one.message.state, 0) + 1
        for agent in {*on_agents, *state.agents}:
            assert state.census.on(agent).frameworks == on_agents.get(agent, {})

    @invariant()
    def what_is_kept_ready_is_what_would_be_written_anew(self) -> None:
        if not hasattr(self, "stage"):
            return
        state = self.stage.state
        for agent in state.agents.values():
            assert SHARED.short(agent) == encode(v0_agents.agent(agent))
            assert SHARED.full(agent) == encode(v0_agents.agent_full(agent))
        shown = [one for framework in state.frameworks.values() for one in framework.tasks.values()]
        for record in shown:
            assert v0_tasks.task(record) == v0_tasks.task(replace(record, ready=None))
        assert summary(state, "c", self.roll).joined() == summary(state, "c", Roll()).joined()

    @invariant()
    def shares_are_sums(self) -> None:
        if not hasattr(self, "stage"):
            return
        state = self.stage.state
        total = Resources()
        for agent in state.agents.values():
            total += agent.total
        assert state.allocator.totals.amounts == total.scalar_quantities()

    @invariant()
    def terminal_stays_terminal(self) -> None:
        if not hasattr(self, "stage"):
            return
        for framework in self.stage.state.frameworks.values():
            for record in (*framework.tasks.values(), *framework.completed):
                before = self.ended.get(record)
                assert before is None or record.message.state is before
                if record.message.state in TERMINAL:
                    self.ended[record] = record.message.state


TestCluster = Cluster.TestCase
TestCluster.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
