"""Instances with persistent volumes: they keep a reservation while they do not run.

One that ended rests: it stays stored, and is launched again on its reservation, as the next incarnation, when its app or
pod wants another instance. What is given up for good is forgotten, and its reservation released: a ``Release`` is stored
until an offer shows that nothing is left. Any reservation of ours in an offer whose instance is not stored is released,
whoever made it and whenever.   Source: Marathon's handling of reservations (InstanceOpFactory, OfferMatcherReconciler).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace as with_fields

from msgspec.structs import replace

from dcos.marathon.core import provision
from dcos.marathon.core.provision import Plan
from dcos.marathon.core.turn import Turn
from dcos.model.marathon_state import Condition, Goal, Instance
from dcos.model.resource_kinds import UNRESERVED
from dcos.model.resources import Resources
from dcos.model.run_spec import RunSpec
from dcos.scheduling import calls, reservations
from dcos.scheduling.match import Place, match_reserved

SWEEP_S = 10.0
"""How long after a subscription, and every ``SWEEP_EVERY_S``, offers are looked at though nothing waits."""
SWEEP_EVERY_S = 3600.0
PATIENCE_S = 60.0
"""When a forgotten instance's agent offers resources without its reservation for so long, there is none."""
FORGET_S = 604_800.0
"""When an agent has not offered a forgotten instance's reservation for so long, it is not waited for any more."""


def reservable(roles: Collection[str]) -> set[str]:
    return set(roles) - {UNRESERVED}


# ---- resting and going on --------------------------------------------------------------------------------------------


def schedule(turn: Turn, spec: RunSpec, count: int) -> int:
    """Let up to ``count`` resting instances of ``spec`` wait for their reservations; answers how many."""
    resting = [one for one in turn.state.instances_of(spec.id) if one.rests] if count > 0 else []
    resting.sort(key=lambda one: (one.goal is not Goal.RUNNING, -one.since, one.id))
    for instance in resting[:count]:
        turn.state.forget_health(instance.id)
        turn.save_instance(
            replace(
                instance,
                condition=Condition.SCHEDULED,
                goal=Goal.RUNNING,
                version=spec.version or "",
                config_version=spec.config_version,
                since=turn.now,
                active_since=None,
                unreachable_since=None,
            )
        )
    return min(len(resting), max(0, count))


def scheduled(turn: Turn, spec_id: str) -> list[Instance]:
    """Instances that wait for their reservations."""
    return [one for one in turn.state.instances_of(spec_id) if one.condition is Condition.SCHEDULED]


def confirm(turn: Turn, instance: Instance) -> Instance:
    """Its reservation was seen."""
    if instance.reservation is None or instance.reservation.confirmed:
        return instance
    return replace(instance, reservation=replace(instance.reservation, confirmed=True))


# ---- offers ----------------------------------------------------------------------------------------------------------


def meet(turn: Turn, place: Place, plan: Plan) -> Place:
    """Launch what waits for reservations of this offer and release those that nobody has; the rest of the place."""
    state = turn.state
    found = reservations.by_owner(place.free, state.framework_id or "")
    for instance_id, own in found.items():
        place = place.without(own)
        instance = state.instances.get(instance_id)
        if instance is not None and _was_never_made(instance, own):
            turn.drop_instance(instance)
            instance = None
        if instance is None:
            plan.operations += reservations.release(own, place.role)
            turn.note_release(instance_id, place.agent.agent_id, place.role)
            continue
        seen = confirm(turn, instance)
        if seen.is_unreachable and _is_back(seen, own, place):
            # its app or pod decides anew about it, and it is launched from the next offer
            state.forget_health(seen.id)
            seen = replace(seen, condition=Condition.GONE, since=turn.now, unreachable_since=None)
        if seen is not instance:
            turn.save_instance(seen)
        if seen.condition is Condition.SCHEDULED:
            _launch_again(turn, seen, own, place, plan)
    for release in state.releases_on(place.agent.agent_id, place.role):
        asked = release.instance_id in state.release_asked and not release.in_parts
        if release.instance_id not in found and (asked or turn.now - release.since >= PATIENCE_S):
            turn.drop_release(release.instance_id)
    return place


def _was_never_made(instance: Instance, own: Resources) -> bool:
    """It waits for volumes that do not exist: its agent went away between the operations that were to make them. Nothing of it
    ever ran, so nothing is lost when another takes its place."""
    ran = instance.incarnation > 1 or any(task.started_at is not None for task in instance.tasks)
    assert instance.reservation is not None
    missing = not reservations.has_volumes(own, instance.reservation.volumes)
    return instance.condition is Condition.SCHEDULED and not ran and missing


def _is_back(instance: Instance, own: Resources, place: Place) -> bool:
    """Its machine has become another agent, and offers its volumes: nobody uses them, so its task is over. The master says
    nothing more of tasks on agents that it sent away while it could not be reached."""
    assert instance.reservation is not None
    return place.agent.agent_id != instance.agent.agent_id and reservations.has_volumes(
        own, instance.reservation.volumes
    )


def _launch_again(turn: Turn, instance: Instance, own: Resources, place: Place, plan: Plan) -> None:
    state = turn.state
    entry = state.queue.get(instance.app_id)
    assert instance.reservation is not None
    if entry is None or not entry.relaunch or state.queue.is_asleep(instance.app_id) or not turn.may_launch(plan.count):
        return
    if not reservations.has_volumes(own, instance.reservation.volumes):
        return
    spread = state.spread_of(entry.spec).without(instance.agent, newest=instance.has_config(entry.spec.config_version))
    uuid = turn.fresh()
    pick = provision.pick_of(uuid)
    demand = with_fields(entry.demand, role=instance.role)  # it stays in its role when its app or pod gets another
    found = match_reserved(demand, place, own, spread, turn.settings.policy, pick)
    if isinstance(found, tuple):
        state.refused_again[instance.app_id] = (instance.agent.host, found)
        return
    state.refused_again.pop(instance.app_id, None)
    # the definition that it was scheduled for: beside a canary that is the old one
    provision.again(turn, state.spec_of(instance) or entry.spec, instance, place, found, pick, plan)
    entry.relaunch -= 1
    entry.used += 1
    entry.last_used_at = turn.now
    if entry.total:
        state.queue.put(entry, asleep=False)
    else:
        state.queue.pop(instance.app_id)


# ---- time ------------------------------------------------------------------------------------------------------------


def tick(turn: Turn) -> None:
    """Give up reservations that were never made; look for forgotten ones now and then."""
    state = turn.state
    for instance_id in sorted(state.unconfirmed):
        instance = state.instances[instance_id]
        waits = instance.rests or instance.condition is Condition.SCHEDULED
        if waits and turn.now - instance.since >= turn.settings.reservation_timeout_s:
            turn.drop_instance(instance)
    for release in list(state.releases.values()):
        if turn.now - release.since >= FORGET_S:
            turn.drop_release(release.instance_id)
    if state.subscribed and turn.now >= state.next_sweep:
        sweep(turn)


def sweep(turn: Turn) -> None:
    """Have every agent offer what is reserved, though nothing may wait for it."""
    state = turn.state
    state.sweep_until = turn.now + SWEEP_S
    state.next_sweep = turn.now + SWEEP_EVERY_S
    quiet = reservable(state.suppressed)
    if quiet:
        state.suppressed -= quiet
        turn.send(calls.revive(sorted(quiet)))
