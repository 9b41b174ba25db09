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
from dcos.marathon.core.queue import Row, Shape, WaitingOffer
from dcos.marathon.core.turn import Turn
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import Filters, Offer, OfferID
from dcos.scheduling.constraints import NOWHERE
from dcos.scheduling.match import Match, Place, Reasons, match, match_new_volumes, place_of

SLICE = 10_000
"""Work done before others have their turn, in the units below (about a microsecond each)."""
OFFER_WORK = 40
ASK_WORK = 3
LAUNCH_WORK = 400
ASKS = 2_500
"""Shapes asked about an offer at a time; then the offer waits for another slice."""
TIMED_OUT_REFUSE_S = 5.0


def receive(turn: Turn, offers: Iterable[Offer]) -> None:
    """They are looked at when everything else of the batch is decided."""
    for offer in offers:
        turn.state.offers[offer.id.value] = WaitingOffer(offer, turn.now)
        turn.state.offered += 1


def go_on(turn: Turn) -> None:
    """A slice of what offers wait."""
    waiting = turn.state.offers
    unused: list[OfferID] = []
    late: list[OfferID] = []
    work = 0
    while waiting and work < SLICE:
        one = next(iter(waiting.values()))
        offer = one.offer
        if turn.now - one.since > turn.settings.offer_matching_timeout_s:
            late.append(offer.id)
            work += 1
        else:
            plan, effort, done = _use(turn, one)
            work += effort
            if plan:
                _accept(turn, offer, plan)
            elif not done:
                continue
            else:
                unused.append(offer.id)
        del waiting[offer.id.value]
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


def _use(turn: Turn, waiting: WaitingOffer) -> tuple[Plan, int, bool]:
    """What the offer is used for, the work that finding out was, and whether everything was asked."""
    state, settings, offer = turn.state, turn.settings, waiting.offer
    plan = Plan()
    role = (offer.allocation_info.role if offer.allocation_info else None) or settings.role
    row = state.queue.row(role)
    reserved = state.releases or any(one.reservations for one in offer.resources)
    if row is None and not reserved:
        return plan, 1, True
    place = place_of(
        offer, now=turn.now, default_role=settings.role, policy=settings.policy, home_region=state.home_region
    )
    if reserved:
        place = residents.meet(turn, place, plan)
    before = len(waiting.asked)
    done = _place_new(turn, waiting, place, row, plan) if row is not None else True
    asked = max(0, len(waiting.asked) - before)
    return plan, OFFER_WORK + ASK_WORK * asked + LAUNCH_WORK * plan.count, done


def _place_new(turn: Turn, waiting: WaitingOffer, place: Place, row: Row, plan: Plan) -> bool:
    """New instances, shape by shape; answers whether all shapes were asked."""
    if not turn.may_launch(plan.count):
        return True
    cpus = place.free.scalar("cpus")
    candidates = row.candidates(cpus)
    left = max(0, len(candidates) - len(waiting.asked))
    over = len(candidates) < len(row.shapes)
    pick = provision.pick_of(turn.fresh())
    still: list[Shape] = []
    asked = 0
    for shape in candidates[: min(left, ASKS)]:
        asked += 1
        found = _match(turn, shape, place, pick + plan.count)
        if isinstance(found, tuple):
            shape.refuse(waiting.offer, found, turn.now)
            continue
        place = _take(turn, shape, place, found, plan)
        still.append(shape)
        if not turn.may_launch(plan.count):
            break
    waiting.asked += candidates[:asked]
    row.turn(asked)
    if asked == left:
        row.finish(waiting.asked, waiting.offer, cpus, turn.now, over=over)
    while still and turn.may_launch(plan.count):
        shape = still.pop(0)
        found = _match(turn, shape, place, pick + plan.count) if shape.entries else ()
        if not isinstance(found, tuple):
            place = _take(turn, shape, place, found, plan)
            still.append(shape)
    return asked == left


def _take(turn: Turn, shape: Shape, place: Place, found: Match, plan: Plan) -> Place:
    """Launch an instance of the shape's first entry; the rest of the place."""
    entry = shape.first
    uuid = entry.uuids.pop(0) if entry.uuids else turn.fresh()
    place = place.without(provision.new(turn, entry.spec, place, found, uuid, plan))
    entry.count -= 1
    entry.used += 1
    entry.last_used_at = turn.now
    entry.attempt = entry.tally()
    shape.to_the_end(entry)
    if entry.total:
        turn.state.queue.put(entry, asleep=False)
    else:
        turn.state.queue.pop(entry.spec.id)
    return place


def _match(turn: Turn, shape: Shape, place: Place, pick: int) -> Match | Reasons:
    demand, policy = shape.demand, turn.settings.policy
    if shape.is_shared:
        return match(demand, place, NOWHERE, policy, pick)
    spread = turn.state.spread_of(shape.first.spec)
    way = match_new_volumes if demand.volumes else match
    return way(demand, place, spread, policy, pick)
