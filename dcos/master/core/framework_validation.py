"""Whether a framework may subscribe as it says; the first problem found, in upstream's order, or None.

Source: Mesos master validation (roles, ids, offer filters, failover timeout) and docs/roles.md.
"""

from __future__ import annotations

import math
from collections.abc import Container

from dcos.master.core.state import Rules
from dcos.model.identifiers import id_problem, role_problem
from dcos.model.v1.scheduler import OfferConstraints
from dcos.model.v1.types import FrameworkInfo, FrameworkInfoCapabilityType

_MAX_TIMEOUT_S = (2**63 - 1) / 1e9


def framework_problem(
    info: FrameworkInfo,
    suppressed: tuple[str, ...],
    constraints: OfferConstraints | None,
    rules: Rules,
    *,
    completed: Container[str],
) -> str | None:
    multi_role = any(one.type is FrameworkInfoCapabilityType.MULTI_ROLE for one in info.capabilities)
    if multi_role and info.role is not None:
        return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
    if not multi_role and info.roles:
        return "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"
    roles = info.roles if multi_role else (info.role or "*",)
    if len(set(roles)) != len(roles):
        return "'FrameworkInfo.roles' contains duplicate items"
    for role in roles:
        problem = role_problem(role)
        if problem is not None:
            return f"'FrameworkInfo.role{'s' if multi_role else ''}' contains an invalid role: {problem}"
    if info.id is not None and info.id.value:
        problem = id_problem(info.id.value)
        if problem is not None:
            return f"'FrameworkInfo.id' is invalid: {problem}"
    for role, filters in info.offer_filters.items():
        for one in filters.min_allocatable_resources.quantities if filters.min_allocatable_resources else ():
            if not one.quantities:
                return f"Invalid offer filters for role '{role}': resource quantities must not be empty"
            if any(not math.isfinite(scalar.value) or scalar.value < 0 for scalar in one.quantities.values()):
                return f"Invalid offer filters for role '{role}': quantities must be finite and not negative"
    if not math.isfinite(info.failover_timeout) or abs(info.failover_timeout) > _MAX_TIMEOUT_S:
        return f"The 'failover_timeout' of {info.failover_timeout} seconds is invalid"
    if rules.roles is not None:
        outside = sorted(role for role in roles if role not in rules.roles and role != "*")
        if outside:
            return "Roles { " + ", ".join(outside) + " } are not present in the master's --roles"
    if info.user == "root" and not rules.root_submissions:
        return "User 'root' is not allowed to run frameworks without --root_submissions set"
    if info.id is not None and info.id.value in completed:
        return "Framework has been removed"
    strangers = sorted(set(suppressed) - set(roles))
    if strangers:
        return f"Suppressed role '{strangers[0]}' is not among the framework's roles"
    if constraints is not None:
        for role, wanted in constraints.role_constraints.items():
            if role not in roles:
                return f"Offer constraints are set for role '{role}' that the framework is not subscribed to"
            if not wanted.groups or any(not group.attribute_constraints for group in wanted.groups):
                return f"Offer constraints of role '{role}' are invalid: an empty group never matches"
    return None


def update_problem(before: FrameworkInfo, after: FrameworkInfo) -> str | None:
    """What UPDATE_FRAMEWORK may not change."""
    for name in ("principal", "user", "checkpoint"):
        if getattr(before, name) != getattr(after, name):
            return f"Updating 'FrameworkInfo.{name}' is unsupported"
    return None
