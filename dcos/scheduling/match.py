"""Does an instance of an app or pod fit what is left of an offer, and what does it take?

The rules are asked in upstream's order, so that the reasons of an offer's refusal form a funnel. Reserved resources are
taken before unreserved ones. What is needed is one ``Demand``; run specs of equal demands are asked once.

Three ways lead onto an offer: ``match`` takes what is free, ``match_new_volumes`` takes what is unreserved and can be
reserved, ``match_reserved`` takes what is reserved for the instance already.
Source: Marathon's ResourceMatcher, InstanceOpFactoryImpl and NoOfferMatchReason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from dcos.model import values
from dcos.model.marathon import App, NetworkMode
from dcos.model.marathon_state import AgentRef
from dcos.model.resource_kinds import UNRESERVED, Kind
from dcos.model.resources import EMPTY, Resources
from dcos.model.run_spec import RunSpec
from dcos.model.v1.types import Offer, Unavailability
from dcos.model.values import Amount
from dcos.scheduling import volumes
from dcos.scheduling.constraints import Spread, allows_value, field_value, needs_siblings, prepare
from dcos.scheduling.volumes import VolumePart, VolumeWish


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


Reasons = tuple[Reason, ...]
"""Those against an offer, the first asked first; never empty."""


@dataclass(frozen=True, slots=True)
class Match:
    resources: Resources
    host_ports: tuple[int, ...]
    """One per declared port; 0: none on the host."""
    parts: tuple[VolumePart, ...] = ()
    """Disks for persistent volumes that are to be made; not among ``resources``."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the service's settings say about matching."""

    default_accepted_roles: str = "any"
    """any, unreserved or reserved: for run specs that do not say."""
    decline_maintenance: bool = True
    draining_s: float = 0.0
    """How long before its maintenance an agent is left alone."""
    gpu_scheduling: str = "restricted"
    """restricted: agents with GPUs are only for what wants some; unrestricted: for all."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What decides where an instance may go. Scalars in thousandths."""

    role: str
    accepted: frozenset[str]
    """Reservations that it may use, ``*``: none."""
    cpus: int
    mem: int
    disk: int
    gpus: int
    ports: tuple[int | None, ...]
    """Per declared port: the number wanted on the host, 0 any, None none."""
    constraints: tuple[tuple[str, ...], ...] = ()
    instances: int = 0
    """The number wanted, where constraints depend on it."""
    volumes: tuple[VolumeWish, ...] = ()

    @property
    def is_shared(self) -> bool:
        """Whether every run spec of the same demand gets the same answer."""
        return not any(needs_siblings(one) for one in self.constraints)

    @property
    def names_region(self) -> bool:
        return any(one[0] == "@region" for one in self.constraints)


def demand_of(spec: RunSpec, policy: Policy) -> Demand:
    for constraint in spec.constraints:
        prepare(constraint)
    return Demand(
        role=spec.role or UNRESERVED,
        accepted=accepted_roles(spec, policy),
        cpus=values.thousandths(spec.cpus),
        mem=values.thousandths(spec.mem),
        disk=values.thousandths(spec.disk),
        gpus=values.thousandths(spec.gpus),
        ports=wanted_ports(spec),
        constraints=spec.constraints,
        instances=spec.instances if any(one[1] == "GROUP_BY" for one in spec.constraints) else 0,
        volumes=wanted_volumes(spec),
    )


def accepted_roles(spec: RunSpec, policy: Policy) -> frozenset[str]:
    if spec.accepted_resource_roles:
        return frozenset(spec.accepted_resource_roles)
    own = spec.role or UNRESERVED
    if policy.default_accepted_roles == "unreserved":
        return frozenset({UNRESERVED})
    if policy.default_accepted_roles == "reserved":
        return frozenset({own})
    return frozenset({UNRESERVED, own})


def wanted_ports(spec: RunSpec) -> tuple[int | None, ...]:
    if not isinstance(spec, App):
        return tuple(one.host_port for one in spec.endpoints)
    if spec.is_host_network:
        return tuple(one.port if spec.require_ports else 0 for one in spec.port_definitions or ())
    bridge = any(one.mode is NetworkMode.BRIDGE for one in spec.networks)
    return tuple((one.host_port or 0) if bridge else one.host_port for one in spec.port_mappings)


def wanted_volumes(spec: RunSpec) -> tuple[VolumeWish, ...]:
    """An app's are where its container wants them, a pod's under their own names: containers mount them from there."""
    if not isinstance(spec, App):
        return tuple(VolumeWish(one.name, one.name, one.persistent) for one in spec.volumes if one.persistent)
    found = spec.container.volumes if spec.container is not None else ()
    return tuple(VolumeWish(one.container_path, one.container_path, one.persistent) for one in found if one.persistent)


# ---- places ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Usable:
    """The resources of a place that a demand may use, and their sums."""

    free: Resources
    cpus: int
    mem: int
    disk: int
    gpus: int


@dataclass(frozen=True, slots=True)
class Place:
    """An offer as the matcher sees it; ``free`` shrinks with every instance placed on it."""

    agent: AgentRef
    role: str
    free: Resources
    in_maintenance: bool = False
    has_gpus: bool = False
    is_remote: bool = False
    """In another region than the leading master."""
    _usable: dict[frozenset[str], Usable] = field(default_factory=dict, compare=False)
    _values: dict[str, str | None] = field(default_factory=dict, compare=False)

    def usable(self, accepted: frozenset[str]) -> Usable:
        """Neither revocable nor shared resources, nor those that a labelled reservation keeps for somebody."""
        known = self._usable.get(accepted)
        if known is None:
            free = self.free.filter(
                lambda kind: kind.role in accepted and not kind.revocable and not kind.shared and not _is_labelled(kind)
            )
            known = self._usable[accepted] = _summed(free)
        return known

    def value(self, field: str) -> str | None:
        """What a constraint's field is here."""
        try:
            return self._values[field]
        except KeyError:
            return self._values.setdefault(field, field_value(field, self.agent))

    def without(self, taken: Resources) -> Place:
        return replace(self, free=self.free - taken, _usable={})


def _is_labelled(kind: Kind) -> bool:
    labels = kind.reservations[-1].labels if kind.reservations else None
    return labels is not None and bool(labels.labels)


def _summed(free: Resources) -> Usable:
    sums = {"cpus": 0, "mem": 0, "disk": 0, "gpus": 0}
    for kind, amount in free:
        if kind.disk is None and kind.name in sums and isinstance(amount, int):
            sums[kind.name] += amount
    return Usable(free, **sums)


def place_of(
    offer: Offer, *, now: float, default_role: str, policy: Policy | None = None, home_region: str | None = None
) -> Place:
    domain = offer.domain.fault_domain if offer.domain else None
    region = domain.region.name if domain else None
    free = Resources.of(offer.resources)
    return Place(
        agent=AgentRef(
            host=offer.hostname,
            agent_id=offer.agent_id.value,
            region=region,
            zone=domain.zone.name if domain else None,
            attributes=offer.attributes,
        ),
        role=(offer.allocation_info.role if offer.allocation_info else None) or default_role,
        free=free,
        in_maintenance=_is_unavailable(offer.unavailability, now, policy.draining_s if policy else 0.0),
        has_gpus=free.scalar("gpus") > 0,
        is_remote=None not in (region, home_region) and region != home_region,
    )


def _is_unavailable(window: Unavailability | None, now: float, draining_s: float) -> bool:
    """Within its maintenance, or shortly before it."""
    if window is None:
        return False
    start = window.start.nanoseconds / 1e9
    ends = start + window.duration.nanoseconds / 1e9 if window.duration is not None else None
    return start - draining_s <= now and (ends is None or now < ends)


# ---- matching --------------------------------------------------------------------------------------------------------


def match(demand: Demand, place: Place, spread: Spread, policy: Policy, pick: int) -> Match | Reasons:
    """What one more instance takes of ``place``. ``pick`` chooses among free ports."""
    found = _admitted(demand, place, spread)
    if found is not None:
        return found
    usable = place.usable(demand.accepted)
    if not usable.free:
        return (Reason.ROLE,)
    taken = _take(demand, usable, pick, in_maintenance=place.in_maintenance and policy.decline_maintenance)
    if isinstance(taken, tuple):
        return taken
    return _scarce(demand, place, policy) or taken


def match_new_volumes(demand: Demand, place: Place, spread: Spread, policy: Policy, pick: int) -> Match | Reasons:
    """As ``match``, of unreserved resources only, with disks for the demand's volumes."""
    found = _admitted(demand, place, spread)
    if found is not None:
        return found
    usable = place.usable(frozenset({UNRESERVED}))
    if UNRESERVED not in demand.accepted or not usable.free:
        return (Reason.ROLE,)
    taken = _take(demand, usable, pick, in_maintenance=place.in_maintenance and policy.decline_maintenance)
    if isinstance(taken, tuple):
        return taken
    parts = volumes.choose(demand.volumes, usable.free - taken.resources)
    if parts is None:
        return (Reason.DISK,)
    return _scarce(demand, place, policy) or replace(taken, parts=parts)


def match_reserved(
    demand: Demand, place: Place, own: Resources, spread: Spread, policy: Policy, pick: int
) -> Match | Reasons:
    """What an instance takes of ``own``, all of which is reserved for it, to be launched again with all its volumes."""
    found = _admitted(demand, place, spread)
    if found is not None:
        return found
    plain = own.filter(lambda kind: kind.disk is None)
    taken = _take(demand, _summed(plain), pick, in_maintenance=place.in_maintenance and policy.decline_maintenance)
    if isinstance(taken, tuple):
        return taken
    kept = own.filter(lambda kind: kind.persistence_id is not None)
    return replace(taken, resources=taken.resources + kept)


_ROLE: Final = (Reason.ROLE,)
_CONSTRAINT: Final = (Reason.CONSTRAINT,)


def _admitted(demand: Demand, place: Place, spread: Spread) -> Reasons | None:
    """What speaks against the agent itself."""
    if demand.role != place.role:
        return _ROLE
    if place.is_remote and not demand.names_region:
        return _CONSTRAINT
    for constraint in demand.constraints:
        if not allows_value(constraint, place.value(constraint[0]), spread, demand.instances):
            return _CONSTRAINT
    return None


def _scarce(demand: Demand, place: Place, policy: Policy) -> Reasons | None:
    if place.has_gpus and not demand.gpus and policy.gpu_scheduling == "restricted":
        return (Reason.SCARCE,)
    return None


_NO_PORTS: Final = ((), EMPTY)


def _take(demand: Demand, usable: Usable, pick: int, *, in_maintenance: bool) -> Match | Reasons:
    """Resources and ports, without volumes."""
    short = demand.cpus > usable.cpus or demand.mem > usable.mem
    if short or in_maintenance or demand.disk > usable.disk or demand.gpus > usable.gpus:
        return _insufficient(demand, usable, in_maintenance)
    ports = take_ports(demand.ports, usable.free, pick) if demand.ports else _NO_PORTS
    if ports is None:
        return (Reason.PORTS,)
    numbers, taken = ports
    for name, wanted in (
        ("cpus", demand.cpus),
        ("mem", demand.mem),
        ("disk", demand.disk),
        ("gpus", demand.gpus),
    ):
        if wanted:
            taken += take_scalar(usable.free, name, wanted)
    return Match(taken, numbers)


_LACKS: Final = (Reason.MAINTENANCE, Reason.CPUS, Reason.MEM, Reason.DISK, Reason.GPUS)
_TOGETHER: Final = tuple(
    tuple(reason for bit, reason in enumerate(_LACKS) if mask >> bit & 1) for mask in range(1 << len(_LACKS))
)
"""By the bits of those that hold: one tuple each, made once, for there may be millions of refusals."""


def _insufficient(demand: Demand, usable: Usable, in_maintenance: bool) -> Reasons:
    return _TOGETHER[
        in_maintenance
        | (demand.cpus > usable.cpus) << 1
        | (demand.mem > usable.mem) << 2
        | (demand.disk > usable.disk) << 3
        | (demand.gpus > usable.gpus) << 4
    ]


def _reserved_first(free: Resources, wanted: Callable[[Kind], bool]) -> list[tuple[Kind, Amount]]:
    found = [(kind, amount) for kind, amount in free if wanted(kind)]
    return found if len(found) < 2 else sorted(found, key=lambda one: not one[0].reservations)


def take_scalar(free: Resources, name: str, wanted: int) -> Resources:
    """``wanted`` thousandths over one or more kinds; the caller knows that there is enough."""
    taken: dict[Kind, Amount] = {}
    for kind, amount in _reserved_first(free, lambda kind: kind.name == name and kind.disk is None):
        if wanted <= 0:
            break
        assert isinstance(amount, int)
        part = min(amount, wanted)
        taken[kind] = part
        wanted -= part
    return Resources(taken)


def take_ports(wanted: Sequence[int | None], free: Resources, pick: int) -> tuple[tuple[int, ...], Resources] | None:
    """Host ports in the order of declaration and the resources that they are; None where they are not free."""
    pools = [
        (kind, amount)
        for kind, amount in _reserved_first(free, lambda kind: kind.name == "ports")
        if isinstance(amount, tuple)
    ]
    used = {port for port in wanted if port}
    numbers: list[int] = []
    taken: dict[Kind, list[int]] = {}
    for port in wanted:
        if port is None:
            numbers.append(0)
            continue
        for kind, ranges in pools:
            chosen = _choose(ranges, port, used, pick + len(numbers))
            if chosen is not None:
                numbers.append(chosen)
                used.add(chosen)
                taken.setdefault(kind, []).append(chosen)
                break
        else:
            return None
    amounts = {kind: values.coalesce((port, port) for port in sorted(set(ports))) for kind, ports in taken.items()}
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
