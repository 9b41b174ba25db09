"""Whether what an agent brings along when it registers makes sense; the first problem, or None.

Source: Mesos validation of RegisterSlaveMessage and ReregisterSlaveMessage.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from dcos.model.identifiers import role_problem
from dcos.model.resource_messages import allocation_role
from dcos.model.resource_rules import syntax_problem
from dcos.model.v1.types import FrameworkInfo, Resource, ValueType
from dcos.wire import agent_link


def registration_problem(message: agent_link.Register | agent_link.Reregister) -> str | None:
    known: set[str] = set()
    problem = next(
        (
            text
            for resources in (
                message.agent.resources,
                message.checkpointed_resources,
                message.oversubscribed_resources,
            )
            if (text := _resources_problem(resources, known)) is not None
        ),
        None,
    )
    if problem is None and any(one.revocable is None for one in message.oversubscribed_resources):
        return "its oversubscribed resources are not revocable"
    if problem is None and isinstance(message, agent_link.Reregister):
        named = [one.info.id.value for one in message.frameworks if one.info.id is not None]
        if len(named) != len(set(named)):
            return "it names a framework twice"
        problem = next(
            (text for one in message.frameworks if (text := _framework_problem(one, known)) is not None), None
        )
    return problem


def _framework_problem(brought: agent_link.AgentFramework, known: set[str]) -> str | None:
    for role in _roles(brought.info):
        problem = role_problem(role)
        if problem is not None:
            return f"its framework '{brought.info.name}' has an invalid role: {problem}"
    held = [one.resources for one in brought.executors] + [one.resources for one in brought.tasks]
    return next((text for one in held if (text := _resources_problem(one, known)) is not None), None)


def _roles(info: FrameworkInfo) -> tuple[str, ...]:
    return info.roles if info.role is None else (*info.roles, info.role)


def _resources_problem(resources: Iterable[Resource], known: set[str]) -> str | None:
    """``known``: roles that were found to be good."""
    for one in resources:
        problem = None if _is_plain(one) else syntax_problem(one)
        role = allocation_role(one)
        if problem is None and role is not None and role not in known:
            problem = role_problem(role)
            known.add(role)
        if problem is not None:
            return f"its resource '{one.name}' is invalid: {problem}"
    return None


def _is_plain(one: Resource) -> bool:
    """An unreserved amount: nearly all that tasks hold, and there may be many when a new leader hears of them all."""
    return (
        one.name in _AMOUNTS
        and one.scalar is not None
        and 0 <= one.scalar.value < math.inf
        and one.type is ValueType.SCALAR
        and (one.role, one.reservation, one.disk, one.ranges, one.set) == _UNSET
        and not one.reservations
    )


_AMOUNTS: Final = frozenset(("cpus", "mem", "disk"))
_UNSET: Final = (None, None, None, None, None)
