"""``/roles``."""

from __future__ import annotations

from dcos.master.core import quota, views
from dcos.master.core.roles import known
from dcos.master.core.state import State
from dcos.master.core.viewer import ALL, Viewer
from dcos.master.v0.parts import Json

Amounts = dict[str, dict[str, int]]
"""Thousandths by role and name."""


def roles(state: State, viewer: Viewer = ALL) -> Json:
    """Those known; what is held counts for every role above its own too."""
    used: Amounts = {}
    offered: Amounts = {}
    reserved: Amounts = {}
    members: dict[str, list[str]] = {}
    for record in state.frameworks.values():
        for role in record.roles:
            members.setdefault(role, []).append(record.id)
        for role, one in views.held_by_role(record, offered=False).items():
            quota.count(used, role, one)
        for role, one in views.held_by_role(record, offered=True).items():
            quota.count(offered, role, one)
    for machine in state.agents.values():
        for role, one in machine.total.reserved().items():
            quota.count(reserved, role, one)
    consumed = quota.consumption(state)
    out = []
    for role in filter(viewer.role, known(state)):
        held = dict(used.get(role, {}))
        quota.add(held, offered.get(role, {}))
        out.append(
            {
                "name": role,
                "weight": state.allocator.weights.get(role, 1.0),
                "quota": quota.role_json(state, role, consumed),
                "resources": quota.quantities_json(held),
                "allocated": quota.quantities_json(used.get(role, {})),
                "offered": quota.quantities_json(offered.get(role, {})),
                "reserved": quota.quantities_json(reserved.get(role, {})),
                "frameworks": members.get(role, []),
            }
        )
    return {"roles": out}
