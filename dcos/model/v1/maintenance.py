"""Maintenance schedule and status.

Source: the schema table in ``dcos/wire/schema`` (Mesos 1.11); a test holds the two together.
"""

from __future__ import annotations

from dcos.model.v1 import allocator
from dcos.model.v1.base import Message
from dcos.model.v1.types import MachineID, Unavailability


class Window(Message, frozen=True, kw_only=True):
    machine_ids: tuple[MachineID, ...] = ()
    unavailability: Unavailability


class Schedule(Message, frozen=True, kw_only=True):
    windows: tuple[Window, ...] = ()


class ClusterStatus(Message, frozen=True, kw_only=True):
    draining_machines: tuple[ClusterStatusDrainingMachine, ...] = ()
    down_machines: tuple[MachineID, ...] = ()


class ClusterStatusDrainingMachine(Message, frozen=True, kw_only=True):
    id: MachineID
    statuses: tuple[allocator.InverseOfferStatus, ...] = ()
