"""May this framework do that? Asked with the principal of its FrameworkInfo; None means yes, a text why not.

Source: Mesos master (ActionObject): what each operation is asked about, and the words of the refusal.
"""

from __future__ import annotations

from collections.abc import Iterable

from dcos.model.acls import Action
from dcos.model.authorizer import About, Authorizer
from dcos.model.launch_rights import task_user
from dcos.model.resource_messages import reservations_of
from dcos.model.secret_paths import spaces_of
from dcos.model.v1.types import (
    ExecutorInfo,
    FrameworkInfo,
    FrameworkInfoCapabilityType,
    OfferOperation,
    OfferOperationType,
    Resource,
    ResourceDiskInfoSourceType,
    TaskInfo,
)

Wanted = Iterable[tuple[Action, str | None]]
"""Every pair must be allowed."""


def registration_problem(acls: Authorizer, info: FrameworkInfo, asker: str | None) -> str | None:
    """A framework needs every role that it names. ``asker``: whose rights count."""
    multi_role = any(one.type is FrameworkInfoCapabilityType.MULTI_ROLE for one in info.capabilities)
    roles = sorted(set(info.roles)) if multi_role else [info.role or "*"]
    action = Action.REGISTER_FRAMEWORK
    refused = [role for role in roles if not acls.allows(action, asker, role)]
    if not refused and (roles or acls.bare(asker)):
        return None
    named = info.id.value if info.id is not None else ""
    shown = "{ " + ", ".join(roles) + " }" if roles else "{}"
    text = f"Not authorized to register framework {named} with roles {shown}"
    return _naming(text, acls.missing(action, asker, refused[0] if refused else None))


def task_problem(
    acls: Authorizer, task: TaskInfo, executor: ExecutorInfo | None, framework: FrameworkInfo, asker: str | None
) -> str | None:
    """What the framework may not, in upstream's words. ``executor``: the task's or its group's."""
    user = task_user(task, executor, framework)
    about = About(spaces=spaces_of(task.labels, executor.labels if executor is not None else None))
    if acls.allows(Action.RUN_TASK, asker, user, about):
        return None
    of = framework.id.value if framework.id is not None else ""
    text = f"launch task {task.task_id.value} of framework {of} under user '{user}'"
    return _naming(text, acls.missing(Action.RUN_TASK, asker, user, about))


def operation_problem(
    acls: Authorizer, operation: OfferOperation, framework: FrameworkInfo, asker: str | None
) -> str | None:
    """Of operations on resources; launches are judged task by task."""
    for action, what in operation_wants(operation):
        if not acls.allows(action, asker, what):
            text = f"Principal '{framework.principal or ''}' no authorized to {_shown(action, what)}"
            return _naming(text, acls.missing(action, asker, what))
    return None


def _naming(text: str, missing: str) -> str:
    """Upstream's words, and the permission that is missing where it has an id."""
    return f"{text}: the permission {missing} is missing" if missing else text


def _shown(action: Action, what: str | None) -> str:
    return f"perform action {action.name} on " + ("ANY object" if what is None else f"object {what}")


def operation_wants(operation: OfferOperation) -> Wanted:
    kinds = OfferOperationType
    match operation.type:
        case kinds.RESERVE if operation.reserve is not None:
            return reserve_wants(operation.reserve.source, operation.reserve.resources)
        case kinds.UNRESERVE if operation.unreserve is not None:
            return reservers(operation.unreserve.resources)
        case kinds.CREATE if operation.create is not None:
            return by_roles(Action.CREATE_VOLUME, operation.create.volumes)
        case kinds.DESTROY if operation.destroy is not None:
            return creators(operation.destroy.volumes)
        case kinds.GROW_VOLUME if operation.grow_volume is not None:
            return by_roles(Action.RESIZE_VOLUME, (operation.grow_volume.volume,))
        case kinds.SHRINK_VOLUME if operation.shrink_volume is not None:
            return by_roles(Action.RESIZE_VOLUME, (operation.shrink_volume.volume,))
        case kinds.CREATE_DISK if operation.create_disk is not None:
            block = operation.create_disk.target_type is ResourceDiskInfoSourceType.BLOCK
            action = Action.CREATE_BLOCK_DISK if block else Action.CREATE_MOUNT_DISK
            return by_roles(action, (operation.create_disk.source,))
        case kinds.DESTROY_DISK if operation.destroy_disk is not None:
            return _disk(operation.destroy_disk.source)
        case _:
            return ()


def _disk(source: Resource) -> Wanted:
    actions = {
        ResourceDiskInfoSourceType.BLOCK: Action.DESTROY_BLOCK_DISK,
        ResourceDiskInfoSourceType.RAW: Action.DESTROY_RAW_DISK,
    }
    kind = source.disk.source.type if source.disk is not None and source.disk.source is not None else None
    action = actions.get(kind, Action.DESTROY_MOUNT_DISK) if kind is not None else Action.DESTROY_MOUNT_DISK
    return by_roles(action, (source,))


def reservation_role(resource: Resource) -> str:
    """Of the last reservation; ``*`` for what is not reserved."""
    if resource.reservations:
        return resource.reservations[-1].role or "*"
    return resource.role or "*"


def by_roles(action: Action, resources: Iterable[Resource]) -> Wanted:
    roles = sorted({reservation_role(one) for one in resources})
    return [(action, role) for role in roles] or [(action, None)]


def reserve_wants(source: tuple[Resource, ...], resources: tuple[Resource, ...]) -> Wanted:
    """Without ``source`` the roles that are reserved for; with it each layer of reservations that goes, and each that comes."""
    if not source or not resources:
        return by_roles(Action.RESERVE_RESOURCES, resources)
    before, after = reservations_of(source[0]), reservations_of(resources[0])
    kept = 0
    while kept < min(len(before), len(after)) and before[kept] == after[kept]:
        kept += 1
    gone: list[tuple[Action, str | None]] = [(Action.UNRESERVE_RESOURCES, one.principal) for one in before[kept:]]
    return [*gone, *((Action.RESERVE_RESOURCES, one.role or "*") for one in after[kept:])]


def reservers(resources: Iterable[Resource]) -> Wanted:
    """UNRESERVE: by the principal of what is given up."""
    out: list[tuple[Action, str | None]] = []
    for one in resources:
        last = one.reservations[-1] if one.reservations else one.reservation
        out.append((Action.UNRESERVE_RESOURCES, last.principal if last is not None else None))
    return out


def creators(volumes: Iterable[Resource]) -> Wanted:
    """DESTROY: by the principal that made the volume."""
    out: list[tuple[Action, str | None]] = [
        (Action.DESTROY_VOLUME, one.disk.persistence.principal or "")
        for one in volumes
        if one.disk is not None and one.disk.persistence is not None
    ]
    return out or [(Action.DESTROY_VOLUME, None)]


def agent_problem(acls: Authorizer, principal: str | None, resources: Iterable[Resource]) -> str | None:
    """An agent needs leave to register, and every role that it reserves statically."""
    reserved = [one for one in resources if reservation_role(one) != "*"]
    wanted = [(Action.REGISTER_AGENT, None), *(by_roles(Action.RESERVE_RESOURCES, reserved) if reserved else ())]
    for action, what in wanted:
        if not acls.allows(action, principal, what):
            return f"Not authorized to {_shown(action, what)}"
    return None
