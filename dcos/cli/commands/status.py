"""``dcos status``: the cluster at a glance. An extension: upstream's dcos has no such command."""

from __future__ import annotations

import click

from dcos.cli.context import Context
from dcos.cli.nodes import word
from dcos.cli.output import emit_json, emit_table
from dcos.cli.overview import Overview, assess, gather
from dcos.client.adminrouter import identity
from dcos.client.adminrouter.failures import ClientError


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Show nodes, components, services and problems at a glance.

    Ends with 0 when all is well and with 1 when there are problems. (Not in upstream's dcos.)
    """
    context = ctx.find_object(Context) or Context()
    cluster = context.cluster
    overview = assess(gather(context.mesos, context.health, context.marathon))
    try:
        version = identity.version(context.transport)
    except ClientError:
        version = ""
    facts = {"name": cluster.name, "id": cluster.id, "url": cluster.url, "version": version}
    if as_json:
        emit_json(
            {
                "cluster": facts,
                "healthy": overview.is_healthy,
                "nodes": overview.nodes,
                "components": overview.components,
                "services": overview.services,
                "problems": overview.problems,
            }
        )
    else:
        click.echo(f"Cluster     {cluster.name} ({cluster.id})")
        click.echo(f"Address     {cluster.url}" + (f", DC/OS {version}" if version else ""))
        _print(overview)
    ctx.exit(0 if overview.is_healthy else 1)


def _print(overview: Overview) -> None:
    parts = overview.components
    if overview.is_healthy:
        click.echo("Status      " + click.style("healthy", fg="green"))
    else:
        count = len(overview.problems)
        click.echo("Status      " + click.style(f"{count} problem{'s' if count > 1 else ''}", fg="red"))
    click.echo(f"Components  {parts['healthy']} of {parts['total']} healthy")
    if overview.nodes:
        click.echo()
        emit_table(
            ("NODE", "IP", "TYPE", "HEALTH", "STATUS", "ID"),
            [
                (one["hostname"], one["ip"], one["type"], word(one["health"]), one["status"] or "-", one["id"])
                for one in overview.nodes
            ],
        )
    if overview.services:
        click.echo()
        emit_table(
            ("SERVICE", "STATE", "RUNNING", "HEALTHY"),
            [
                (
                    one["id"],
                    one["state"],
                    f"{one['running']}/{one['instances']}",
                    "-" if one["healthy"] is None else f"{one['healthy']}/{one['running']}",
                )
                for one in overview.services
            ],
        )
    if overview.problems:
        click.echo("\nPROBLEMS")
        for problem in overview.problems:
            click.echo(f"  {problem}")
