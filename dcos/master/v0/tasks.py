"""Tasks in the JSON of old, and ``/tasks``.   A task's JSON is kept ready in its record until it changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dcos.master.core.records import TaskRecord
from dcos.master.core.state import State
from dcos.master.core.viewer import ALL, Viewer
from dcos.master.v0.parts import Json, labels, ready, resources
from dcos.model.v1.types import (
    ContainerStatus,
    NetworkInfo,
    TaskStatus,
)
from dcos.wire.mesos_json import number
from dcos.wire.spliced import Spliced


def _network(info: NetworkInfo) -> Json:
    out: Json = {}
    if info.groups:
        out["groups"] = info.groups
    if info.labels is not None:
        out["labels"] = labels(info.labels)
    if info.ip_addresses:
        out["ip_addresses"] = info.ip_addresses
    if info.name is not None:
        out["name"] = info.name
    if info.port_mappings:
        out["port_mappings"] = info.port_mappings
    return out


def _container_status(status: ContainerStatus) -> Json:
    out: Json = {}
    if status.container_id is not None:
        out["container_id"] = status.container_id
    if status.network_infos:
        out["network_infos"] = [_network(info) for info in status.network_infos]
    if status.cgroup_info is not None:
        out["cgroup_info"] = status.cgroup_info
    return out


def _status(status: TaskStatus) -> Json:
    out: Json = {"state": status.state, "timestamp": status.timestamp or 0.0}
    if status.labels is not None:
        out["labels"] = labels(status.labels)
    if status.container_status is not None:
        out["container_status"] = _container_status(status.container_status)
    if status.healthy is not None:
        out["healthy"] = status.healthy
    return out


def task(record: TaskRecord) -> bytes:
    return ready(record, _task)


def _task(record: TaskRecord) -> Json:
    message = record.message
    out: Json = {
        "id": message.task_id.value,
        "name": message.name,
        "framework_id": record.framework,
        "executor_id": message.executor_id.value if message.executor_id is not None else "",
        "slave_id": record.agent,
        "state": message.state,
        "resources": resources(record.resources),
    }
    if message.limits:
        out["limits"] = {name: number(limit.value) for name, limit in message.limits.items()}
    out["role"] = record.role
    out["statuses"] = [_status(status) for status in message.statuses]
    if message.user is not None:
        out["user"] = message.user
    if message.labels is not None:
        out["labels"] = labels(message.labels)
    if message.discovery is not None:
        out["discovery"] = message.discovery
    if message.container is not None:
        out["container"] = message.container
    if message.health_check is not None:
        out["health_check"] = message.health_check
    return out


class Listing:
    """``/tasks``: running, unreachable and completed ones as they are now, by the time of their first status.

    What makes no sense in the query is as if it were not there, and a negative ``limit`` is none, as upstream has it.
    ``making`` does it bit by bit, so that others can run in between; then comes ``body``.
    """

    def __init__(self, state: State, query: Mapping[str, str], viewer: Viewer = ALL) -> None:
        self._limit, self._offset = _number(query, "limit", 100), _number(query, "offset", 0)
        self._falling = query.get("order") != "asc"
        self._viewer = viewer
        self._task_id = query.get("task_id")
        only = query.get("framework_id")
        self._found = [
            (one, record)
            for record in (*state.frameworks.values(), *state.completed.values())
            if only in (None, record.id) and viewer.framework(record.info)
            for group in (record.tasks.values(), record.unreachable.values(), record.completed)
            for one in group
        ]
        self._ready: list[bytes] = []

    def making(self) -> Iterator[None]:
        shown: list[TaskRecord] = []
        times: list[float] = []
        for one, framework in self._found:
            if self._task_id in (None, one.id) and self._viewer.task(one.message, framework.info):
                shown.append(one)
                times.append(_first_time(one))
            yield
        order = sorted(range(len(shown)), key=times.__getitem__, reverse=self._falling)
        order = order[self._offset :] if self._offset >= 0 else []
        for position in order[: self._limit] if self._limit >= 0 else order:
            self._ready.append(task(shown[position]))
            yield

    def body(self) -> Spliced:
        made = Spliced(b'{"tasks":[')
        made.run(self._ready)
        made.text(b"]}")
        return made


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else default


def _first_time(record: TaskRecord) -> float:
    statuses = record.message.statuses
    return statuses[0].timestamp or 0.0 if statuses else float("inf")
