"""The endpoints of old, as JSON: ``/state``, ``/state-summary``, ``/slaves``, ``/frameworks``, ``/roles``, ``/tasks``.

The JSON of tasks and agents is kept ready in their records until they change; everything else is made per request, and so is
all of it for who may not see everything.

Source: shapes recorded from Mesos 1.11.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from operator import attrgetter, is_
from types import MappingProxyType
from typing import Any

import msgspec

from dcos.master.core import quota, views
from dcos.master.core.records import AgentRecord, ExecutorRecord, FrameworkRecord, OfferRecord, TaskRecord
from dcos.master.core.registry import AgentEntry
from dcos.master.core.state import State
from dcos.master.core.viewer import ALL, Viewer
from dcos.master.version import VERSION_INFO
from dcos.model import attributes, values
from dcos.model.resources import Form, Resources
from dcos.model.v1.scheduler import OfferConstraints
from dcos.model.v1.types import (
    Attribute,
    CommandInfo,
    ContainerStatus,
    FrameworkInfoCapabilityType,
    Labels,
    NetworkInfo,
    Resource,
    TaskStatus,
)

Json = dict[str, Any]
Amounts = dict[str, dict[str, int]]
"""Thousandths by role and name."""

COUNTED = (
    "TASK_STAGING",
    "TASK_STARTING",
    "TASK_RUNNING",
    "TASK_KILLING",
    "TASK_FINISHED",
    "TASK_KILLED",
    "TASK_FAILED",
    "TASK_LOST",
    "TASK_ERROR",
    "TASK_UNREACHABLE",
)
_COUNTS = b",".join(b'"%b":%%d' % name.encode() for name in COUNTED)
_encode = msgspec.json.Encoder().encode


# ---- parts -----------------------------------------------------------------------------------------------------------


def resources(have: Resources) -> Json:
    """``{"cpus": 1.5, ..., "ports": "[31000-31005]"}``; cpus, gpus, mem and disk always."""
    out: Json = {"disk": 0.0, "mem": 0.0, "gpus": 0.0, "cpus": 0.0}
    ranges: dict[str, values.Ranges] = {}
    sets: dict[str, frozenset[str]] = {}
    for kind, amount in have:
        name = f"{kind.name}_revocable" if kind.revocable else kind.name
        if isinstance(amount, int):
            size = kind.size * (1 if kind.shared else amount) if kind.indivisible else amount
            out[name] = round(out.get(name, 0.0) * 1000 + size) / 1000
        elif isinstance(amount, frozenset):
            sets[name] = sets.get(name, frozenset()) | amount
        else:
            ranges[name] = values.add_ranges(ranges.get(name, ()), amount)
    out.update((name, values.text_of_ranges(amount)) for name, amount in ranges.items())
    out.update((name, values.text_of_set(items)) for name, items in sets.items())
    return out


def attribute_map(given: Iterable[Attribute]) -> Json:
    return {one.name: one.scalar.value if one.scalar is not None else attributes.text(one) for one in given}


def labels(given: Labels) -> list[Json]:
    return [{"key": one.key, "value": one.value} if one.value is not None else {"key": one.key} for one in given.labels]


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
    if record.ready is None:
        record.ready = _encode(_task(record))
    return record.ready


def _listed(ready: Iterable[bytes]) -> msgspec.Raw:
    return msgspec.Raw(b"[" + b",".join(ready) + b"]")


def _task(record: TaskRecord) -> Json:
    message = record.message
    out: Json = {
        "id": record.id,
        "name": message.name,
        "framework_id": record.framework,
        "executor_id": message.executor_id.value if message.executor_id is not None else "",
        "slave_id": record.agent,
        "state": message.state,
        "resources": resources(record.resources),
    }
    if message.limits:
        out["limits"] = {name: limit.value for name, limit in message.limits.items()}
    out["role"] = record.role
    out["statuses"] = [_status(status) for status in message.statuses]
    if message.user is not None:
        out["user"] = message.user
    if message.labels is not None:
        out["labels"] = labels(message.labels)
    for name in ("discovery", "container", "health_check"):
        value = getattr(message, name)
        if value is not None:
            out[name] = value
    return out


def _command(command: CommandInfo) -> Json:
    out: Json = {"shell": command.shell, "argv": command.arguments}
    if command.value is not None:
        out["value"] = command.value
    if command.environment is not None:
        out["environment"] = command.environment
    out["uris"] = [{"value": uri.value, "executable": bool(uri.executable)} for uri in command.uris]
    return out


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


# ---- agents ----------------------------------------------------------------------------------------------------------


def _agent_key(record: AgentRecord) -> tuple[object, ...]:
    """All that an agent's JSON is made of. These are values: whatever changes is another object."""
    return (
        record.info,
        record.pid,
        record.registered,
        record.reregistered,
        record.total,
        record.used,
        record.offered,
        record.active,
        record.deactivated,
        record.version,
        record.capabilities,
        record.drain,
        record.drain_started,
    )


def _fresh(kept: tuple[tuple[object, ...], bytes] | None, key: tuple[object, ...]) -> bool:
    return kept is not None and all(map(is_, kept[0], key))


def agent_ready(record: AgentRecord) -> bytes:
    """The JSON of ``agent`` for those who may see all."""
    key = _agent_key(record)
    if record.ready is None or not _fresh(record.ready, key):
        record.ready = key, _encode(agent(record))
    return record.ready[1]


def _agent_full_ready(record: AgentRecord) -> bytes:
    key = _agent_key(record)
    if record.ready_full is None or not _fresh(record.ready_full, key):
        record.ready_full = key, _encode(_agent_full(record, ALL))
    return record.ready_full[1]


def _agents(given: Iterable[AgentRecord], viewer: Viewer, *, full: bool = False) -> msgspec.Raw:
    if viewer.limited:
        return _listed(_encode((_agent_full if full else agent)(one, viewer)) for one in given)
    return _listed(map(_agent_full_ready if full else agent_ready, given))


def agent(record: AgentRecord, viewer: Viewer = ALL) -> Json:
    out: Json = {
        "id": record.id,
        "hostname": record.info.hostname,
        "port": record.info.port,
        "attributes": attribute_map(record.info.attributes),
    }
    if record.info.domain is not None:
        out["domain"] = record.info.domain
    out["pid"] = record.pid
    out["registered_time"] = record.registered
    if record.reregistered:
        out["reregistered_time"] = record.reregistered
    out |= {
        "resources": resources(record.total),
        "used_resources": resources(record.used),
        "offered_resources": resources(record.offered),
        "reserved_resources": {
            role: resources(one) for role, one in record.total.reserved().items() if viewer.role(role)
        },
        "unreserved_resources": resources(record.total.unreserved()),
        "active": record.active,
        "deactivated": record.deactivated,
        "version": record.version,
        "capabilities": sorted(record.capabilities),
    }
    if record.drain is not None:
        out["drain_info"] = record.drain
    if record.drain_started is not None:
        out["estimated_drain_start_time_seconds"] = record.drain_started
    return out


def _agent_full(record: AgentRecord, viewer: Viewer) -> Json:
    def seen(given: Iterable[Resource]) -> list[Resource]:
        return [one for one in given if viewer.resource(one)]

    out = agent(record, viewer)
    out["reserved_resources_full"] = {
        role: seen(one.messages(form=Form.ENDPOINT))
        for role, one in record.total.reserved().items()
        if viewer.role(role)
    }
    out["unreserved_resources_full"] = record.total.unreserved().messages(form=Form.ENDPOINT)
    out["used_resources_full"] = seen(views.held_messages(record, offered=False))
    out["offered_resources_full"] = seen(views.held_messages(record, offered=True))
    return out


def _recovered(agent_id: str, entry: AgentEntry) -> Json:
    out: Json = {
        "id": agent_id,
        "hostname": entry.info.hostname,
        "port": entry.info.port,
        "attributes": attribute_map(entry.info.attributes),
    }
    if entry.info.domain is not None:
        out["domain"] = entry.info.domain
    return out


def _recovered_all(state: State, only: str | None = None) -> list[Json]:
    return [_recovered(name, entry) for name, entry in state.recovered.items() if only in (None, name)]


def slaves(state: State, query: Mapping[str, str], viewer: Viewer = ALL) -> Json:
    only = query.get("slave_id")
    return {
        "slaves": _agents((one for one in state.agents.values() if only in (None, one.id)), viewer, full=True),
        "recovered_slaves": _recovered_all(state, only),
    }


# ---- frameworks ------------------------------------------------------------------------------------------------------


def _framework_head(record: FrameworkRecord) -> Json:
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


def framework(record: FrameworkRecord, viewer: Viewer = ALL) -> Json:
    info = record.info
    out = _framework_head(record)
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
    groups = {
        "tasks": record.tasks.values(),
        "unreachable_tasks": record.unreachable.values(),
        "completed_tasks": record.completed,
    }
    for name, group in groups.items():
        seen = [one for one in group if viewer.task(one.message, info)] if viewer.limited else group
        out[name] = _listed(map(task, seen))
    out["offers"] = [_offer(one) for one in record.offers.values()]
    out["executors"] = [_executor(one) for one in record.executors.values() if viewer.executor(one.info, info)]
    if info.labels is not None:
        out["labels"] = labels(info.labels)
    out["offer_constraints"] = record.constraints or OfferConstraints()
    return out


def frameworks(state: State, query: Mapping[str, str], viewer: Viewer = ALL) -> Json:
    only = query.get("framework_id")

    def shown(given: Iterable[FrameworkRecord]) -> list[Json]:
        return [framework(one, viewer) for one in given if only in (None, one.id) and viewer.framework(one.info)]

    return {
        "frameworks": shown(state.frameworks.values()),
        "completed_frameworks": shown(state.completed.values()),
        "unregistered_frameworks": [],
    }


# ---- the whole -------------------------------------------------------------------------------------------------------


def state_json(
    state: State,
    flags: Mapping[str, str] | None,
    cluster: str | None,
    viewer: Viewer = ALL,
    logs: Mapping[str, str] = MappingProxyType({}),
) -> Json:
    """``flags`` None: hidden from the asker. ``logs``: ``log_dir`` and ``external_log_file`` where they are set."""
    info = state.info
    active = sum(one.active for one in state.agents.values())
    out: Json = dict(VERSION_INFO)
    out["start_time"] = state.started
    if state.elected is not None:
        out["elected_time"] = state.elected
    out |= {
        "id": info.id,
        "pid": info.pid,
        "hostname": info.hostname,
        "capabilities": [one.type or "QUOTA_V2" for one in info.capabilities],
        "activated_slaves": float(active),
        "deactivated_slaves": float(len(state.agents) - active),
        "unreachable_slaves": float(len(state.unreachable)),
        "leader": info.pid,
        "leader_info": {"id": info.id, "pid": info.pid, "port": info.port, "hostname": info.hostname},
    }
    if info.domain is not None:
        out["domain"] = info.domain
        out["leader_info"]["domain"] = info.domain
    if cluster is not None:
        out["cluster"] = cluster
    out |= logs
    if flags is not None:
        out["flags"] = flags
    out["slaves"] = _agents(state.agents.values(), viewer)
    out["recovered_slaves"] = _recovered_all(state)
    for name, given in (("frameworks", state.frameworks), ("completed_frameworks", state.completed)):
        out[name] = [framework(one, viewer) for one in given.values() if viewer.framework(one.info)]
    out["orphan_tasks"] = []
    out["unregistered_frameworks"] = []
    return out


def summary(state: State, cluster: str | None, viewer: Viewer = ALL) -> Json:
    by_agent: dict[str, dict[str, int]] = {name: {} for name in state.agents}
    frameworks_on: dict[str, dict[str, None]] = {name: {} for name in state.agents}
    shown: list[Json] = []
    for record in state.frameworks.values():
        counts: Counter[str] = Counter()
        agents: dict[str, None] = {}
        for (name, task_state), count in _whereabouts(record).items():
            counts[task_state] += count
            agents[name] = None
            if (here := by_agent.get(name)) is not None:
                here[task_state] = here.get(task_state, 0) + count
                frameworks_on[name][record.id] = None
        if not viewer.framework(record.info):
            continue
        head = _framework_head(record)
        head.update((name, counts[name]) for name in COUNTED)
        head["slave_ids"] = list(agents)
        shown.append(head)
    slaves_shown: list[bytes] = []
    limited = viewer.limited
    texts: dict[tuple[tuple[str, int], ...], bytes] = {}
    for machine in state.agents.values():
        made = _encode(agent(machine, viewer)) if limited else agent_ready(machine)
        here = by_agent[machine.id]
        alike = tuple(here.items())
        if (numbers := texts.get(alike)) is None:
            numbers = texts[alike] = _COUNTS % tuple(here.get(name, 0) for name in COUNTED)
        slaves_shown.append(b'%b,%b,"framework_ids":%b}' % (made[:-1], numbers, _encode([*frameworks_on[machine.id]])))
    out: Json = {"hostname": state.info.hostname}
    if cluster is not None:
        out["cluster"] = cluster
    return out | {"slaves": _listed(slaves_shown), "frameworks": shown}


_place, _name_of_state = attrgetter("agent"), attrgetter("message.state._value_")


def _whereabouts(record: FrameworkRecord) -> Counter[tuple[str, str]]:
    """How many of its tasks are on which agent in which state."""
    out: Counter[tuple[str, str]] = Counter()
    for group in (record.tasks.values(), record.unreachable.values(), record.completed):
        out.update(zip(map(_place, group), map(_name_of_state, group), strict=True))
    return out


def tasks(state: State, query: Mapping[str, str], viewer: Viewer = ALL) -> Json:
    """Running, unreachable and completed ones, by the time of their first status.   Errors: ValueError."""
    limit, offset = int(query.get("limit", "100")), int(query.get("offset", "0"))
    order, framework_id, task_id = query.get("order", "des"), query.get("framework_id"), query.get("task_id")
    if order not in ("asc", "des") or limit < 0 or offset < 0:
        raise ValueError("limit and offset must not be negative, order must be asc or des")
    found = [
        one
        for record in (*state.frameworks.values(), *state.completed.values())
        if framework_id in (None, record.id) and viewer.framework(record.info)
        for group in (record.tasks.values(), record.unreachable.values(), record.completed)
        for one in group
        if task_id in (None, one.id) and viewer.task(one.message, record.info)
    ]
    found.sort(key=_first_time, reverse=order == "des")
    return {"tasks": _listed(map(task, found[offset : offset + limit]))}


def _first_time(record: TaskRecord) -> float:
    statuses = record.message.statuses
    return statuses[0].timestamp or 0.0 if statuses else float("inf")


def roles(state: State, viewer: Viewer = ALL) -> Json:
    """Roles with frameworks, allocations, reservations, a weight or a quota, and those above them; what is held counts for
    every role above its own too.
    """
    used: Amounts = {}
    offered: Amounts = {}
    reserved: Amounts = {}
    members: dict[str, list[str]] = {}
    for record in state.frameworks.values():
        for role in record.roles:
            members.setdefault(role, []).append(record.id)
        for role, one in views.held_by_role(record, offered=False).items():
            quota.count(used, role, one)
        for role, one in views.held_by_role(record, offered=True).items():
            quota.count(offered, role, one)
    for machine in state.agents.values():
        for role, one in machine.total.reserved().items():
            quota.count(reserved, role, one)
    names = {*state.allocator.roles(), *state.allocator.weights, *state.quotas, *members}
    names = {above for role in names for above in quota.lineage(role)} | set(used) | set(offered) | set(reserved)
    consumed = quota.consumption(state)
    out = []
    for role in filter(viewer.role, sorted(names)):
        held = dict(used.get(role, {}))
        quota.add(held, offered.get(role, {}))
        out.append(
            {
                "name": role,
                "weight": state.allocator.weights.get(role, 1.0),
                "quota": quota.role_json(state, role, consumed),
                "resources": quota.quantities_json(held),
                "allocated": quota.quantities_json(used.get(role, {})),
                "offered": quota.quantities_json(offered.get(role, {})),
                "reserved": quota.quantities_json(reserved.get(role, {})),
                "frameworks": members.get(role, []),
            }
        )
    return {"roles": out}
