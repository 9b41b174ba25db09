"""Whether an operation on an agent's resources may be tried; the first problem in upstream's order, or None.

``framework`` None: an operator asks, whose resources must not be allocated to a role. ``principal``: who asks, None when
nobody was authenticated. Reservations are stacks already (``conversions.stacked``).

Source: Mesos master operation validation (docs/reservation.md, docs/persistent-volume.md, docs/shared-resources.md).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from dcos.master.core.records import AgentRecord, FrameworkRecord
from dcos.model import values
from dcos.model.conversions import plain_disk
from dcos.model.resource_kinds import DYNAMIC
from dcos.model.resource_messages import allocation_role, reservations_of, split
from dcos.model.resource_rules import resource_problem, validation_problem
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    AgentInfoCapabilityType,
    FrameworkInfoCapabilityType,
    OfferOperation,
    OfferOperationCreateDisk,
    OfferOperationGrowVolume,
    OfferOperationReserve,
    OfferOperationShrinkVolume,
    OfferOperationType,
    Resource,
    ResourceDiskInfoSourceType,
    ResourceReservationInfo,
    VolumeMode,
)


def operation_problem(
    operation: OfferOperation, agent: AgentRecord, framework: FrameworkRecord | None, principal: str | None
) -> str | None:
    """Of every type but LAUNCH and LAUNCH_GROUP."""
    match operation.type:
        case OfferOperationType.RESERVE if operation.reserve is not None:
            return _reserve(operation.reserve, agent, framework, principal)
        case OfferOperationType.UNRESERVE if operation.unreserve is not None:
            return _unreserve(operation.unreserve.resources)
        case OfferOperationType.CREATE if operation.create is not None:
            return _create(operation.create.volumes, agent, framework, principal)
        case OfferOperationType.DESTROY if operation.destroy is not None:
            return _destroy(operation.destroy.volumes, agent)
        case OfferOperationType.GROW_VOLUME if operation.grow_volume is not None:
            return _grow(operation.grow_volume, agent)
        case OfferOperationType.SHRINK_VOLUME if operation.shrink_volume is not None:
            return _shrink(operation.shrink_volume, agent)
        case OfferOperationType.CREATE_DISK if operation.create_disk is not None:
            return _create_disk(operation.create_disk, agent)
        case OfferOperationType.DESTROY_DISK if operation.destroy_disk is not None:
            return _destroy_disk(operation.destroy_disk.source, agent)
        case None | OfferOperationType.UNKNOWN:
            return "Unknown offer operation"
        case other:
            return f"Expecting '{other.lower()}' to be present"


def text_of(resource: Resource) -> str:
    """As upstream's messages name it."""
    return Resources.of((resource,)).describe(allocation_role(resource))


# ---- reservations ----------------------------------------------------------------------------------------------------


def _reserve(
    call: OfferOperationReserve, agent: AgentRecord, framework: FrameworkRecord | None, principal: str | None
) -> str | None:
    problem = validation_problem(call.resources)
    if problem is not None:
        return f"Invalid resources: {problem}"
    if call.source:
        problem = _source(call)
        if problem is not None:
            return problem
    problem = _one_provider(call.resources) or _empty(call.resources)
    if problem is not None:
        return f"Invalid resources: {problem}"
    for one in call.resources:
        problem = _reserved(one, agent, framework, principal)
        if problem is not None:
            return problem
    return None


def _empty(resources: tuple[Resource, ...]) -> str | None:
    return None if Resources.of(resources) else "No resources specified"


def _source(call: OfferOperationReserve) -> str | None:
    """A reservation of what is reserved already, in one step; only operators may."""
    problem = validation_problem(call.source)
    if problem is not None:
        return f"Invalid source: {problem}"
    for name, given in (("source", call.source), ("resources", call.resources)):
        if not given:
            return f"Invalid {name}: Resource cannot be empty"
        if len({reservations_of(one) for one in given}) > 1:
            return f"Invalid {name}: Mixed reservations are not supported {Resources.of(given).describe()}"
    before, after = _without_reservations(call.source), _without_reservations(call.resources)
    if before != after:
        return (
            f"Source and target resources should refer to identical resource quantities: {before.describe()} vs. "
            f"{after.describe()}"
        )
    if any(split(one)[0].persistence_id is not None for one in call.source):
        return "A persistent volume cannot be reserved anew"
    return None


def _without_reservations(resources: Iterable[Resource]) -> Resources:
    return Resources.of(msgspec.structs.replace(one, reservations=(), role=None, reservation=None) for one in resources)


def _reserved(
    one: Resource, agent: AgentRecord, framework: FrameworkRecord | None, principal: str | None
) -> str | None:
    stack = reservations_of(one)
    if not _is_dynamic(stack):
        return f"Resource {text_of(one)} is not dynamically reserved"
    problem = _agent_problem(one, "Resource", "reserved", agent)
    if problem is not None:
        return problem
    named = stack[-1].principal
    if principal is not None and named is None:
        return (
            f"A reserve operation was attempted by principal '{principal}', but there is a reserved resource in the "
            "request with no principal set"
        )
    if principal is not None and named != principal:
        return (
            f"A reserve operation was attempted by authenticated principal '{principal}', which does not match a "
            f"reserved resource in the request with principal '{named}'"
        )
    role, allocated = stack[-1].role or "", allocation_role(one)
    if framework is not None:
        problem = _role_problem(one, role, allocated, framework)
        if problem is not None:
            return problem
    elif allocated is not None:
        return (
            "A reserve operation was attempted with an allocated resource, but the operator API only allows "
            "reservations to be made to unallocated resources"
        )
    if one.disk is not None and one.disk.persistence is not None:
        return f"A persistent volume {text_of(one)} must already be reserved"
    return None


def _role_problem(one: Resource, role: str, allocated: str | None, framework: FrameworkRecord) -> str | None:
    roles = "{ " + ", ".join(framework.roles) + " }"
    if allocated is None:
        return (
            f"A reserve operation was attempted on unallocated resource {text_of(one)}, but frameworks can only "
            "perform reservations on allocated resources"
        )
    if allocated != role:
        return (
            f"A reserve operation was attempted for a resource with role '{role}', but the resource was allocated to "
            f"role '{allocated}'"
        )
    if role not in framework.roles:
        return (
            f"A reserve operation was attempted for a resource allocated to role '{role}', but the framework only has "
            f"roles '{roles}'"
        )
    return None


def _unreserve(resources: tuple[Resource, ...]) -> str | None:
    problem = validation_problem(resources) or _one_provider(resources) or _empty(resources)
    if problem is not None:
        return f"Invalid resources: {problem}"
    for one in resources:
        if not _is_dynamic(reservations_of(one)):
            return f"Resource {text_of(one)} is not dynamically reserved"
        if one.disk is not None and one.disk.persistence is not None:
            return (
                f"A dynamically reserved persistent volume {text_of(one)} cannot be unreserved directly. Please "
                "destroy the persistent volume first then unreserve the resource"
            )
    return None


# ---- volumes ---------------------------------------------------------------------------------------------------------


def _create(
    volumes: tuple[Resource, ...], agent: AgentRecord, framework: FrameworkRecord | None, principal: str | None
) -> str | None:
    problem = _volumes_problem(volumes)
    if problem is not None:
        return problem
    there: set[tuple[str, str | None]] = {(kind.role, kind.persistence_id) for kind, _ in agent.total}
    for one in volumes:
        kind = split(one)[0]
        if (kind.role, kind.persistence_id) in there:
            return f"Persistence ID '{kind.persistence_id}' is not unique"
        there.add((kind.role, kind.persistence_id))
    for one in volumes:
        if (
            one.shared is not None
            and framework is not None
            and FrameworkInfoCapabilityType.SHARED_RESOURCES not in framework.capabilities
        ):
            return (
                f"Create volume operation for '{text_of(one)}' has been attempted by framework '{framework.id}' with "
                "no SHARED_RESOURCES capability"
            )
        if framework is None and allocation_role(one) is not None:
            return f"Create volume operation attempted with an allocated resource '{text_of(one)}'"
        problem = _agent_problem(one, "Volume", "created", agent)
        if problem is None and principal is not None:
            problem = _creator_problem(one, principal)
        if problem is not None:
            return problem
    return None


def _creator_problem(volume: Resource, principal: str) -> str | None:
    persistence = volume.disk.persistence if volume.disk is not None else None
    named = persistence.principal if persistence is not None else None
    if named is None:
        return (
            f"Create volume operation attempted by principal '{principal}', but there is a volume in the operation "
            "with no principal set in 'disk.persistence'"
        )
    if named != principal:
        return (
            f"Create volume operation attempted by authenticated principal '{principal}', which does not match a "
            f"volume in the operation with principal '{named}' set in 'disk.persistence'"
        )
    return None


def _destroy(volumes: tuple[Resource, ...], agent: AgentRecord) -> str | None:
    problem = _volumes_problem(volumes)
    if problem is not None:
        return problem
    wanted = Resources.of(volumes)
    if not agent.total.contains(wanted):
        return "Persistent volumes not found"
    if any(agent.used.get(kind) is not None for kind, _ in wanted):
        return "Persistent volumes in use"
    return None


def _volumes_problem(volumes: tuple[Resource, ...]) -> str | None:
    problem = validation_problem(volumes) or _one_provider(volumes) or _empty(volumes)
    if problem is not None:
        return f"Invalid resources: {problem}"
    problem = next((text for one in volumes if (text := _not_persistent(one)) is not None), None)
    return None if problem is None else f"Not a persistent volume: {problem}"


def _not_persistent(one: Resource) -> str | None:
    if one.disk is None:
        return f"Resource {text_of(one)} does not have DiskInfo"
    if one.disk.persistence is None:
        return "'persistence' is not set in DiskInfo"
    if one.disk.volume is None:
        return "Expecting 'volume' to be set for persistent volume"
    if one.disk.volume.mode is VolumeMode.RO:
        return "Read-only persistent volume not supported"
    return None


def _grow(call: OfferOperationGrowVolume, agent: AgentRecord) -> str | None:
    for name, one in (("volume", call.volume), ("addition", call.addition)):
        problem = resource_problem(one)
        if problem is not None:
            return f"Invalid resource in the 'GrowVolume.{name}' field: {problem}"
    if call.addition.scalar is None or values.thousandths(call.addition.scalar.value) <= 0:
        return "The size of 'GrowVolume.addition' field must be greater than zero"
    if call.volume.provider_id is not None:
        return "Growing a volume from a resource provider is not supported"
    problem = _not_persistent(call.volume)
    if problem is not None:
        return f"Invalid persistent volume in the 'GrowVolume.volume' field: {problem}"
    if call.volume.shared is not None:
        return "Growing a shared persistent volume is not supported"
    below = next(iter(plain_disk((call.volume,))), None)
    if below is None or below[0].indivisible or below[0] is not split(call.addition)[0]:
        return "Incompatible resources in the 'GrowVolume.volume' and 'GrowVolume.addition' fields"
    return _resizable(call.volume, "grown", agent)


def _shrink(call: OfferOperationShrinkVolume, agent: AgentRecord) -> str | None:
    problem = resource_problem(call.volume)
    if problem is not None:
        return f"Invalid resource in the 'ShrinkVolume.volume' field: {problem}"
    less = call.subtract.value
    if not less > 0 or less == float("inf") or values.thousandths(less) <= 0:
        return "Value of 'ShrinkVolume.subtract' must be greater than zero"
    size = call.volume.scalar.value if call.volume.scalar is not None else 0.0
    if values.thousandths(less) >= values.thousandths(size):
        return "Value of 'ShrinkVolume.subtract' must be smaller than the size of 'ShrinkVolume.volume'"
    if call.volume.provider_id is not None:
        return "Shrinking a volume from a resource provider is not supported"
    if _source_type(call.volume) is ResourceDiskInfoSourceType.MOUNT:
        return "Shrinking a volume on a MOUNT disk is not supported"
    problem = _not_persistent(call.volume)
    if problem is not None:
        return f"Invalid persistent volume in the 'ShrinkVolume.volume' field: {problem}"
    if call.volume.shared is not None:
        return "Shrinking a shared persistent volume is not supported"
    return _resizable(call.volume, "shrunk", agent)


def _resizable(volume: Resource, done: str, agent: AgentRecord) -> str | None:
    if _has(agent, AgentInfoCapabilityType.RESIZE_VOLUME):
        return None
    return f"Volume {text_of(volume)} cannot be {done} on an agent without RESIZE_VOLUME capability"


# ---- disks of resource providers -------------------------------------------------------------------------------------


def _source_type(one: Resource) -> ResourceDiskInfoSourceType | None:
    return one.disk.source.type if one.disk is not None and one.disk.source is not None else None


def _provided(source: Resource, agent: AgentRecord) -> str | None:
    if not _has(agent, AgentInfoCapabilityType.RESOURCE_PROVIDER):
        return "Not supported because the agent does not have RESOURCE_PROVIDER capability"
    problem = validation_problem((source,))
    if problem is not None:
        return f"Invalid resource: {problem}"
    if source.provider_id is None:
        return "'source' is not managed by a resource provider"
    return None


def _create_disk(call: OfferOperationCreateDisk, agent: AgentRecord) -> str | None:
    kinds = ResourceDiskInfoSourceType
    problem = _provided(call.source, agent)
    if problem is not None:
        return problem
    if _source_type(call.source) is not kinds.RAW:
        return "'source' is not a RAW disk resource"
    if call.target_type not in (kinds.MOUNT, kinds.BLOCK):
        return "'target_type' is neither MOUNT or BLOCK"
    assert call.source.disk is not None
    assert call.source.disk.source is not None
    profiled = call.source.disk.source.profile is not None
    if profiled and call.target_profile is not None:
        return "'target_profile' must not be set when 'source' has a profile"
    if not profiled and call.target_profile is None:
        return "'target_profile' must be set when 'source' has no profile"
    return _unknown_provider(call.source)


def _destroy_disk(source: Resource, agent: AgentRecord) -> str | None:
    kinds = ResourceDiskInfoSourceType
    problem = _provided(source, agent)
    if problem is not None:
        return problem
    if _source_type(source) not in (kinds.MOUNT, kinds.BLOCK, kinds.RAW):
        return "'source' is neither a MOUNT, BLOCK or RAW disk resource"
    assert source.disk is not None
    assert source.disk.source is not None
    if source.disk.source.id is None:
        return "'source' is not backed by a CSI volume"
    if source.disk.persistence is not None:
        return (
            f"A disk resource containing a persistent volume {text_of(source)} cannot be destroyed directly. Please "
            "destroy the persistent volume first then destroy the disk resource"
        )
    return _unknown_provider(source)


def _unknown_provider(source: Resource) -> str:
    """No agent here has resource providers, so that nothing offered can be theirs."""
    assert source.provider_id is not None
    return f"Resource provider {source.provider_id.value} is not known"


# ---- both ------------------------------------------------------------------------------------------------------------


def feedback_problem(operation: OfferOperation, agent: AgentRecord) -> str | None:
    """An ``id`` asks for a status in the end: can the agent give it?"""
    if operation.id is None:
        return None
    if not operation.id.value:
        return "Operation 'id' must not be empty"
    kinds = AgentInfoCapabilityType
    if not _has(agent, kinds.RESOURCE_PROVIDER):
        return (
            f"Operation requested feedback, but agent {agent.id} does not have the required RESOURCE_PROVIDER "
            "capability"
        )
    if not _has(agent, kinds.AGENT_OPERATION_FEEDBACK):
        return (
            f"Operation on agent default resources requested feedback, but agent {agent.id} does not have the required "
            "AGENT_OPERATION_FEEDBACK and RESOURCE_PROVIDER capabilities"
        )
    return None


def _has(agent: AgentRecord, capability: AgentInfoCapabilityType) -> bool:
    return capability in agent.capabilities


def _is_dynamic(stack: tuple[ResourceReservationInfo, ...]) -> bool:
    return bool(stack) and stack[-1].type is DYNAMIC


def _one_provider(resources: tuple[Resource, ...]) -> str | None:
    providers = {one.provider_id.value if one.provider_id is not None else None for one in resources}
    if len(providers) < 2:
        return None
    named = sorted(one for one in providers if one is not None)
    if len(named) < len(providers):
        return "Some resources have a resource provider and some do not"
    return f"The resources have multiple resource providers: {', '.join(named)}"


def _agent_problem(one: Resource, what: str, done: str, agent: AgentRecord) -> str | None:
    stack = reservations_of(one)
    role = stack[-1].role or "" if stack else ""
    if "/" in role and not _has(agent, AgentInfoCapabilityType.HIERARCHICAL_ROLE):
        return (
            f"{what} {text_of(one)} with reservation for hierarchical role '{role}' cannot be {done} on an agent "
            "without HIERARCHICAL_ROLE capability"
        )
    if len(stack) > 1 and not _has(agent, AgentInfoCapabilityType.RESERVATION_REFINEMENT):
        return (
            f"{what} {text_of(one)} with reservation refinement cannot be {done} on an agent without "
            "RESERVATION_REFINEMENT capability"
        )
    return None
