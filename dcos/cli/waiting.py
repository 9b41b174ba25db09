"""Waiting for deployments, telling what they wait for."""

from __future__ import annotations

import time
from typing import Any, Final

from dcos.cli.context import Context
from dcos.cli.output import fail
from dcos.cli.progress import Steps

Json = dict[str, Any]
LOOK_EVERY_S: Final = 0.5
_DEPLOYMENT_FAILED: Final = "`dcos explain` says why an app waits; `dcos marathon deployment list` what is under way"


def until_done(context: Context, deployment_id: str, *, interval_s: float = LOOK_EVERY_S) -> None:
    """Until the deployment is over; progress and reasons go to stderr."""
    steps = Steps()
    while True:
        found = next((one for one in context.marathon.deployments() if one["id"] == deployment_id), None)
        if found is None:
            steps.say(f"Deployment {deployment_id} is done")
            return
        steps.say(described(found))
        time.sleep(interval_s)


def described(deployment: Json) -> str:
    """One line: how far, what it does, and why it waits."""
    step, steps = deployment.get("currentStep", 1), deployment.get("totalSteps", 1)
    actions = ", ".join(
        f"{one.get('action', '')} {one.get('app') or one.get('pod') or ''}".strip()
        for one in deployment.get("currentActions", [])
    )
    why = str(deployment.get("explanation") or "")
    paused = "paused, " if deployment.get("paused") else ""
    return f"step {step}/{steps}: {paused}{actions}" + (f" ({why})" if why else "")


def until_deployed(context: Context, spec_id: str, *, interval_s: float = LOOK_EVERY_S) -> None:
    """Until nothing is under way for the app or pod ``spec_id``."""
    wanted = "/" + spec_id.strip("/")
    steps = Steps()
    while True:
        found = [
            one
            for one in context.marathon.deployments()
            if wanted in [*one.get("affectedApps", []), *one.get("affectedPods", [])]
        ]
        if not found:
            break
        steps.say(described(found[0]))
        time.sleep(interval_s)
    if not context.marathon.has_app(wanted):
        return  # a pod, or what was removed
    app = context.marathon.app(wanted)
    if int(app.get("tasksRunning", 0)) < int(app.get("instances", 0)):
        fail(f"the deployment of {wanted} ended, and not all its instances run", _DEPLOYMENT_FAILED)
