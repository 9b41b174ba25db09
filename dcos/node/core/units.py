"""Is a unit healthy?

Source: dcos-diagnostics' rules. One difference: a unit that should run and is ``inactive`` is unhealthy; only one that rests
by its nature (a timer starts it) or whose start condition does not hold is fine so.
"""

from __future__ import annotations

import enum

import msgspec

from dcos.registry import NodeRole, services_on

EXCLUDED = frozenset(("dcos-setup.service", "dcos-link-env.service", "dcos-download.service"))
"""Units of the installation itself."""

_GOOD_STATES = ("active", "inactive", "activating")


class Health(enum.IntEnum):
    HEALTHY = 0
    UNHEALTHY = 1
    UNKNOWN = 3


class UnitState(msgspec.Struct, frozen=True, kw_only=True):
    """A unit as its supervisor tells it. The words are systemd's; timestamps are Unix seconds, 0 for never."""

    load_state: str
    active_state: str
    sub_state: str
    exec_main_status: int = 0
    """How the last main process ended; 0 while one runs."""
    description: str = ""
    pid: int = 0
    active_enter_timestamp: float = 0.0
    inactive_enter_timestamp: float = 0.0
    condition_result: bool = True
    """False: the unit was not started because its conditions do not hold here."""


MISSING = UnitState(load_state="not-found", active_state="inactive", sub_state="dead")


class UnitHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A unit of one node, as the API shows it."""

    id: str
    health: int
    output: str = ""
    description: str = ""
    help: str = ""
    name: str = ""


def expected_units(role: NodeRole) -> tuple[str, ...]:
    """Units that a machine of ``role`` has: those of the service table, with their timers and sockets."""
    names = []
    for row in services_on(role):
        names.append(f"{row.name}.service")
        if row.timer:
            names.append(f"{row.name}.timer")
        if row.sockets:
            names.append(f"{row.name}.socket")
    return tuple(names)


def resting_units(role: NodeRole) -> frozenset[str]:
    """Units that are inactive most of the time."""
    return frozenset(f"{row.name}.service" for row in services_on(role) if row.timer)


def judge(unit: str, state: UnitState, *, rests: bool) -> tuple[Health, str]:
    """(health, the reason if it is not good)."""
    if state.load_state != "loaded":
        return Health.UNHEALTHY, f"{unit} is not loaded, but {state.load_state or 'unknown'}."
    if state.active_state not in _GOOD_STATES:
        return Health.UNHEALTHY, f"{unit} is {state.active_state}, which is none of {', '.join(_GOOD_STATES)}."
    if state.exec_main_status != 0:
        return Health.UNHEALTHY, f"{unit} ended with status {state.exec_main_status}."
    if state.active_state == "activating" and state.sub_state == "auto-restart":
        if not state.active_enter_timestamp:
            return Health.UNHEALTHY, f"{unit} has never been active: it fails at its start again and again."
        if state.inactive_enter_timestamp > state.active_enter_timestamp:
            return Health.UNHEALTHY, f"{unit} is flapping: it was active and cannot start again."
    if state.active_state == "inactive" and not rests and state.condition_result:
        return Health.UNHEALTHY, f"{unit} is not running."
    return Health.HEALTHY, ""


def name_and_description(unit: str, text: str) -> tuple[str, str]:
    """``Marathon: Keeps services running`` in two; a text of another form is all description, and the unit its own name."""
    parts = text.split(": ")
    return (parts[0], parts[1]) if len(parts) == 2 else (unit, " ".join(parts))


def unit_health(unit: str, state: UnitState, *, rests: bool) -> UnitHealth:
    health, reason = judge(unit, state, rests=rests)
    name, description = name_and_description(unit, state.description)
    return UnitHealth(id=unit, health=int(health), output=reason, description=description, name=name)
