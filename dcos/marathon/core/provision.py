"""From a match to an instance that is stored and the operations that launch it.

What one offer is used for becomes one ACCEPT: reservations and volumes are made before the tasks that use them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from dataclasses import replace as with_fields

from msgspec.structs import replace

from dcos.marathon.core import numbering
from dcos.marathon.core.turn import Turn
from dcos.model.marathon import App
from dcos.model.marathon_state import APP_TASK, Condition, Instance, InstanceTask, Reservation
from dcos.model.resources import Resources
from dcos.model.run_spec import RunSpec
from dcos.model.v1.types import (
    OfferOperation,
    OfferOperationLaunch,
    OfferOperationLaunchGroup,
    OfferOperationType,
    TaskInfo,
)
from dcos.scheduling import build, ids, pods, reservations
from dcos.scheduling.match import Match, Place
from dcos.scheduling.reservations import Owner


@dataclass(slots=True)
class Plan:
    """What an offer is used for."""

    operations: list[OfferOperation] = field(default_factory=list)
    """All but the launches of single tasks."""
    task_infos: list[TaskInfo] = field(default_factory=list)
    count: int = 0
    """Instances."""

    def __bool__(self) -> bool:
        return bool(self.operations or self.task_infos)

    def all(self) -> tuple[OfferOperation, ...]:
        if not self.task_infos:
            return tuple(self.operations)
        launch = OfferOperationLaunch(task_infos=tuple(self.task_infos))
        return (*self.operations, OfferOperation(type=OfferOperationType.LAUNCH, launch=launch))


def pick_of(uuid: str) -> int:
    """A number that chooses among ports."""
    return int(uuid[:8], 16)


def new(turn: Turn, spec: RunSpec, place: Place, found: Match, uuid: str, plan: Plan) -> Resources:
    """A new instance, with a reservation where it has volumes; answers what it takes of the offer."""
    instance_id = ids.instance_id(spec.id, uuid)
    taken, reservation = found.resources, None
    if found.parts:
        volumes = tuple(reservations.local_volume(spec.id, part.wish, turn.fresh()) for part in found.parts)
        owner = Owner(turn.state.framework_id or "", instance_id, place.role, turn.settings.principal)
        claim = reservations.claim(owner, found.resources, found.parts, volumes)
        plan.operations += claim.operations
        for part in found.parts:
            taken += part.resources
        found = with_fields(found, resources=claim.resources)
        reservation = Reservation(volumes=volumes)
    instance = Instance(
        id=instance_id,
        app_id=spec.id,
        version=spec.version or "",
        role=place.role,
        agent=place.agent,
        tasks=(),
        since=turn.now,
        reservation=reservation,
        config_version=spec.config_version,
        index=turn.state.numbers_of(spec.id).lowest(spec.config_version),
    )
    _launch(turn, spec, instance, place, found, pick_of(uuid), plan)
    return taken


def again(turn: Turn, spec: RunSpec, instance: Instance, place: Place, found: Match, pick: int, plan: Plan) -> None:
    """The next incarnation of an instance, on its reservation."""
    again = replace(
        instance,
        agent=place.agent,
        version=spec.version or "",
        config_version=spec.config_version,
        condition=Condition.PROVISIONED,
        since=turn.now,
        incarnation=instance.incarnation + 1,
    )
    _launch(turn, spec, again, place, found, pick, plan)


def _launch(turn: Turn, spec: RunSpec, instance: Instance, place: Place, found: Match, pick: int, plan: Plan) -> None:
    """Store it with its tasks, and plan their launch."""
    settings, number = turn.settings.task, instance.incarnation
    if isinstance(spec, App):
        ports = {APP_TASK: found.host_ports}
        group = turn.state.groups.get("/" + ids.segments(spec.id)[0])
        enforce_role = group is not None and group.enforce_role
        task_id = ids.task_id(instance.id, APP_TASK, number)
        info = build.task_info(spec, place, found, task_id, settings, enforce_role=enforce_role, pick=pick)
        plan.task_infos.append(numbering.numbered(info, instance.index))
    else:
        ports = {one.name: pods.container_ports(spec, found.host_ports, one.name) for one in spec.containers}
        made = pods.launch(spec, place, found, instance.id, settings, turn.state.framework_id, number)
        made = numbering.numbered_pod(made, instance.index)
        group_launch = OfferOperationLaunchGroup(executor=made.executor, task_group=made.group)
        plan.operations.append(OfferOperation(type=OfferOperationType.LAUNCH_GROUP, launch_group=group_launch))
    tasks = tuple(
        InstanceTask(id=ids.task_id(instance.id, name, number), name=name, host_ports=numbers, staged_at=turn.now)
        for name, numbers in ports.items()
    )
    turn.save_instance(replace(instance, tasks=tasks))
    turn.state.tokens -= 1
    plan.count += 1
