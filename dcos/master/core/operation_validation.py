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
from dcos.model.resource_rules import resource_problem, resources_problem
from dcos.model.resources import DYNAMIC, Resources, allocation_role, reservations_of, split
from dcos.model.v1.types import (
    AgentInfoCapabilityType,
    FrameworkInfoCapabilityType,
    OfferOperation,
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
            return _of_provider(operation.create_disk.source)
        case OfferOperationType.DESTROY_DISK if operation.destroy_disk is not None:
            return _of_provider(operation.destroy_disk.source)
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
    problem = resources_problem(call.resources)
    if problem is None and not Resources.of(call.resources):
        problem = "No resources specified"
    if problem is None:
        problem = _one_provider(call.resources)
    if problem is not None:
        return f"Invalid resources: {problem}"
    if call.source:
        problem = _source(call, framework)
        if problem is not None:
            return problem
    for one in call.resources:
        problem = _reserved(one, agent, framework, principal)
        if problem is not None:
            return problem
    return None


def _source(call: OfferOperationReserve, framework: FrameworkRecord | None) -> str | None:
    """A reservation of what is reserved already, in one step."""
    if framework is not None:
        return "Operation on reserve with 'source' is not allowed for frameworks"
    problem = resources_problem(call.source)
    if problem is not None:
        return f"Invalid source resources: {problem}"
    for name, given in (("source", call.source), ("resources", call.resources)):
        if len({reservations_of(one) for one in given}) > 1:
            return f"Resources in '{name}' do not have a uniform reservation"
    if _without_reservations(call.source) != _without_reservations(call.resources):
        return "Resources in 'source' and 'resources' differ in more than their reservations"
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
    role = stack[-1].role or ""
    allocated = allocation_role(one)
    if framework is not None:
        problem = _role_problem(one, role, allocated, framework)
        if problem is not None:
            return problem
    elif allocated is not None:
        return (
            "A reserve operation was attempted with an allocated resource, but the operator API only allows "
            "reservations to be made to unallocated resources"
        )
    if principal is not None and stack[-1].principal != principal:
        named = (
            "no principal set"
            if stack[-1].principal is None
            else f"principal '{stack[-1].principal}' set in 'ReservationInfo'"
        )
        return (
            f"A reserve operation was attempted by principal '{principal}', but there is a reserved resource in the "
            f"request with {named}"
        )
    if one.disk is not None and one.disk.persistence is not None:
        return f"A persistent volume {text_of(one)} must already be reserved"
    return _agent_problem(one, "Resource", "reserved", agent)


def _role_problem(one: Resource, role: str, allocated: str | None, framework: FrameworkRecord) -> str | None:
    roles = "{ " + ", ".join(framework.roles) + " }"
    if allocated is None:
        return (
            f"A reserve operation was attempted on unallocated resource '{text_of(one)}', but frameworks can only "
            "perform reservations on allocated resources"
        )
    if allocated != role:
        return (
            f"A reserve operation was attempted for a resource with role '{role}', but the resource was allocated to "
            f"role '{allocated}'"
        )
    if role not in framework.roles:
        return (
            f"A reserve operation was attempted for a resource with role '{role}', but the framework can only reserve "
            f"resources with roles '{roles}'"
        )
    return None


def _unreserve(resources: tuple[Resource, ...]) -> str | None:
    problem = resources_problem(resources)
    if problem is None and not Resources.of(resources):
        problem = "No resources specified"
    if problem is None:
        problem = _one_provider(resources)
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
        if one.disk is not None and one.disk.volume is not None and one.disk.volume.mode is VolumeMode.RO:
            return "Not a persistent volume: Read-only persistent volume not supported"
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
        if principal is not None:
            assert one.disk is not None
            assert one.disk.persistence is not None
            named = one.disk.persistence.principal
            if named is None:
                return (
                    f"Create volume operation attempted by principal '{principal}', but there is a volume in the "
                    "operation with no 'disk.persistence.principal' set"
                )
            if named != principal:
                return (
                    f"Create volume operation attempted by principal '{principal}', but there is a volume in the "
                    f"operation with principal '{named}' set in 'disk.persistence.principal'"
                )
        problem = _agent_problem(one, "Volume", "created", agent)
        if problem is not None:
            return problem
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
    problem = resources_problem(volumes)
    if problem is None and not Resources.of(volumes):
        problem = "No resources specified"
    if problem is None:
        problem = _one_provider(volumes)
    if problem is not None:
        return f"Invalid resources: {problem}"
    problem = next((text for one in volumes if (text := _not_persistent(one)) is not None), None)
    return None if problem is None else f"Not a persistent volume: {problem}"


def _not_persistent(one: Resource) -> str | None:
    if one.disk is None:
        return f"Resource {text_of(one)} does not have DiskInfo"
    if one.disk.persistence is None:
        return "'persistence' is not set in DiskInfo"
    return None


def _grow(call: OfferOperationGrowVolume, agent: AgentRecord) -> str | None:
    for name, one in (("volume", call.volume), ("addition", call.addition)):
        problem = resource_problem(one)
        if problem is not None:
            return f"Invalid resource in the 'GrowVolume.{name}' field: {problem}"
    problem = _not_persistent(call.volume)
    if problem is not None:
        return f"Invalid persistent volume in the 'GrowVolume.volume' field: {problem}"
    if call.addition.scalar is None or values.thousandths(call.addition.scalar.value) <= 0:
        return "The size of 'GrowVolume.addition' field must be greater than zero"
    if call.volume.provider_id is not None:
        return "Growing a volume from a resource provider is not supported"
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
    problem = _not_persistent(call.volume)
    if problem is not None:
        return f"Invalid persistent volume in the 'ShrinkVolume.volume' field: {problem}"
    less = call.subtract.value
    if not less > 0 or less == float("inf") or values.thousandths(less) <= 0:
        return "The size of 'ShrinkVolume.subtract' field must be greater than zero"
    if values.thousandths(less) >= split(call.volume)[0].size:
        return "The size of 'ShrinkVolume.subtract' field must be less than the size of 'ShrinkVolume.volume'"
    source = call.volume.disk.source if call.volume.disk is not None else None
    if source is not None and source.type is ResourceDiskInfoSourceType.MOUNT:
        return "Shrinking a persistent volume on a MOUNT disk is not supported"
    if call.volume.provider_id is not None:
        return "Shrinking a volume from a resource provider is not supported"
    if call.volume.shared is not None:
        return "Shrinking a shared persistent volume is not supported"
    return _resizable(call.volume, "shrunk", agent)


def _resizable(volume: Resource, done: str, agent: AgentRecord) -> str | None:
    if _has(agent, AgentInfoCapabilityType.RESIZE_VOLUME):
        return None
    return f"Volume {text_of(volume)} cannot be {done} on an agent without RESIZE_VOLUME capability"


def _of_provider(source: Resource) -> str | None:
    """No agent here has resource providers, so that nothing can be theirs."""
    if source.provider_id is None:
        return "'source' is not managed by a resource provider"
    return f"Resource provider {source.provider_id.value} is not known"


# ---- both ------------------------------------------------------------------------------------------------------------


def feedback_problem(operation: OfferOperation, agent: AgentRecord) -> str | None:
    """An ``id`` asks for a status in the end: can the agent give it?"""
    if operation.id is None:
        return None
    if not operation.id.value:
        return "Operation 'id' must not be empty"
    kinds = AgentInfoCapabilityType
    if _has(agent, kinds.RESOURCE_PROVIDER) and _has(agent, kinds.AGENT_OPERATION_FEEDBACK):
        return None
    return (
        f"Operation on agent default resources requested feedback, but agent {agent.id} does not have the required "
        "RESOURCE_PROVIDER and AGENT_OPERATION_FEEDBACK capabilities"
    )


def _has(agent: AgentRecord, capability: AgentInfoCapabilityType) -> bool:
    return capability in agent.capabilities


def _is_dynamic(stack: tuple[ResourceReservationInfo, ...]) -> bool:
    return bool(stack) and stack[-1].type is DYNAMIC


def _one_provider(resources: tuple[Resource, ...]) -> str | None:
    if len({one.provider_id for one in resources}) > 1:
        return "The resources have multiple resource providers"
    return None


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
