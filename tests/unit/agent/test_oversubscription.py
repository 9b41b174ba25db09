"""Revocable resources: what modules' parameters say, who weighs less, and who is ended when the machine is busy."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from dcos.agent.containerizer.limits import cpu_shares, cpu_weight, cpus_hard
from dcos.agent.core.events import (
    ContainerExited,
    ContainerLimited,
    ContainerStarted,
    DestroyContainer,
    Event,
    GroupAssigned,
    Limits,
    Send,
    TaskAssigned,
    Tick,
)
from dcos.agent.core.executors import limits_of, shared_limits
from dcos.agent.core.exits import Exit
from dcos.agent.oversubscription import FIXED, LOAD, LoadController, Thresholds, idle, oversubscribed, thresholds
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1.types import (
    CommandInfo,
    ExecutorID,
    ExecutorInfo,
    FrameworkInfoCapabilityType,
    Resource,
    ResourceRevocableInfo,
    TaskInfo,
    ValueScalar,
    ValueType,
)
from dcos.runtime.clock import SystemClock
from dcos.wire.agent_link import StatusUpdate
from tests.unit.agent import core_stage
from tests.unit.agent.core_stage import framework, new_core

AWARE = FrameworkInfoCapabilityType.PARTITION_AWARE


def modules(name: str, one: bool = False, **parameters: str) -> str:
    """``one``: as a library of a single module may say it."""
    module = {"name": name, "parameters": [{"key": key, "value": value} for key, value in parameters.items()]}
    other = {"name": "com_acme_Other", "parameters": [{"key": "resources", "value": "cpus:99"}]}
    return json.dumps({"libraries": [{"file": "/lib/x.so", "modules": module if one else [other, module]}]})


@pytest.mark.parametrize("name", FIXED)
def test_the_fixed_estimator(name: str) -> None:
    for one in (False, True):
        found = oversubscribed(name, modules(FIXED[1], one, resources="cpus:2;mem:512"))
        assert found.revocable() == found
        assert (found.scalar("cpus"), found.scalar("mem")) == (2000, 512000)
    assert oversubscribed(None, modules(FIXED[1], resources="cpus:2")) == EMPTY
    assert oversubscribed("com_acme_Other", None) == EMPTY
    assert idle("com_acme_Other", "load") == {"resource_estimator": "com_acme_Other"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "--resource_estimator: --modules gives no parameter 'resources'"),
        (modules(FIXED[1]), "--resource_estimator: --modules gives no parameter 'resources'"),
        (modules(FIXED[1], resources="cpus=2"), "--modules: resources of org_apache_mesos_FixedResourceEstimator: "),
        ("{", "--modules: "),
        ('{"libraries": [{"modules": 1}]}', "--modules: "),
    ],
)
def test_an_estimator_without_a_word(given: str | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        oversubscribed(FIXED[1], given)


@pytest.mark.parametrize("name", LOAD)
def test_the_load_controller_s_limits(name: str) -> None:
    found = thresholds(name, modules(LOAD[1], load_threshold_5min="4", load_threshold_15min="2.5"))
    assert found == Thresholds(4.0, 2.5)
    assert [found.exceeded(one) for one in ((9.0, 4.0, 2.5), (0.0, 4.1, 0.0), (0.0, 0.0, 2.6))] == [False, True, True]
    assert thresholds(None, None) is None
    with pytest.raises(ValueError, match="gives no parameter of org_apache_mesos_LoadQoSController"):
        thresholds(name, modules(LOAD[1]))
    with pytest.raises(ValueError, match="'much' is not a number"):
        thresholds(name, modules(LOAD[1], load_threshold_5min="much"))


def cpus(value: float, *, revocable: bool) -> Resource:
    info = ResourceRevocableInfo() if revocable else None
    return Resource(name="cpus", type=ValueType.SCALAR, scalar=ValueScalar(value=value), revocable=info)


def task(name: str, *, revocable: bool, executor: ExecutorInfo | None = None, **more: Any) -> TaskInfo:
    command = CommandInfo(value="x") if executor is None else None
    return core_stage.task(
        name, resources=(cpus(1.0, revocable=revocable),), command=command, executor=executor, **more
    )


def test_numbers() -> None:
    assert [cpu_shares(one, low=True) for one in (100, 1500)] == [2, 15]
    assert [cpu_weight(one, low=True) for one in (100, 3000)] == [1, 3]
    assert limits_of(task("t", revocable=True), EMPTY).revocable
    assert not limits_of(task("t", revocable=False), EMPTY).revocable
    own = Resources.of((cpus(0.1, revocable=False),))
    assert shared_limits(own, [task("a", revocable=True), task("b", revocable=True)]).revocable


def test_a_task_without_a_limit_frees_all_that_share_its_group() -> None:
    """Where requests are no limits; else its request counts."""
    limited = task("a", revocable=False, limits={"cpus": ValueScalar(value=3.0)})
    own = Resources.of((cpus(0.5, revocable=False),))
    for tasks, without_cfs, with_cfs in (
        ([limited], 3.5, 3.5),
        ([limited, task("b", revocable=False)], None, 4.5),
        ([task("b", revocable=False)], None, 1.5),
    ):
        found: Limits = shared_limits(own, tasks)
        assert (cpus_hard(found, enable_cfs=False), cpus_hard(found, enable_cfs=True)) == (without_cfs, with_cfs)


def test_whoever_uses_revocable_resources_is_ended() -> None:
    """Commands, all tasks of a group, custom executors; nobody else."""
    core = new_core()
    core.step(TaskAssigned(framework(AWARE), task("taken", revocable=True), "c-taken", 0.0))
    core.step(TaskAssigned(framework(AWARE), task("kept", revocable=False), "c-kept", 0.0))
    core.step(TaskAssigned(framework(name="old"), task("t", revocable=True), "c-old", 0.0))
    shared = ExecutorInfo(executor_id=ExecutorID(value="G"), resources=(cpus(0.1, revocable=False),))
    members = (task("g1", revocable=True), msgspec.structs.replace(task("g2", revocable=True), resources=()))
    core.step(GroupAssigned(framework(AWARE), shared, members, ("run", "c-g1", "c-g2"), 0.0))
    custom = ExecutorInfo(executor_id=ExecutorID(value="E"), command=CommandInfo(value="x"))
    core.step(TaskAssigned(framework(AWARE), task("e", revocable=True, executor=custom), "c-custom", 0.0))
    for name in ("taken", "kept", "old", "g1", "g2", "custom"):
        core.step(ContainerStarted(f"c-{name}", 7, 1.0))

    events: list[Event] = []
    load = (0.0, 0.0, 0.0)
    controller = LoadController(
        core, Thresholds(of_5_min=1.0), interval_s=0.0, post=events.append, clock=SystemClock(), load=lambda: load
    )
    controller.look()
    assert events == []
    load = (0.0, 1.5, 0.0)
    controller.look()
    taken = {one.container_id for one in events if isinstance(one, ContainerLimited)}
    assert taken == {"c-taken", "c-old", "c-g1", "c-g2", "c-custom"}
    destroyed = {one.container_id for event in events for one in core.step(event) if isinstance(one, DestroyContainer)}
    assert destroyed == taken
    # the group's executor counts as one
    assert core.counters["executors_preempted"] == 4
    told = []
    for name in sorted(taken):
        for one in core.step(ContainerExited(name, Exit(signal=9), 3.0)):
            if isinstance(one, Send) and isinstance(one.message, StatusUpdate):
                told.append(one.message.status)
    runs = [run for _, _, run in core.runs()]
    last = {run.task_id: run.stream.pending[-1] for run in runs if run.stream.pending}
    for name, state in (
        ("taken", "TASK_GONE"),
        ("g1", "TASK_GONE"),
        ("g2", "TASK_GONE"),
        ("e", "TASK_GONE"),
        ("t", "TASK_LOST"),
    ):
        assert (last[name].state, last[name].reason) == (state, "REASON_CONTAINER_PREEMPTED"), name
        assert last[name].message == "Container preempted by QoS correction"
    assert last["kept"].state not in ("TASK_GONE", "TASK_LOST")
    core.step(Tick(4.0))
    events.clear()
    controller.look()
    assert events == []
