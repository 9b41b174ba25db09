"""A framework's operations on resources: it reserves, makes a volume, destroys it, unreserves, as offers allow.

What one RESERVE makes carries its operation's id as a label, so that truth can ask where it is.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from dcos.model.operation_states import TERMINAL_OPERATIONS
from dcos.model.resource_messages import reservations_of
from dcos.model.resources import Resources
from dcos.model.v1 import scheduler
from dcos.model.v1.types import (
    AgentID,
    Label,
    Labels,
    Offer,
    OfferOperation,
    OfferOperationCreate,
    OfferOperationDestroy,
    OfferOperationReserve,
    OfferOperationType,
    OfferOperationUnreserve,
    OperationID,
    OperationState,
    OperationStatus,
    Resource,
    ResourceDiskInfo,
    ResourceDiskInfoPersistence,
    ResourceReservationInfo,
    ResourceReservationInfoType,
    Volume,
    VolumeMode,
)

if TYPE_CHECKING:
    from dcos.testing.sim.world import World

WISH = "cpus:0.1;disk:8"
_KEY = "op"
_UNSETTLED = frozenset(
    {OperationState.OPERATION_PENDING, OperationState.OPERATION_UNREACHABLE, OperationState.OPERATION_RECOVERING}
)
_NEVER_DONE = TERMINAL_OPERATIONS - {OperationState.OPERATION_FINISHED, OperationState.OPERATION_GONE_BY_OPERATOR}
"""An agent that is gone may have done it before; its machine keeps that, whatever agent it becomes."""


@dataclass(slots=True, eq=False)
class OperationNote:
    """What the framework knows of one operation."""

    id: str
    kind: OfferOperationType
    agent: str
    label: str
    """Of the reservation it is about."""
    state: OperationState = OperationState.OPERATION_PENDING
    final: bool = False


def label_of(resource: Resource) -> str | None:
    """The operation that reserved it."""
    for one in reservations_of(resource):
        for label in one.labels.labels if one.labels is not None else ():
            if label.key == _KEY:
                return label.value
    return None


def by_label(resources: Iterable[Resource]) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for one in resources:
        label = label_of(one)
        if label is not None:
            found.setdefault(label, []).append(one)
    return found


def has_volume(resource: Resource) -> bool:
    return resource.disk is not None and resource.disk.persistence is not None


def _forgotten(status: OperationStatus) -> bool:
    """An answer about an operation that the master knows no more, or never knew: it says only what became of the agent.

    So it may come for one that has ended: at another moment the master would have said UNKNOWN, which is no end.
    """
    reconciled = status.uuid is None and (status.message or "").startswith("Reconciliation: ")
    return reconciled and status.state is OperationState.OPERATION_GONE_BY_OPERATOR


class Reservations:
    def __init__(self, world: World, name: str, role: str) -> None:
        self._world = world
        self._name = name
        self._role = role
        self.notes: dict[str, OperationNote] = {}

    # ---- what to do with an offer ------------------------------------------------------------------------------------

    def choose(self, rng: random.Random, offer: Offer) -> OfferOperation | None:
        """One step with what is reserved, or a new reservation."""
        own = by_label(offer.resources)
        mine = [label for label in own if label.startswith(f"{self._name}.")]
        if mine and rng.random() < 0.6:
            label = rng.choice(mine)
            return self._next(offer, label, own[label], rng)
        if Resources.of(offer.resources).unreserved().contains(Resources.parse(WISH)):
            return self._reserve(offer)
        return None

    def _note(self, offer: Offer, kind: OfferOperationType, label: str | None) -> OperationID:
        made = f"{self._name}.op{len(self.notes) + 1}"
        self.notes[made] = OperationNote(made, kind, offer.agent_id.value, label or made)
        self._world.trace(self._name, kind.lower(), made, label or "", "on", offer.agent_id.value)
        return OperationID(value=made)

    def _reserve(self, offer: Offer) -> OfferOperation:
        made = self._note(offer, OfferOperationType.RESERVE, None)
        stack = (
            ResourceReservationInfo(
                type=ResourceReservationInfoType.DYNAMIC,
                role=self._role,
                labels=Labels(labels=(Label(key=_KEY, value=made.value),)),
            ),
        )
        wanted = tuple(msgspec.structs.replace(one, reservations=stack) for one in Resources.parse(WISH).messages())
        given = OfferOperationReserve(resources=wanted)
        return OfferOperation(type=OfferOperationType.RESERVE, id=made, reserve=given)

    def _next(self, offer: Offer, label: str, held: list[Resource], rng: random.Random) -> OfferOperation | None:
        volumes = tuple(one for one in held if has_volume(one))
        if volumes:
            made = self._note(offer, OfferOperationType.DESTROY, label)
            return OfferOperation(
                type=OfferOperationType.DESTROY, id=made, destroy=OfferOperationDestroy(volumes=volumes)
            )
        disks = tuple(one for one in held if one.name == "disk")
        if disks and rng.random() < 0.5:
            made = self._note(offer, OfferOperationType.CREATE, label)
            disk = ResourceDiskInfo(
                persistence=ResourceDiskInfoPersistence(id=label),
                volume=Volume(container_path="data", mode=VolumeMode.RW),
            )
            wanted = tuple(msgspec.structs.replace(one, disk=disk) for one in disks)
            return OfferOperation(type=OfferOperationType.CREATE, id=made, create=OfferOperationCreate(volumes=wanted))
        made = self._note(offer, OfferOperationType.UNRESERVE, label)
        return OfferOperation(
            type=OfferOperationType.UNRESERVE, id=made, unreserve=OfferOperationUnreserve(resources=tuple(held))
        )

    # ---- what comes of it --------------------------------------------------------------------------------------------

    def told(self, status: OperationStatus) -> scheduler.CallAcknowledgeOperationStatus | None:
        """Note an update; what to acknowledge, if anything."""
        if status.operation_id is None:
            return None
        name = status.operation_id.value
        self._world.trace(self._name, "hears", name, status.state, status.message or "")
        note = self.notes.get(name)
        if note is None:
            self._world.trace.violation(self._name, f"heard of operation {name}, which it never asked for")
            return None
        if (
            note.final
            and status.state in TERMINAL_OPERATIONS
            and status.state is not note.state
            and not _forgotten(status)
        ):
            self._world.trace.violation(self._name, f"operation {name} was {note.state} and is {status.state} now")
        if not note.final:
            note.state = status.state
            note.final = status.state in TERMINAL_OPERATIONS
        if status.uuid is None:
            return None
        return scheduler.CallAcknowledgeOperationStatus(
            agent_id=status.agent_id, uuid=status.uuid.value, operation_id=status.operation_id
        )

    def open(self) -> tuple[scheduler.CallReconcileOperationsOperation, ...]:
        """What to reconcile."""
        return tuple(
            scheduler.CallReconcileOperationsOperation(
                operation_id=OperationID(value=one.id), agent_id=AgentID(value=one.agent)
            )
            for one in self.notes.values()
            if not one.final
        )

    def problems(self, held: dict[str, list[Resource]], lost: Collection[str]) -> list[str]:
        """``held``: what the agents have, by label. ``lost``: agents that are given up, of which nothing more is known."""
        out = [
            f"operation {one.id} is {one.state}"
            for one in self.notes.values()
            if one.state in _UNSETTLED and not (one.state is OperationState.OPERATION_UNREACHABLE and one.agent in lost)
        ]
        about: dict[str, list[OperationNote]] = {}
        for one in self.notes.values():
            about.setdefault(one.label, []).append(one)
        for label, notes in about.items():
            known = {one.kind: one.state for one in notes}
            reserved = known[OfferOperationType.RESERVE]
            there = label in held
            given_up = [one.state for one in notes if one.kind is OfferOperationType.UNRESERVE]
            if reserved is OperationState.OPERATION_FINISHED and not given_up and not there:
                out.append(f"{label} was reserved and is not there")
            if reserved in _NEVER_DONE and there:
                out.append(f"{label} is reserved though it was {reserved}")
            if OperationState.OPERATION_FINISHED in given_up and there:
                out.append(f"{label} was unreserved and is still there")
            if there:
                amount = Resources.of(
                    msgspec.structs.replace(one, disk=None) for one in held[label]
                ).scalar_quantities()
                if amount != Resources.parse(WISH).scalar_quantities():
                    out.append(f"{label} is reserved as {amount}, asked was {WISH}")
        return out
