"""Trials of packages as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dcos.catalog.core.trial import Trial
from dcos.wire.universe import Json


def shown(trial: Trial) -> Json:
    return {
        "name": trial.package.name,
        "version": trial.package.version,
        "releaseVersion": trial.package.release_version,
        "good": trial.is_good,
        "app": trial.has_app,
        "defaults": trial.defaults or "ok",
        "needs": list(trial.needs),
        "filled": trial.filled or "ok",
        "every": trial.every or "ok",
        "wrongRefused": trial.refused,
        "wrongTaken": list(trial.taken),
    }


def lines(trials: Sequence[Trial], *, every: bool) -> Iterator[str]:
    """Those that are not good; all of them where ``every``."""
    for trial in trials:
        if trial.is_good and not every:
            continue
        yield f"{'ok  ' if trial.is_good else 'FAIL'} {trial.package.name} {trial.package.version}: {_said(trial)}"


def _said(trial: Trial) -> str:
    if not trial.has_app:
        return "has no app"
    parts = []
    if trial.filled:
        parts.append(f"filled in ({', '.join(trial.needs) or 'nothing to fill in'}): {trial.filled}")
    elif trial.defaults:
        parts.append(f"needs {', '.join(trial.needs)}")
    if trial.every:
        parts.append(f"every option: {trial.every}")
    if trial.taken:
        parts.append(f"takes wrong values of {', '.join(trial.taken)}")
    return "; ".join(parts) or "renders"


def summary(trials: Sequence[Trial], broken: int) -> str:
    with_app = [one for one in trials if one.has_app]
    plain = sum(not one.defaults for one in with_app)
    filled = sum(bool(one.defaults) and not one.filled for one in with_app)
    every = sum(not one.every for one in with_app)
    wrong = sum(one.refused for one in trials)
    taken = sum(len(one.taken) for one in trials)
    return (
        f"{len(trials)} package versions ({len(trials) - len(with_app)} without an app, {broken} more are broken): "
        f"{plain} render with their defaults, {filled} more with what they need filled in, {every} with every option set; "
        f"{wrong} wrong values refused, {taken} taken; {sum(not one.is_good for one in trials)} fail"
    )
