"""The agent's state as JSON, in Mesos's two shapes: v0 endpoints and v1 calls.

Source: recorded answers of Mesos 1.11 (tests/golden/mesos-1.11/agent-*).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dcos.agent.access import ALL, Viewer
from dcos.agent.core.state import ExecutorKind, ExecutorRun, FrameworkRun, Phase, TaskRun, task_message
from dcos.agent.core.states import framework_roles, has_capability
from dcos.model import values
from dcos.model.resource_messages import Form, allocation_role
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    Attribute,
    ContainerStatus,
    FrameworkInfoCapabilityType,
    Labels,
    NetworkInfo,
    Resource,
    Task,
    TaskStatus,
)
from dcos.wire import mesos_json

_ALWAYS = ("disk", "mem", "gpus", "cpus")


def resources_json(resources: Resources) -> dict[str, Any]:
    """``{"disk": 0.0, "mem": 32.0, "gpus": 0.0, "cpus": 0.1, "ports": "[1-2]"}``; revocable ones apart."""
    out: dict[str, Any] = dict.fromkeys(_ALWAYS, 0.0)
    ranges: dict[str, values.Ranges] = {}
    sets: dict[str, frozenset[str]] = {}
    for kind, amount in resources:
        name = f"{kind.name}_revocable" if kind.revocable else kind.name
        if isinstance(amount, int):
            scalar = kind.size * amount if kind.indivisible else amount
            out[name] = (round(out.get(name, 0.0) * 1000) + scalar) / 1000
        elif isinstance(amount, frozenset):
            sets[name] = sets.get(name, frozenset()) | amount
        else:
            ranges[name] = values.add_ranges(ranges.get(name, ()), amount)
    out |= {name: values.text_of_ranges(one) for name, one in ranges.items()}
    return out | {name: values.text_of_set(one) for name, one in sets.items()}


def attributes_json(attributes: Iterable[Attribute]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for one in attributes:
        if one.scalar is not None:
            out[one.name] = one.scalar.value
        elif one.ranges is not None:
            out[one.name] = values.text_of_ranges(tuple((r.begin, r.end) for r in one.ranges.range))
        elif one.text is not None:
            out[one.name] = one.text.value
    return out


def labels_json(labels: Labels | None) -> list[dict[str, str]]:
    return [
        {"key": one.key} if one.value is None else {"key": one.key, "value": one.value}
        for one in (labels.labels if labels is not None else ())
    ]


def agent_resources_json(everything: Resources, allocated: Resources) -> dict[str, Any]:
    """The resource members of ``/state``."""
    reserved = everything.reserved()
    return {
        "resources": resources_json(everything),
        "reserved_resources": {role: resources_json(one) for role, one in reserved.items()},
        "unreserved_resources": resources_json(everything.unreserved()),
        "reserved_resources_full": {
            role: [_proto(one) for one in some.messages(form=Form.ENDPOINT)] for role, some in reserved.items()
        },
        "unreserved_resources_full": [_proto(one) for one in everything.unreserved().messages(form=Form.ENDPOINT)],
        "reserved_resources_allocated": {role: resources_json(one) for role, one in allocated.reserved().items()},
        "unreserved_resources_allocated": resources_json(allocated.unreserved()),
    }


def framework_json(framework: FrameworkRun) -> dict[str, Any]:
    info = framework.info
    out: dict[str, Any] = {
        "id": framework.framework_id,
        "name": info.name,
        "user": info.user,
        "failover_timeout": info.failover_timeout,
        "checkpoint": info.checkpoint,
        "hostname": info.hostname or "",
    }
    if info.principal is not None:
        out["principal"] = info.principal
    if has_capability(info, FrameworkInfoCapabilityType.MULTI_ROLE):
        out["roles"] = list(framework_roles(info))
    else:
        out["role"] = framework_roles(info)[0]
    return out


def executor_json(
    framework: FrameworkRun, executor: ExecutorRun, directory: str, viewer: Viewer = ALL
) -> dict[str, Any]:
    info = executor.info
    framework_id = framework.framework_id
    out: dict[str, Any] = {
        "id": executor.executor_id,
        "name": info.name or "",
        "source": info.source or "",
        "container": executor.run_id,
        "directory": directory,
        "resources": resources_json(executor.used()),
    }
    role = _role(info.resources)
    if role is not None:
        out["role"] = role
    if info.labels is not None:
        out["labels"] = labels_json(info.labels)
    if executor.kind is not ExecutorKind.COMMAND:
        out["type"] = str(executor.kind)
    made = [(one, task_message(framework_id, executor, one)) for one in executor.tasks.values()]
    seen = [(one, task) for one, task in made if viewer.task(task, framework.info)]
    out["tasks"] = [task_json(task) for one, task in seen if not _queued(one)]
    out["queued_tasks"] = [_queued_json(one, executor) for one, _ in seen if _queued(one)]
    out["completed_tasks"] = [task_json(one) for one in executor.completed if viewer.task(one, framework.info)]
    return out


def _queued(run: TaskRun) -> bool:
    return run.phase is Phase.PREPARING and not run.statuses


def _queued_json(run: TaskRun, executor: ExecutorRun) -> dict[str, Any]:
    info = run.info
    out: dict[str, Any] = {
        "id": run.task_id,
        "name": info.name,
        "slave_id": info.agent_id.value,
        "resources": resources_json(Resources.of(info.resources)),
    }
    if run.role is not None:
        out["role"] = run.role
    if info.command is not None:
        command = info.command
        out["command"] = {"shell": command.shell, "value": command.value or "", "argv": list(command.arguments)}
    if executor.kind is not ExecutorKind.COMMAND:
        out["executor_id"] = executor.executor_id
    if info.discovery is not None:
        out["discovery"] = _proto(info.discovery)
    return out


def task_json(task: Task) -> dict[str, Any]:
    out: dict[str, Any] = {
        "id": task.task_id.value,
        "name": task.name,
        "framework_id": task.framework_id.value,
        "executor_id": task.executor_id.value if task.executor_id is not None else "",
        "slave_id": task.agent_id.value,
        "state": str(task.state),
        "resources": resources_json(Resources.of(task.resources)),
    }
    role = _role(task.resources)
    if role is not None:
        out["role"] = role
    if task.limits:
        out["limits"] = {name: mesos_json.number(one.value) for name, one in task.limits.items()}
    out["statuses"] = [status_json(one) for one in task.statuses]
    if task.user is not None:
        out["user"] = task.user
    if task.labels is not None:
        out["labels"] = labels_json(task.labels)
    for name in ("discovery", "container", "health_check"):
        value = getattr(task, name)
        if value is not None:
            out[name] = _proto(value)
    return out


def status_json(status: TaskStatus) -> dict[str, Any]:
    out: dict[str, Any] = {"state": str(status.state), "timestamp": status.timestamp}
    if status.labels is not None:
        out["labels"] = labels_json(status.labels)
    if status.container_status is not None:
        out["container_status"] = _container_status_json(status.container_status)
    if status.healthy is not None:
        out["healthy"] = status.healthy
    return out


def _container_status_json(status: ContainerStatus) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if status.container_id is not None:
        out["container_id"] = _proto(status.container_id)
    if status.network_infos:
        out["network_infos"] = [_network_json(one) for one in status.network_infos]
    if status.cgroup_info is not None:
        out["cgroup_info"] = _proto(status.cgroup_info)
    return out


def _network_json(info: NetworkInfo) -> dict[str, Any]:
    out: dict[str, Any] = _proto(msgspec.structs.replace(info, labels=None))
    if info.labels is not None:
        out["labels"] = labels_json(info.labels)
    return out


def _role(resources: Iterable[Resource]) -> str | None:
    return next((role for role in map(allocation_role, resources) if role is not None), None)


def _proto(message: Any) -> Any:
    """A plain dump of a message."""
    return msgspec.json.decode(mesos_json.encode(message))


def state_json(
    *,
    head: Mapping[str, Any],
    resources: Mapping[str, Any],
    tail: Mapping[str, Any],
    frameworks: Iterable[FrameworkRun],
    completed: Iterable[FrameworkRun],
    directory: Any,
    viewer: Viewer = ALL,
) -> dict[str, Any]:
    """``/state``. ``directory(framework, executor)`` is the sandbox's path."""

    def shown(framework: FrameworkRun, executors: Iterable[ExecutorRun]) -> list[dict[str, Any]]:
        return [
            executor_json(framework, one, directory(framework, one), viewer)
            for one in executors
            if viewer.executor(one, framework.info)
        ]

    def whole(framework: FrameworkRun) -> dict[str, Any]:
        return {
            **framework_json(framework),
            "executors": shown(framework, framework.executors.values()),
            "completed_executors": shown(framework, framework.completed_executors),
        }

    return {
        **head,
        **resources,
        **tail,
        "frameworks": [whole(one) for one in frameworks if viewer.framework(one.info)],
        "completed_frameworks": [whole(one) for one in completed if viewer.framework(one.info)],
    }
