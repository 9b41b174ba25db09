"""Deployments: made from a draft, driven step by step, cancelled or rolled back.

Two deployments never touch the same app or pod: a new one is refused, or with force takes the place of those in its way.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from dcos.marathon.core import deploy, launch, root, tasks
from dcos.marathon.core.deploy import Crew, Decision
from dcos.marathon.core.errors import Locked, TooMany, Unknown
from dcos.marathon.core.plan import steps
from dcos.marathon.core.root import Draft
from dcos.marathon.core.state import Turn
from dcos.model.marathon import VersionInfo
from dcos.model.marathon_state import Action, ActionKind, Deployment, Step
from dcos.model.run_spec import RunSpec, is_upgrade
from dcos.scheduling import ids

# ---- making ----------------------------------------------------------------------------------------------------------


def commit(turn: Turn, made: Draft, *, force: bool, dry_run: bool = False) -> Deployment:
    """Make the draft the wanted state and begin to bring it about.   Errors: Refused, before anything changed."""
    state = turn.state
    depth = root.checked_depths(made, state)
    root.check_residents(made, state, force=force)
    version = turn.new_version()
    targets: dict[str, RunSpec | None] = {}
    originals: dict[str, RunSpec | None] = {}
    for spec_id, spec in made.changed().items():
        before = state.wanted(spec_id)
        after = _versioned(spec, before, version, restarted=spec_id in made.restarted)
        if after is not before:
            targets[spec_id], originals[spec_id] = after, before
    for spec_id in made.gone(state):
        targets[spec_id], originals[spec_id] = None, state.wanted(spec_id)
    deployment = Deployment(
        id=turn.fresh(),
        version=version,
        steps=steps(originals, targets, depth, made.sentenced),
        originals={spec_id: spec.version if spec else None for spec_id, spec in originals.items()},
        targets={spec_id: spec.version if spec else None for spec_id, spec in targets.items()},
        created_groups=tuple(group for group in made.groups if group not in state.groups),
        removed_groups=tuple(group for group_id, group in state.groups.items() if group_id not in made.groups),
    )
    if dry_run:
        return deployment
    _make_way(turn, deployment, force)
    for target in targets.values():
        if target is not None:
            turn.save_spec(target)
    if deployment.steps:
        turn.save_deployment(deployment)
    for spec_id, target in targets.items():
        if target is None:
            turn.remove_spec(spec_id)
        elif deployment.steps:
            turn.state.delays.pop(spec_id, None)
    _save_groups(turn, made, version)
    turn.publish("group_change_success", groupId=ids.ROOT, version=version)
    _announce(turn, deployment, "deployment_info")
    if not deployment.steps:
        turn.publish("deployment_success", id=deployment.id, plan=plan_json(deployment))
    return deployment


def _versioned(spec: RunSpec, before: RunSpec | None, version: str, *, restarted: bool) -> RunSpec:
    """``spec`` with its version; the same object as ``before`` when nothing changed."""
    if before is not None and not restarted and not is_upgrade(before, spec):
        if before.instances == spec.instances:
            return before
        info = VersionInfo(last_scaling_at=version, last_config_change_at=before.config_version)
    else:
        info = VersionInfo(last_scaling_at=version, last_config_change_at=version)
    return replace(spec, version=version, version_info=info)


def _make_way(turn: Turn, deployment: Deployment, force: bool) -> None:
    state = turn.state
    in_the_way = [one for one in state.deployments.values() if one.affected & deployment.affected]
    if in_the_way and not force:
        raise Locked([one.id for one in in_the_way])
    if len(state.deployments) - len(in_the_way) >= turn.settings.max_running_deployments and deployment.steps:
        raise TooMany(
            f"Max number ({turn.settings.max_running_deployments}) of running deployments is achieved. "
            "Wait for existing deployments to complete or cancel one using force=true parameter."
        )
    for one in in_the_way:
        cancel(turn, one, f"replaced by deployment {deployment.id}")


def _save_groups(turn: Turn, made: Draft, version: str) -> None:
    for group_id in [one for one in turn.state.groups if one not in made.groups]:
        turn.drop_group(group_id)
    for group in made.groups.values():
        if not group.version:
            turn.save_group(replace(group, version=version))


def cancel(turn: Turn, deployment: Deployment, reason: str) -> None:
    """Stop driving it; what it wanted stays wanted."""
    turn.drop_deployment(deployment)
    turn.publish("deployment_failed", id=deployment.id, plan=plan_json(deployment), reason=reason)


def roll_back(turn: Turn, deployment_id: str) -> Deployment:
    """A new deployment that undoes this one's changes and leaves those of others."""
    deployment = known(turn, deployment_id)
    made = root.draft(turn)
    for spec_id, version in deployment.originals.items():
        made.drop(spec_id)
        if version is None:
            continue
        for ancestor in ids.ancestors(spec_id):
            root.ensure_group(turn, made, ancestor)
        made.put(replace(turn.state.specs[spec_id, version], version=None, version_info=None))
    for group in deployment.removed_groups:
        if group.id not in made.specs():
            made.groups.setdefault(group.id, replace(group, version=""))
    for group_id in sorted(deployment.created_groups, reverse=True):
        if not any(ids.is_below(one, group_id) for one in [*made.specs(), *made.groups]):
            made.groups.pop(group_id, None)
    return commit(turn, made, force=True)


def known(turn: Turn, deployment_id: str) -> Deployment:
    deployment = turn.state.deployments.get(deployment_id)
    if deployment is None:
        raise Unknown(f"DeploymentPlan {deployment_id} does not exist")
    return deployment


# ---- driving ---------------------------------------------------------------------------------------------------------


def settle(turn: Turn) -> None:
    """Decide about every app and pod that something happened to, until nothing more follows."""
    state = turn.state
    while state.dirty:
        batch = sorted(state.dirty)
        state.dirty.clear()
        for spec_id in batch:
            deployment = state.deployment_of(spec_id)
            if deployment is None:
                _keep(turn, spec_id)
            else:
                _drive(turn, deployment, spec_id)


def _crew(turn: Turn, spec_id: str) -> Crew:
    state = turn.state
    return Crew(state.instances_of(spec_id), state.is_healthy, state.is_ready)


def _apply(turn: Turn, spec: RunSpec | None, spec_id: str, decision: Decision, reason: str) -> None:
    for victim in decision.kill:
        if spec is None:
            tasks.give_up(turn, victim, reason)
        else:
            tasks.kill(turn, victim, reason)
    if spec is not None:
        launch.want(turn, spec, decision.launch)
    else:
        launch.drop(turn, spec_id)


def _keep(turn: Turn, spec_id: str) -> None:
    """No deployment: hold the wanted number; what is not wanted at all goes."""
    spec = turn.state.wanted(spec_id)
    crew = _crew(turn, spec_id)
    if spec is not None:
        _apply(turn, spec, spec_id, deploy.steady(spec, crew), "more instances than wanted")
        return
    decision = deploy.stop(crew)
    _apply(turn, None, spec_id, decision, "its app or pod is gone")
    if not turn.state.by_spec.get(spec_id) and spec_id in turn.state.versions:
        turn.forget_spec(spec_id)


def _drive(turn: Turn, deployment: Deployment, spec_id: str) -> None:
    state = turn.state
    step = deployment.steps[deployment.current]
    action = next((one for one in step.actions if one.app_id == spec_id), None)
    crew = _crew(turn, spec_id)
    finished = state.finished.setdefault(deployment.id, set())
    if action is None or spec_id in finished:
        upcoming = any(
            one.app_id == spec_id for later in deployment.steps[deployment.current + 1 :] for one in later.actions
        )
        spec = _spec(turn, spec_id, deployment.originals if upcoming and action is None else deployment.targets)
        if spec is not None:
            _apply(turn, spec, spec_id, deploy.steady(spec, crew), "more instances than wanted")
        else:
            launch.drop(turn, spec_id)
        return
    spec = _spec(turn, spec_id, deployment.targets)
    decision = _decide(action, spec, _spec(turn, spec_id, deployment.originals), crew)
    _apply(turn, spec, spec_id, decision, f"deployment {deployment.id}: {action.kind}")
    if not decision.done:
        state.waits[spec_id] = _explain(turn, spec_id, decision)
        return
    state.waits.pop(spec_id, None)
    finished.add(spec_id)
    if action.kind is ActionKind.STOP:
        turn.publish("app_terminated_event", appId=spec_id)
    if len(finished) == len(step.actions):
        _advance(turn, deployment)
    else:
        state.dirty.add(spec_id)


def _spec(turn: Turn, spec_id: str, versions: dict[str, str | None]) -> RunSpec | None:
    version = versions.get(spec_id)
    return turn.state.specs.get((spec_id, version)) if version else None


def _decide(action: Action, spec: RunSpec | None, original: RunSpec | None, crew: Crew) -> Decision:
    if action.kind is ActionKind.STOP or spec is None:
        return deploy.stop(crew)
    if action.kind is ActionKind.START:
        return Decision(done=True)
    if action.kind is ActionKind.RESTART:
        return deploy.restart(spec, crew)
    grows = original is None or original.instances < spec.instances
    return deploy.scale(spec, crew, grows=grows, sentenced=action.sentenced)


def _explain(turn: Turn, spec_id: str, decision: Decision) -> str:
    entry = turn.state.queue.get(spec_id)
    delay = turn.state.delays.get(spec_id)
    text = decision.waits
    if entry is not None and delay is not None and delay.until > turn.now:
        text += f"; {entry.total} launches wait until {delay.until - turn.now:.0f} s from now because instances failed"
    elif entry is not None:
        text += f"; {entry.total} launches wait for an offer"
        if entry.relaunch:
            text += f", {entry.relaunch} of them for the agents that keep their volumes"
    if spec_id in turn.state.refused_again:
        host, reasons = turn.state.refused_again[spec_id]
        text += f"; the reservation on {host} was no use: {', '.join(reasons)}"
    return text


def _advance(turn: Turn, deployment: Deployment) -> None:
    _announce(turn, deployment, "deployment_step_success")
    after = replace(deployment, current=deployment.current + 1)
    turn.state.finished.pop(deployment.id, None)
    if after.current < len(after.steps):
        turn.save_deployment(after)
        _announce(turn, after, "deployment_info")
        return
    turn.drop_deployment(deployment)
    turn.publish("deployment_success", id=deployment.id, plan=plan_json(deployment))


# ---- as JSON ---------------------------------------------------------------------------------------------------------


def action_json(action: Action) -> dict[str, Any]:
    return {"action": action.name, "pod" if action.pod else "app": action.app_id}


def step_json(step: Step) -> dict[str, Any]:
    return {"actions": [action_json(action) for action in step.actions]}


def plan_json(deployment: Deployment) -> dict[str, Any]:
    return {
        "id": deployment.id,
        "version": deployment.version,
        "steps": [step_json(step) for step in deployment.steps],
    }


def _announce(turn: Turn, deployment: Deployment, kind: str) -> None:
    if deployment.steps:
        step = step_json(deployment.steps[deployment.current])
        turn.publish(kind, plan=plan_json(deployment), currentStep=step)
