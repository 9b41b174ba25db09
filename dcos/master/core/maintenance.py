"""Maintenance: which machines will be, or are, away; and what that means for the agents on them.

A machine is UP (not listed), DRAINING (in the schedule: its agents' offers say when it will be away, frameworks are asked
by inverse offers) or DOWN (its agents are removed and refused).

Source: Mesos docs/maintenance.md and its validation (order of checks, texts).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import msgspec

from dcos.master.core import inverse_offers, loss, offers
from dcos.master.core.effects import Answer, Keep
from dcos.master.core.machines import is_down, machine_of
from dcos.master.core.records import AgentRecord
from dcos.master.core.registry import MachineEntry, MachineKey, Shelf, machine_key
from dcos.master.core.state import State
from dcos.model.v1 import maintenance
from dcos.model.v1.types import MachineID, MachineInfoMode, Unavailability
from dcos.wire import mesos_json

_INT64 = 2**63
_DOWN = "Operator initiated 'Machine DOWN'"


# ---- validation ------------------------------------------------------------------------------------------------------


def _name(machine: MachineID) -> str:
    return f"Machine '{mesos_json.encode(machine).decode()}'"


def _machine_problem(machine: MachineID) -> str | None:
    if not machine.hostname and not machine.ip:
        return "Both 'hostname' and 'ip' for a machine are empty"
    if machine.ip:
        try:
            ipaddress.IPv4Address(machine.ip)
        except ValueError:
            return f"Failed to parse IP '{machine.ip}'"
    return None


def _machines_problem(machines: Iterable[MachineID], seen: set[MachineKey]) -> str | None:
    for machine in machines:
        problem = _machine_problem(machine)
        if problem is not None:
            return problem
        if machine_key(machine) in seen:
            return f"{_name(machine)} appears more than once in the schedule"
        seen.add(machine_key(machine))
    return None


def _schedule_problem(state: State, wanted: maintenance.Schedule) -> str | None:
    seen: set[MachineKey] = set()
    for window in wanted.windows:
        if not window.machine_ids:
            return "List of machines in the maintenance window is empty"
        duration = window.unavailability.duration
        if not -_INT64 <= window.unavailability.start.nanoseconds < _INT64:
            return "Unavailability 'start' is out of range"
        if duration is not None and duration.nanoseconds >= _INT64:
            return "Unavailability 'duration' is out of range"
        if duration is not None and duration.nanoseconds < 0:
            return "Unavailability 'duration' is negative"
        problem = _machines_problem(window.machine_ids, seen)
        if problem is not None:
            return problem
    for key, entry in state.machines.items():
        if entry.mode is MachineInfoMode.DOWN and key not in seen:
            return f"{_name(entry.id)} is deactivated and cannot be removed from the schedule"
    return None


def _listed_problem(state: State, machines: tuple[MachineID, ...], needed: MachineInfoMode, cannot: str) -> str | None:
    if not machines:
        return "List of machines is empty"
    problem = _machines_problem(machines, set())
    if problem is not None:
        return problem
    for machine in machines:
        known = state.machines.get(machine_key(machine))
        if known is None:
            return f"{_name(machine)} is not part of a maintenance schedule"
        if known.mode is not needed:
            return f"{_name(machine)} is not in {needed} mode and cannot be {cannot}"
    return None


# ---- changes ---------------------------------------------------------------------------------------------------------


def update(state: State, request: int, wanted: maintenance.Schedule, now: float) -> None:
    """The new schedule replaces the old one whole."""
    problem = _schedule_problem(state, wanted)
    if problem is not None:
        state.emit(Answer(request, 400, problem))
        return
    before = state.machines
    state.machines = {}
    for number, window in enumerate(wanted.windows):
        for place, machine in enumerate(window.machine_ids):
            key = machine_key(machine)
            known = before.get(key)
            state.machines[key] = MachineEntry(
                id=machine,
                mode=known.mode if known is not None else MachineInfoMode.DRAINING,
                window=number,
                place=place,
                unavailability=window.unavailability,
            )
    for key in before:
        if key not in state.machines:
            state.emit(Keep(Shelf.MACHINES, _stored(key), None))
    for key, entry in state.machines.items():
        if before.get(key) != entry:
            state.emit(Keep(Shelf.MACHINES, _stored(key), entry))
    for agent in list(state.agents.values()):
        found = machine_of(state, agent.info.hostname, agent.pid)
        if found is not None or agent.unavailability is not None:
            _reschedule(state, agent, found.unavailability if found is not None else None, now)
    state.note("maintenance_scheduled", machines=str(len(state.machines)))
    state.emit(Answer(request, 200))


def _reschedule(state: State, agent: AgentRecord, unavailability: Unavailability | None, now: float) -> None:
    """Offers are made anew, with the new time; frameworks are asked anew, whatever they answered."""
    agent.unavailability = unavailability
    agent.answers.clear()
    offers.rescind_all(state, agent, now)
    inverse_offers.rescind_all(state, agent)
    for framework in state.frameworks.values():
        framework.inverse_filters.pop(agent.id, None)
    if unavailability is not None:
        state.leaving[agent.id] = None


def start(state: State, request: int, machines: tuple[MachineID, ...], now: float) -> None:
    """DRAINING to DOWN: the agents on the machines are shut down and removed."""
    problem = _listed_problem(state, machines, MachineInfoMode.DRAINING, "brought down")
    if problem is not None:
        state.emit(Answer(request, 400, problem))
        return
    for machine in machines:
        key = machine_key(machine)
        entry = msgspec.structs.replace(state.machines[key], mode=MachineInfoMode.DOWN)
        state.machines[key] = entry
        state.emit(Keep(Shelf.MACHINES, _stored(key), entry))
    for agent in list(state.agents.values()):
        if is_down(state, agent.info.hostname, agent.pid):
            loss.remove(state, agent, _DOWN, now)
    state.emit(Answer(request, 200))


def stop(state: State, request: int, machines: tuple[MachineID, ...]) -> None:
    """DOWN to UP: off the schedule."""
    problem = _listed_problem(state, machines, MachineInfoMode.DOWN, "brought up")
    if problem is not None:
        state.emit(Answer(request, 400, problem))
        return
    for machine in machines:
        key = machine_key(machine)
        del state.machines[key]
        state.emit(Keep(Shelf.MACHINES, _stored(key), None))
    state.emit(Answer(request, 200))


def recovered(state: State, entries: tuple[MachineEntry, ...]) -> None:
    """After a change of leader."""
    for entry in sorted(entries, key=lambda one: (one.window, one.place)):
        state.machines[machine_key(entry.id)] = entry


def _stored(key: MachineKey) -> str:
    return "|".join(key)
