"""``dcos node``: the machines. This file looks at them; the files beside it do the rest."""

from __future__ import annotations

from typing import Any

import click

from dcos.cli import completing
from dcos.cli.commands.node.bundles import diagnostics
from dcos.cli.commands.node.journals import log
from dcos.cli.commands.node.lifecycle import deactivate, decommission, drain, reactivate
from dcos.cli.commands.node.measures import metrics
from dcos.cli.commands.node.secure_shell import ssh
from dcos.cli.commands.node.shared import address_of_node
from dcos.cli.context import Context, pass_context
from dcos.cli.nodes import Node, all_nodes, word
from dcos.cli.output import emit_json, emit_lines, emit_table, fail, shown_instead

_HEADER = ("HOSTNAME", "IP", "PUBLIC IP(S)", "ID", "TYPE", "STATUS", "REGION", "ZONE")


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def node(ctx: click.Context, as_json: bool) -> None:
    """Look at the nodes and maintain them; without a command, list them.

    \b
    Example: dcos node list
    """
    context = ctx.find_object(Context) or Context()
    if ctx.invoked_subcommand is None and not shown_instead(ctx, context):
        _list(context, as_json, (), False)


@node.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--field", "fields", multiple=True, help="A further column: dotted path into the agent's JSON.")
@click.option("--mesos-id", "only_ids", is_flag=True, help="Print only the agents' ids.")
@pass_context
def list_(context: Context, as_json: bool, fields: tuple[str, ...], only_ids: bool) -> None:
    """List masters and agents.

    \b
    Example: dcos node list --field=attributes.rack
    """
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
@click.argument("mesos_id", required=False, shell_complete=completing.agents)
@click.option("--leader", is_flag=True, help="Of the leading master.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def list_components(context: Context, mesos_id: str | None, leader: bool, as_json: bool) -> None:
    """List the units of the node with this MESOS_ID, or of the leading master.

    \b
    Example: dcos node list-components --leader
    """
    if (mesos_id is None) == (not leader):
        fail("give either a Mesos id or --leader")
    units = context.health.units_of(address_of_node(context, mesos_id))
    if as_json:
        emit_json(units)
    else:
        emit_lines(sorted(str(one["id"]) for one in units))


@node.command()
@click.argument("mesos_id", required=False, shell_complete=completing.agents)
@click.option("--leader", is_flag=True, help="Of the leading master.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def health(context: Context, mesos_id: str | None, leader: bool, as_json: bool) -> None:
    """Show the health of all nodes, or of one node's units. (Not in upstream's dcos.)

    \b
    Example: dcos node health --leader
    """
    if mesos_id is None and not leader:
        nodes = context.health.nodes()
        if as_json:
            emit_json(nodes)
        else:
            emit_table(("IP", "ROLE", "HEALTH"), [(one["host_ip"], one["role"], word(one["health"])) for one in nodes])
        return
    units = context.health.units_of(address_of_node(context, mesos_id))
    if as_json:
        emit_json(units)
        return
    rows = [
        (one["id"], word(one["health"]), one.get("name", "")) for one in sorted(units, key=lambda one: str(one["id"]))
    ]
    emit_table(("UNIT", "HEALTH", "NAME"), rows)


@node.command()
@click.argument("host")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def dns(context: Context, host: str, as_json: bool) -> None:
    """Show the addresses that the cluster's DNS has for HOST.

    \b
    Example: dcos node dns marathon.mesos
    """
    found = context.mesos.hosts(host)
    if as_json:
        emit_json(found)
    else:
        emit_table(("HOST", "IP"), [(one.get("host", ""), one["ip"]) for one in found])


for _command in (deactivate, decommission, diagnostics, drain, log, metrics, reactivate, ssh):
    node.add_command(_command)
