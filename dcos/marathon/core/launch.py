"""The launch queue meets offers.

Each offer goes to the waiting apps and pods in turn, one instance each, until nothing more fits; what was placed becomes
one ACCEPT. Offers that nobody can use are declined for long; when something begins to wait, they are revived.
"""

from __future__ import annotations

from collections.abc import Iterable

from dcos.marathon.core import backoff
from dcos.marathon.core.state import QueueEntry, Refusal, Turn
from dcos.model.marathon import App
from dcos.model.marathon_state import Instance, InstanceTask
from dcos.model.run_spec import RunSpec
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import (
    Filters,
    Offer,
    OfferID,
    OfferOperation,
    OfferOperationLaunch,
    OfferOperationType,
    TaskInfo,
)
from dcos.scheduling import build, calls, ids
from dcos.scheduling.match import Match, Place, Reason, match, place_of

MAX_REFUSALS = 100
"""Agents whose last refusal is kept per waiting app or pod."""


def want(turn: Turn, spec: RunSpec, count: int) -> None:
    """Set how many instances of ``spec`` are to be launched now."""
    queue = turn.state.queue
    entry = queue.get(spec.id)
    if count <= 0:
        queue.pop(spec.id, None)
        return
    if entry is None:
        queue[spec.id] = QueueEntry(spec=spec, count=count, since=turn.now)
        turn.state.wants_revive = True
    else:
        if count > entry.count or entry.spec.config_version != spec.config_version:
            turn.state.wants_revive = True
        entry.spec, entry.count = spec, count


def launchable(turn: Turn) -> list[QueueEntry]:
    """What waits and whose back-off is over."""
    return [
        entry
        for spec_id, entry in turn.state.queue.items()
        if entry.count > 0 and backoff.waits_until(entry.spec, turn.state.delays.get(spec_id), turn.now) is None
    ]


def offers(turn: Turn, received: Iterable[Offer]) -> None:
    for offer in received:
        placed = _use(turn, offer)
        if placed:
            operation = OfferOperation(
                type=OfferOperationType.LAUNCH, launch=OfferOperationLaunch(task_infos=tuple(placed))
            )
            accept = scheduler.CallAccept(
                offer_ids=(offer.id,), operations=(operation,), filters=Filters(refuse_seconds=_refuse_s(turn, True))
            )
            turn.send(Call(type=CallType.ACCEPT, accept=accept), f"launches {len(placed)} tasks")
        else:
            decline(turn, (offer.id,))


def _refuse_s(turn: Turn, used: bool) -> float:
    """The rest of a used offer comes again at once while something waits for it."""
    return 0.0 if used and launchable(turn) else turn.settings.decline_s


def decline(turn: Turn, offer_ids: tuple[OfferID, ...]) -> None:
    made = scheduler.CallDecline(offer_ids=offer_ids, filters=Filters(refuse_seconds=_refuse_s(turn, False)))
    turn.send(Call(type=CallType.DECLINE, decline=made))


def _use(turn: Turn, offer: Offer) -> list[TaskInfo]:
    place = place_of(offer, now=turn.now, default_role=turn.settings.role)
    waiting = launchable(turn)
    placed: list[TaskInfo] = []
    used: set[str] = set()
    while waiting and len(placed) < turn.settings.max_instances_per_offer:
        still = []
        for entry in waiting:
            if len(placed) >= turn.settings.max_instances_per_offer:
                break
            instance_uuid = turn.fresh()
            pick = int(instance_uuid.replace("-", "")[:8], 16)
            siblings = []
            if entry.spec.constraints:
                siblings = [one for one in turn.state.instances_of(entry.spec.id) if one.occupies]
            found = match(entry.spec, place, siblings, turn.settings.policy, pick)
            if isinstance(found, Reason):
                if entry.spec.id not in used:
                    _refused(turn, entry, offer, found)
                continue
            placed.append(_provision(turn, entry, place, found, instance_uuid, pick))
            used.add(entry.spec.id)
            place = Place(place.agent, place.role, place.free - found.resources, place.in_maintenance, place.has_gpus)
            entry.count -= 1
            if entry.count > 0:
                still.append(entry)
            else:
                del turn.state.queue[entry.spec.id]
        waiting = still
    return placed


def _provision(turn: Turn, entry: QueueEntry, place: Place, found: Match, uuid: str, pick: int) -> TaskInfo:
    app = entry.spec
    assert isinstance(app, App)  # the API takes no pods yet
    entry.processed += 1
    entry.last_used_at = turn.now
    entry.attempt = {}
    instance_id = ids.instance_id(app.id, uuid)
    task_id = ids.task_id(instance_id, "_app")
    group = turn.state.groups.get(ids.canonical(ids.segments(app.id)[0])) if app.id != ids.ROOT else None
    info = build.task_info(
        app,
        place,
        found,
        task_id,
        turn.settings.task,
        enforce_role=group is not None and group.enforce_role,
        pick=pick,
    )
    turn.save_instance(
        Instance(
            id=instance_id,
            app_id=app.id,
            version=app.version or "",
            role=place.role,
            agent=place.agent,
            tasks=(InstanceTask(id=task_id, host_ports=found.host_ports, staged_at=turn.now),),
            since=turn.now,
        )
    )
    return info


def _refused(turn: Turn, entry: QueueEntry, offer: Offer, reason: Reason) -> None:
    entry.processed += 1
    entry.unused += 1
    entry.last_unused_at = turn.now
    entry.attempt[reason] = entry.attempt.get(reason, 0) + 1
    entry.refusals.pop(offer.agent_id.value, None)
    entry.refusals[offer.agent_id.value] = Refusal(offer, (reason,), turn.now)
    if len(entry.refusals) > MAX_REFUSALS:
        del entry.refusals[next(iter(entry.refusals))]


def tune_offers(turn: Turn) -> None:
    """Revive when something can be launched, suppress when nothing waits."""
    state = turn.state
    if not state.subscribed:
        return
    roles = state.roles(turn.settings.role)
    if not state.queue:
        state.wants_revive = False
        if not state.suppressed:
            state.suppressed = True
            turn.send(calls.suppress(roles))
        return
    if not (state.wants_revive or state.suppressed) or not launchable(turn):
        return
    if state.last_revive is not None and turn.now - state.last_revive < turn.settings.min_revive_interval_s:
        return
    state.suppressed = False
    state.wants_revive = False
    state.last_revive = turn.now
    turn.send(calls.revive(roles))


def tick(turn: Turn) -> None:
    """End delays that are over; forget those that are stale."""
    for spec_id, delay in list(turn.state.delays.items()):
        entry = turn.state.queue.get(spec_id)
        spec = turn.state.wanted(spec_id) or (entry.spec if entry else None)
        if spec is None or backoff.is_stale(spec, delay, turn.now):
            del turn.state.delays[spec_id]
        elif (
            entry is not None
            and entry.since < delay.until <= turn.now
            and (turn.state.last_revive is None or turn.state.last_revive < delay.until)
        ):
            turn.state.wants_revive = True
