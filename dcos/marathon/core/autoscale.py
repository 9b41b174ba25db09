"""How many instances an app should have, from what was measured.

For each metric the number that would bring it to its target; the largest counts. A metric within the tolerance of its
target asks for no change; one that could not be measured forbids to shrink. Growing is limited to doubling (or four more) at
once; shrinking goes to the highest number that was asked for within ``scaleDownSeconds``, so that a short lull costs nothing.
Source: the rule of Kubernetes' horizontal autoscaler, ceil(instances * value / target).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dcos.model.marathon_growth import Autoscaling

GROW_FACTOR = 2
GROW_LEAST = 4
MAX_HISTORY = 100


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at an app. ``cpu`` and ``mem`` are percent of what is asked for; ``requests`` per second and ``query`` over
    all instances. None: could not be measured, ``troubles`` says why."""

    cpu: float | None = None
    mem: float | None = None
    requests: float | None = None
    query: float | None = None
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """One decision, for the history."""

    at: float
    instances: int
    asked: int
    """By the metrics alone, within min and max."""
    wanted: int
    """After cool-down and the memory of higher numbers."""
    text: str
    values: tuple[tuple[str, float], ...] = ()
    applied: bool = False


def metrics(policy: Autoscaling, sample: Sample, instances: int) -> list[tuple[str, float | None, float]]:
    """(name, value, target) of each metric that the policy names; values per instance."""
    found: list[tuple[str, float | None, float]] = []
    if policy.cpu is not None:
        found.append(("cpu", sample.cpu, policy.cpu))
    if policy.mem is not None:
        found.append(("mem", sample.mem, policy.mem))
    for name, wanted, total in (
        ("requests", policy.requests, sample.requests),
        ("query", policy.query, sample.query),
    ):
        if wanted is not None:
            found.append((name, None if total is None else total / max(1, instances), wanted.target))
    return found


def decide(
    policy: Autoscaling,
    instances: int,
    sample: Sample,
    history: Iterable[Advice],
    *,
    scaled_at: float | None,
    watched_since: float,
    now: float,
) -> Advice:
    """``history``: earlier advice, complete from ``watched_since`` on; ``scaled_at``: when the number last changed."""
    asked, words, unknown = _asked(policy, instances, sample)
    values = tuple((name, value) for name, value, _ in metrics(policy, sample, instances) if value is not None)
    bounded = min(max(asked, policy.min), policy.max)
    if bounded != asked:
        words.append(f"bounded to {policy.min}..{policy.max}")

    def advice(wanted: int, *more: str) -> Advice:
        return Advice(now, instances, bounded, wanted, "; ".join([*words, *more]), values)

    if not policy.min <= instances <= policy.max:
        return advice(min(max(instances, policy.min), policy.max), f"{instances} is outside {policy.min}..{policy.max}")
    if bounded == instances:
        return advice(instances, f"{instances} instances are right")
    if scaled_at is not None and now < scaled_at + policy.cooldown_seconds:
        left = scaled_at + policy.cooldown_seconds - now
        return advice(instances, f"{bounded} asked for; cools down for {left:.0f} s more")
    if bounded > instances:
        most = max(instances * GROW_FACTOR, instances + GROW_LEAST)
        if bounded > most:
            return advice(most, f"{bounded} asked for; at most {most} at once")
        return advice(bounded, f"grows from {instances} to {bounded}")
    if unknown:
        return advice(instances, f"{bounded} asked for; does not shrink while a metric is unknown")
    lately = [one.asked for one in history if one.at > now - policy.scale_down_seconds]
    if watched_since > now - policy.scale_down_seconds:
        lately.append(instances)  # a new leader does not know what was asked for before
    kept = min(instances, max([bounded, *lately]))
    if kept > bounded:
        return advice(
            kept, f"{bounded} asked for; {kept} were needed within the last {policy.scale_down_seconds:.0f} s"
        )
    return advice(bounded, f"shrinks from {instances} to {bounded}")


def _asked(policy: Autoscaling, instances: int, sample: Sample) -> tuple[int, list[str], bool]:
    """(number that the metrics ask for, words about each, whether one is unknown)."""
    asked: list[int] = []
    words: list[str] = []
    unknown = False
    for name, value, target in metrics(policy, sample, instances):
        if value is None:
            unknown = True
            words.append(f"{name} unknown")
            continue
        ratio = value / target
        within = abs(ratio - 1) * 100 <= policy.tolerance_percent
        asked.append(instances if within else math.ceil(round(instances * ratio, 6)))
        words.append(f"{name} {value:.4g} of {target:g}")
    words += sample.troubles
    return max(asked, default=instances), words, unknown


def trimmed(history: Sequence[Advice], advice: Advice) -> tuple[Advice, ...]:
    return (*history, advice)[-MAX_HISTORY:]
