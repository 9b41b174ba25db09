"""Offers meet the launch queue.

An offer first serves the instances that wait for its reservations, then goes to the waiting shapes in turn, one instance
each, until nothing more fits; what it is used for becomes one ACCEPT. Offers that nobody can use are declined for long.

Many offers at once are worked through in slices, so that nothing else waits for long: what is left of them is asked for by
a ``MatchMore``. An offer that waited longer than the time for matching is given back, and comes again soon.
"""

from __future__ import annotations

from collections.abc import Iterable

from dcos.marathon.core import effects, provision, residents
from dcos.marathon.core.provision import Plan
from dcos.marathon.core.queue import Row, Shape
from dcos.marathon.core.state import Turn
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import Filters, Offer, OfferID
from dcos.scheduling.match import Match, Place, Reasons, match, match_new_volumes, place_of

SLICE = 20_000
"""Work done before others have their turn, in the units below (about a microsecond each)."""
OFFER_WORK = 40
ASK_WORK = 3
LAUNCH_WORK = 400
TIMED_OUT_REFUSE_S = 5.0


def receive(turn: Turn, offers: Iterable[Offer]) -> None:
    """They are looked at when everything else of the batch is decided."""
    for offer in offers:
        turn.state.offers[offer.id.value] = (offer, turn.now)


def go_on(turn: Turn) -> None:
    """A slice of what offers wait."""
    waiting = turn.state.offers
    unused: list[OfferID] = []
    late: list[OfferID] = []
    work = 0
    while waiting and work < SLICE:
        offer, since = waiting.pop(next(iter(waiting)))
        if turn.now - since > turn.settings.offer_matching_timeout_s:
            late.append(offer.id)
            work += 1
            continue
        plan, effort = _use(turn, offer)
        work += effort
        if plan:
            _accept(turn, offer, plan)
        else:
            unused.append(offer.id)
    _decline(turn, unused, turn.settings.decline_s)
    _decline(turn, late, TIMED_OUT_REFUSE_S)
    if waiting:
        turn.effects.append(effects.MatchMore())


def _accept(turn: Turn, offer: Offer, plan: Plan) -> None:
    """The rest of a used offer comes again at once while something waits for it."""
    more = (turn.state.queue.is_awake and turn.state.tokens > 0) or turn.state.releases
    made = scheduler.CallAccept(
        offer_ids=(offer.id,),
        operations=plan.all(),
        filters=Filters(refuse_seconds=0.0 if more else turn.settings.decline_s),
    )
    turn.send(Call(type=CallType.ACCEPT, accept=made), f"launches {plan.count} instances")


def _decline(turn: Turn, offer_ids: list[OfferID], refuse_s: float) -> None:
    if offer_ids:
        made = scheduler.CallDecline(offer_ids=tuple(offer_ids), filters=Filters(refuse_seconds=refuse_s))
        turn.send(Call(type=CallType.DECLINE, decline=made))


def _use(turn: Turn, offer: Offer) -> tuple[Plan, int]:
    """What the offer is used for, and the work that finding out was."""
    state, settings = turn.state, turn.settings
    plan = Plan()
    role = (offer.allocation_info.role if offer.allocation_info else None) or settings.role
    row = state.queue.row(role)
    reserved = state.releases or any(one.reservations for one in offer.resources)
    if row is None and not reserved:
        return plan, 1
    place = place_of(
        offer, now=turn.now, default_role=settings.role, policy=settings.policy, home_region=state.home_region
    )
    if reserved:
        place = residents.meet(turn, place, plan)
    asked = _place_new(turn, offer, place, row, plan) if row is not None else 0
    return plan, OFFER_WORK + ASK_WORK * asked + LAUNCH_WORK * plan.count


def _place_new(turn: Turn, offer: Offer, place: Place, row: Row, plan: Plan) -> int:
    """New instances, shape by shape; answers how many shapes were asked."""
    cpus = place.free.scalar("cpus")
    waiting = row.candidates(cpus)
    over = len(waiting) < len(row.shapes)
    asked: list[Shape] = []
    pick = provision.pick_of(turn.fresh())
    first, complete = True, True
    while waiting and complete:
        still = []
        for shape in waiting:
            if not turn.may_launch(plan.count):
                complete = False
                break
            if first:
                asked.append(shape)
            entry = next(iter(shape.entries.values()))
            found = _match(turn, shape, place, pick + plan.count)
            if isinstance(found, tuple):
                if first:
                    shape.refuse(offer, found, turn.now)
                continue
            place = place.without(provision.new(turn, entry.spec, place, found, turn.fresh(), plan))
            entry.count -= 1
            entry.used += 1
            entry.last_used_at = turn.now
            entry.attempt = entry.tally()
            shape.to_the_end(entry)
            if entry.total:
                turn.state.queue.put(entry, asleep=False)
            else:
                turn.state.queue.pop(entry.spec.id)
            if shape.entries:
                still.append(shape)
        waiting, first = still, False
    row.turn(len(asked))
    if complete or not first:
        row.finish(asked, offer, cpus, turn.now, over=over)
    return len(asked)


def _match(turn: Turn, shape: Shape, place: Place, pick: int) -> Match | Reasons:
    spec = next(iter(shape.entries.values())).spec
    spread = turn.state.spread_of(spec)
    way = match_new_volumes if shape.demand.volumes else match
    return way(shape.demand, place, spread, turn.settings.policy, pick)
