"""Everything that speaks against one more instance in a place, not only the first thing, and what would help.

``match`` stops at the first reason, as upstream's funnel does; a person wants to know all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dcos.model import values
from dcos.model.marathon_state import Instance
from dcos.model.resource_kinds import UNRESERVED
from dcos.model.resources import Resources
from dcos.model.run_spec import RunSpec
from dcos.scheduling.constraints import Spread, allows, field_value
from dcos.scheduling.match import Place, Policy, Reason, accepted_roles

_SCALARS = (
    ("cpus", "cpus", Reason.CPUS),
    ("mem", "MiB of memory", Reason.MEM),
    ("disk", "MiB of disk", Reason.DISK),
    ("gpus", "gpus", Reason.GPUS),
)


@dataclass(frozen=True, slots=True)
class Lack:
    """One reason against a place."""

    reason: Reason
    text: str
    helps: str


def spread_of(spec: RunSpec, siblings: Sequence[Instance]) -> Spread:
    """Where the siblings are, as far as its constraints ask."""
    fields = {one[0] for one in spec.constraints}
    return Spread(fields, [one.agent for one in siblings] if fields else ())


def lacks(
    spec: RunSpec, place: Place, siblings: Sequence[Instance], policy: Policy, spread: Spread | None = None
) -> list[Lack]:
    """All reasons against ``place``, in upstream's order; ports are judged by the matcher alone. ``spread``: that of
    ``spread_of``, where many places are judged."""
    return list(_lacks(spec, place, siblings, policy, spread or spread_of(spec, siblings)))


def _lacks(spec: RunSpec, place: Place, siblings: Sequence[Instance], policy: Policy, spread: Spread) -> Iterator[Lack]:
    role = spec.role or UNRESERVED
    if role != place.role:
        yield Lack(Reason.ROLE, f"offered to role {place.role}, wanted in {role}", f"an offer to role {role}")
        return
    for constraint in spec.constraints:
        if not allows(constraint, place.agent, spread, spec.instances):
            yield _constraint(constraint, place, siblings, spread)
    accepted = accepted_roles(spec, policy)
    usable = place.usable(accepted).free
    if not usable:
        roles = ", ".join(sorted(accepted))
        yield Lack(
            Reason.ROLE,
            f"nothing free of role {roles}",
            f"free resources of role {roles}, or other acceptedResourceRoles",
        )
        return
    if place.in_maintenance and policy.decline_maintenance:
        yield Lack(Reason.MAINTENANCE, "in maintenance", "the end of its maintenance")
    yield from _scalars(spec, usable)
    if place.has_gpus and not spec.gpus and policy.gpu_scheduling == "restricted":
        yield Lack(Reason.SCARCE, "has gpus, kept for those that want some", "--gpu_scheduling_behavior=unrestricted")


def _scalars(spec: RunSpec, usable: Resources) -> Iterator[Lack]:
    for name, unit, reason in _SCALARS:
        wanted = values.thousandths(float(getattr(spec, name)))
        free = sum(
            amount for kind, amount in usable if kind.name == name and kind.disk is None and isinstance(amount, int)
        )
        if free < wanted:
            missing = values.text_of_number(wanted - free)
            yield Lack(
                reason,
                f"{values.text_of_number(wanted)} {unit} wanted, {values.text_of_number(free)} free "
                f"(needs {missing} more)",
                f"{missing} more {unit} free, or a smaller app",
            )


def _constraint(constraint: Sequence[str], place: Place, siblings: Sequence[Instance], spread: Spread) -> Lack:
    field, operator, *rest = constraint
    value = rest[0] if rest else ""
    here = field_value(field, place.agent)
    name = " ".join(constraint)
    if here is None:
        return Lack(Reason.CONSTRAINT, f"{name}: it has no {field}", f"an agent with the attribute {field}")
    counts = Counter(field_value(field, one.agent) for one in siblings)
    match operator:
        case "UNIQUE":
            holder = next((one.id for one in siblings if field_value(field, one.agent) == here), "")
            text, helps = f"{here} already used by {holder}", f"another agent, of another {field}"
        case "MAX_PER":
            text, helps = f"{here} already has {counts[here]}", f"an agent with another {field}, or a larger number"
        case "CLUSTER":
            where = value or next((one for one in counts if one is not None), "")
            text, helps = f"here it is {here}, all belong to {where}", f"room where {field} is {where}"
        case "GROUP_BY":
            shares = ", ".join(f"{key}: {count}" for key, count in sorted(spread.of(constraint).items()))
            text, helps = f"{here} has its share already ({shares})", f"room where {field} is another"
        case "UNLIKE":
            text, helps = f"{here} matches", f"an agent whose {field} does not match {value}"
        case _:
            text, helps = f"here it is {here}", f"an agent whose {field} is {value}"
    return Lack(Reason.CONSTRAINT, f"{name}: {text}", helps)
