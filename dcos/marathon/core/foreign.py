"""Times that other machines' clocks wrote: one that was ahead must not make anything wait for a day.

Masters say since when an agent is unreachable, and former leaders stored when something began. What lies ahead of our own
clock counts from now.
"""

from __future__ import annotations

from msgspec.structs import replace

from dcos.marathon.core.state import State
from dcos.model.marathon_state import Deployment, Instance, InstanceTask, Release, Rollout


def not_after(now: float, at: float | None) -> float | None:
    return at if at is None or at <= now else now


def correct(state: State, now: float) -> None:
    """All that was loaded. Nothing is stored anew: the next leader does the same."""
    state.instances = {key: _instance(one, now) for key, one in state.instances.items()}
    state.deployments = {key: _deployment(one, now) for key, one in state.deployments.items()}
    state.releases = {key: _release(one, now) for key, one in state.releases.items()}


def _instance(one: Instance, now: float) -> Instance:
    tasks = tuple(_task(task, now) for task in one.tasks)
    latest = max(one.since, one.active_since or 0.0, one.unreachable_since or 0.0)
    if latest <= now and all(task is before for task, before in zip(tasks, one.tasks, strict=True)):
        return one
    return replace(
        one,
        tasks=tasks,
        since=min(one.since, now),
        active_since=not_after(now, one.active_since),
        unreachable_since=not_after(now, one.unreachable_since),
    )


def _task(one: InstanceTask, now: float) -> InstanceTask:
    return one if one.staged_at <= now else replace(one, staged_at=now)


def _deployment(one: Deployment, now: float) -> Deployment:
    rollouts = {key: _rollout(rollout, now) for key, rollout in one.rollouts.items()}
    return replace(one, rollouts=rollouts) if rollouts != one.rollouts else one


def _rollout(one: Rollout, now: float) -> Rollout:
    return replace(one, entered_at=min(one.entered_at, now), reached_at=not_after(now, one.reached_at))


def _release(one: Release, now: float) -> Release:
    return one if one.since <= now else replace(one, since=now)
