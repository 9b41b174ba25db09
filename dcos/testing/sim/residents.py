"""Judges Marathon's instances that keep volumes: each stays where its volumes are, and none is lost, doubled or left behind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dcos.model.resource_messages import reservations_of
from dcos.model.v1.types import Resource
from dcos.scheduling.reservations import INSTANCE_LABEL
from dcos.testing.sim.apps import VOLUMES
from dcos.testing.sim.reservations import has_volume

if TYPE_CHECKING:
    from dcos.marathon.core.state import State
    from dcos.testing.sim.machine import Run
    from dcos.testing.sim.world import World

_TASK = re.compile(r"(?P<instance>keep_.+instance-[0-9a-f-]{36})\.(?P<name>[^.]+)\.\d+")


def _owner(resource: Resource) -> str | None:
    """The instance that it is reserved for."""
    for one in reservations_of(resource):
        for label in one.labels.labels if one.labels is not None else ():
            if label.key == INSTANCE_LABEL:
                return label.value
    return None


def _volume(resource: Resource) -> str:
    assert resource.disk is not None
    assert resource.disk.persistence is not None
    return resource.disk.persistence.id


class Residents:
    def __init__(self, world: World) -> None:
        self._world = world
        self._runs: dict[str, list[Run]] = {}
        """By instance and name of the container."""

    def _held(self) -> dict[str, dict[str, list[Resource]]]:
        """What is reserved, by instance and machine."""
        found: dict[str, dict[str, list[Resource]]] = {}
        for agent in self._world.agents:
            if agent.daemon is None:
                continue
            for one in agent.daemon.core.operations.total.messages():
                owner = _owner(one)
                if owner is not None:
                    found.setdefault(owner, {}).setdefault(agent.name, []).append(one)
        return found

    def started(self, run: Run) -> None:
        """A task runs now."""
        match = _TASK.fullmatch(run.task)
        if match is None:
            return
        instance = match["instance"]
        before = self._runs.setdefault(f"{instance}.{match['name']}", [])
        if before and before[0].machine is not run.machine:
            self._violation(f"{run.task} runs on {run.machine.name}, its volumes are on {before[0].machine.name}")
        before_alive = [one.task for one in before if one.live]
        if before_alive:
            self._violation(f"{run.task} runs beside {before_alive[0]}")
        before.append(run)
        held = self._held().get(instance, {}).get(run.machine.name, ())
        if not any(has_volume(one) for one in held):
            self._violation(f"{run.task} runs on {run.machine.name} and has no volume there")

    def _violation(self, text: str) -> None:
        self._world.trace.violation("volumes", text)

    def problems(self, state: State) -> list[str]:
        """What is not as it must be (yet)."""
        out = []
        held = self._held()
        for instance_id, places in held.items():
            known = state.instances.get(instance_id)
            if known is None or known.reservation is None:
                out.append(f"{' '.join(places)} has a reservation of {instance_id}, which is no more")
                continue
            if len(places) > 1:
                out.append(f"{instance_id} has reservations on {' '.join(places)}")
            volumes = sorted(_volume(one) for found in places.values() for one in found if has_volume(one))
            if volumes != sorted(one.persistence_id for one in known.reservation.volumes):
                out.append(f"{instance_id} has volumes {volumes}, Marathon thinks {known.reservation.volumes}")
        for one in state.instances.values():
            spec = state.wanted(one.app_id)
            if one.reservation is None:
                out += [f"{one.id} keeps nothing"] if spec is not None and spec.is_resident else []
                continue
            if one.id not in held:
                out.append(f"the reservation of {one.id} is nowhere")
            if len(one.reservation.volumes) != VOLUMES.get(one.app_id):
                out.append(f"{one.id} has volumes {one.reservation.volumes}, {VOLUMES.get(one.app_id)} were asked for")
        return out
