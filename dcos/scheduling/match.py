"""Does an instance of an app or pod fit what is left of an offer, and what does it take?

The rules are asked in upstream's order, so that the reasons of an offer's refusal form a funnel. Reserved resources are
taken before unreserved ones.   Source: Marathon's ResourceMatcher and NoOfferMatchReason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dcos.model import values
from dcos.model.marathon import App, NetworkMode
from dcos.model.marathon_state import AgentRef, Instance
from dcos.model.resources import EMPTY, UNRESERVED, Kind, Resources
from dcos.model.run_spec import RunSpec
from dcos.model.v1.types import Offer
from dcos.model.values import Amount
from dcos.scheduling.constraints import allows


class Reason(StrEnum):
    """In the order in which they are asked."""

    ROLE = "UnfulfilledRole"
    CONSTRAINT = "UnfulfilledConstraint"
    RESERVATION = "NoCorrespondingReservationFound"
    MAINTENANCE = "AgentMaintenance"
    CPUS = "InsufficientCpus"
    MEM = "InsufficientMemory"
    DISK = "InsufficientDisk"
    GPUS = "InsufficientGpus"
    PORTS = "InsufficientPorts"
    SCARCE = "DeclinedScarceResources"


@dataclass(frozen=True, slots=True)
class Match:
    resources: Resources
    host_ports: tuple[int, ...]
    """One per declared port; 0: none on the host."""


@dataclass(frozen=True, slots=True)
class Place:
    """An offer as the matcher sees it; ``free`` shrinks with every instance placed on it."""

    agent: AgentRef
    role: str
    free: Resources
    in_maintenance: bool = False
    has_gpus: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """What the service's settings say about matching."""

    default_accepted_roles: str = "any"
    """any, unreserved or reserved: for apps that do not say."""
    decline_maintenance: bool = True
    gpu_scheduling: str = "restricted"
    """restricted: agents with GPUs are only for apps that want some; unrestricted: for all."""


def place_of(offer: Offer, *, now: float, default_role: str) -> Place:
    domain = offer.domain.fault_domain if offer.domain else None
    free = Resources.of(offer.resources)
    start = offer.unavailability.start.nanoseconds / 1e9 if offer.unavailability else None
    return Place(
        agent=AgentRef(
            host=offer.hostname,
            agent_id=offer.agent_id.value,
            region=domain.region.name if domain else None,
            zone=domain.zone.name if domain else None,
            attributes=offer.attributes,
        ),
        role=(offer.allocation_info.role if offer.allocation_info else None) or default_role,
        free=free,
        in_maintenance=start is not None and start <= now,
        has_gpus=free.scalar("gpus") > 0,
    )


def accepted_roles(spec: RunSpec, policy: Policy) -> frozenset[str]:
    """Reservations that it may use, ``*``: none."""
    if spec.accepted_resource_roles:
        return frozenset(spec.accepted_resource_roles)
    own = spec.role or UNRESERVED
    if policy.default_accepted_roles == "unreserved":
        return frozenset({UNRESERVED})
    if policy.default_accepted_roles == "reserved":
        return frozenset({own})
    return frozenset({UNRESERVED, own})


def match(spec: RunSpec, place: Place, siblings: Sequence[Instance], policy: Policy, pick: int) -> Match | Reason:
    """What one more instance takes of ``place``, or the first reason against it. ``pick`` chooses among free ports."""
    if (spec.role or UNRESERVED) != place.role:
        return Reason.ROLE
    if not all(allows(constraint, place.agent, siblings, spec.instances) for constraint in spec.constraints):
        return Reason.CONSTRAINT
    accepted = accepted_roles(spec, policy)
    usable = place.free.filter(lambda kind: kind.role in accepted and not kind.revocable and not kind.shared)
    if not usable:
        return Reason.RESERVATION
    if place.in_maintenance and policy.decline_maintenance:
        return Reason.MAINTENANCE
    taken = EMPTY
    for name, wanted, reason in (
        ("cpus", spec.cpus, Reason.CPUS),
        ("mem", spec.mem, Reason.MEM),
        ("disk", spec.disk, Reason.DISK),
        ("gpus", float(spec.gpus), Reason.GPUS),
    ):
        part = take_scalar(usable, name, values.thousandths(wanted))
        if part is None:
            return reason
        taken += part
    ports = take_ports(spec, usable, pick)
    if ports is None:
        return Reason.PORTS
    if place.has_gpus and not spec.gpus and policy.gpu_scheduling == "restricted":
        return Reason.SCARCE
    numbers, part = ports
    return Match(taken + part, numbers)


def _reserved_first(free: Resources, wanted: Callable[[Kind, Amount], bool]) -> list[tuple[Kind, Amount]]:
    found = [(kind, amount) for kind, amount in free if wanted(kind, amount)]
    return sorted(found, key=lambda one: not one[0].reservations)


def take_scalar(free: Resources, name: str, wanted: int) -> Resources | None:
    """``wanted`` thousandths over one or more kinds; None where there is not enough."""
    taken: dict[Kind, Amount] = {}
    for kind, amount in _reserved_first(free, lambda kind, _: kind.name == name and kind.disk is None):
        if wanted <= 0:
            break
        assert isinstance(amount, int)
        part = min(amount, wanted)
        taken[kind] = part
        wanted -= part
    return Resources(taken) if wanted <= 0 else None


def wanted_ports(spec: RunSpec) -> tuple[int | None, ...]:
    """Per declared port: the number wanted on the host, 0 any, None none."""
    if not isinstance(spec, App):
        return tuple(one.host_port for one in spec.endpoints)
    if spec.is_host_network:
        return tuple(one.port if spec.require_ports else 0 for one in spec.port_definitions or ())
    bridge = any(one.mode is NetworkMode.BRIDGE for one in spec.networks)
    return tuple((one.host_port or 0) if bridge else one.host_port for one in spec.port_mappings)


def take_ports(spec: RunSpec, free: Resources, pick: int) -> tuple[tuple[int, ...], Resources] | None:
    """Host ports in the order of declaration and the resources that they are; None where they are not free."""
    wanted = wanted_ports(spec)
    pools = [
        (kind, amount)
        for kind, amount in _reserved_first(free, lambda kind, _: kind.name == "ports")
        if isinstance(amount, tuple)
    ]
    fixed = {port for port in wanted if port}
    numbers: list[int] = []
    taken: dict[Kind, list[int]] = {}
    for port in wanted:
        if port is None:
            numbers.append(0)
            continue
        for kind, ranges in pools:
            chosen = _choose(ranges, port, fixed | set(numbers), pick + len(numbers))
            if chosen is not None:
                numbers.append(chosen)
                taken.setdefault(kind, []).append(chosen)
                break
        else:
            return None
    amounts = {
        kind: values.coalesce((port, port) for port in sorted(set(ports))) for kind, ports in taken.items() if ports
    }
    return tuple(numbers), Resources(amounts)


def _choose(ranges: values.Ranges, wanted: int, used: set[int], pick: int) -> int | None:
    if wanted:
        return wanted if any(low <= wanted <= high for low, high in ranges) else None
    total = values.count_ranges(ranges)
    for step in range(min(total, len(used) + 1)):
        index = (pick + step) % total
        for low, high in ranges:
            size = high - low + 1
            if index < size:
                if low + index not in used:
                    return low + index
                break
            index -= size
    return None
