"""Deployments are safe in every prefix and come to an end.

A world of instances follows the decisions of ``deploy`` in any order of starts, health and ends; a decision may only kill
what leaves the promised health and never launches beyond the promised capacity. Asked again, it decides the same.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from dcos.marathon.core import deploy
from dcos.marathon.core.deploy import Crew, Decision, is_current, limits
from dcos.marathon.core.plan import depths, steps
from dcos.model.marathon import (
    App,
    Container,
    EngineType,
    PersistentVolume,
    UpgradeStrategy,
    VersionInfo,
    Volume,
    VolumeMode,
)
from dcos.model.marathon_state import (
    ActionKind,
    AgentRef,
    Condition,
    Goal,
    Instance,
    InstanceTask,
)
from dcos.model.pods import Pod, PodVolume, Scaling, Scheduling

Kind = Callable[..., App | Pod]
OLD, NEW = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"


def app(instances: int, least: float, over: float, version: str = NEW) -> App:
    return App(
        id="/a",
        cmd="x",
        instances=instances,
        upgrade_strategy=UpgradeStrategy(minimum_health_capacity=least, maximum_over_capacity=over),
        version=version,
        version_info=VersionInfo(last_scaling_at=version, last_config_change_at=version),
    )


def pod(instances: int, least: float, over: float, version: str = NEW) -> Pod:
    return Pod(
        id="/a",
        containers=(),
        scaling=Scaling(instances=instances),
        scheduling=Scheduling(upgrade=UpgradeStrategy(minimum_health_capacity=least, maximum_over_capacity=over)),
        version=version,
        version_info=VersionInfo(last_scaling_at=version, last_config_change_at=version),
    )


def resident_app(instances: int, least: float, over: float, version: str = NEW) -> App:
    volume = Volume(container_path="data", mode=VolumeMode.RW, persistent=PersistentVolume(size=1))
    return replace(app(instances, least, 0.0, version), container=Container(type=EngineType.MESOS, volumes=(volume,)))


def resident_pod(instances: int, least: float, over: float, version: str = NEW) -> Pod:
    kept = (PodVolume(name="data", persistent=PersistentVolume(size=1)),)
    return replace(pod(instances, least, 0.0, version), volumes=kept)


def everywhere(instances: int, least: float, over: float, version: str = NEW) -> App:
    """One on each of so many agents."""
    return replace(app(instances, least, 0.0, version), instances_mode="all")


specs = st.sampled_from([app, pod, resident_app, resident_pod, everywhere])


class World:
    """Instances as they really are; ``healthy`` ids pass their checks."""

    def __init__(self, old: list[bool]) -> None:
        self.instances: dict[str, Instance] = {}
        self.healthy: set[str] = set()
        self.number = 0
        for is_healthy in old:
            made = self.launch(OLD)
            self.start(made)
            if is_healthy:
                self.healthy.add(made.id)

    def launch(self, version: str) -> Instance:
        self.number += 1
        made = Instance(
            id=f"a.{self.number}",
            app_id="/a",
            version=version,
            role="*",
            agent=AgentRef(host="h", agent_id="S"),
            tasks=(InstanceTask(id=f"t{self.number}"),),
            since=float(self.number),
        )
        self.instances[made.id] = made
        return made

    def start(self, one: Instance) -> None:
        self.instances[one.id] = replace(one, condition=Condition.RUNNING, active_since=one.since)

    def crew(self) -> Crew:
        def is_healthy(one: Instance) -> bool:
            return one.condition is Condition.RUNNING and one.id in self.healthy

        return Crew(list(self.instances.values()), is_healthy, is_healthy)

    def health(self) -> int:
        return sum(1 for one in self.instances.values() if one.goal is Goal.RUNNING and self.crew().is_healthy(one))

    def apply(self, decision: Decision) -> None:
        for one in decision.kill:
            self.instances[one.id] = replace(one, goal=Goal.DECOMMISSIONED)
        for _ in range(decision.launch):
            self.launch(NEW)
        for _ in range(decision.launch_old):
            self.start(self.launch(OLD))


class Chances:
    """What happens next, drawn by hypothesis."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def happen(self, world: World, failures: bool) -> None:
        moves = ["nothing"]
        waiting = [one for one in world.instances.values() if one.condition is Condition.PROVISIONED]
        doomed = [one for one in world.instances.values() if one.goal is Goal.DECOMMISSIONED]
        sick = [
            one
            for one in world.instances.values()
            if one.condition is Condition.RUNNING and one.id not in world.healthy and one.version == NEW
        ]
        running = [one for one in world.instances.values() if one.condition is Condition.RUNNING]
        for name, found in (("start", waiting), ("end", doomed), ("heal", sick)):
            if found:
                moves.append(name)
        if failures and running:
            moves += ["fail", "sicken"]
        move = self._data.draw(st.sampled_from(moves))
        if move == "nothing":
            return
        pool = {"start": waiting, "end": doomed, "heal": sick, "fail": running, "sicken": running}[move]
        one = self._data.draw(st.sampled_from(pool))
        if move == "start":
            world.start(one)
        elif move in ("end", "fail"):
            del world.instances[one.id]
            world.healthy.discard(one.id)
        elif move == "heal":
            world.healthy.add(one.id)
        else:
            world.healthy.discard(one.id)


fractions = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


@given(specs, st.integers(1, 6), fractions, fractions, st.lists(st.booleans(), max_size=8), st.booleans(), st.data())
@settings(max_examples=80, deadline=None)
def test_every_prefix_of_a_restart_keeps_health_and_capacity(
    kind: Kind,
    wanted: int,
    least: float,
    over: float,
    old: list[bool],
    failures: bool,
    data: st.DataObject,
) -> None:
    target = kind(wanted, least, over)
    floor, ceiling = limits(target)
    world = World(old)
    chances = Chances(data)
    for _ in range(data.draw(st.integers(0, 40))):
        before = world.health()
        decision = deploy.restart(target, world.crew())
        occupied = world.crew().occupying
        assert decision.launch >= 0
        if decision.launch:
            assert occupied + decision.launch <= ceiling
        world.apply(decision)
        assert world.health() >= min(floor, before), "a decision took health that was promised"
        again = deploy.restart(target, world.crew())
        assert (again.launch, again.kill) == (0, ()), "asked twice, it wants more"
        if decision.done:
            assert all(is_current(one, target) for one in world.instances.values())
            assert world.health() == wanted
        chances.happen(world, failures)


@given(
    specs, st.integers(1, 6), fractions, fractions, st.lists(st.booleans(), max_size=8), st.integers(0, 6), st.data()
)
@settings(max_examples=80, deadline=None)
def test_a_step_of_a_rollout_keeps_health_capacity_and_its_share(
    kind: Kind, wanted: int, least: float, over: float, old: list[bool], share: int, data: st.DataObject
) -> None:
    target = kind(wanted, least, over)
    floor, ceiling = limits(target)
    world = World(old)
    chances = Chances(data)
    for _ in range(data.draw(st.integers(0, 40))):
        before = world.health()
        decision = deploy.restart(target, world.crew(), share=share, before=len(old))
        occupied = world.crew().occupying
        assert not decision.launch or not decision.launch_old
        if decision.launch + decision.launch_old:
            assert occupied + decision.launch + decision.launch_old <= ceiling
        world.apply(decision)
        assert world.health() >= min(floor, before), "a decision took health that was promised"
        assert sum(1 for one in world.instances.values() if is_current(one, target)) <= share
        again = deploy.restart(target, world.crew(), share=share, before=len(old))
        assert (again.launch, again.launch_old, again.kill) == (0, 0, ()), "asked twice, it wants more"
        assert not decision.done, "a step is not the end"
        chances.happen(world, failures=True)


@given(specs, st.integers(1, 6), fractions, fractions, st.integers(0, 6), st.lists(st.integers(1, 6), max_size=3))
@settings(max_examples=80, deadline=None)
def test_a_rollout_reaches_every_step_and_its_end(
    kind: Kind, wanted: int, least: float, over: float, before: int, shares: list[int]
) -> None:
    target = kind(wanted, least, over)
    world = World([True] * before)
    for share in [*sorted(shares), None]:
        for _ in range(60):
            decision = deploy.restart(target, world.crew(), share=share, before=before)
            world.apply(decision)
            if decision.reached or decision.done:
                break
            for one in list(world.instances.values()):
                if one.goal is Goal.DECOMMISSIONED:
                    del world.instances[one.id]
                elif one.id not in world.healthy:
                    world.start(one)
                    world.healthy.add(one.id)
        else:
            raise AssertionError(f"did not reach {share}")
        new = sum(1 for one in world.instances.values() if is_current(one, target))
        assert new == (wanted if share is None else min(share, wanted))
    assert len(world.instances) == wanted


@given(specs, st.integers(1, 6), fractions, fractions, st.lists(st.booleans(), max_size=8), st.data())
@settings(max_examples=80, deadline=None)
def test_cancelling_at_any_point_takes_no_health_that_is_wanted(
    kind: Kind, wanted: int, least: float, over: float, old: list[bool], data: st.DataObject
) -> None:
    """Left where it is: the present number is kept, and what is healthy goes last."""
    target = kind(wanted, least, over)
    world = World(old)
    chances = Chances(data)
    for _ in range(data.draw(st.integers(0, 20))):
        world.apply(deploy.restart(target, world.crew(), share=data.draw(st.sampled_from([None, 1])), before=len(old)))
        chances.happen(world, failures=True)
    before = world.health()
    world.apply(deploy.steady(target, world.crew()))
    assert world.health() >= min(wanted, before)


@given(st.integers(0, 4), st.integers(0, 4), st.lists(st.booleans(), max_size=8), st.sampled_from([OLD, NEW, None]))
def test_a_pause_kills_nothing_and_keeps_the_numbers(
    new: int, before: int, old: list[bool], original: str | None
) -> None:
    """Of both configurations where the deployment changes it; of all where it only scales, whatever there is."""
    target = app(3, 1.0, 1.0)
    was = None if original is None else app(3, 1.0, 1.0, version=original)
    world = World(old)
    most = max(new + before, len(old))
    for _ in range(10):
        decision = deploy.hold(target, world.crew(), new, before, was)
        assert not decision.kill
        world.apply(decision)
        for one in list(world.instances.values()):
            world.start(one)
        assert len(world.instances) <= most
    assert len(world.instances) == most
    if original == OLD and len(old) <= before:
        assert sum(1 for one in world.instances.values() if one.version == NEW) == new
        assert sum(1 for one in world.instances.values() if one.version == OLD) == before


@given(specs, st.integers(1, 6), fractions, fractions, st.lists(st.booleans(), max_size=8))
@settings(max_examples=80, deadline=None)
def test_a_restart_ends_when_new_instances_get_healthy(
    kind: Kind, wanted: int, least: float, over: float, old: list[bool]
) -> None:
    target = kind(wanted, least, over)
    world = World(old)
    for _ in range(60):
        decision = deploy.restart(target, world.crew())
        world.apply(decision)
        if decision.done:
            break
        for one in list(world.instances.values()):
            if one.goal is Goal.DECOMMISSIONED:
                del world.instances[one.id]
            elif one.condition is Condition.PROVISIONED:
                world.start(one)
                world.healthy.add(one.id)
    else:
        raise AssertionError("did not end")
    assert len(world.instances) == wanted


@given(st.integers(0, 6), st.lists(st.booleans(), max_size=8))
def test_scaling_ends_with_the_wanted_number(wanted: int, old: list[bool]) -> None:
    target = app(wanted, 1.0, 1.0, version=OLD)
    world = World(old)
    for _ in range(30):
        decision = deploy.scale(target, world.crew(), grows=wanted > len(old))
        world.apply(decision)
        if decision.done:
            break
        for one in list(world.instances.values()):
            if one.goal is Goal.DECOMMISSIONED:
                del world.instances[one.id]
            else:
                world.start(one)
                world.healthy.add(one.id)
    assert len(world.instances) == wanted
    kept = [number for number in range(1, len(old) + 1) if f"a.{number}" in world.instances]
    assert len(kept) == min(wanted, len(old)), "scaling ends no more than it must"


@given(st.lists(st.sampled_from("abcdef"), unique=True, min_size=1), st.data())
def test_a_plan_starts_dependencies_first(names: list[str], data: st.DataObject) -> None:
    apps = {}
    for index, name in enumerate(names):
        on = data.draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        apps[f"/{name}"] = App(id=f"/{name}", dependencies=tuple(f"/{one}" for one in on), version=NEW)
    plan = steps(dict.fromkeys(apps), dict(apps), depths(apps, {}), {})
    order = {
        action.app_id: number
        for number, step in enumerate(plan)
        for action in step.actions
        if action.kind is ActionKind.SCALE
    }
    assert set(order) == set(apps)
    for one in apps.values():
        assert all(order[dependency] < order[one.id] for dependency in one.dependencies)
