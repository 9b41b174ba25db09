"""The tasks that frameworks launch: by themselves, as a group, or under an executor of the framework's own."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec

from dcos.model.resources import Resources
from dcos.model.v1.types import (
    CommandInfo,
    ContainerInfo,
    ContainerInfoDockerInfo,
    ContainerInfoType,
    DurationInfo,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    KillPolicy,
    Offer,
    OfferOperation,
    OfferOperationLaunch,
    OfferOperationLaunchGroup,
    OfferOperationType,
    TaskGroupInfo,
    TaskID,
    TaskInfo,
)
from dcos.testing.sim.notes import TaskNote

if TYPE_CHECKING:
    from dcos.testing.sim.framework import FrameworkProcess

OVERHEAD = Resources.parse("cpus:0.1;mem:32;disk:1")
"""Of an executor."""
PROGRAM = "executor"
"""The command of a custom executor's container."""
_PROGRAMS = 3
"""Custom executors that a framework has on one agent, at most."""


def choose(
    framework: FrameworkProcess, rng: random.Random, offer: Offer, wishes: list[Resources], left: Resources
) -> OfferOperation:
    """One task per wish; note them all before.   ``left``: what the offer has beyond the wishes."""
    habits, world = framework.habits, framework.world
    how = rng.random()
    roomy = left.contains(OVERHEAD)
    grouped = habits.groups and how < 0.4 and roomy
    program = habits.programs and not grouped and how < 0.8 and roomy
    tasks = []
    for wish in wishes:
        framework.launched += 1
        name = f"{framework.name}.{framework.launched}"
        note = TaskNote(name, offer.agent_id.value, framework.id or "", wish, world.loop.time())
        framework.notes[name] = note
        world.truth.asked(name, wish)
        tasks.append(_task(framework, rng, offer, name, wish))
    together = program and habits.groups and rng.random() < 0.3
    if grouped or together:
        for task in tasks:
            framework.notes[task.task_id.value].group = f"g.{tasks[0].name}"
    names = [one.task_id.value for one in tasks]
    kind = "group" if grouped else "program" if program else ""
    world.trace(framework.name, "launches", *names, kind, offer.id.value)
    if grouped:
        executor = ExecutorInfo(
            type=ExecutorInfoType.DEFAULT,
            executor_id=ExecutorID(value=f"x.{tasks[0].name}"),
            framework_id=framework.framework_id(),
            resources=OVERHEAD.messages(),
        )
        return _group(executor, tasks)
    if not program:
        return _launch([_maybe_docker(framework, rng, one) for one in tasks])
    own = _program(framework, rng, offer)
    bare = [msgspec.structs.replace(one, command=None, data=_words(one)) for one in tasks]
    if together:
        return _group(own, bare)
    return _launch([msgspec.structs.replace(one, executor=own) for one in bare])


def _maybe_docker(framework: FrameworkProcess, rng: random.Random, task: TaskInfo) -> TaskInfo:
    if not framework.world.scale.whole or rng.random() < 0.5:
        return task
    docker = ContainerInfoDockerInfo(image=rng.choice(("one", "two", "three")))
    return msgspec.structs.replace(task, container=ContainerInfo(type=ContainerInfoType.DOCKER, docker=docker))


def _words(task: TaskInfo) -> bytes:
    assert task.command is not None
    assert task.command.value is not None
    return task.command.value.encode()


def _task(framework: FrameworkProcess, rng: random.Random, offer: Offer, name: str, wish: Resources) -> TaskInfo:
    habits = framework.habits
    if habits.service:
        seconds = 0.0 if rng.random() < 0.8 else rng.uniform(1.0, 200.0)
    else:
        seconds = 0.001 + rng.expovariate(1.0 / habits.mean_s)
    grace = rng.choice((0.0, 0.1, 1.0, 5.0, -1.0))
    policy = KillPolicy(grace_period=DurationInfo(nanoseconds=2_000_000_000)) if rng.random() < 0.3 else None
    return TaskInfo(
        name=name,
        task_id=TaskID(value=name),
        agent_id=offer.agent_id,
        resources=wish.messages(),
        command=CommandInfo(value=f"run {seconds:.3f} {rng.choice((0, 0, 1))} {grace}"),
        kill_policy=policy,
    )


def _program(framework: FrameworkProcess, rng: random.Random, offer: Offer) -> ExecutorInfo:
    """An executor that may be there already: its tasks come to it."""
    number = rng.randint(1, _PROGRAMS)
    return ExecutorInfo(
        type=ExecutorInfoType.CUSTOM,
        executor_id=ExecutorID(value=f"p.{framework.name}.{offer.agent_id.value}.{number}"),
        framework_id=framework.framework_id(),
        command=CommandInfo(value=PROGRAM),
        resources=OVERHEAD.messages(),
        shutdown_grace_period=DurationInfo(nanoseconds=3_000_000_000),
    )


def _launch(tasks: list[TaskInfo]) -> OfferOperation:
    return OfferOperation(type=OfferOperationType.LAUNCH, launch=OfferOperationLaunch(task_infos=tuple(tasks)))


def _group(executor: ExecutorInfo, tasks: list[TaskInfo]) -> OfferOperation:
    group = OfferOperationLaunchGroup(executor=executor, task_group=TaskGroupInfo(tasks=tuple(tasks)))
    return OfferOperation(type=OfferOperationType.LAUNCH_GROUP, launch_group=group)
