"""Pods' state as the API shows it.   Source: Marathon's PodStatusConversion and its RAML types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from dcos.marathon import views
from dcos.marathon.core import everywhere
from dcos.marathon.core.conditions import of_task
from dcos.marathon.core.queue import QueueEntry
from dcos.marathon.core.state import State
from dcos.model.marathon_state import TERMINAL, Condition, EndedInstance, Goal, Instance, InstanceTask, iso
from dcos.model.pods import Pod, PodContainer
from dcos.model.v1.types import TaskState
from dcos.wire.marathon import pod_json

Json = dict[str, Any]

REPORTED, UNREPORTED = "health-reported-by-mesos", "health-unreported-by-mesos"
UNREACHABLE_TEXT = "pod instance has become unreachable"
UNHEALTHY_TEXT = "at least one container is not healthy"

_STATUS = {
    Condition.SCHEDULED: "PENDING",
    Condition.PROVISIONED: "PENDING",
    Condition.STAGING: "STAGING",
    Condition.STARTING: "STAGING",
    Condition.RUNNING: "STABLE",
    Condition.UNREACHABLE: "DEGRADED",
    Condition.UNREACHABLE_INACTIVE: "DEGRADED",
    Condition.KILLING: "TERMINAL",
    **dict.fromkeys(TERMINAL, "TERMINAL"),
}
_NOT_YET = (TaskState.TASK_STAGING, TaskState.TASK_STARTING)
_EXIT = re.compile(r"exited with status (\d+)")


def shown(state: State, pod: Pod) -> Json:
    """The definition; one that has an instance on every agent with their number now."""
    if pod.instances_mode is not None:
        pod = replace(pod, scaling=replace(pod.scaling, instances=everywhere.shown(state, pod)))
    return pod_json(pod)


def pod_status(state: State, pod: Pod, now: float) -> Json:
    """``pod`` may be on its way out: then everything is TERMINAL."""
    wanted = everywhere.shown(state, pod) if pod.instances_mode is not None else pod.instances
    instances = [instance_status(state, one) for one in state.instances_of(pod.id)]
    entry = state.queue.get(pod.id)
    if entry is not None:
        instances += [_waiting_status(entry, one) for one in entry.waiting_ids]
    stable = sum(1 for one in instances if one["status"] == "STABLE")
    status = "STABLE" if stable >= wanted else "DEGRADED"
    if pod.id not in state.pods:
        status = "TERMINAL"
    since = max((one["statusSince"] for one in instances), default=pod.version)
    made: Json = {
        "id": pod.id,
        "spec": shown(state, pod),
        "status": status,
        "statusSince": since,
        "instances": instances,
        "terminationHistory": _history(state, pod.id),
        "lastUpdated": iso(now),
        "lastChanged": since,
    }
    if status == "DEGRADED":
        made["message"] = f"{stable} of {wanted} instances are stable"
    return made


def _history(state: State, pod_id: str) -> list[Json]:
    known = state.histories.get(pod_id)
    return [_ended(one) for one in known.ended] if known is not None else []


def _ended(one: EndedInstance) -> Json:
    return {
        "instanceID": one.id,
        "startedAt": iso(one.started_at),
        "terminatedAt": iso(one.ended_at),
        **_text("message", one.message),
        "containers": [
            {
                "containerId": container.task_id,
                "lastKnownState": container.state.value,
                "termination": _termination(container.message),
            }
            for container in one.containers
        ],
    }


def _text(name: str, text: str) -> Json:
    return {name: text} if text else {}


def _termination(message: str) -> Json:
    found = _EXIT.search(message)
    return {**({"exitCode": int(found[1])} if found else {}), **_text("message", message)}


# ---- instances -------------------------------------------------------------------------------------------------------


def instance_status(state: State, instance: Instance) -> Json:
    spec = state.spec_of(instance)
    pod = spec if isinstance(spec, Pod) else None
    containers = [_container(pod, one, instance) for one in instance.tasks]
    status, message = _status(instance, containers)
    since = iso(instance.since)
    made: Json = {
        "id": instance.id,
        "status": status,
        "statusSince": since,
        "conditions": [],
        "agentHostname": instance.agent.host,
        "agentId": instance.agent.agent_id,
        "resources": _resources(pod, containers),
        "networks": _networks(pod, instance.tasks),
        "containers": containers,
        "specReference": _reference(instance.app_id, instance.version),
        "localVolumes": views.local_volumes(instance),
        "role": instance.role,
        "lastUpdated": since,
        "lastChanged": since,
        **_text("message", message),
    }
    if instance.agent.region:
        made["agentRegion"] = instance.agent.region
    if instance.agent.zone:
        made["agentZone"] = instance.agent.zone
    return made


def _waiting_status(entry: QueueEntry, instance_id: str) -> Json:
    """Of one that waits for an offer."""
    since = iso(entry.since)
    return {
        "id": instance_id,
        "status": _STATUS[Condition.SCHEDULED],
        "statusSince": since,
        "conditions": [],
        "resources": _resources(entry.spec if isinstance(entry.spec, Pod) else None, ()),
        "networks": [],
        "containers": [],
        "specReference": _reference(entry.spec.id, entry.spec.version),
        "localVolumes": [],
        "role": entry.spec.role or "*",
        "lastUpdated": since,
        "lastChanged": since,
    }


def _reference(pod_id: str, version: str | None) -> str:
    return f"/v2/pods{pod_id}::versions/{version}"


def _status(instance: Instance, containers: Iterable[Json]) -> tuple[str, str]:
    if instance.is_unreachable:
        return _STATUS[instance.condition], UNREACHABLE_TEXT
    if instance.condition is Condition.RUNNING and any(
        one["value"] == "false" for container in containers for one in container["conditions"]
    ):
        return "DEGRADED", UNHEALTHY_TEXT
    return _STATUS[instance.condition], ""


def _resources(pod: Pod | None, containers: Iterable[Json]) -> Json:
    """Of what is active, and of the executor."""
    parts = [one["resources"] for one in containers if "resources" in one]
    own = pod.executor_resources if pod is not None else None
    base = {"cpus": own.cpus, "mem": own.mem, "disk": own.disk} if own is not None else {}
    return {
        name: round(sum(part[name] for part in parts) + base.get(name, 0), 3)
        for name in ("cpus", "mem", "disk", "gpus")
    }


def _networks(pod: Pod | None, tasks: Sequence[InstanceTask]) -> list[Json]:
    """By network; an address of a network without a name stands alone."""
    found: dict[str | None, dict[str, None]] = {}
    for task in tasks:
        for network in task.networks:
            found.setdefault(network.name, {}).update(dict.fromkeys(network.addresses))
        if not task.networks and task.addresses:
            found.setdefault(None, {}).update(dict.fromkeys(task.addresses))
    return [{**({"name": name} if name else {}), "addresses": list(addresses)} for name, addresses in found.items()]


def _container(pod: Pod | None, task: InstanceTask, instance: Instance) -> Json:
    spec = pod.container(task.name) if pod is not None else None
    since = iso(task.started_at or task.staged_at or instance.since)
    condition = of_task(task)
    endpoints = _endpoints(spec, task) if spec is not None and condition not in TERMINAL else []
    made: Json = {
        "name": task.name,
        "status": task.state.value,
        "statusSince": since,
        "containerId": task.id,
        "endpoints": endpoints,
        "conditions": _conditions(spec, task, since),
        "lastUpdated": since,
        "lastChanged": since,
        **_text("message", task.message),
    }
    if spec is not None and condition not in TERMINAL:
        resources = spec.resources
        made["resources"] = {
            "cpus": resources.cpus,
            "mem": resources.mem,
            "disk": resources.disk,
            "gpus": resources.gpus,
        }
    if condition in TERMINAL:
        made["termination"] = _termination(task.message)
    return made


def _endpoints(spec: PodContainer, task: InstanceTask) -> list[Json]:
    check = spec.health_check
    checked = next((one.endpoint for one in (check.http, check.tcp) if one is not None), None) if check else None
    made = []
    for endpoint, port in zip(spec.endpoints, task.host_ports, strict=False):
        shown: Json = {"name": endpoint.name}
        if port:
            shown["allocatedHostPort"] = port
        if endpoint.name == checked and task.healthy is not None:
            shown["healthy"] = task.healthy
        made.append(shown)
    return made


def _conditions(spec: PodContainer | None, task: InstanceTask, since: str) -> list[Json]:
    """Whether it is healthy, once it has run."""
    if spec is None or spec.health_check is None or task.state in _NOT_YET:
        return []
    return [
        {
            "name": "healthy",
            "value": "true" if task.healthy else "false",
            "reason": UNREPORTED if task.healthy is None else REPORTED,
            "lastChanged": since,
            "lastUpdated": since,
        }
    ]


def waiting_json(entry: QueueEntry, instance_id: str) -> Json:
    """One that waits for an offer, as the answer of a kill tells it."""
    shown = {"condition": Condition.SCHEDULED.value, "since": iso(entry.since), "goal": Goal.RUNNING.value}
    made: Json = {"instanceId": instance_id, "state": shown, "runSpecVersion": entry.spec.version}
    if entry.spec.unreachable_strategy is not None:
        made["unreachableStrategy"] = msgspec.to_builtins(entry.spec.unreachable_strategy)
    return made


def instance_json(state: State, instance: Instance) -> Json:
    """As the answer of a kill tells it."""
    spec = state.spec_of(instance)
    shown: Json = {
        "condition": instance.condition.value,
        "since": iso(instance.since),
        "goal": instance.goal.value,
    }
    if instance.active_since is not None:
        shown["activeSince"] = iso(instance.active_since)
    healthy = state.health_of(instance)
    if healthy is not None:
        shown["healthy"] = healthy
    agent: Json = {
        "host": instance.agent.host,
        "agentId": instance.agent.agent_id,
        "attributes": [views.attribute_json(one) for one in instance.agent.attributes],
    }
    agent |= {name: value for name in ("region", "zone") if (value := getattr(instance.agent, name))}
    made: Json = {
        "instanceId": instance.id,
        "state": shown,
        "agentInfo": agent,
        "runSpecVersion": instance.version,
    }
    if spec is not None and spec.unreachable_strategy is not None:
        made["unreachableStrategy"] = spec.unreachable_strategy
    return made
