"""Which roles there are.   Source: Mesos ``knownRoles``."""

from __future__ import annotations

from dcos.master.core import quota
from dcos.master.core.state import State


def known(state: State) -> list[str]:
    """Sorted: those of ``--roles`` where it is given; else those with frameworks, allocations, reservations, a weight or a
    quota; and always those above them.
    """
    names = state.rules.roles
    if names is None:
        reserved = {role for agent in state.agents.values() for role in agent.total.reserved()}
        members = {role for framework in state.frameworks.values() for role in framework.roles}
        names = frozenset({*state.allocator.roles(), *members, *reserved, *state.allocator.weights, *state.quotas})
    return sorted({above for role in names for above in quota.lineage(role)})
