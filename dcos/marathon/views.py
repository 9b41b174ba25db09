"""State as the API shows it.   Source: Marathon's RAML types.

Members beyond upstream's are shown only to those who ask for them (``embed``): some clients refuse what they do not know.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from dcos.marathon.core import backoff, deploy, deployments, everywhere, health, normalize
from dcos.marathon.core.queue import QueueEntry
from dcos.marathon.core.state import State
from dcos.model.marathon import App
from dcos.model.marathon_state import TERMINAL, Condition, Deployment, Instance, InstanceTask, TaskFailure, iso
from dcos.model.pods import Pod
from dcos.model.v1.types import Attribute, CheckStatusInfo, Offer
from dcos.scheduling.match import Reason
from dcos.wire.marathon import app_json, spec_json

Json = dict[str, Any]

EMBEDS = ("tasks", "counts", "deployments", "readiness", "lastTaskFailure", "taskStats", "failures", "extensions")
_PREFIXES = ("group.apps.", "apps.", "app.")
_INACTIVE = TERMINAL | {Condition.SCHEDULED}
_STAGED = (Condition.PROVISIONED, Condition.STAGING, Condition.STARTING)


def embeds(words: Iterable[str]) -> frozenset[str]:
    """What ``embed`` parameters ask for about apps; unknown ones are ignored."""
    found: set[str] = set()
    for word in words:
        for prefix in _PREFIXES:
            word = word.removeprefix(prefix)
        if word == "failures":
            found |= {"tasks", "lastTaskFailure", "deployments"}
        elif word in EMBEDS:
            found.add(word)
    return frozenset(found | ({"deployments"} if "tasks" in found else set()))


# ---- apps ------------------------------------------------------------------------------------------------------------


def app_info(state: State, app: App, embed: Collection[str] = ()) -> Json:
    made = app_json(app, extensions="extensions" in embed)
    if app.instances_mode is not None:
        made["instances"] = everywhere.shown(state, app)
    instances = state.instances_of(app.id)
    if "counts" in embed:
        made.update(counts(state, instances))
    if "deployments" in embed:
        made["deployments"] = [{"id": one.id} for one in state.deployments.values() if app.id in one.affected]
    if "tasks" in embed:
        made["tasks"] = [task_json(state, one, one.task) for one in instances]
    if "readiness" in embed:
        made["readinessCheckResults"] = readiness(state, instances)
    if "lastTaskFailure" in embed and app.id in state.failures:
        made["lastTaskFailure"] = failure_json(state.failures[app.id])
    if "taskStats" in embed:
        stats = task_stats(state, app, instances)
        made["taskStats"] = stats
        made["tasksStats"] = stats
    return made


def counts(state: State, instances: Iterable[Instance]) -> Json:
    staged = running = healthy = unhealthy = 0
    for instance in instances:
        if instance.condition in _STAGED:
            staged += 1
        elif instance.condition is Condition.RUNNING:
            running += 1
            alive = state.health_of(instance)
            healthy += alive is True
            unhealthy += alive is False
    return {"tasksStaged": staged, "tasksRunning": running, "tasksHealthy": healthy, "tasksUnhealthy": unhealthy}


def readiness(state: State, instances: Iterable[Instance]) -> list[Json]:
    return [state.readiness[one.id] for one in instances if one.id in state.readiness]


def failure_json(failure: TaskFailure) -> Json:
    return {
        "appId": failure.app_id,
        "host": failure.host,
        "message": failure.message,
        "state": failure.state.value,
        "taskId": failure.task_id,
        "timestamp": failure.timestamp,
        "version": failure.version,
        "slaveId": failure.agent_id,
    }


def task_stats(state: State, app: App, instances: Collection[Instance]) -> Json:
    scaled = app.version_info.last_scaling_at if app.version_info else ""
    groups = {
        "startedAfterLastScaling": [one for one in instances if one.version >= scaled],
        "withLatestConfig": [one for one in instances if deploy.is_current(one, app)],
        "withOutdatedConfig": [one for one in instances if not deploy.is_current(one, app)],
        "totalSummary": list(instances),
    }
    made = {}
    for name, members in groups.items():
        if not members:
            continue
        found = counts(state, members)
        stats: Json = {"counts": {key.removeprefix("tasks").lower(): value for key, value in found.items()}}
        lives = [one.task.started_at for one in members if one.task.started_at is not None]
        if lives:
            now = max(one.since for one in members)
            ages = [max(0.0, now - started) for started in lives]
            stats["lifeTime"] = {"averageSeconds": statistics.fmean(ages), "medianSeconds": statistics.median(ages)}
        made[name] = {"stats": stats}
    return made


# ---- tasks -----------------------------------------------------------------------------------------------------------


def tasks_json(state: State, instances: Iterable[Instance]) -> list[Json]:
    """An app's task, or a pod's containers, of each."""
    return [task_json(state, instance, task) for instance in instances for task in instance.tasks]


def task_json(state: State, instance: Instance, task: InstanceTask) -> Json:
    made: Json = {
        "id": task.id,
        "appId": instance.app_id,
        "host": instance.agent.host,
        "slaveId": instance.agent.agent_id,
        "state": task.state.value,
        "ports": [port for port in task.host_ports if port and instance.condition not in _INACTIVE],
        "ipAddresses": [{"ipAddress": one, "protocol": "IPv6" if ":" in one else "IPv4"} for one in task.addresses],
        "localVolumes": local_volumes(instance),
        "role": instance.role,
    }
    if instance.condition not in _INACTIVE:
        made |= {"stagedAt": iso(task.staged_at), "version": instance.version}
        if task.started_at is not None:
            made["startedAt"] = iso(task.started_at)
    spec = state.spec_of(instance)
    healths = state.health.get(instance.id, ())
    if isinstance(spec, Pod):
        pairs = zip(spec.checked_containers, healths, strict=False)
        healths = tuple(one for container, one in pairs if container.name == task.name)
    results = [health_json(instance, one) for one in healths if one.is_known]
    if results:
        made["healthCheckResults"] = results
    if task.check is not None:
        made["checkResult"] = check_json(task.check)
    if instance.agent.region:
        made["region"] = instance.agent.region
    if instance.agent.zone:
        made["zone"] = instance.agent.zone
    if isinstance(spec, App):
        made["servicePorts"] = list(normalize.service_ports(spec))
    return made


def local_volumes(instance: Instance) -> list[Json]:
    """Its persistent volumes; a pod's are named where an app's have their paths."""
    return [
        {
            "runSpecId": instance.app_id,
            "containerPath": one.name,
            "uuid": one.uuid,
            "persistenceId": one.persistence_id,
        }
        for one in (instance.reservation.volumes if instance.reservation is not None else ())
    ]


def health_json(instance: Instance, one: health.Health) -> Json:
    made: Json = {
        "alive": one.alive,
        "consecutiveFailures": one.consecutive_failures,
        "instanceId": instance.id,
    }
    for name, moment in (
        ("firstSuccess", one.first_success),
        ("lastSuccess", one.last_success),
        ("lastFailure", one.last_failure),
    ):
        if moment is not None:
            made[name] = iso(moment)
    if one.last_failure_cause:
        made["lastFailureCause"] = one.last_failure_cause
    return made


def check_json(check: CheckStatusInfo) -> Json:
    if check.http is not None:
        return {"http": {"statusCode": check.http.status_code or 0}}
    if check.tcp is not None:
        return {"tcp": {"succeeded": bool(check.tcp.succeeded)}}
    if check.command is not None and check.command.exit_code is not None:
        return {"command": {"exitCode": check.command.exit_code}}
    return {}


# ---- deployments -----------------------------------------------------------------------------------------------------


def deployment_json(state: State, deployment: Deployment, *, waits: bool = False) -> Json:
    """``waits``: tell of each current action why it is not done."""
    current = deployment.steps[deployment.current]
    every = [action for step in deployment.steps for action in step.actions]
    actions = []
    for action in current.actions:
        shown = {
            **deployments.action_json(action),
            "readinessCheckResults": readiness(state, state.instances_of(action.app_id)),
        }
        if waits and action.app_id in state.waits:
            shown["waits"] = state.waits[action.app_id]
        actions.append(shown)
    return {
        "id": deployment.id,
        "version": deployment.version,
        "affectedApps": sorted({action.app_id for action in every if not action.pod}),
        "affectedPods": sorted({action.app_id for action in every if action.pod}),
        "steps": [deployments.step_json(step) for step in deployment.steps],
        "currentActions": actions,
        "currentStep": deployment.current + 1,
        "totalSteps": len(deployment.steps),
    }


# ---- the queue -------------------------------------------------------------------------------------------------------


def queue_json(state: State, entry: QueueEntry, now: float, *, offers: bool, extensions: bool = False) -> Json:
    until = backoff.waits_until(entry.spec, state.delays.get(entry.spec.id), now)
    tally, refusals, attempt = entry.tally(), entry.refusals(), entry.since_launch()
    summary: Json = {
        "processedOffersCount": tally.processed + entry.used,
        "unusedOffersCount": tally.unused,
        "rejectSummaryLastOffers": funnel(len(refusals), Counter(one.reasons[0] for one in refusals)),
        "rejectSummaryLaunchAttempt": funnel(sum(attempt.values()), attempt),
    }
    if tally.last_unused_at is not None:
        summary["lastUnusedOfferAt"] = iso(tally.last_unused_at)
    if entry.last_used_at is not None:
        summary["lastUsedOfferAt"] = iso(entry.last_used_at)
    made: Json = {
        "count": entry.total,
        "role": entry.spec.role or "*",
        "delay": {"timeLeftSeconds": max(0, round((until or now) - now)), "overdue": until is None},
        "since": iso(entry.since),
        "processedOffersSummary": summary,
        **spec_json(entry.spec, extensions=extensions),
    }
    if offers:
        made["lastUnusedOffers"] = [
            {
                "offer": offer_json(one.offer),
                "reason": [reason.value for reason in one.reasons],
                "timestamp": iso(one.at),
            }
            for one in refusals
        ]
    return made


def funnel(total: int, by_reason: Mapping[Reason, int]) -> list[Json]:
    """Each step processes what the one before let through."""
    made = []
    left = total
    for reason in Reason:
        declined = by_reason.get(reason, 0)
        made.append({"reason": reason.value, "declined": declined, "processed": left})
        left -= declined
    return made


def offer_json(offer: Offer) -> Json:
    resources = []
    for one in offer.resources:
        role = one.reservations[-1].role if one.reservations else one.role
        shown: Json = {"name": one.name, "role": role or "*"}
        if one.scalar is not None:
            shown["scalar"] = one.scalar.value
        if one.ranges is not None:
            shown["ranges"] = [{"begin": part.begin, "end": part.end} for part in one.ranges.range]
        if one.set is not None:
            shown["set"] = list(one.set.item)
        resources.append(shown)
    return {
        "id": offer.id.value,
        "hostname": offer.hostname,
        "agentId": offer.agent_id.value,
        "resources": resources,
        "attributes": [attribute_json(one) for one in offer.attributes],
    }


def attribute_json(attribute: Attribute) -> Json:
    made: Json = msgspec.to_builtins(attribute)
    made.pop("type", None)
    for kind in ("scalar", "text"):
        if kind in made:
            made[kind] = made[kind]["value"]
    if "ranges" in made:
        made["ranges"] = made["ranges"].get("range", [])
    if "set" in made:
        made["set"] = made["set"].get("item", [])
    return made
