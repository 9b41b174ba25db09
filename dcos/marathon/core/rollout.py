"""Rollouts in steps: how many new instances a restart may have now, when the next step comes, when it has failed.

A step is reached when its new instances are ready and the old ones that they replace are gone; then its pause runs. A rollout
fails by too many failures of new instances, by too many bad measurements in a row, or by its deadline. Everything needed to
go on is in ``Rollout``, which is stored with the deployment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from dcos.marathon.core.deploy import is_current
from dcos.marathon.core.state import Measurement
from dcos.marathon.core.turn import Turn
from dcos.model.marathon_growth import MetricBound, Promotion, RolloutStep
from dcos.model.marathon_state import ActionKind, Instance, Rollout, Step
from dcos.model.run_spec import RunSpec


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the rollout now. ``failed``: why it must not go on."""

    rollout: Rollout
    waits: str = ""
    until: float | None = None
    failed: str = ""


def begun(plan: Sequence[Step], targets: Mapping[str, RunSpec | None]) -> dict[str, Rollout]:
    """The rollouts of a new deployment: what is restarted and has steps or rules of promotion. Their time begins with their
    turn."""
    made = {}
    for action in (action for step in plan for action in step.actions if action.kind is ActionKind.RESTART):
        target = targets.get(action.app_id)
        strategy = target.upgrade_strategy if target is not None else None
        if strategy is not None and (strategy.steps or strategy.promotion is not None):
            made[action.app_id] = Rollout()
    return made


def share(steps: tuple[RolloutStep, ...], rollout: Rollout, wanted: int) -> int | None:
    """New instances that the present step allows; None: all, the steps are over."""
    if rollout.index >= len(steps):
        return None
    step = steps[rollout.index]
    if step.instances is not None:
        return min(wanted, step.instances)
    return min(wanted, math.ceil(wanted * (step.percent or 0.0) / 100))


def is_bad(bound: MetricBound, measurement: Measurement) -> bool:
    value = measurement.value
    if value is None:
        return False
    return (
        math.isnan(value)
        or (bound.min is not None and value < bound.min)
        or (bound.max is not None and value > bound.max)
    )


def measured(promotion: Promotion, rollout: Rollout, measurement: Measurement) -> Rollout:
    """Count a measurement; one without a value counts neither way."""
    bound = promotion.metric
    if bound is None or measurement.value is None:
        return rollout
    if is_bad(bound, measurement):
        return replace(rollout, bad=rollout.bad + 1, good=False)
    return replace(rollout, bad=0, good=True)


def judge(
    steps: tuple[RolloutStep, ...], promotion: Promotion | None, rollout: Rollout, *, reached: bool, now: float
) -> Verdict:
    """After a look at the instances: ``reached`` says whether the present step's share is there."""
    failed = _failure(promotion, rollout, reached, now)
    if failed:
        return Verdict(rollout, failed=failed)
    if rollout.index >= len(steps):
        return Verdict(rollout)
    step, number = steps[rollout.index], f"step {rollout.index + 1} of {len(steps)}"
    if not reached:
        if rollout.reached_at is not None:
            rollout = replace(rollout, reached_at=None)
        return Verdict(rollout, waits=f"{number}: its new instances are not all ready")
    if rollout.reached_at is None:
        rollout = replace(rollout, reached_at=now, good=False)
    assert rollout.reached_at is not None
    if step.pause:
        return Verdict(rollout, waits=f"{number}: waits for 'continue'")
    until = rollout.reached_at + (step.pause_seconds or 0.0)
    if now < until:
        return Verdict(rollout, waits=f"{number}: pauses for {until - now:.0f} s more", until=until)
    if promotion is not None and promotion.metric is not None and not rollout.good:
        return Verdict(rollout, waits=f"{number}: waits for a good value of {promotion.metric.query}")
    return Verdict(go_on(rollout, now))


def go_on(rollout: Rollout, now: float) -> Rollout:
    """To the next step."""
    return replace(rollout, index=rollout.index + 1, entered_at=now, reached_at=None, good=False)


def _failure(promotion: Promotion | None, rollout: Rollout, reached: bool, now: float) -> str:
    if promotion is None:
        return ""
    if rollout.failures >= promotion.max_failures:
        return f"{rollout.failures} new instances failed"
    if promotion.metric is not None and rollout.bad >= promotion.max_failures:
        return f"{promotion.metric.query} was out of bounds {rollout.bad} times"
    deadline = promotion.deadline_seconds
    if deadline is not None and not reached and now >= rollout.entered_at + deadline:
        return f"its new instances were not ready within {deadline:g} s"
    return ""


# ---- what happens to it ----------------------------------------------------------------------------------------------


def note_failure(turn: Turn, instance: Instance) -> None:
    """A new instance of a rollout failed."""
    deployment = turn.state.deployment_of(instance.app_id)
    progress = deployment.rollouts.get(instance.app_id) if deployment is not None else None
    if deployment is None or progress is None:
        return
    target = turn.state.specs.get((instance.app_id, deployment.targets.get(instance.app_id) or ""))
    if target is None or not is_current(instance, target):
        return
    made = replace(progress, failures=progress.failures + 1)
    turn.save_deployment(replace(deployment, rollouts={**deployment.rollouts, instance.app_id: made}))


def note_measurement(turn: Turn, spec_id: str, measurement: Measurement) -> None:
    """The query of a rollout's promotion was answered."""
    deployment = turn.state.deployment_of(spec_id)
    progress = deployment.rollouts.get(spec_id) if deployment is not None else None
    target = turn.state.wanted(spec_id)
    promotion = target.upgrade_strategy.promotion if target is not None and target.upgrade_strategy else None
    if deployment is None or progress is None or promotion is None or deployment.held is not None:
        return
    turn.state.measured[spec_id] = measurement
    made = measured(promotion, progress, measurement)
    if made != progress:
        turn.save_deployment(replace(deployment, rollouts={**deployment.rollouts, spec_id: made}))


def tick(turn: Turn) -> None:
    """Pauses and deadlines end by time."""
    for deployment in turn.state.deployments.values():
        if deployment.rollouts and deployment.held is None:
            turn.state.dirty |= set(deployment.rollouts)
