"""The launch queue meets offers.

Each offer goes to the waiting apps and pods in turn, one instance each, until nothing more fits; what was placed becomes
one ACCEPT. Offers that nobody can use are declined for long; when something begins to wait, they are revived.
"""

from __future__ import annotations

from collections.abc import Iterable

from dcos.marathon.core import backoff
from dcos.marathon.core.state import QueueEntry, Refusal, Turn
from dcos.model.marathon import App
from dcos.model.marathon_state import APP_TASK, Instance, InstanceTask
from dcos.model.run_spec import RunSpec
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import (
    Filters,
    Offer,
    OfferID,
    OfferOperation,
    OfferOperationLaunch,
    OfferOperationLaunchGroup,
    OfferOperationType,
    TaskInfo,
)
from dcos.scheduling import build, calls, ids, pods
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
            accept = scheduler.CallAccept(
                offer_ids=(offer.id,),
                operations=_operations(placed),
                filters=Filters(refuse_seconds=_refuse_s(turn, True)),
            )
            turn.send(Call(type=CallType.ACCEPT, accept=accept), f"launches {len(placed)} instances")
        else:
            decline(turn, (offer.id,))


def _operations(placed: Iterable[TaskInfo | pods.Launch]) -> tuple[OfferOperation, ...]:
    """Apps' tasks go together, each pod's by themselves."""
    tasks = tuple(one for one in placed if isinstance(one, TaskInfo))
    made = []
    if tasks:
        launch = OfferOperationLaunch(task_infos=tasks)
        made.append(OfferOperation(type=OfferOperationType.LAUNCH, launch=launch))
    for one in placed:
        if isinstance(one, pods.Launch):
            group = OfferOperationLaunchGroup(executor=one.executor, task_group=one.group)
            made.append(OfferOperation(type=OfferOperationType.LAUNCH_GROUP, launch_group=group))
    return tuple(made)


def _refuse_s(turn: Turn, used: bool) -> float:
    """The rest of a used offer comes again at once while something waits for it."""
    return 0.0 if used and launchable(turn) else turn.settings.decline_s


def decline(turn: Turn, offer_ids: tuple[OfferID, ...]) -> None:
    made = scheduler.CallDecline(offer_ids=offer_ids, filters=Filters(refuse_seconds=_refuse_s(turn, False)))
    turn.send(Call(type=CallType.DECLINE, decline=made))


def _use(turn: Turn, offer: Offer) -> list[TaskInfo | pods.Launch]:
    place = place_of(offer, now=turn.now, default_role=turn.settings.role)
    waiting = launchable(turn)
    placed: list[TaskInfo | pods.Launch] = []
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


def _provision(
    turn: Turn, entry: QueueEntry, place: Place, found: Match, uuid: str, pick: int
) -> TaskInfo | pods.Launch:
    spec = entry.spec
    entry.processed += 1
    entry.last_used_at = turn.now
    entry.attempt = {}
    instance_id = ids.instance_id(spec.id, uuid)
    made: TaskInfo | pods.Launch
    if isinstance(spec, App):
        made = build.task_info(
            spec,
            place,
            found,
            ids.task_id(instance_id, APP_TASK),
            turn.settings.task,
            enforce_role=_enforces_role(turn, spec),
            pick=pick,
        )
        ports = {APP_TASK: found.host_ports}
    else:
        made = pods.launch(spec, place, found, instance_id, turn.settings.task, turn.state.framework_id)
        ports = {one.name: pods.container_ports(spec, found.host_ports, one.name) for one in spec.containers}
    turn.save_instance(
        Instance(
            id=instance_id,
            app_id=spec.id,
            version=spec.version or "",
            role=place.role,
            agent=place.agent,
            tasks=tuple(
                InstanceTask(id=ids.task_id(instance_id, name), name=name, host_ports=numbers, staged_at=turn.now)
                for name, numbers in ports.items()
            ),
            since=turn.now,
        )
    )
    return made


def _enforces_role(turn: Turn, spec: RunSpec) -> bool:
    group = turn.state.groups.get(ids.canonical(ids.segments(spec.id)[0])) if spec.id != ids.ROOT else None
    return group is not None and group.enforce_role


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
