"""``dcos node metrics``: what a node's machine is doing."""

from __future__ import annotations

import click

from dcos.cli import completing
from dcos.cli.context import Context, pass_context
from dcos.cli.datapoints import SUMMARY_HEADER, details, of_node, summary_points
from dcos.cli.output import emit_json, emit_table, fail


@click.group()
def metrics() -> None:
    """Show the metrics of an agent's machine.

    \b
    Example: dcos node metrics summary 3f4a-S0
    """


@metrics.command("details")
@click.argument("mesos_id", shell_complete=completing.agents)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def details_(context: Context, mesos_id: str, as_json: bool) -> None:
    """Show all metrics of the node with this MESOS_ID.

    \b
    Example: dcos node metrics details 3f4a-S0 --json
    """
    points = context.metrics.node(mesos_id)
    if as_json:
        emit_json(points)
        return
    if not points:
        fail("No metrics found")
    emit_table(("NAME", "VALUE", "TAGS"), details(points, tags=True), right=("VALUE",))


@metrics.command()
@click.argument("mesos_id", shell_complete=completing.agents)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def summary(context: Context, mesos_id: str, as_json: bool) -> None:
    """Show cpu, memory and disk in use of the node with this MESOS_ID.

    \b
    Example: dcos node metrics summary 3f4a-S0
    """
    points = context.metrics.node(mesos_id)
    if as_json:
        emit_json(summary_points(points, node=True))
        return
    if not points:
        fail("No metrics found")
    emit_table(SUMMARY_HEADER, [of_node(points)])
