"""``dcos node log``: the journal of a node."""

from __future__ import annotations

import click

from dcos.cli import completing
from dcos.cli.commands.node.shared import either
from dcos.cli.context import Context, pass_context
from dcos.cli.journal import FORMATS, formatted
from dcos.cli.output import fail, until_interrupted


@click.command()
@click.argument("mesos_id", required=False, shell_complete=completing.agents)
@click.option("--leader", is_flag=True, help="Of the leading master.")
@click.option("--component", help="Only this unit's, as `dcos node list-components` has them.")
@click.option(
    "--filter", "filters", multiple=True, metavar="FIELD:VALUE", help="Only entries with this; may be repeated."
)
@click.option("--lines", default=10, show_default=True, help="So many of the last entries.")
@click.option("--all", "every", is_flag=True, help="All entries there are.")
@click.option("--follow", is_flag=True, help="Go on printing what comes.")
@click.option("-o", "--output", "form", type=click.Choice(FORMATS), default="short", help="How an entry is printed.")
@pass_context
def log(
    context: Context,
    mesos_id: str | None,
    leader: bool,
    component: str | None,
    filters: tuple[str, ...],
    lines: int,
    every: bool,
    follow: bool,
    form: str,
) -> None:
    """Print the journal of the node with this MESOS_ID, or of the leading master.

    \b
    Example: dcos node log --leader --component=dcos-mesos-master --follow
    """
    either(mesos_id, leader)
    if every and follow:
        fail("--all and --follow exclude each other")
    for one in filters:
        if one.count(":") != 1 or one.startswith(":"):
            fail(f"filter '{one}' must be FIELD:VALUE")
    unit = None if component is None else component if "." in component else f"{component}.service"
    if follow:
        entries = context.logs.follow_units(mesos_id, unit, filters, abs(lines))
    else:
        entries = context.logs.units(mesos_id, unit, filters, None if every else abs(lines))
    with until_interrupted():
        for entry in entries:
            click.echo(formatted(entry, form))
