"""Apps with and without persistent volumes on agents that count their resources, while anything goes wrong.

No resource or port is ever taken twice. When the world gets quiet, every reservation and volume on the agents belongs to a
stored instance, every app has its instances, and nothing is left to be released.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcos.marathon.core import effects, events
from dcos.marathon.core.errors import Refused
from dcos.marathon.core.normalize import Defaults
from dcos.marathon.core.scheduler import Scheduler
from dcos.marathon.core.state import CoreSettings
from dcos.model.conversions import conversion
from dcos.model.marathon_state import Condition
from dcos.model.resources import Resources
from dcos.model.schedulers import Outcome
from dcos.model.v1 import types as t
from dcos.model.v1.scheduler import Call
from dcos.scheduling import reservations
from tests.property.test_deploy_whole import Stored

ROLE = "web"
AGENTS = ("S1", "S2")
WHOLE = Resources.parse("cpus:2;mem:600;disk:300;ports:[31000-31005]")
SETTINGS = CoreSettings(role=ROLE, defaults=Defaults(role=ROLE), min_revive_interval_s=0.0)


class World:
    def __init__(self) -> None:
        self.stored = Stored()
        self.now = 1_700_000_000.0
        self.numbers = itertools.count(1)
        self.free = dict.fromkeys(AGENTS, WHOLE)
        self.tasks: dict[str, tuple[str, t.TaskInfo]] = {}
        self.running: set[str] = set()
        self.doomed: set[str] = set()
        self.offers: dict[str, str] = {}
        self.suppressed = False
        self.deaf = False
        self.lead()

    def ids(self) -> Iterator[str]:
        while True:
            yield f"{next(self.numbers):08x}-0000-0000-0000-000000000000"

    def lead(self) -> None:
        self.scheduler = Scheduler(self.stored.load(), SETTINGS, self.ids())
        self.suppressed = False
        self.offers.clear()
        self.perform(self.scheduler.start(self.now))
        self.tell(events.Subscribed("F", "m"))

    def tell(self, event: events.Event) -> None:
        with contextlib.suppress(Refused):
            self.perform(self.scheduler.handle(event, self.now))
        assert self.stored.instances == self.scheduler.state.instances
        assert self.stored.releases == self.scheduler.state.releases

    def perform(self, outcome: Outcome[Any]) -> None:
        for effect in outcome.effects:
            self.stored.apply(effect)
        for effect in outcome.effects:
            if isinstance(effect, effects.Send) and not self.deaf:
                self.take(effect.call)

    def take(self, call: Call) -> None:
        self.suppressed = (self.suppressed or call.suppress is not None) and call.revive is None
        if call.kill is not None and call.kill.task_id.value in self.tasks:
            self.doomed.add(call.kill.task_id.value)
        if call.accept is None:
            return
        agent = self.offers.pop(call.accept.offer_ids[0].value, None)
        if agent is None:
            return
        free = self.free[agent]
        for operation in call.accept.operations:
            if operation.launch is None:
                free = conversion(operation).apply(free)
                continue
            for info in operation.launch.task_infos:
                wanted = Resources.of(info.resources)
                assert free.contains(wanted), f"{info.task_id.value} takes {wanted} of {free}"
                free -= wanted
                self.tasks[info.task_id.value] = (agent, info)
        self.free[agent] = free

    # ---- what happens ----

    def offer(self, agent: str) -> None:
        if self.suppressed:
            return
        number = f"O{next(self.numbers)}"
        self.offers = {key: where for key, where in self.offers.items() if where != agent}
        self.offers[number] = agent
        offer = t.Offer(
            id=t.OfferID(value=number),
            framework_id=t.FrameworkID(value="F"),
            agent_id=t.AgentID(value=agent),
            hostname=agent.lower(),
            resources=self.free[agent].messages(ROLE),
            allocation_info=t.ResourceAllocationInfo(role=ROLE),
        )
        self.tell(events.OffersReceived((offer,)))

    def status(self, task_id: str, agent: str, state: t.TaskState, *, told: bool = True) -> None:
        status = t.TaskStatus(
            task_id=t.TaskID(value=task_id),
            state=state,
            agent_id=t.AgentID(value=agent),
            timestamp=self.now,
            uuid=next(self.numbers).to_bytes(16, "big") if told else None,
        )
        self.tell(events.StatusReceived(status))

    def run(self, task_id: str) -> None:
        self.running.add(task_id)
        self.status(task_id, self.tasks[task_id][0], t.TaskState.TASK_RUNNING)

    def end(self, task_id: str, state: t.TaskState = t.TaskState.TASK_KILLED) -> None:
        agent, info = self.tasks.pop(task_id)
        self.free[agent] += Resources.of(info.resources)
        self.running.discard(task_id)
        self.doomed.discard(task_id)
        self.status(task_id, agent, state)

    def reconcile(self) -> None:
        for instance in list(self.scheduler.state.instances.values()):
            for task in instance.tasks:
                if task.id not in self.tasks and not instance.is_terminal:
                    self.status(task.id, instance.agent.agent_id, t.TaskState.TASK_GONE, told=False)
        for task_id, (agent, _) in list(self.tasks.items()):
            state = t.TaskState.TASK_RUNNING if task_id in self.running else t.TaskState.TASK_STAGING
            self.status(task_id, agent, state, told=False)

    def settle(self) -> None:
        """Nothing bad happens any more."""
        self.deaf = False
        self.lead()
        self.reconcile()
        for _ in range(40):
            self.now += 61
            self.tell(events.Tick())
            for task_id in sorted(self.doomed):
                self.end(task_id)
            for agent in AGENTS:
                self.offer(agent)
            for task_id in sorted(set(self.tasks) - self.running):
                self.run(task_id)
            state = self.scheduler.state
            if not (state.deployments or self.doomed or state.queue or state.releases):
                break


def app(app_id: str, instances: int, cmd: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": app_id,
        "cmd": cmd,
        "cpus": 0.2,
        "mem": 32,
        "instances": instances,
        "backoffSeconds": 0,
    }
    if app_id != "/plain":
        body["container"] = {
            "type": "MESOS",
            "volumes": [{"containerPath": "d", "mode": "RW", "persistent": {"size": 20}}],
        }
    if app_id == "/one":
        body["constraints"] = [["hostname", "UNIQUE"]]
    return body


app_ids = st.sampled_from(["/plain", "/db", "/one"])
puts = st.builds(
    lambda app_id, instances, cmd: events.PutApps(((app_id, app(app_id, instances, cmd)),), force=True),
    app_ids,
    st.integers(0, 2),
    st.sampled_from(["x", "y"]),
)
requests = st.one_of(
    puts,
    puts,
    st.builds(events.DeleteApp, app_ids, st.just(True)),
    st.builds(events.RestartApp, app_ids, st.just(True)),
)
moves = st.sampled_from(
    ["offer", "offer", "offer", "run", "run", "end", "end", "fail", "fail", "error", "tick", "lead", "deaf", "hear", "kill",
     "wipe", "scale", "unreachable", "rescind"]
)  # fmt: skip


def move(world: World, name: str, data: st.DataObject) -> None:
    def some(pool: Any) -> Any:
        return data.draw(st.sampled_from(sorted(pool))) if pool else None

    state = world.scheduler.state
    if name == "offer":
        world.offer(some(AGENTS))
    elif name == "tick":
        world.now += 15
        world.tell(events.Tick())
    elif name == "lead":
        world.lead()
        world.reconcile()
    elif name in ("deaf", "hear"):
        world.deaf = name == "deaf"
    elif name == "rescind" and world.offers:
        number = some(world.offers)
        del world.offers[number]
        world.tell(events.Rescinded(number))
    elif name in ("kill", "wipe", "scale") and state.instances:
        chosen = (some(state.instances),)
        world.tell(events.KillInstances(chosen, scale=name == "scale", wipe=name == "wipe", force=True))
    elif name == "run" and (task := some(set(world.tasks) - world.running)):
        world.run(task)
    elif name == "end" and (task := some(world.doomed)):
        world.end(task)
    elif name in ("fail", "error") and (task := some(world.tasks)):
        world.end(task, t.TaskState.TASK_FAILED if name == "fail" else t.TaskState.TASK_DROPPED)
    elif name == "unreachable" and (task := some(world.tasks)):
        world.status(task, world.tasks[task][0], t.TaskState.TASK_UNREACHABLE, told=False)


@pytest.mark.timeout(300)
@given(st.lists(st.one_of(moves, moves, moves, requests), max_size=40), st.data())
@settings(max_examples=60, deadline=None)
def test_no_reservation_leaks_and_none_is_used_twice(story: list[str | events.Event], data: st.DataObject) -> None:
    world = World()
    for part in story:
        if isinstance(part, str):
            move(world, part, data)
        else:
            world.tell(part)
    world.settle()
    state = world.scheduler.state
    assert not state.deployments
    assert not state.releases
    for spec in state.all_wanted().values():
        alive = [one for one in state.instances_of(spec.id) if not one.rests]
        assert len(alive) == spec.instances
        assert all(one.condition is Condition.RUNNING for one in alive)
    held = [resources for agent in AGENTS for resources in reservations.by_owner(world.free[agent], "F").items()]
    owners = {owner for owner, _ in held}
    assert owners <= {one.id for one in state.instances.values() if one.reservation is not None}
    used = [Resources.of(info.resources) for _, info in world.tasks.values()]
    owners |= {owner for resources in used for owner in reservations.by_owner(resources, "F")}
    assert owners == {one.id for one in state.instances.values() if one.reservation is not None}
