"""Rebalancing put to work: moves are planned when the cluster is seen and the app is at rest, and carried out one step at a time.

A move under way makes the app want one instance more, bound to the move's target; when it is ready, the victim goes. Moves are
this leader's: a new one sees one instance too many, ends it, and plans anew. A failure or a deployment ends them at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from dcos.marathon.core import agents, kills, rebalance, shortfall, tasks
from dcos.marathon.core.rebalance import GIVE_UP_S, Move, Placed
from dcos.marathon.core.state import Room, State
from dcos.marathon.core.turn import Turn
from dcos.model.marathon_growth import Rebalance
from dcos.model.marathon_state import Instance
from dcos.model.resource_kinds import UNRESERVED
from dcos.model.run_spec import RunSpec, bound, scaled
from dcos.scheduling.constraints import field_value, needs_siblings
from dcos.scheduling.match import Place, demand_of


def effective(state: State, spec: RunSpec) -> RunSpec:
    """The definition with one instance more per move under way, the next one bound to its target."""
    moves = state.moves.get(spec.id, ())
    policy = spec.rebalance
    if not moves or policy is None:
        return spec
    wanted = sum(1 for one in state.instances_of(spec.id) if one.is_wanted)
    begun = wanted - spec.instances
    spec = scaled(spec, spec.instances + len(moves))
    return bound(spec, (policy.by, "IS", moves[begun].target)) if 0 <= begun < len(moves) else spec


def spread(turn: Turn, spec: RunSpec) -> RunSpec:
    """The definition with a limit per group, so that what is launched is spread evenly from the start, as far as the groups
    that are known have room. Not for restarts: there the old ones count too."""
    state = turn.state
    if spec.rebalance is None or state.cluster is None or state.moves.get(spec.id):
        return spec
    mine = [one for one in state.instances_of(spec.id) if one.occupies]
    if len(mine) >= spec.instances:
        return spec
    room = _room(turn, spec, spec.rebalance, mine)
    have = Counter(group for one in mine if (group := _group(spec.rebalance, one)) is not None)
    most = rebalance.most_per_group(spec.instances - len(mine), have, room)
    if most is None:
        return spec
    return bound(spec, (spec.rebalance.by, "MAX_PER", str(most)))


def look(turn: Turn) -> None:
    """The cluster was seen: plan more moves."""
    tick(turn)
    turn.state.dirty |= {one.id for one in turn.state.watched() if one.rebalance and one.id in turn.state.queue}
    for spec in turn.state.watched():
        if spec.rebalance is not None and turn.state.deployment_of(spec.id) is None:
            _plan(turn, spec, spec.rebalance)


def tick(turn: Turn) -> None:
    """End moves that are done or hopeless."""
    for spec_id in list(turn.state.moves):
        spec = turn.state.wanted(spec_id)
        if spec is None or spec.rebalance is None:
            _set(turn, spec_id, ())
        else:
            _carry_on(turn, spec, spec.rebalance)


def _set(turn: Turn, spec_id: str, moves: tuple[Move, ...]) -> None:
    if moves:
        turn.state.moves[spec_id] = moves
    else:
        turn.state.moves.pop(spec_id, None)
    turn.state.dirty.add(spec_id)


def _carry_on(turn: Turn, spec: RunSpec, policy: Rebalance) -> None:
    state = turn.state
    moves = state.moves.get(spec.id, ())
    if not moves:
        return
    alive = {one.id: one for one in state.instances_of(spec.id) if one.is_wanted}
    failed = len(alive) < spec.instances
    if state.deployment_of(spec.id) is not None or failed or any(move.victim not in alive for move in moves):
        _set(turn, spec.id, ())
        return
    arrived = [one for one in alive.values() if state.is_ready(one)]
    spare = len(arrived) - spec.instances
    left = []
    for move in moves:
        new = next((one for one in arrived if one.since >= move.since and _group(policy, one) == move.target), None)
        if new is not None and spare <= 0:
            # another one ends or fails meanwhile: the new one is needed in its place
            _set(turn, spec.id, ())
            return
        if new is not None:
            spare -= 1
            arrived.remove(new)
            _tell(turn, spec, move, "done")
            tasks.kill(turn, alive[move.victim], f"moved to {policy.by} {move.target}")
            state.moved_at[spec.id] = turn.now
        elif turn.now - move.since > GIVE_UP_S:
            _tell(turn, spec, move, "given up")
            state.avoided[spec.id, move.target] = turn.now + GIVE_UP_S
        else:
            left.append(move)
    if len(left) != len(moves):
        _set(turn, spec.id, tuple(left))


def _plan(turn: Turn, spec: RunSpec, policy: Rebalance) -> None:
    state = turn.state
    moves = state.moves.get(spec.id, ())
    mine = state.instances_of(spec.id)
    at_rest = len(mine) == spec.instances + len(moves) and all(state.is_ready(one) or moves for one in mine)
    waits = turn.now < state.moved_at.get(spec.id, 0.0) + policy.interval_seconds
    if state.cluster is None or len(moves) >= policy.max_disruption or not at_rest or waits or spec.is_resident:
        return
    ordered = kills.order([one for one in mine if state.is_ready(one)], spec.kill_selection)
    placed = [
        Placed(one.id, group, order)
        for order, one in enumerate(ordered)
        if (group := _group(policy, one)) is not None and all(one.since < move.since for move in moves)
    ]
    avoided = {group for (spec_id, group), until in state.avoided.items() if spec_id == spec.id and until > turn.now}
    made = rebalance.plan(policy, placed, _room(turn, spec, policy, mine), moves, avoided)
    if not made:
        return
    begun = tuple(Move(one.victim, one.source, one.target, turn.now) for one in made)
    for move in begun:
        _tell(turn, spec, move, "begun")
    _set(turn, spec.id, (*moves, *begun))


def _group(policy: Rebalance, instance: Instance) -> str | None:
    return field_value(policy.by, instance.agent)


def _room(turn: Turn, spec: RunSpec, policy: Rebalance, mine: list[Instance]) -> Mapping[str, int]:
    """By group how many more instances its agents would take now. Computed when the cluster is seen, counted on between."""
    cluster = turn.state.cluster
    if cluster is None:
        return {}
    key = (cluster.at, spec.version or "")
    have = Counter(group for one in mine if (group := _group(policy, one)) is not None)
    known = turn.state.rooms.get(spec.id)
    if known is None or known.key != key:
        found: dict[str, int] = {}
        places = shortfall.spread_of(spec, mine)
        for agent in cluster.agents.values():
            group = field_value(policy.by, agent.ref)
            if group is None or not agent.active:
                continue
            place = agents.place_of(agent, spec.role or UNRESERVED)
            full = shortfall.lacks(spec, place, mine, turn.settings.policy, places)
            fits = 0 if full else _times(turn, spec, place)
            found[group] = found.get(group, 0) + fits
        known = turn.state.rooms[spec.id] = Room(key, found, have)
    return {group: amount - have[group] + known.have.get(group, 0) for group, amount in known.room.items()}


def _times(turn: Turn, spec: RunSpec, place: Place) -> int:
    """How many instances fit into a place that has room for one; 1 where they must heed each other."""
    demand = demand_of(spec, turn.settings.policy)
    if any(needs_siblings(one) for one in spec.constraints):
        return 1
    usable = place.usable(demand.accepted)
    pairs = ((usable.cpus, demand.cpus), (usable.mem, demand.mem), (usable.disk, demand.disk))
    return min((free // wanted for free, wanted in pairs if wanted), default=spec.instances)


def _tell(turn: Turn, spec: RunSpec, move: Move, what: str) -> None:
    turn.publish(
        "rebalance_event", appId=spec.id, instanceId=move.victim, source=move.source, target=move.target, state=what
    )
