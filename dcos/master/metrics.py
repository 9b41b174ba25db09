"""``/metrics/snapshot``: upstream's names, every value a number.

Counters come from the core (0 until counted), gauges are read from memory when asked for.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Final
from urllib.parse import quote

from dcos.master.core import quota, views
from dcos.master.core.operations import ENDS, TYPES
from dcos.master.core.state import State
from dcos.master.writer import Writer
from dcos.model.resource_kinds import quantity
from dcos.model.v1.scheduler import CallType, EventType
from dcos.model.v1.types import OperationState

_MESSAGES: Final = [
    "register_framework",
    "reregister_framework",
    "unregister_framework",
    "deactivate_framework",
    "kill_task",
    "status_update_acknowledgement",
    "operation_status_update_acknowledgement",
    "resource_request",
    "launch_tasks",
    "decline_offers",
    "revive_offers",
    "suppress_offers",
    "reconcile_operations",
    "reconcile_tasks",
    "framework_to_executor",
    "executor_to_framework",
    "register_slave",
    "reregister_slave",
    "unregister_slave",
    "status_update",
    "operation_status_update",
    "exited_executor",
    "update_slave",
    "authenticate",
]
_JUDGED: Final = [
    "framework_to_executor_messages",
    "executor_to_framework_messages",
    "status_updates",
    "status_update_acknowledgements",
    "operation_status_updates",
    "operation_status_update_acknowledgements",
]
_REMOVALS: Final = [
    "slave_registrations",
    "slave_reregistrations",
    "slave_removals",
    "slave_removals/reason_unhealthy",
    "slave_removals/reason_unregistered",
    "slave_removals/reason_registered",
    "slave_shutdowns_scheduled",
    "slave_shutdowns_completed",
    "slave_shutdowns_canceled",
    "slave_unreachable_scheduled",
    "slave_unreachable_completed",
    "slave_unreachable_canceled",
    "recovery_slave_removals",
    "dropped_messages",
    "http_cache_hits",
]
_ENDED: Final = ["finished", "failed", "killed", "lost", "error", "dropped", "gone", "gone_by_operator"]
_LIVE: Final = ["staging", "starting", "running", "killing", "unreachable"]
_SCALARS: Final = ("cpus", "gpus", "mem", "disk")

_OPEN_OPERATIONS: Final = frozenset(
    {OperationState.OPERATION_PENDING, OperationState.OPERATION_RECOVERING, OperationState.OPERATION_UNREACHABLE}
)
_COUNTED: Final = {
    "calls": tuple(str(kind) for kind in CallType if kind is not CallType.UNKNOWN),
    "events": tuple(str(kind) for kind in EventType if kind is not EventType.UNKNOWN),
    "operations": ("LAUNCH", "LAUNCH_GROUP", *TYPES),
}

COUNTERS: Final = (
    *(f"messages_{name}" for name in _MESSAGES),
    *(f"{judged}_{name}" for name in _JUDGED for judged in ("valid", "invalid")),
    *_REMOVALS,
    *(f"tasks_{name}" for name in _ENDED),
)


def snapshot(
    writer: Writer, *, ensemble: int = 1, standby: bool = False, per_framework: bool = True
) -> dict[str, float]:
    """``ensemble``: how many servers keep the registry. ``standby``: another master leads, so nothing has to be read here:
    upstream's masters catch up with their own log then, and say so."""
    state = writer.state
    out: dict[str, float] = {f"master/{name}": float(state.counters.get(name, 0)) for name in COUNTERS}
    out.update((f"master/{name}", float(value)) for name, value in state.counters.items() if name.startswith("task_"))
    out |= _gauges(state, writer)
    out |= _resources(state)
    out |= _operations(state)
    out |= _allocator(state)
    out |= _quotas(state)
    if per_framework:
        out |= _frameworks(state)
    out |= writer.timers()
    out |= system_metrics()
    registry = writer.registry
    out["registrar/queued_operations"] = float(registry.waiting) if registry is not None else 0.0
    out["registrar/registry_size_bytes"] = float(registry.size_bytes) if registry is not None else 0.0
    out["registrar/log/recovered"] = float(standby or state.recovered_at is not None)
    out["registrar/log/ensemble_size"] = float(ensemble)
    return out


def _gauges(state: State, writer: Writer) -> dict[str, float]:
    agents, frameworks = state.agents.values(), state.frameworks.values()
    connected = sum(agent.link is not None for agent in agents)
    active = sum(agent.link is not None and not agent.deactivated for agent in agents)
    frameworks_connected = sum(framework.connected for framework in frameworks)
    frameworks_active = sum(framework.connected and framework.active for framework in frameworks)
    live = {f"TASK_{name.upper()}": 0 for name in _LIVE}
    for framework in frameworks:
        counted = state.census.of(framework.id).states
        for name in live:
            live[name] += counted.get(name, 0) if name != "TASK_UNREACHABLE" else len(framework.unreachable)
    gauges: dict[str, float] = {
        "uptime_secs": writer.now() - state.started,
        "elected": state.elected is not None,
        "event_queue_messages": 0,
        "event_queue_dispatches": writer.waiting,
        "event_queue_http_requests": 0,
        "operator_event_stream_subscribers": len(writer.subscribers),
        "outstanding_offers": len(state.offers),
        "slaves_connected": connected,
        "slaves_disconnected": len(state.agents) - connected,
        "slaves_active": active,
        "slaves_inactive": len(state.agents) - active,
        "slaves_unreachable": len(state.unreachable),
        "frameworks_connected": frameworks_connected,
        "frameworks_disconnected": len(state.frameworks) - frameworks_connected,
        "frameworks_active": frameworks_active,
        "frameworks_inactive": len(state.frameworks) - frameworks_active,
    }
    gauges.update((f"tasks_{name}", live[f"TASK_{name.upper()}"]) for name in _LIVE)
    return {f"master/{name}": float(value) for name, value in gauges.items()}


def _resources(state: State) -> dict[str, float]:
    totals = state.allocator.totals
    total = {name: amount - totals.revocable.get(name, 0) for name, amount in totals.amounts.items()}
    total |= {"revocable_" + name: amount for name, amount in totals.revocable.items()}
    used: Counter[str] = Counter()
    for framework in state.frameworks.values():
        for kind, amount in framework.used:
            if isinstance(amount, int):
                used["revocable_" + kind.name if kind.revocable else kind.name] += quantity(kind, amount)
    out = {}
    for name in _SCALARS:
        for prefix, infix in (("", ""), ("revocable_", "revocable_")):
            have, taken = total.get(prefix + name, 0), used[prefix + name]
            out[f"master/{name}_{infix}total"] = have / 1000
            out[f"master/{name}_{infix}used"] = taken / 1000
            out[f"master/{name}_{infix}percent"] = taken / have if have else 0.0
    return out


def _allocator(state: State) -> dict[str, float]:
    allocator = state.allocator
    out: dict[str, float] = {
        "allocator/event_queue_dispatches": 0.0,
        "allocator/mesos/event_queue_dispatches": 0.0,
        "allocator/mesos/allocation_runs": float(allocator.runs),
    }
    taken: Counter[str] = Counter()
    for framework in state.frameworks.values():
        for held in (framework.used, framework.offered):
            taken.update(held.scalar_quantities())
    for name in ("cpus", "mem", "disk"):
        out[f"allocator/mesos/resources/{name}/total"] = allocator.totals.amounts.get(name, 0) / 1000
        out[f"allocator/mesos/resources/{name}/offered_or_allocated"] = taken[name] / 1000
    for role, count in allocator.filters_active().items():
        out[f"allocator/mesos/offer_filters/roles/{role}/active"] = float(count)
    for role in allocator.roles():
        out[f"allocator/mesos/roles/{role}/shares/dominant"] = allocator.share_of(role)
    return out


def _operations(state: State) -> dict[str, float]:
    """Those that are kept, by state; ends are counted for good. ``total`` is all that ever were."""
    live: Counter[tuple[str, str]] = Counter()
    for agent in state.agents.values():
        for record in agent.operations.values():
            kind = record.info.type.lower() if record.info.type is not None else "unknown"
            if record.latest.state is not None and record.latest.state in _OPEN_OPERATIONS:
                live[kind, record.latest.state.removeprefix("OPERATION_").lower()] += 1
    kinds = [kind.lower() for kind in TYPES]
    out: dict[str, float] = {}
    for prefix, chosen in (("", kinds), *((f"{kind}/", [kind]) for kind in kinds)):
        total = 0.0
        for short in ("pending", "recovering", "unreachable"):
            count = float(sum(live[kind, short] for kind in chosen))
            out[f"master/operations/{prefix}{short}"] = count
            total += count
        for end in ENDS:
            count = float(state.counters.get(f"operations/{prefix}{end}", 0))
            out[f"master/operations/{prefix}{end}"] = count
            total += count
        out[f"master/operations/{prefix}total"] = total
    return out


def _quotas(state: State) -> dict[str, float]:
    """What roles have consumed, and where a role has a quota also that and what of it is held."""
    out: dict[str, float] = {}
    root: Counter[str] = Counter()
    for role, consumed in quota.consumption(state).items():
        for name in _SCALARS:
            if consumed.get(name):
                out[f"allocator/mesos/quota/roles/{role}/resources/{name}/consumed"] = consumed[name] / 1000
                if "/" not in role:
                    root[name] += consumed[name]
    out.update((f"allocator/mesos/quota/roles//resources/{name}/consumed", sum_ / 1000) for name, sum_ in root.items())
    held: dict[str, dict[str, int]] = {}
    for framework in state.frameworks.values() if state.quotas else ():
        for offered in (False, True):
            for role, resources in views.held_by_role(framework, offered=offered).items():
                quota.count(held, role, resources.non_revocable())
    for role, config in state.quotas.items():
        prefix = f"allocator/mesos/quota/roles/{role}/resources"
        for kind, amounts in (("guarantee", config.guarantees), ("limit", config.limits)):
            for name, amount in amounts.items():
                out[f"{prefix}/{name}/{kind}"] = amount.value
                out[f"{prefix}/{name}/offered_or_allocated"] = held.get(role, {}).get(name, 0) / 1000
    return out


def _frameworks(state: State) -> dict[str, float]:
    out: dict[str, float] = {}
    for framework in state.frameworks.values():
        prefix = f"master/frameworks/{quote(framework.info.name, safe='')}/{framework.id}/"
        out[prefix + "subscribed"] = float(framework.connected)
        live = state.census.of(framework.id).states
        for name in ("staging", "starting", "running", "killing", "unknown"):
            out[f"{prefix}tasks/active/task_{name}"] = float(live.get(f"TASK_{name.upper()}", 0))
        out[f"{prefix}tasks/active/task_unreachable"] = float(len(framework.unreachable))
        out |= _of_framework(prefix, framework.counts)
        hushed = state.allocator.suppressed_roles(framework.id)
        for role in framework.roles:
            out[f"{prefix}roles/{role}/suppressed"] = float(role in hushed)
    return out


def _of_framework(prefix: str, counts: Counter[str]) -> dict[str, float]:
    """Calls, events, offers, operations and ends of tasks, counted since the framework came to this master."""
    out: dict[str, float] = {}
    for group, names in _COUNTED.items():
        for name in names:
            out[f"{prefix}{group}/{name.lower()}"] = float(counts.get(f"{group}/{name}", 0))
        out[f"{prefix}{group}"] = float(sum(counts.get(f"{group}/{name}", 0) for name in names))
    for name in ("sent", "accepted", "declined", "rescinded"):
        out[f"{prefix}offers/{name}"] = float(counts.get(f"offers/{name}", 0))
    for end in _ENDED:
        out[f"{prefix}tasks/terminal/task_{end}"] = float(counts.get(f"ended/TASK_{end.upper()}", 0))
    return out


def system_metrics() -> dict[str, float]:
    load = os.getloadavg()
    page = os.sysconf("SC_PAGE_SIZE")
    return {
        "system/load_1min": load[0],
        "system/load_5min": load[1],
        "system/load_15min": load[2],
        "system/cpus_total": float(os.cpu_count() or 1),
        "system/mem_total_bytes": float(os.sysconf("SC_PHYS_PAGES") * page),
        "system/mem_free_bytes": float(os.sysconf("SC_AVPHYS_PAGES") * page),
    }
