"""Even spreading of an app that runs: which instances move where.

A group is the agents with the same value of the policy's field. A move takes an instance from a fullest group to an emptiest
one that has room, and only where that makes the spread more even (two or more apart), so a move is never undone by the next.
The new instance is started first, bound to its group; the old one goes when the new one is ready and there is one more ready
than wanted. So the number of healthy instances never falls by it, and at most ``maxDisruption`` are under way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dcos.model.marathon_growth import Rebalance

GIVE_UP_S = 300.0
"""A move whose new instance is not ready by then is left; its group is left alone for as long."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An instance that is ready, as the planner sees it. ``order``: the first to go is the smallest."""

    id: str
    group: str
    order: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    victim: str
    """The instance that goes at the end."""
    source: str
    target: str
    """Groups."""
    since: float = 0.0


def plan(
    policy: Rebalance,
    placed: Sequence[Placed],
    room: Mapping[str, int],
    under_way: Collection[Move] = (),
    avoided: Collection[str] = (),
) -> list[Move]:
    """More moves beside those ``under_way``. ``room``: how many more instances each group could take."""
    counts = Counter(dict.fromkeys(room, 0))
    counts.update(one.group for one in placed)
    left = dict(room)
    going = {move.victim for move in under_way}
    for move in under_way:
        counts[move.source] -= 1
        counts[move.target] += 1
        left[move.target] = left.get(move.target, 0) - 1
    made: list[Move] = []
    while len(under_way) + len(made) < policy.max_disruption:
        found = _next(counts, left, [one for one in placed if one.id not in going], avoided)
        if found is None:
            break
        made.append(found)
        going.add(found.victim)
        counts[found.source] -= 1
        counts[found.target] += 1
        left[found.target] -= 1
    return made


def _next(
    counts: Mapping[str, int], left: Mapping[str, int], free: Sequence[Placed], avoided: Collection[str]
) -> Move | None:
    targets = [group for group, amount in left.items() if amount > 0 and group not in avoided]
    if not targets or not free:
        return None
    target = min(targets, key=lambda group: (counts[group], group))
    source = max({one.group for one in free}, key=lambda group: (counts[group], group))
    if counts[source] - counts[target] < 2:
        return None
    victim = min((one for one in free if one.group == source), key=lambda one: (one.order, one.id))
    return Move(victim.id, source, target)


def most_per_group(missing: int, have: Mapping[str, int], room: Mapping[str, int]) -> int | None:
    """The smallest limit per group under which all ``missing`` instances find a place; None: there is no room for all.

    A group that is overfull (its resources became fewer below what runs) has room below zero: it takes none.
    """
    open_groups = {group: amount for group, amount in room.items() if amount > 0}
    if missing <= 0 or sum(open_groups.values()) < missing:
        return None
    most = 1
    while sum(min(amount, max(0, most - have.get(group, 0))) for group, amount in open_groups.items()) < missing:
        most += 1
    return most
