"""Autoscaling put to work: each sample gives advice, advice that is not for show becomes an ordinary scaling deployment.

The history is this leader's; what must outlive it, when the number last changed, is in the app itself.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec

from dcos.marathon.core import autoscale, deployments, root
from dcos.marathon.core.autoscale import Advice, Sample
from dcos.marathon.core.errors import Refused, Unknown
from dcos.marathon.core.state import State, Watched, seconds_of
from dcos.marathon.core.turn import Turn
from dcos.model.marathon import App
from dcos.model.marathon_state import iso
from dcos.model.run_spec import RunSpec


def sampled(turn: Turn, spec_id: str, sample: Sample) -> None:
    state = turn.state
    spec = state.wanted(spec_id)
    if spec is None or spec.autoscaling is None or spec.instances == 0:
        state.autoscaling.pop(spec_id, None)
        return
    watched = state.autoscaling.setdefault(spec_id, Watched(turn.now))
    scaled_at = _scaled_at(spec, watched, turn.now)
    advice = autoscale.decide(
        spec.autoscaling,
        spec.instances,
        sample,
        watched.history,
        scaled_at=scaled_at,
        watched_since=watched.since,
        now=turn.now,
    )
    if advice.wanted != spec.instances:
        advice = _apply(turn, spec, advice)
        turn.publish("autoscaling_event", appId=spec_id, **advice_json(advice))
    watched.history = autoscale.trimmed(watched.history, advice)


def _scaled_at(spec: RunSpec, watched: Watched, now: float) -> float | None:
    """A version that another leader's clock dates later than now counts from when it was seen first."""
    if spec.version_info is None:
        return None
    version = spec.version_info.last_scaling_at
    if watched.scaled[0] != version:
        watched.scaled = (version, min(seconds_of(version), now))
    return watched.scaled[1]


def _apply(turn: Turn, spec: RunSpec, advice: Advice) -> Advice:
    assert spec.autoscaling is not None
    if spec.autoscaling.dry_run:
        return dataclasses.replace(advice, text=f"{advice.text}; dry run: nothing is changed")
    lock = turn.state.deployment_of(spec.id)
    if lock is not None:
        return dataclasses.replace(advice, text=f"{advice.text}; waits for deployment {lock.id}")
    made = root.draft(turn)
    root.scale(made, spec, advice.wanted)
    try:
        deployments.commit(turn, made, force=False)
    except Refused as refused:
        return dataclasses.replace(advice, text=f"{advice.text}; refused: {refused.text}")
    return dataclasses.replace(advice, applied=True)


def advice_json(advice: Advice) -> dict[str, Any]:
    return {
        "at": iso(advice.at),
        "instances": advice.instances,
        "asked": advice.asked,
        "wanted": advice.wanted,
        "applied": advice.applied,
        "explanation": advice.text,
        "metrics": dict(advice.values),
    }


def answer(state: State, spec: RunSpec) -> dict[str, Any]:
    """The API's: the policy, and what was decided lately and why, newest first.   Errors: Unknown."""
    if spec.autoscaling is None:
        raise Unknown(f"{'App' if isinstance(spec, App) else 'Pod'} '{spec.id}' has no autoscaling")
    watched = state.autoscaling.get(spec.id)
    history = [advice_json(one) for one in reversed(watched.history)] if watched is not None else []
    return {"policy": msgspec.to_builtins(spec.autoscaling), "instances": spec.instances, "history": history}
