"""``waits`` and ``explanation``, for those who ask by ``embed=waits``: an extension, left out where nothing is waited for."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from dcos.marathon.core import explain, rollout
from dcos.marathon.leader import Leader
from dcos.model.marathon_state import Deployment, iso

Json = dict[str, Any]


def asked(request: web.Request) -> bool:
    """An extension must be: there are clients that refuse members that they do not know."""
    return any(word.rpartition(".")[2] == "waits" for word in request.query.getall("embed", []))


def of_spec(leader: Leader, spec_id: str) -> Json:
    """Of an app or pod."""
    found = explain.waits(leader.state, leader.core.settings, spec_id, leader.now())
    if not found:
        return {}
    return {"waits": [explain.wait_json(one) for one in found], "explanation": explain.sentence(found)}


def of_deployment(leader: Leader, deployment: Deployment) -> Json:
    """Of all that it changes: each reason says of which app or pod."""
    listed, said = [], []
    pods = {action.app_id for step in deployment.steps for action in step.actions if action.pod}
    for spec_id in sorted(deployment.affected):
        found = explain.waits(leader.state, leader.core.settings, spec_id, leader.now())
        listed += [{"pod" if spec_id in pods else "app": spec_id, **explain.wait_json(one)} for one in found]
        if found:
            said.append(f"{spec_id}: {explain.sentence(found)}")
    return {"waits": listed, "explanation": ". ".join(said)} if listed else {}


def rollouts_of(leader: Leader, deployment: Deployment) -> Json:
    """How far rollouts in steps are, and whether it is paused; nothing for a deployment that has neither."""
    made: Json = {}
    if deployment.held is not None:
        made["paused"] = True
    for spec_id, progress in deployment.rollouts.items():
        spec = leader.state.specs.get((spec_id, deployment.targets.get(spec_id) or ""))
        if spec is None or spec.upgrade_strategy is None:
            continue
        steps = spec.upgrade_strategy.steps
        shown: Json = {"step": min(progress.index + 1, len(steps)), "steps": len(steps), "failures": progress.failures}
        share = rollout.share(steps, progress, spec.instances)
        shown["newInstances"] = spec.instances if share is None else share
        if progress.reached_at is not None:
            shown["reachedAt"] = iso(progress.reached_at)
        measured = leader.state.measured.get(spec_id)
        if measured is not None:
            shown["measured"] = {"at": iso(measured.at), "value": measured.value, "trouble": measured.trouble}
        made.setdefault("rollouts", {})[spec_id] = shown
    return made
