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
from dcos.model.marathon_state import Goal, Instance
from dcos.model.run_spec import RunSpec


@dataclass(frozen=True, slots=True)
class Decision:
    launch: int = 0
    """Instances of the target version that may be launched now."""
    kill: tuple[Instance, ...] = ()
    done: bool = False
    waits: str = ""
    """Why it is not done, for people."""


@dataclass(frozen=True, slots=True)
class Crew:
    """The instances of an app or pod. ``is_healthy``: passing its health checks, or running where it has none;
    ``is_ready``: also past its readiness check."""

    instances: Sequence[Instance]
    is_healthy: Callable[[Instance], bool]
    is_ready: Callable[[Instance], bool]

    @property
    def wanted(self) -> list[Instance]:
        return [one for one in self.instances if one.is_wanted and not one.is_terminal]

    @property
    def occupying(self) -> int:
        return sum(1 for one in self.instances if one.occupies)


def is_current(instance: Instance, spec: RunSpec) -> bool:
    """Whether the instance runs its app's or pod's present configuration (scaling alone leaves it so)."""
    return instance.version >= spec.config_version


def steady(spec: RunSpec, crew: Crew, sentenced: Collection[str] = ()) -> Decision:
    """Keep the number of instances. A new one waits until the one that it replaces is really gone."""
    wanted = crew.wanted
    victims = kills.select(spec, wanted, len(wanted) - spec.instances, sentenced)
    return Decision(launch=max(0, spec.instances - crew.occupying), kill=tuple(victims))


def scale(spec: RunSpec, crew: Crew, *, grows: bool, sentenced: Collection[str] = ()) -> Decision:
    """To the wanted number; growing is done when all are healthy, shrinking when the others are gone."""
    made = steady(spec, crew, sentenced)
    ready = sum(1 for one in crew.wanted if crew.is_ready(one))
    surplus = max(0, crew.occupying - spec.instances)
    if surplus:
        return Decision(made.launch, made.kill, waits=f"{surplus} instances have yet to end")
    if grows and ready < spec.instances:
        return Decision(made.launch, made.kill, waits=f"{ready} of {spec.instances} instances are healthy")
    return Decision(made.launch, made.kill, done=True)


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
        if spec.is_resident:
            least -= 1
        else:
            most += 1
    return least, most


def restart(spec: RunSpec, crew: Crew) -> Decision:
    """Replace instances of older configurations."""
    wanted = spec.instances
    least, most = limits(spec)
    new = [one for one in crew.instances if is_current(one, spec)]
    old = [one for one in crew.instances if not is_current(one, spec) and not one.is_terminal]
    old_occupying = sum(1 for one in old if one.occupies)
    new_occupying = sum(1 for one in new if one.occupies)
    new_wanted = [one for one in new if one.is_wanted and not one.is_terminal]
    ready = sum(1 for one in new_wanted if crew.is_ready(one))

    keep = max(0, least - ready)
    candidates = kills.order([one for one in old if one.is_wanted and not one.is_unreachable], spec.kill_selection)
    healthy = [one for one in candidates if crew.is_healthy(one)]
    unhealthy = [one for one in candidates if not crew.is_healthy(one)]
    going = (unhealthy + healthy)[: max(0, len(candidates) - keep)]
    going += [one for one in old if one.is_unreachable]
    going += kills.select(spec, new_wanted, len(new_wanted) - wanted)

    launch = max(0, min(wanted - new_occupying, most - old_occupying - new_occupying))
    if old:
        waits = f"{len(old)} instances of the old version have yet to end, {ready} of {wanted} new ones are healthy"
    else:
        waits = f"{ready} of {wanted} new instances are healthy"
    done = not old and ready >= wanted and new_occupying == wanted
    return Decision(launch, tuple(going), done=done, waits="" if done else waits)
