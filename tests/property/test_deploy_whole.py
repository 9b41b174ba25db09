"""The whole scheduler core in a small random world: agents, failures, lost messages, clients, changes of leadership.

After every event the stored documents are exactly what the core knows, and no decision took health that an app's or pod's
strategy promises. Constraints hold for whatever is launched. When the world gets quiet, every app has exactly the wanted
instances, no deployment is left and no task runs that nobody knows.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcos.marathon.core import deploy, effects, events, explain
from dcos.marathon.core.errors import Refused
from dcos.marathon.core.scheduler import Scheduler
from dcos.marathon.core.state import CoreSettings, State
from dcos.model.marathon import CheckCommand
from dcos.model.marathon_state import Condition, Deployment, Group, Instance, Release
from dcos.model.pods import Pod, PodContainer, PodExec, Scaling
from dcos.model.pods import Resources as Needs
from dcos.model.resources import Resources
from dcos.model.run_spec import RunSpec
from dcos.model.schedulers import Outcome
from dcos.model.v1 import types as t
from dcos.model.v1.scheduler import Call
from dcos.scheduling import ids
from dcos.scheduling.constraints import field_value

KILLED = t.TaskState.TASK_KILLED


class Stored:
    """The store, as effects write it."""

    def __init__(self) -> None:
        self.pointers: dict[str, str] = {}
        self.specs: dict[tuple[str, str], RunSpec] = {}
        self.groups: dict[str, Group] = {}
        self.instances: dict[str, Instance] = {}
        self.deployments: dict[str, Deployment] = {}
        self.releases: dict[str, Release] = {}
        self.framework: str | None = None

    def apply(self, effect: effects.Effect) -> None:
        match effect:
            case effects.SaveSpec(spec):
                self.specs[spec.id, spec.version or ""] = spec
                self.pointers[spec.id] = spec.version or ""
            case effects.RemoveSpec(app_id):
                self.pointers[app_id] = ""
            case effects.ForgetSpec(app_id):
                self.pointers.pop(app_id, None)
                self.specs = {key: spec for key, spec in self.specs.items() if key[0] != app_id}
            case effects.ForgetVersion(app_id, version):
                del self.specs[app_id, version]
            case effects.SaveGroup(group):
                self.groups[group.id] = group
            case effects.DropGroup(group_id):
                del self.groups[group_id]
            case effects.SaveInstance(instance):
                self.instances[instance.id] = instance
            case effects.DropInstance(instance_id):
                self.instances.pop(instance_id, None)
            case effects.SaveDeployment(deployment):
                self.deployments[deployment.id] = deployment
            case effects.DropDeployment(deployment_id):
                self.deployments.pop(deployment_id, None)
            case effects.SaveRelease(release):
                self.releases[release.instance_id] = release
            case effects.DropRelease(instance_id):
                self.releases.pop(instance_id, None)
            case effects.SaveFrameworkId(framework_id):
                self.framework = framework_id

    def load(self) -> State:
        state = State(framework_id=self.framework)
        state.groups = dict(self.groups)
        state.instances = dict(self.instances)
        state.releases = dict(self.releases)
        state.deployments = dict(self.deployments)
        state.specs = dict(self.specs)
        for (spec_id, version), spec in sorted(self.specs.items()):
            state.versions.setdefault(spec_id, []).append(version)
            if self.pointers.get(spec_id) == version:
                state.want(spec)
        return state


class World:
    def __init__(self) -> None:
        self.stored = Stored()
        self.now = 1_700_000_000.0
        self.numbers = itertools.count(1)
        self.tasks: dict[str, t.TaskInfo] = {}
        self.running: set[str] = set()
        self.doomed: set[str] = set()
        self.deaf = False
        """Calls are lost while the master is away."""
        self.scheduler = self.lead()

    def fresh(self) -> Iterator[str]:
        while True:
            yield f"00000000-0000-0000-0000-{next(self.numbers):012d}"

    def lead(self) -> Scheduler:
        self.scheduler = Scheduler(self.stored.load(), CoreSettings(min_revive_interval_s=0.0), self.fresh())
        self.perform(self.scheduler.start(self.now))
        self.tell(events.Subscribed("F", "m"))
        return self.scheduler

    def tell(self, event: events.Event) -> None:
        before = self.health_without(event)
        with contextlib.suppress(Refused):
            self.perform(self.scheduler.handle(event, self.now))
        state = self.scheduler.state
        for spec_id, ready in before.items():
            spec = state.wanted(spec_id)
            if spec is not None:
                assert self.ready(spec_id) >= min(ready, deploy.limits(spec)[0]), f"{event} took health of {spec_id}"
        self.check_placed()
        assert self.stored.instances == state.instances
        assert self.stored.deployments == state.deployments
        assert self.stored.groups == state.groups
        assert {app: version for app, version in self.stored.pointers.items() if version} == {
            spec.id: spec.version for spec in state.all_wanted().values()
        }
        assert +state.conditions == Counter(one.condition for one in state.instances.values())
        assert state.queue.launches == sum(one.total for one in state.queue.values())
        self.check_explained()

    def health_without(self, event: events.Event) -> dict[str, int]:
        """How many instances are ready, without those that ``event`` tells of or asks to end."""
        state = self.scheduler.state
        gone: set[str] = set()
        if isinstance(event, events.StatusReceived) and event.status.state is not t.TaskState.TASK_RUNNING:
            gone = {ids.instance_of(event.status.task_id.value) or ""}
        elif isinstance(event, events.KillInstances):
            gone = set(event.instance_ids)
        return {spec_id: self.ready(spec_id, gone) for spec_id in state.all_wanted()}

    def check_placed(self) -> None:
        """Instances of one version of an app keep its constraints towards each other."""
        state = self.scheduler.state
        for (spec_id, version), spec in state.specs.items():
            mine = [one for one in state.instances_of(spec_id) if one.version == version and one.holds_place]
            for field, operator, *value in spec.constraints:
                seen = Counter(field_value(field, one.agent) for one in mine)
                if operator == "UNIQUE":
                    assert max(seen.values(), default=0) <= 1
                elif operator == "MAX_PER":
                    assert max(seen.values(), default=0) <= int(value[0])
                elif operator == "CLUSTER":
                    assert len(seen) <= 1
                elif operator == "LIKE":
                    assert set(seen) <= {value[0]}

    def check_explained(self) -> None:
        """Whatever is not done says why."""
        state, settings = self.scheduler.state, self.scheduler.settings
        for deployment in state.deployments.values():
            reasons = [explain.waits(state, settings, one, self.now) for one in deployment.affected]
            assert any(reasons), f"{deployment} says nothing"
        for spec_id in state.queue:
            found = explain.waits(state, settings, spec_id, self.now)
            assert found
            assert all(one.text and one.helps for one in found)

    def perform(self, outcome: Outcome) -> None:
        for effect in outcome.effects:
            self.stored.apply(effect)
        for effect in outcome.effects:
            if isinstance(effect, effects.Send) and not self.deaf:
                self.take(effect.call)

    def take(self, call: Call) -> None:
        if call.accept is not None:
            for operation in call.accept.operations:
                infos = operation.launch.task_infos if operation.launch else ()
                if operation.launch_group is not None:
                    infos = operation.launch_group.task_group.tasks
                for info in infos:
                    self.tasks[info.task_id.value] = info
        elif call.kill is not None and call.kill.task_id.value in self.tasks:
            self.doomed.add(call.kill.task_id.value)

    # ---- what happens ----

    def offer(self, agent: int = 1) -> None:
        number = next(self.numbers)
        rack = t.Attribute(name="rack", type=t.ValueType.TEXT, text=t.ValueText(value=f"r{agent % 3}"))
        resources = Resources.parse("cpus:2;mem:2048;disk:500;ports:[31000-31020]")
        offer = t.Offer(
            id=t.OfferID(value=f"O{number}"),
            framework_id=t.FrameworkID(value="F"),
            agent_id=t.AgentID(value=f"S{agent}"),
            hostname=f"h{agent}",
            attributes=(rack,),
            resources=resources.messages("*"),
            allocation_info=t.ResourceAllocationInfo(role="*"),
        )
        self.tell(events.OffersReceived((offer,)))

    def status(self, task_id: str, state: t.TaskState) -> None:
        instance = self.scheduler.state.instances.get(ids.instance_of(task_id) or "")
        agent = t.AgentID(value=instance.agent.agent_id if instance is not None else "S1")
        status = t.TaskStatus(task_id=t.TaskID(value=task_id), state=state, agent_id=agent, timestamp=self.now)
        self.tell(events.StatusReceived(status))

    def run(self, task_id: str) -> None:
        self.running.add(task_id)
        self.status(task_id, t.TaskState.TASK_RUNNING)

    def end(self, task_id: str, state: t.TaskState = KILLED) -> None:
        del self.tasks[task_id]
        self.running.discard(task_id)
        self.doomed.discard(task_id)
        self.status(task_id, state)

    def reconcile(self) -> None:
        for instance in list(self.scheduler.state.instances.values()):
            for task in instance.tasks:
                if task.id not in self.tasks:
                    self.status(task.id, t.TaskState.TASK_GONE)
        for task_id in list(self.tasks):
            self.status(task_id, t.TaskState.TASK_RUNNING if task_id in self.running else t.TaskState.TASK_STAGING)

    def ready(self, spec_id: str, without: Collection[str] = ()) -> int:
        state = self.scheduler.state
        mine = (one for one in state.instances_of(spec_id) if one.id not in without)
        return sum(1 for one in mine if one.is_wanted and state.is_ready(one))

    def settle(self) -> None:
        """Nothing bad happens any more."""
        self.deaf = False
        self.lead()
        self.reconcile()
        for _ in range(60):
            self.now += 400
            for deployment in list(self.scheduler.state.deployments):
                self.tell(events.SteerDeployment(deployment, "continue"))
            self.tell(events.Tick())
            for task_id in sorted(self.doomed):
                self.end(task_id)
            for agent in AGENTS:
                self.offer(agent)
            for task_id in sorted(set(self.tasks) - self.running):
                self.run(task_id)
            if not self.scheduler.state.deployments and not self.doomed and not self.scheduler.state.queue:
                break


AGENTS = range(1, 8)
"""More than any app with one instance a host needs while it is updated."""
APPS = ("/a", "/g/b", "/g/c")
POD = "/g/p"
app_ids = st.sampled_from(APPS)


def _pod(instances: int, shell: str) -> Pod:
    """Two containers that end or run together."""
    command = PodExec(command=CheckCommand(shell=shell))
    containers = tuple(PodContainer(name=name, resources=Needs(cpus=0.1, mem=16.0), exec=command) for name in "ab")
    return Pod(id=POD, containers=containers, scaling=Scaling(instances=instances))


fields: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "instances": st.integers(0, 3),
        "cmd": st.sampled_from(["run x", "run y", "run z"]),
        "constraints": st.sampled_from(
            [
                [["hostname", "UNIQUE"]],
                [["hostname", "MAX_PER", "2"]],
                [["rack", "GROUP_BY", "3"]],
                [["rack", "CLUSTER"]],
                [["rack", "LIKE", "r1"]],
            ]
        ),
        "killSelection": st.sampled_from(["OLDEST_FIRST", "HIGHEST_INDEX_FIRST"]),
        "upgradeStrategy": st.sampled_from(
            [
                {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.0},
                {"minimumHealthCapacity": 1.0, "maximumOverCapacity": 0.0},
                {"minimumHealthCapacity": 0.0, "maximumOverCapacity": 1.0},
                {"steps": [{"instances": 1, "pause": True}, {"percent": 50, "pauseSeconds": 3}]},
                {"steps": [{"percent": 40}], "promotion": {"maxFailures": 1, "deadlineSeconds": 1000}},
                {"promotion": {"maxFailures": 2, "onFailure": "pause"}, "minimumHealthCapacity": 0.5},
            ]
        ),
    },
)
puts = st.builds(
    lambda app_id, body, force: events.PutApps(((app_id, {"cmd": "run", "cpus": 0.1, **body}),), force=force),
    app_ids,
    fields,
    st.booleans(),
)
deletes = st.builds(events.DeleteApp, app_ids, st.booleans())
pod_puts = st.builds(
    lambda instances, shell, force: events.PutPod(_pod(instances, shell), force=force),
    st.integers(0, 2),
    st.sampled_from(["x", "y"]),
    st.booleans(),
)
pod_deletes = st.builds(events.DeletePod, st.just(POD), st.booleans())
restarts = st.builds(events.RestartApp, app_ids, st.booleans())
moves = st.sampled_from(
    [
        "offer",
        "offer",
        "run",
        "run",
        "end",
        "fail",
        "tick",
        "lead",
        "deaf",
        "hear",
        "cancel",
        "rollback",
        "pause",
        "continue",
        "promote",
        "scale",
        "unreachable",
    ]
)


def move(world: World, name: str, data: st.DataObject) -> None:
    def some(pool: set[str]) -> str | None:
        return data.draw(st.sampled_from(sorted(pool))) if pool else None

    state = world.scheduler.state
    if name == "offer":
        world.offer(data.draw(st.sampled_from(AGENTS)))
    elif name == "tick":
        world.now += 2
        world.tell(events.Tick())
    elif name == "lead":
        world.lead()
        world.reconcile()
    elif name in ("deaf", "hear"):
        world.deaf = name == "deaf"
    elif name in ("cancel", "rollback") and state.deployments:
        world.tell(events.CancelDeployment(next(iter(state.deployments)), name == "cancel"))
    elif name in ("pause", "continue", "promote") and state.deployments:
        world.tell(events.SteerDeployment(next(iter(state.deployments)), name))
    elif name == "scale" and state.instances:
        world.tell(events.KillInstances((next(iter(state.instances)),), scale=True))
    elif name == "run" and (task := some(set(world.tasks) - world.running)):
        world.run(task)
    elif name == "end" and (task := some(world.doomed)):
        world.end(task)
    elif name == "fail" and (task := some(set(world.tasks))):
        world.end(task, t.TaskState.TASK_FAILED)
    elif name == "unreachable" and (task := some(set(world.tasks))):
        world.status(task, t.TaskState.TASK_UNREACHABLE)


@pytest.mark.timeout(300)
@given(
    st.lists(st.one_of(moves, moves, puts, pod_puts, deletes, pod_deletes, restarts), min_size=10, max_size=50),
    st.data(),
)
@settings(max_examples=60, deadline=None)
def test_whatever_happens_the_wanted_state_comes(story: list[str | events.Event], data: st.DataObject) -> None:
    world = World()
    for part in story:
        if isinstance(part, str):
            move(world, part, data)
        else:
            world.tell(part)
    world.settle()
    state = world.scheduler.state
    assert not state.deployments
    assert set(world.tasks) == {task.id for one in state.instances.values() for task in one.tasks}
    for spec in state.all_wanted().values():
        mine = state.instances_of(spec.id)
        assert len(mine) == spec.instances
        assert all(one.condition is Condition.RUNNING for one in mine)
        if any(one[1] == "GROUP_BY" for one in spec.constraints):
            racks = Counter(field_value("rack", one.agent) for one in mine)
            assert max(racks.values(), default=0) <= math.ceil(spec.instances / 3), "not spread evenly"
    assert {one.app_id for one in state.instances.values()} <= set(state.all_wanted())
    assert set(state.versions) == set(state.all_wanted())


@pytest.mark.parametrize("instances", [3, 4, 6])
def test_an_app_that_fills_its_groups_is_updated_and_stays_spread(instances: int) -> None:
    world = World()
    for command in ("run x", "run y"):
        fields = {"cmd": command, "cpus": 0.1, "instances": instances, "constraints": [["rack", "GROUP_BY", "3"]]}
        world.tell(events.PutApps((("/a", fields),)))
        world.settle()
        state = world.scheduler.state
        assert not state.deployments
        racks = Counter(field_value("rack", one.agent) for one in state.instances_of("/a"))
        assert sorted(racks.values()) == sorted(instances // 3 + (one < instances % 3) for one in range(3))
    assert all(state.spec_of(one) == state.wanted("/a") for one in state.instances_of("/a"))
