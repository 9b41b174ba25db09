"""Waiting runs meet offers: the longest waiting first, one task each, all that fit on an offer in one ACCEPT."""

from __future__ import annotations

from collections.abc import Iterable

from dcos.metronome.core import runs, task
from dcos.metronome.core.state import Turn
from dcos.model.v1.scheduler import Call, CallAccept, CallDecline, CallType
from dcos.model.v1.types import Filters, Offer, OfferOperation, OfferOperationLaunch, OfferOperationType, TaskInfo
from dcos.scheduling import build, calls
from dcos.scheduling.constraints import NOWHERE
from dcos.scheduling.match import demand_of, match, place_of


def offers(turn: Turn, received: Iterable[Offer]) -> None:
    for offer in received:
        placed = _use(turn, offer)
        filters = Filters(refuse_seconds=0.0 if placed and turn.state.queue else turn.settings.decline_s)
        if placed:
            launch = OfferOperationLaunch(task_infos=tuple(placed))
            operation = OfferOperation(type=OfferOperationType.LAUNCH, launch=launch)
            accept = CallAccept(offer_ids=(offer.id,), operations=(operation,), filters=filters)
            turn.send(Call(type=CallType.ACCEPT, accept=accept), f"launches {len(placed)} tasks")
        else:
            turn.send(Call(type=CallType.DECLINE, decline=CallDecline(offer_ids=(offer.id,), filters=filters)))


def _use(turn: Turn, offer: Offer) -> list[TaskInfo]:
    settings = turn.settings
    place = place_of(offer, now=turn.now, default_role=settings.role, policy=settings.policy)
    placed = []
    for run_id in sorted(turn.state.queue, key=lambda one: (turn.state.queue[one], one)):
        run = turn.state.runs[run_id]
        app = task.app_of(run, settings.role)
        uuid = turn.fresh()
        pick = int(uuid.replace("-", "")[:8], 16)
        found = match(demand_of(app, settings.policy), place, NOWHERE, settings.policy, pick)
        if isinstance(found, tuple):
            continue
        task_id = task.task_id(run, uuid)
        placed.append(build.task_info(app, place, found, task_id, settings.task, enforce_role=False, pick=pick))
        runs.launched(turn, run, task_id, place.agent.agent_id)
        place = place.without(found.resources)
    return placed


def tune_offers(turn: Turn) -> None:
    """Revive when a run begins to wait, suppress when none does."""
    state = turn.state
    if not state.subscribed:
        return
    roles = (turn.settings.role,)
    if not state.queue:
        state.wants_revive = False
        if not state.suppressed:
            state.suppressed = True
            turn.send(calls.suppress(roles))
        return
    if not (state.wants_revive or state.suppressed):
        return
    if state.last_revive is not None and turn.now - state.last_revive < turn.settings.min_revive_interval_s:
        return
    state.suppressed, state.wants_revive, state.last_revive = False, False, turn.now
    turn.send(calls.revive(roles))
