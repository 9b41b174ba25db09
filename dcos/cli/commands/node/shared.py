"""Which node is meant."""

from __future__ import annotations

from dcos.cli.context import Context
from dcos.cli.nodes import all_nodes
from dcos.cli.output import fail


def address_of_node(context: Context, mesos_id: str | None) -> str:
    """Of the node with this Mesos id; of the leading master without one."""
    for one in all_nodes(context.mesos, context.health):
        if one.kind == "master (leader)" if mesos_id is None else one.id == mesos_id:
            return one.ip
    if mesos_id is None:
        fail("no master leads now")
    fail(f"'{mesos_id}' is no node of this cluster", "`dcos node list` shows them")


def either(mesos_id: str | None, leader: bool) -> None:
    """End unless exactly one of both is given."""
    if (mesos_id is None) == (not leader):
        fail("give either a Mesos id or --leader", "`dcos node list` shows the ids")
