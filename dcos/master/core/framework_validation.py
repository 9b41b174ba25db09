"""Whether a framework may subscribe as it says; the first problem found, in upstream's order, or None.

Source: Mesos master validation (roles, ids, offer filters, failover timeout) and docs/roles.md.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable

from dcos.master.core.constraints import constraints_problem
from dcos.master.core.state import Rules
from dcos.model.identifiers import id_problem, role_problem
from dcos.model.resource_rules import input_problem
from dcos.model.v1.scheduler import OfferConstraints
from dcos.model.v1.types import FrameworkInfo, FrameworkInfoCapabilityType

_MAX_TIMEOUT_S = (2**63 - 1) / 1e9


def framework_problem(info: FrameworkInfo, rules: Rules, *, completed: Container[str]) -> str | None:
    """Of what it is."""
    multi_role = _multi_role(info)
    if multi_role and info.role is not None:
        return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
    if not multi_role and info.roles:
        return "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"
    roles = _roles(info)
    twice = sorted({role for role in roles if roles.count(role) > 1})
    if twice:
        return f"'FrameworkInfo.roles' contains duplicate items: {_set_text(twice)}"
    for role in roles:
        problem = role_problem(role)
        if problem is not None:
            said = (
                "'FrameworkInfo.roles' contains invalid role"
                if multi_role
                else "'FrameworkInfo.role' is not a valid role"
            )
            return f"{said}: {problem}"
    if info.id is not None and info.id.value:
        problem = id_problem(info.id.value)
        if problem is not None:
            return problem
    for filters in info.offer_filters.values():
        for one in filters.min_allocatable_resources.quantities if filters.min_allocatable_resources else ():
            if not one.quantities:
                return "Resource quantities must contain at least one quantity"
            for name, scalar in one.quantities.items():
                problem = input_problem(scalar.value)
                if problem is not None:
                    return f"Invalid resource quantity for '{name}': {problem}"
    if not math.isfinite(info.failover_timeout) or abs(info.failover_timeout) > _MAX_TIMEOUT_S:
        return f"The framework failover_timeout ({info.failover_timeout:g}) is invalid"
    if rules.roles is not None:
        outside = sorted(role for role in roles if role not in rules.roles)
        if outside:
            return f"Roles {_set_text(outside)} are not present in the master's --roles"
    if info.user == "root" and not rules.root_submissions:
        return "User 'root' is not allowed to run frameworks without --root_submissions set"
    if info.id is not None and info.id.value in completed:
        return "Framework has been removed"
    return None


def wishes_problem(
    info: FrameworkInfo, suppressed: tuple[str, ...], constraints: OfferConstraints | None, rules: Rules
) -> str | None:
    """Of what it wants to be offered."""
    roles = _roles(info)
    strangers = sorted(set(suppressed) - set(roles))
    if strangers:
        return f"Suppressed roles {_set_text(strangers)} are not contained in the set of roles"
    if constraints is not None:
        for role in constraints.role_constraints:
            if role not in roles:
                return (
                    f"Offer constraints specify `role_constraints` for a role '{role}'not contained in the set of roles"
                )
        problem = constraints_problem(constraints, rules.regex_limits)
        if problem is not None:
            return f"Offer constraints are not valid: {problem}"
    return None


def _multi_role(info: FrameworkInfo) -> bool:
    return any(one.type is FrameworkInfoCapabilityType.MULTI_ROLE for one in info.capabilities)


def _roles(info: FrameworkInfo) -> tuple[str, ...]:
    return info.roles if _multi_role(info) else (info.role or "*",)


def _set_text(words: Iterable[str]) -> str:
    return "{ " + ", ".join(words) + " }"


def principal_problem(before: FrameworkInfo, after: FrameworkInfo) -> str | None:
    """Whoever knows an id only may not take a framework over; the old principal is not told."""
    return "Changing framework's principal is not allowed." if before.principal != after.principal else None


def update_problem(before: FrameworkInfo, after: FrameworkInfo) -> str | None:
    """What UPDATE_FRAMEWORK may not change."""
    problem = principal_problem(before, after)
    if problem is not None:
        return problem
    for name in ("user", "checkpoint"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            return (
                f"Updating 'FrameworkInfo.{name}' is unsupported; attempted to update from '{_word(old)}' to "
                f"'{_word(new)}'"
            )
    return None


def _word(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else value
