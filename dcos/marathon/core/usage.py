"""From what agents and instances count to what autoscaling compares: rates and shares.

Counters only grow; one that is smaller than before began anew, then what it shows now is all that is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MIB = 1 << 20
LEAST_S = 1.0
"""Two looks closer together say nothing about a rate."""


@dataclass(frozen=True, slots=True)
class Usage:
    """One task as its agent counts it. ``at``: Unix seconds."""

    at: float
    cpu_s: float | None = None
    mem_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """A counter of one instance."""

    at: float
    value: float


def rate(before: Count | None, after: Count) -> float | None:
    """Per second between two looks."""
    if before is None or after.at - before.at < LEAST_S:
        return None
    grown = after.value - before.value if after.value >= before.value else after.value
    return grown / (after.at - before.at)


def cpu_percent(before: Mapping[str, Usage], after: Mapping[str, Usage], cpus: float) -> list[float]:
    """Of each task seen twice, percent of the ``cpus`` that it asked for."""
    found = []
    for task_id, now in after.items():
        then = before.get(task_id)
        if then is None or then.cpu_s is None or now.cpu_s is None or cpus <= 0:
            continue
        used = rate(Count(then.at, then.cpu_s), Count(now.at, now.cpu_s))
        if used is not None:
            found.append(used / cpus * 100)
    return found


def mem_percent(after: Mapping[str, Usage], mem_mib: float) -> list[float]:
    return [
        one.mem_bytes / (mem_mib * MIB) * 100 for one in after.values() if one.mem_bytes is not None and mem_mib > 0
    ]


def average(found: Sequence[float], tasks: int) -> float | None:
    """None where fewer than half of the tasks could be measured."""
    if not found or len(found) * 2 < tasks:
        return None
    return sum(found) / len(found)


def total(found: Sequence[float], tasks: int) -> float | None:
    """Over all tasks, those that could not be measured taken as the others."""
    mean = average(found, tasks)
    return None if mean is None else mean * tasks
