"""Deployments: made from a draft, driven step by step, cancelled or rolled back.

Two deployments never touch the same app or pod: a new one is refused, or with force takes the place of those in its way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from msgspec.structs import replace

from dcos.marathon.core import deploy, everywhere, launch, past, rebalancing, rollout, root, tasks
from dcos.marathon.core.deploy import Crew, Decision
from dcos.marathon.core.errors import Conflict, Locked, Refused, TooMany, Unknown
from dcos.marathon.core.plan import steps
from dcos.marathon.core.root import Draft
from dcos.marathon.core.turn import Turn
from dcos.model.marathon import App, UpgradeStrategy, VersionInfo
from dcos.model.marathon_growth import Promotion
from dcos.model.marathon_state import Action, ActionKind, Deployment, Held, Rollout, Step
from dcos.model.run_spec import RunSpec, is_same, is_upgrade
from dcos.scheduling import ids

# ---- making ----------------------------------------------------------------------------------------------------------


def commit(turn: Turn, made: Draft, *, force: bool, dry_run: bool = False, why: str = "") -> Deployment:
    """Make the draft the wanted state and begin to bring it about. ``why``: what deployments in the way end for.
    Errors: Refused, before anything changed."""
    state = turn.state
    depth = root.checked_depths(made, state)
    root.check_residents(made, state, force=force)
    version = turn.new_version()
    targets: dict[str, RunSpec | None] = {}
    originals: dict[str, RunSpec | None] = {}
    for spec_id, spec in made.changed().items():
        before = state.wanted(spec_id)
        after = _versioned(
            spec, before, version, restarted=spec_id in made.restarted, restored=made.restored.get(spec_id)
        )
        if after is not before:
            targets[spec_id], originals[spec_id] = after, before
    for spec_id in made.gone(state):
        targets[spec_id], originals[spec_id] = None, state.wanted(spec_id)
    plan = steps(originals, targets, _layers(depth, made.last), made.sentenced)
    deployment = Deployment(
        id=turn.fresh(),
        version=version,
        steps=plan,
        originals={spec_id: spec.version if spec else None for spec_id, spec in originals.items()},
        targets={spec_id: spec.version if spec else None for spec_id, spec in targets.items()},
        created_groups=tuple(group for group in made.groups if group not in state.groups),
        removed_groups=tuple(group for group_id, group in state.groups.items() if group_id not in made.groups),
        rollouts={} if made.restored else rollout.begun(plan, targets),
    )
    if dry_run:
        return deployment
    _make_way(turn, deployment, force, why)
    past.note(turn, made, version, originals, targets)
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
    _tell_checks(turn, originals, targets)
    turn.publish("group_change_success", groupId=ids.ROOT, version=version)
    _announce(turn, deployment, "deployment_info")
    if not deployment.steps:
        turn.publish("deployment_success", id=deployment.id, plan=_told(deployment))
    return deployment


def _tell_checks(turn: Turn, originals: Mapping[str, RunSpec | None], targets: Mapping[str, RunSpec | None]) -> None:
    for spec_id, target in targets.items():
        if isinstance(target, App):
            for check in target.health_checks:
                turn.publish("add_health_check_event", appId=spec_id, version=target.version, healthCheck=check)
        original = originals.get(spec_id)
        if target is None and isinstance(original, App) and original.health_checks:
            turn.publish("remove_health_check_event", appId=spec_id)


def _layers(depth: Mapping[str, int], last: Collection[str]) -> Mapping[str, int]:
    """The layer of each app and pod: its depth among the dependencies; those that come ``last`` after all others,
    dependents first."""
    if not last:
        return depth
    top = max(depth.values(), default=0) + 1
    deepest = max(depth.get(one, 0) for one in last)
    return {**depth, **{one: top + deepest - depth.get(one, 0) for one in last}}


def _versioned(
    spec: RunSpec, before: RunSpec | None, version: str, *, restarted: bool, restored: str | None
) -> RunSpec:
    """``spec`` with its version; the same object as ``before`` when nothing changed. ``restored``: the configuration's
    version that is wanted again, so that instances which still run it stay."""
    if restored is not None and (before is None or before.config_version != restored):
        info = VersionInfo(last_scaling_at=version, last_config_change_at=restored)
    elif before is not None and not restarted and not is_upgrade(before, spec):
        if is_same(before, spec):
            return before
        scaled_at = version
        if before.instances == spec.instances and before.version_info is not None:
            scaled_at = before.version_info.last_scaling_at
        info = VersionInfo(last_scaling_at=scaled_at, last_config_change_at=before.config_version)
    else:
        info = VersionInfo(last_scaling_at=version, last_config_change_at=version)
    return replace(spec, version=version, version_info=info)


def _make_way(turn: Turn, deployment: Deployment, force: bool, why: str) -> None:
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
        cancel(turn, one, why or f"replaced by deployment {deployment.id}")


def _save_groups(turn: Turn, made: Draft, version: str) -> None:
    for group_id in [one for one in turn.state.groups if one not in made.groups]:
        turn.drop_group(group_id)
    for group in made.groups.values():
        if not group.version:
            turn.save_group(replace(group, version=version))


def cancel(turn: Turn, deployment: Deployment, reason: str) -> None:
    """Stop driving it; what it wanted stays wanted."""
    _announce(turn, deployment, "deployment_step_failure")
    turn.drop_deployment(deployment)
    turn.publish("deployment_failed", id=deployment.id, plan=_told(deployment), reason=reason)


def roll_back(turn: Turn, deployment_id: str, reason: str = "") -> Deployment:
    """A new deployment that undoes this one's changes and leaves those of others. Instances that still run what was before
    stay; the others are replaced like in any update."""
    deployment = known(turn, deployment_id)
    made = root.draft(turn)
    for spec_id, version in deployment.originals.items():
        made.drop(spec_id)
        if version is None:
            continue
        for ancestor in ids.ancestors(spec_id):
            root.ensure_group(turn, made, ancestor)
        original = turn.state.specs[spec_id, version]
        made.put(replace(original, version=None, version_info=None))
        made.restored[spec_id] = original.config_version
        present = turn.state.wanted(spec_id)
        if present is not None and original.instances < present.instances:
            made.last.add(spec_id)  # first what grows: what was switched away from takes over again
    for group in deployment.removed_groups:
        if group.id not in made.specs():
            made.groups.setdefault(group.id, replace(group, version=""))
    for group_id in sorted(deployment.created_groups, reverse=True):
        if not any(ids.is_below(one, group_id) for one in [*made.specs(), *made.groups]):
            made.groups.pop(group_id, None)
    undoing = commit(turn, made, force=True, why=reason)
    if deployment.id in turn.state.deployments:  # it had changed nothing that can be undone
        cancel(turn, turn.state.deployments[deployment.id], reason or f"replaced by deployment {undoing.id}")
    return undoing


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


def _apply(
    turn: Turn, spec: RunSpec | None, spec_id: str, decision: Decision, reason: str, before: RunSpec | None = None
) -> None:
    """``before``: what ``launch_old`` is of."""
    for victim in decision.kill:
        if spec is None:
            tasks.give_up(turn, victim, reason)
        else:
            tasks.kill(turn, victim, reason)
    if before is not None and decision.launch_old:
        launch.want(turn, before, decision.launch_old)
    elif spec is not None:
        launch.want(turn, spec, decision.launch)
    else:
        launch.drop(turn, spec_id)


def _end_strays(turn: Turn, spec: RunSpec | None) -> None:
    """Of what has one instance on every agent: those on agents that match no more."""
    cluster = turn.state.cluster
    if spec is not None and everywhere.is_everywhere(spec) and cluster is not None:
        key = (cluster.at, spec.version or "")
        if turn.state.swept.get(spec.id) == key:
            return  # nothing else makes an agent match no more
        turn.state.swept[spec.id] = key
        for stray in list(everywhere.strays(turn.state, turn.settings, spec)):
            tasks.kill(turn, stray, "its agent matches no more")


def _keep(turn: Turn, spec_id: str) -> None:
    """No deployment: hold the wanted number; what is not wanted at all goes."""
    spec = turn.state.wanted(spec_id)
    if spec is not None:
        _end_strays(turn, spec)
        spec = rebalancing.effective(turn.state, everywhere.effective(turn.state, turn.settings, spec))
        spec = rebalancing.spread(turn, spec)
        decision = deploy.steady(spec, _crew(turn, spec_id))
        _apply(turn, spec, spec_id, decision, "more instances than wanted")
        return
    crew = _crew(turn, spec_id)
    decision = deploy.stop(crew)
    _apply(turn, None, spec_id, decision, "its app or pod is gone")
    if not turn.state.by_spec.get(spec_id) and spec_id in turn.state.versions:
        turn.forget_spec(spec_id)


def _drive(turn: Turn, deployment: Deployment, spec_id: str) -> None:
    state = turn.state
    step = deployment.steps[deployment.current]
    action = next((one for one in step.actions if one.app_id == spec_id), None)
    _end_strays(turn, state.wanted(spec_id))
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
    original = _spec(turn, spec_id, deployment.originals)
    reason = f"deployment {deployment.id}: {action.kind}"
    if deployment.held is not None and spec is not None:
        held = deployment.held.get(spec_id)
        if held is not None:
            _apply(turn, spec, spec_id, deploy.hold(spec, crew, held.new, held.old, original), reason, original)
        state.waits[spec_id] = "paused"
        return
    if action.kind is ActionKind.SCALE and spec is not None:
        spec = rebalancing.spread(turn, spec)
    progress = deployment.rollouts.get(spec_id)
    if progress is not None and spec is not None and action.kind is ActionKind.RESTART:
        decision, stopped = _roll_out(turn, deployment, spec, original, progress, crew)
        if stopped:
            return
    else:
        decision = _decide(action, spec, original, crew)
    _apply(turn, spec, spec_id, decision, reason, original)
    if not decision.done:
        state.waits[spec_id] = _explain(turn, spec_id, decision)
        return
    state.waits.pop(spec_id, None)
    finished.add(spec_id)
    if action.kind is ActionKind.STOP:
        turn.publish("app_terminated_event", appId=spec_id)
    if len(finished) == len(step.actions):
        _advance(turn, turn.state.deployments[deployment.id])
    else:
        state.dirty.add(spec_id)


def _roll_out(
    turn: Turn, deployment: Deployment, spec: RunSpec, original: RunSpec | None, progress: Rollout, crew: Crew
) -> tuple[Decision, bool]:
    """A restart in steps: what its step allows; True: the deployment was paused or rolled back."""
    strategy = spec.upgrade_strategy or UpgradeStrategy()
    before = original.instances if original is not None else 0
    if not progress.entered_at:
        progress = replace(progress, entered_at=turn.now)
        _save_rollout(turn, deployment.id, spec.id, progress)
    while True:
        share = rollout.share(strategy.steps, progress, spec.instances)
        decision = deploy.restart(spec, crew, share=share, before=before)
        verdict = rollout.judge(
            strategy.steps, strategy.promotion, progress, reached=decision.reached or decision.done, now=turn.now
        )
        if verdict.failed:
            _fail(turn, deployment, spec, verdict.failed, strategy.promotion)
            return decision, True
        if verdict.rollout != progress:
            _save_rollout(turn, deployment.id, spec.id, verdict.rollout)
        if verdict.rollout.index == progress.index:
            return replace_waits(decision, verdict.waits), False
        progress = verdict.rollout
        turn.publish(
            "deployment_rollout_event",
            id=deployment.id,
            appId=spec.id,
            rolloutStep=progress.index,
            rolloutSteps=len(strategy.steps),
        )


def replace_waits(decision: Decision, waits: str) -> Decision:
    return dataclasses.replace(decision, waits=waits) if waits else decision


def _save_rollout(turn: Turn, deployment_id: str, spec_id: str, made: Rollout) -> None:
    present = turn.state.deployments[deployment_id]
    turn.save_deployment(replace(present, rollouts={**present.rollouts, spec_id: made}), look=False)


def _fail(turn: Turn, deployment: Deployment, spec: RunSpec, reason: str, promotion: Promotion | None) -> None:
    """A rollout must not go on."""
    text = f"rollout of {spec.id}: {reason}"
    if promotion is not None and promotion.on_failure == "rollback":
        try:
            roll_back(turn, deployment.id, text)
            return
        except Refused as refused:
            text += f"; it cannot be rolled back: {refused.text}"
    pause(turn, deployment.id, text)


# ---- what operators say to it ----------------------------------------------------------------------------------------


def pause(turn: Turn, deployment_id: str, reason: str = "") -> Deployment:
    """Hold what is there: replace what ends, change nothing more."""
    deployment = known(turn, deployment_id)
    if deployment.held is not None:
        return deployment
    held = {}
    for action in deployment.steps[deployment.current].actions:
        spec = _spec(turn, action.app_id, deployment.targets)
        if spec is None or action.app_id in turn.state.finished.get(deployment.id, ()):
            continue
        wanted = _crew(turn, action.app_id).wanted
        new = sum(1 for one in wanted if deploy.is_current(one, spec))
        held[action.app_id] = Held(new=new, old=len(wanted) - new)
    made = replace(deployment, held=held)
    turn.save_deployment(made)
    turn.publish("deployment_paused_event", id=deployment.id, reason=reason)
    return made


def go_on(turn: Turn, deployment_id: str, *, promote: bool = False) -> Deployment:
    """End a pause. Where nothing was paused by hand, end the present pause of its rollouts; ``promote``: end all steps.
    Errors: Unknown; Conflict when it does not wait for anybody."""
    deployment = known(turn, deployment_id)
    made = replace(deployment, held=None)
    if promote or deployment.held is None:
        present = {action.app_id for action in deployment.steps[deployment.current].actions}
        after = dict(deployment.rollouts)
        for spec_id, progress in deployment.rollouts.items():
            spec = _spec(turn, spec_id, deployment.targets)
            count = len(spec.upgrade_strategy.steps) if spec is not None and spec.upgrade_strategy is not None else 0
            if promote:
                after[spec_id] = replace(progress, index=count, entered_at=turn.now, reached_at=None)
            elif spec_id in present and progress.index < count:
                after[spec_id] = rollout.go_on(progress, turn.now)
        made = replace(made, rollouts=after)
    else:
        # judged anew: what failed before counts no more
        fresh = {key: replace(one, failures=0, bad=0, entered_at=turn.now) for key, one in deployment.rollouts.items()}
        made = replace(made, rollouts=fresh)
    if made == deployment:
        raise Conflict(f"Deployment {deployment_id} is neither paused nor in a rollout with steps.")
    turn.save_deployment(made)
    turn.publish("deployment_continued_event", id=deployment.id)
    return made


def _spec(turn: Turn, spec_id: str, versions: dict[str, str | None]) -> RunSpec | None:
    version = versions.get(spec_id)
    spec = turn.state.specs.get((spec_id, version)) if version else None
    return everywhere.effective(turn.state, turn.settings, spec) if spec is not None else None


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
    turn.publish("deployment_success", id=deployment.id, plan=_told(deployment))


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


def _told(deployment: Deployment) -> dict[str, Any]:
    """As events tell it: with the roots before and after, which clients read, but without the apps in them."""
    root: dict[str, Any] = {"id": ids.ROOT, "apps": [], "groups": [], "pods": [], "dependencies": []}
    return {**plan_json(deployment), "original": root, "target": {**root, "version": deployment.version}}


def _announce(turn: Turn, deployment: Deployment, kind: str) -> None:
    if deployment.steps:
        step = step_json(deployment.steps[deployment.current])
        turn.publish(kind, plan=_told(deployment), currentStep=step)
