"""What an app or pod needs next: how many instances to launch, which to kill, whether its action is done.

Everything is derived from what is there, nothing from what was done before; so a new leader goes on where the old one
stopped, and applying a decision twice changes nothing.

A restart with N wanted instances keeps ``ceil(N * minimumHealthCapacity)`` healthy ones at any time and never has more
than ``trunc(N * (1 + maximumOverCapacity))``, one more where otherwise nothing could move. It keeps as many old instances
as the ready new ones still leave missing, the healthy ones of them first.   Source: Marathon's TaskReplaceActor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from dcos.marathon.core import kills
from dcos.model.marathon import UpgradeStrategy
from dcos.model.marathon_state import TERMINAL, Condition, Goal, Instance
from dcos.model.run_spec import RunSpec


@dataclass(frozen=True, slots=True)
class Decision:
    launch: int = 0
    """Instances of the target version that may be launched now."""
    launch_old: int = 0
    """Instances of the version before, to replace those that a rollout in steps still keeps; only where ``launch`` is 0."""
    kill: tuple[Instance, ...] = ()
    done: bool = False
    waits: str = ""
    """Why it is not done, for people."""
    reached: bool = False
    """The share of a rollout's step is there, and no more of the old ones than belong beside it."""


class Crew:
    """The instances of an app or pod. ``is_healthy``: passing its health checks, or running where it has none;
    ``is_ready``: also past its readiness check. Counted once: there may be thousands."""

    def __init__(
        self,
        instances: Sequence[Instance],
        is_healthy: Callable[[Instance], bool],
        is_ready: Callable[[Instance], bool],
    ) -> None:
        self.instances = instances
        self.is_healthy = is_healthy
        self.is_ready = is_ready
        alive = [one for one in instances if one.condition not in _NOT_THERE]
        self.occupying = len(alive)
        self.wanted = [one for one in alive if one.goal is Goal.RUNNING]

    @property
    def ready(self) -> int:
        is_ready = self.is_ready
        return sum(1 for one in self.wanted if is_ready(one))


_NOT_THERE = TERMINAL | {Condition.UNREACHABLE_INACTIVE}


def is_current(instance: Instance, spec: RunSpec) -> bool:
    """Whether the instance runs its app's or pod's present configuration (scaling alone leaves it so)."""
    return instance.has_config(spec.config_version)


def steady(spec: RunSpec, crew: Crew, sentenced: Collection[str] = ()) -> Decision:
    """Keep the number of instances. A new one waits until the one that it replaces is really gone."""
    wanted = crew.wanted
    victims = kills.select(spec, wanted, len(wanted) - spec.instances, sentenced, crew.is_healthy)
    return Decision(launch=max(0, spec.instances - crew.occupying), kill=tuple(victims))


def scale(spec: RunSpec, crew: Crew, *, grows: bool, sentenced: Collection[str] = ()) -> Decision:
    """To the wanted number; growing is done when all are healthy, shrinking when the others are gone."""
    made = steady(spec, crew, sentenced)
    surplus = max(0, crew.occupying - spec.instances)
    if surplus:
        return Decision(made.launch, kill=made.kill, waits=f"{surplus} instances have yet to end")
    if grows and (ready := crew.ready) < spec.instances:
        return Decision(made.launch, kill=made.kill, waits=f"{ready} of {spec.instances} instances are healthy")
    return Decision(made.launch, kill=made.kill, done=True)


def stop(crew: Crew) -> Decision:
    left = [one for one in crew.instances if not one.is_terminal or one.rests]
    victims = tuple(one for one in left if one.goal is not Goal.DECOMMISSIONED or one.is_unreachable)
    return Decision(kill=victims, done=not left, waits=f"{len(left)} instances have yet to end" if left else "")


def limits(spec: RunSpec) -> tuple[int, int]:
    """(least healthy, most at once) during a restart."""
    strategy = spec.upgrade_strategy or UpgradeStrategy()
    least = math.ceil(spec.instances * strategy.minimum_health_capacity)
    most = math.trunc(spec.instances * (1 + strategy.maximum_over_capacity))
    if least == most:
        if spec.is_resident or spec.instances_mode == "all":
            least -= 1  # a new one finds no room beside the old one
        else:
            most += 1
    return least, most


def restart(spec: RunSpec, crew: Crew, *, share: int | None = None, before: int = 0) -> Decision:
    """Replace instances of older configurations: all, or only a ``share`` of them (a rollout's step) beside which as many
    old ones stay as there were ``before`` and are wanted now."""
    wanted = spec.instances
    goal = wanted if share is None else min(share, wanted)
    stay = 0 if share is None else max(0, min(before, wanted - goal))
    least, most = limits(spec)
    new = [one for one in crew.instances if is_current(one, spec)]
    old = [one for one in crew.instances if not is_current(one, spec) and not one.is_terminal]
    old_occupying = sum(1 for one in old if one.occupies)
    new_occupying = sum(1 for one in new if one.occupies)
    new_wanted = [one for one in new if one.is_wanted and not one.is_terminal]
    ready = sum(1 for one in new_wanted if crew.is_ready(one))

    keep = max(0, least - ready, stay)
    candidates = kills.order([one for one in old if one.is_wanted and not one.is_unreachable], spec.kill_selection)
    healthy = [one for one in candidates if crew.is_healthy(one)]
    unhealthy = [one for one in candidates if not crew.is_healthy(one)]
    going = (unhealthy + healthy)[: max(0, len(candidates) - keep)]
    going += [one for one in old if one.is_unreachable]
    going += kills.select(spec, new_wanted, len(new_wanted) - goal, (), crew.is_healthy)

    room = most - old_occupying - new_occupying
    launch = max(0, min(goal - new_occupying, room))
    launch_old = max(0, min(stay - old_occupying, room)) if not launch else 0
    if old:
        waits = f"{len(old)} instances of the old version have yet to end, {ready} of {wanted} new ones are healthy"
    else:
        waits = f"{ready} of {wanted} new instances are healthy"
    done = share is None and not old and ready >= wanted and new_occupying == wanted
    reached = ready >= goal and new_occupying == goal and len(candidates) == old_occupying <= stay
    return Decision(launch, launch_old, tuple(going), done, "" if done else waits, reached)


def hold(spec: RunSpec, crew: Crew, new: int, old: int, before: RunSpec | None = None) -> Decision:
    """Paused: replace what ends, so that so many of each configuration stay; kill nothing.

    ``before``: what an old one is replaced with. Where that is of the present configuration too (an update that was given up
    left old ones behind, and this deployment only scales), or absent, only the sum can be held.
    """
    missing = max(0, new + old - crew.occupying)
    if before is None or before.config_version == spec.config_version:
        return Decision(missing, waits="paused")
    new_occupying = sum(1 for one in crew.instances if one.occupies and is_current(one, spec))
    launch = min(missing, max(0, new - new_occupying))
    return Decision(launch, missing if not launch else 0, waits="paused")
