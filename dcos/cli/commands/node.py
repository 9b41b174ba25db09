"""``dcos node``: the machines."""

from __future__ import annotations

from typing import Any

import click

from dcos.cli.context import Context, pass_context
from dcos.cli.nodes import Node, all_nodes
from dcos.cli.output import emit_json, emit_lines, emit_table, fail

_HEADER = ("HOSTNAME", "IP", "PUBLIC IP(S)", "ID", "TYPE", "STATUS", "REGION", "ZONE")


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def node(ctx: click.Context, as_json: bool) -> None:
    """Look at the nodes; without a command, list them."""
    if ctx.invoked_subcommand is None:
        _list(ctx.find_object(Context) or Context(), as_json, (), False)


@node.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--field", "fields", multiple=True, help="A further column: dotted path into the agent's JSON.")
@click.option("--mesos-id", "only_ids", is_flag=True, help="Print only the agents' ids.")
@pass_context
def list_(context: Context, as_json: bool, fields: tuple[str, ...], only_ids: bool) -> None:
    """List masters and agents."""
    _list(context, as_json, fields, only_ids)


def _list(context: Context, as_json: bool, fields: tuple[str, ...], only_ids: bool) -> None:
    nodes = all_nodes(context.mesos, context.health)
    if as_json:
        emit_json([one.json() for one in nodes])
    elif only_ids:
        emit_lines(one.id for one in nodes if one.raw)
    else:
        emit_table((*_HEADER, *(field.upper() for field in fields)), [_row(one, fields) for one in nodes])


def _row(one: Node, fields: tuple[str, ...]) -> tuple[Any, ...]:
    base = (one.hostname, one.ip, "\n".join(one.public_ips), one.id, one.kind, one.status, one.region, one.zone)
    return (*base, *(_dotted(one.raw, field) for field in fields))


def _dotted(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return "N/A" if value is None else value


@node.command("list-components")
@click.argument("mesos_id", required=False)
@click.option("--leader", is_flag=True, help="Of the leading master.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def list_components(context: Context, mesos_id: str | None, leader: bool, as_json: bool) -> None:
    """List the units of the node with this MESOS_ID, or of the leading master."""
    if (mesos_id is None) == (not leader):
        fail("give either a Mesos id or --leader")
    units = context.health.units_of(_address(context, mesos_id))
    if as_json:
        emit_json(units)
    else:
        emit_lines(sorted(str(one["id"]) for one in units))


@node.command()
@click.argument("mesos_id", required=False)
@click.option("--leader", is_flag=True, help="Of the leading master.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def health(context: Context, mesos_id: str | None, leader: bool, as_json: bool) -> None:
    """Show the health of all nodes, or of one node's units. (Not in upstream's dcos.)"""
    if mesos_id is None and not leader:
        nodes = context.health.nodes()
        if as_json:
            emit_json(nodes)
        else:
            emit_table(("IP", "ROLE", "HEALTH"), [(one["host_ip"], one["role"], word(one["health"])) for one in nodes])
        return
    units = context.health.units_of(_address(context, mesos_id))
    if as_json:
        emit_json(units)
        return
    rows = [
        (one["id"], word(one["health"]), one.get("name", "")) for one in sorted(units, key=lambda one: str(one["id"]))
    ]
    emit_table(("UNIT", "HEALTH", "NAME"), rows)


def word(health: Any) -> str:
    """A health number in words."""
    return {0: "healthy", 1: "unhealthy"}.get(health, "unknown")


def _address(context: Context, mesos_id: str | None) -> str:
    for one in all_nodes(context.mesos, context.health):
        if one.kind == "master (leader)" if mesos_id is None else one.id == mesos_id:
            return one.ip
    fail(
        "no master leads now" if mesos_id is None else f"'{mesos_id}' is no node of this cluster, see `dcos node list`"
    )
