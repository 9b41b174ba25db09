"""What outlives a leader: agents (admitted, unreachable, gone; draining or deactivated), and what operators have set.

One entry per agent, role or machine. Frameworks, tasks and offers are not here: they come back with their schedulers and
agents.

Source: Mesos ``registry.proto`` (slaves, unreachable, gone, machines, schedules, quota_configs, weights).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from dcos.model.v1.quota import QuotaConfig
from dcos.model.v1.types import AgentInfo, DrainInfo, MachineID, MachineInfoMode, Unavailability


class Standing(StrEnum):
    ADMITTED = "ADMITTED"
    UNREACHABLE = "UNREACHABLE"
    GONE = "GONE"


class AgentEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agent as the registry knows it."""

    info: AgentInfo
    standing: Standing
    since: float
    """Unix seconds of the last change of ``standing``."""
    deactivated: bool = False
    drain: DrainInfo | None = None


class MachineEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A machine in the maintenance schedule."""

    id: MachineID
    mode: MachineInfoMode
    window: int
    """Its place in the schedule: machines with the same number share a window."""
    place: int
    """Its place in the window."""
    unavailability: Unavailability


MachineKey = tuple[str, str]
"""Host name in lower case and ip, either of them may be empty."""


def machine_key(machine: MachineID) -> MachineKey:
    return (machine.hostname or "").lower(), machine.ip or ""


class WeightEntry(msgspec.Struct, frozen=True, kw_only=True):
    role: str
    weight: float


class Shelf(StrEnum):
    """Where entries lie that are not agents."""

    QUOTA = "quota"
    WEIGHTS = "weights"
    MACHINES = "machines"


Entry = QuotaConfig | WeightEntry | MachineEntry
ENTRY_TYPES: dict[Shelf, type[Entry]] = {
    Shelf.QUOTA: QuotaConfig,
    Shelf.WEIGHTS: WeightEntry,
    Shelf.MACHINES: MachineEntry,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything but the agents, as recovered."""

    quotas: tuple[QuotaConfig, ...] = ()
    weights: tuple[WeightEntry, ...] = ()
    machines: tuple[MachineEntry, ...] = ()
