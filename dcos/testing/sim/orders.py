"""What operators ask of the leading master, and what its yes promises.

A promise is about matters: ``weight <role>``, ``deactivated <agent>``, ``quota <role>``, ``machine <host>``; each may then
have one of some values, until somebody is told otherwise (``promises.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from dcos.master.core.events import Event, MarkGone, OperatorCall, Teardown
from dcos.model.resources import Resources
from dcos.model.v1 import maintenance, master, quota
from dcos.model.v1.types import (
    AgentID,
    DurationInfo,
    MachineID,
    ProtobufDuration,
    TimeInfo,
    Unavailability,
    ValueScalar,
    WeightInfo,
)

Promise = Mapping[str, frozenset[object]]
UP, DRAINING, DOWN = "UP", "DRAINING", "DOWN"
NO_QUOTA: tuple[tuple[object, ...], tuple[object, ...]] = ((), ())


@dataclass(frozen=True, slots=True)
class Order:
    words: str
    """For the trace."""
    event: Callable[[float, int], Event]
    """By the master's time and the request's number."""
    promise: Promise = field(default_factory=dict)


def _call(words: str, call: master.Call, promise: Promise | None = None) -> Order:
    return Order(words, lambda now, number: OperatorCall(now, number, call), promise or {})


def gone(agent: str) -> Order:
    return Order(f"gone {agent}", lambda now, number: MarkGone(now, number, agent))


def teardown(framework: str) -> Order:
    return Order(f"teardown {framework}", lambda now, number: Teardown(now, number, framework))


def drain(agent: str, *, mark_gone: bool) -> Order:
    drain = master.CallDrainAgent(
        agent_id=AgentID(value=agent), max_grace_period=ProtobufDuration(seconds=10), mark_gone=mark_gone
    )
    promise: Promise = {} if mark_gone else {f"deactivated {agent}": frozenset({True})}
    words = f"drain {agent}{' and gone' if mark_gone else ''}"
    return _call(words, master.Call(type=master.CallType.DRAIN_AGENT, drain_agent=drain), promise)


def deactivate(agent: str) -> Order:
    body = master.CallDeactivateAgent(agent_id=AgentID(value=agent))
    call = master.Call(type=master.CallType.DEACTIVATE_AGENT, deactivate_agent=body)
    return _call(f"deactivate {agent}", call, {f"deactivated {agent}": frozenset({True})})


def reactivate(agent: str) -> Order:
    body = master.CallReactivateAgent(agent_id=AgentID(value=agent))
    call = master.Call(type=master.CallType.REACTIVATE_AGENT, reactivate_agent=body)
    return _call(f"reactivate {agent}", call, {f"deactivated {agent}": frozenset({False})})


def weight(role: str, value: float) -> Order:
    body = master.CallUpdateWeights(weight_infos=(WeightInfo(role=role, weight=value),))
    call = master.Call(type=master.CallType.UPDATE_WEIGHTS, update_weights=body)
    return _call(f"weight {role}={value}", call, {f"weight {role}": frozenset({value})})


def set_quota(role: str, guarantees: str, limits: str, *, force: bool) -> Order:
    """As ``cpus:2;mem:64``; a role without either has no quota."""
    config = quota.QuotaConfig(role=role, guarantees=_scalars(guarantees), limits=_scalars(limits))
    body = master.CallUpdateQuota(force=force, quota_configs=(config,))
    call = master.Call(type=master.CallType.UPDATE_QUOTA, update_quota=body)
    promise: Promise = {f"quota {role}": frozenset({shown(config)})}
    return _call(f"quota {role} guarantees={guarantees} limits={limits} force={force}", call, promise)


def _scalars(text: str) -> dict[str, ValueScalar]:
    amounts = Resources.parse(text).scalar_quantities() if text else {}
    return {name: ValueScalar(value=amount / 1000) for name, amount in amounts.items()}


def shown(config: quota.QuotaConfig) -> object:
    """To compare."""
    return tuple(
        tuple(sorted((name, scalar.value) for name, scalar in part.items()))
        for part in (config.guarantees, config.limits)
    )


def schedule(machines: Iterable[MachineID], every: Iterable[str], start: float, duration_s: float) -> Order:
    """The whole schedule: all of ``every`` host that is not listed is up."""
    listed = tuple(machines)
    when = Unavailability(
        start=TimeInfo(nanoseconds=int(start * 1e9)), duration=DurationInfo(nanoseconds=int(duration_s * 1e9))
    )
    windows = (maintenance.Window(machine_ids=listed, unavailability=when),) if listed else ()
    body = master.CallUpdateMaintenanceSchedule(schedule=maintenance.Schedule(windows=windows))
    call = master.Call(type=master.CallType.UPDATE_MAINTENANCE_SCHEDULE, update_maintenance_schedule=body)
    names = {one.hostname or "" for one in listed}
    promise: Promise = {
        f"machine {host}": frozenset({DRAINING, DOWN}) if host in names else frozenset({UP}) for host in every
    }
    return _call(f"schedule {' '.join(sorted(names))}", call, promise)


def take_down(machines: Iterable[MachineID], agents: Iterable[str]) -> Order:
    """``agents`` are those of the machines: they are removed, and nobody remembers that one was deactivated."""
    listed = tuple(machines)
    call = master.Call(
        type=master.CallType.START_MAINTENANCE, start_maintenance=master.CallStartMaintenance(machines=listed)
    )
    promise: Promise = {
        **{f"machine {one.hostname}": frozenset({DOWN}) for one in listed},
        **{f"deactivated {one}": frozenset({True, False}) for one in agents},
    }
    return _call(f"down {' '.join(one.hostname or '' for one in listed)}", call, promise)


def bring_up(machines: Iterable[MachineID]) -> Order:
    listed = tuple(machines)
    call = master.Call(
        type=master.CallType.STOP_MAINTENANCE, stop_maintenance=master.CallStopMaintenance(machines=listed)
    )
    promise: Promise = {f"machine {one.hostname}": frozenset({UP}) for one in listed}
    return _call(f"up {' '.join(one.hostname or '' for one in listed)}", call, promise)
