"""Autoscaling put to work: each sample gives advice, advice that is not for show becomes an ordinary scaling deployment.

The history is this leader's; what must outlive it, when the number last changed, is in the app itself.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from dcos.marathon.core import autoscale, deployments, root
from dcos.marathon.core.autoscale import Advice, Sample
from dcos.marathon.core.errors import Refused
from dcos.marathon.core.state import State, Watched, seconds_of
from dcos.marathon.core.turn import Turn
from dcos.model.marathon import App
from dcos.model.marathon_state import iso


def sampled(turn: Turn, app_id: str, sample: Sample) -> None:
    state = turn.state
    app = state.apps.get(app_id)
    if app is None or app.autoscaling is None or app.instances == 0:
        state.autoscaling.pop(app_id, None)
        return
    watched = state.autoscaling.setdefault(app_id, Watched(turn.now))
    scaled_at = _scaled_at(app, watched, turn.now)
    advice = autoscale.decide(
        app.autoscaling,
        app.instances,
        sample,
        watched.history,
        scaled_at=scaled_at,
        watched_since=watched.since,
        now=turn.now,
    )
    if advice.wanted != app.instances:
        advice = _apply(turn, app, advice)
        turn.publish("autoscaling_event", appId=app_id, **advice_json(advice))
    watched.history = autoscale.trimmed(watched.history, advice)


def _scaled_at(app: App, watched: Watched, now: float) -> float | None:
    """A version that another leader's clock dates later than now counts from when it was seen first."""
    if app.version_info is None:
        return None
    version = app.version_info.last_scaling_at
    if watched.scaled[0] != version:
        watched.scaled = (version, min(seconds_of(version), now))
    return watched.scaled[1]


def _apply(turn: Turn, app: App, advice: Advice) -> Advice:
    assert app.autoscaling is not None
    if app.autoscaling.dry_run:
        return dataclasses.replace(advice, text=f"{advice.text}; dry run: nothing is changed")
    lock = turn.state.deployment_of(app.id)
    if lock is not None:
        return dataclasses.replace(advice, text=f"{advice.text}; waits for deployment {lock.id}")
    made = root.draft(turn)
    root.scale(made, app, advice.wanted)
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


def shown(state: State, app: App) -> list[dict[str, Any]]:
    """The history, newest first."""
    watched = state.autoscaling.get(app.id)
    return [advice_json(one) for one in reversed(watched.history)] if watched is not None else []
