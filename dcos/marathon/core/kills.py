"""Which instances go when there are too many.

Order: explicitly sentenced, then those whose going keeps GROUP_BY even, then by condition (unreachable or ending anyway, staging,
starting, running, others), then those that are not healthy (ours: so that a cancelled update leaves what works), then by
age as ``killSelection`` says.   Source: Marathon's ScalingProposition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence

from dcos.model.marathon import KillSelection
from dcos.model.marathon_state import Condition, Instance
from dcos.model.run_spec import RunSpec
from dcos.scheduling.constraints import field_value

_WEIGHT = {
    Condition.UNREACHABLE: 0,
    Condition.UNREACHABLE_INACTIVE: 0,
    Condition.SCHEDULED: 0,
    Condition.KILLING: 0,
    Condition.PROVISIONED: 1,
    Condition.STAGING: 1,
    Condition.STARTING: 2,
    Condition.RUNNING: 3,
}


Healthy = Callable[[Instance], bool]


def order(
    instances: Collection[Instance], selection: KillSelection, is_healthy: Healthy = lambda one: True
) -> list[Instance]:
    """First to go first."""

    def age(one: Instance) -> float:
        started = one.active_since or one.since
        if selection is KillSelection.HIGHEST_INDEX_FIRST:
            return float("-inf") if one.index is None else -float(one.index)
        return -started if selection is KillSelection.YOUNGEST_FIRST else started

    return sorted(instances, key=lambda one: (_WEIGHT.get(one.condition, 4), is_healthy(one), age(one), one.id))


def select(
    spec: RunSpec,
    instances: Sequence[Instance],
    count: int,
    sentenced: Collection[str] = (),
    is_healthy: Healthy = lambda one: True,
) -> list[Instance]:
    """``count`` victims of ``instances``."""
    if count <= 0:
        return []
    ordered = order(instances, spec.kill_selection, is_healthy)
    chosen = [one for one in ordered if one.id in sentenced][:count]
    left = [one for one in ordered if one not in chosen]
    fields = [constraint[0] for constraint in spec.constraints if constraint[1] == "GROUP_BY"]
    while len(chosen) < count and left:
        victim = _fullest_group(left, fields) if fields else left[0]
        left.remove(victim)
        chosen.append(victim)
    return chosen


def _fullest_group(left: Sequence[Instance], fields: Sequence[str]) -> Instance:
    """The first in order whose groups are the fullest."""
    counts = {field: Counter(field_value(field, one.agent) for one in left) for field in fields}
    return max(left, key=lambda one: tuple(counts[field][field_value(field, one.agent)] for field in fields))
