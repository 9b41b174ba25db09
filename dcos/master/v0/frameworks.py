"""Frameworks in the JSON of old with their offers and executors, and ``/frameworks``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dcos.master.core.records import ExecutorRecord, FrameworkRecord, OfferRecord, TaskRecord
from dcos.master.core.state import State
from dcos.master.core.viewer import ALL, Viewer
from dcos.master.v0.parts import Json, encode, labels, ready, resources
from dcos.master.v0.tasks import task
from dcos.model.v1.scheduler import OfferConstraints
from dcos.model.v1.types import (
    CommandInfo,
    FrameworkInfoCapabilityType,
)
from dcos.wire.spliced import Spliced


def _command(command: CommandInfo) -> Json:
    out: Json = {"shell": command.shell, "argv": command.arguments}
    if command.value is not None:
        out["value"] = command.value
    if command.environment is not None:
        out["environment"] = command.environment
    out["uris"] = [{"value": uri.value, "executable": bool(uri.executable)} for uri in command.uris]
    return out


def executor(record: ExecutorRecord) -> bytes:
    """It never changes."""
    return ready(record, _executor)


def offer(record: OfferRecord) -> bytes:
    """It never changes."""
    return ready(record, _offer)


def _executor(record: ExecutorRecord) -> Json:
    info = record.info
    out: Json = {
        "executor_id": info.executor_id.value,
        "name": info.name or "",
        "framework_id": record.framework,
        "command": _command(info.command) if info.command is not None else {"argv": [], "uris": []},
        "resources": resources(record.resources),
        "role": record.role,
    }
    if info.labels is not None:
        out["labels"] = labels(info.labels)
    if info.type is not None:
        out["type"] = info.type
    out["slave_id"] = record.agent
    return out


def _offer(record: OfferRecord) -> Json:
    return {
        "id": record.message.id.value,
        "framework_id": record.framework,
        "allocation_info": {"role": record.role},
        "slave_id": record.agent,
        "resources": resources(record.resources),
    }


def framework_head(record: FrameworkRecord) -> Json:
    return {
        "id": record.id,
        "name": record.info.name,
        "used_resources": resources(record.used),
        "offered_resources": resources(record.offered),
        "capabilities": [one.type for one in record.info.capabilities],
        "hostname": record.info.hostname or "",
        "webui_url": record.info.webui_url or "",
        "active": record.active and record.connected,
        "connected": record.connected,
        "recovered": record.recovered,
    }


def _alone(record: FrameworkRecord) -> Json:
    """Without offers, executors and tasks."""
    info = record.info
    out = framework_head(record)
    out |= {
        "user": info.user,
        "failover_timeout": info.failover_timeout,
        "checkpoint": info.checkpoint,
        "registered_time": record.registered,
        "unregistered_time": record.unregistered,
    }
    if info.principal is not None:
        out["principal"] = info.principal
    out["resources"] = resources(record.used + record.offered)
    if record.reregistered and record.reregistered != record.registered:
        out["reregistered_time"] = record.reregistered
    if FrameworkInfoCapabilityType.MULTI_ROLE in record.capabilities:
        out["roles"] = info.roles
    else:
        out["role"] = info.role or "*"
    if info.labels is not None:
        out["labels"] = labels(info.labels)
    out["offer_constraints"] = record.constraints or OfferConstraints()
    return out


def splice(out: Spliced, record: FrameworkRecord, viewer: Viewer) -> None:
    """The whole framework, what there may be thousands of at the end."""
    out.text(encode(_alone(record))[:-1])
    out.text(b',"offers":[')
    out.run([one.ready or offer(one) for one in record.offers.values()])
    out.text(b'],"executors":[')
    out.run([one.ready or executor(one) for one in viewer.executors(record.executors.values(), record.info)])
    out.text(b"]")
    groups: dict[bytes, Iterable[TaskRecord]] = {
        b"tasks": record.tasks.values(),
        b"unreachable_tasks": record.unreachable.values(),
        b"completed_tasks": record.completed,
    }
    for name, group in groups.items():
        out.text(b',"%b":[' % name)
        out.run([one.ready or task(one) for one in viewer.tasks(group, record.info)])
        out.text(b"]")
    out.text(b"}")


def listed(out: Spliced, given: Iterable[FrameworkRecord], viewer: Viewer) -> None:
    """An array of those that the viewer may see."""
    out.text(b"[")
    for position, one in enumerate([one for one in given if viewer.framework(one.info)]):
        if position:
            out.text(b",")
        splice(out, one, viewer)
    out.text(b"]")


def frameworks(state: State, query: Mapping[str, str], viewer: Viewer = ALL) -> Spliced:
    only = query.get("framework_id")
    made = Spliced(b"{")
    for name, given in ((b"frameworks", state.frameworks), (b"completed_frameworks", state.completed)):
        made.text(b'"%b":' % name)
        listed(made, [one for one in given.values() if only in (None, one.id)], viewer)
        made.text(b",")
    made.text(b'"unregistered_frameworks":[]}')
    return made
