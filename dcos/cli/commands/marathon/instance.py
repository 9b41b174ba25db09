"""``dcos marathon leader``, ``ping``, ``delay`` and ``plugin``: Marathon itself."""

from __future__ import annotations

import click

from dcos.cli import completing
from dcos.cli.commands.marathon.shared import explaining
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_table
from dcos.client.adminrouter.failures import NotFound


@click.group()
def leader() -> None:
    """Look at the leading instance, or let another one lead."""


@leader.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def show(context: Context, as_json: bool) -> None:
    """Print the address of the leading instance.

    \b
    Example: dcos marathon leader show
    """
    try:
        host, _, port = context.marathon.leader().rpartition(":")
    except NotFound:
        host, port = "unknown", "unknown"
    if as_json:
        emit_json({"host": host, "ip": host, "port": port})
    else:
        emit_table(("HOST", "IP", "PORT"), [(host, host, port)])


@leader.command()
@pass_context
def delete(context: Context) -> None:
    """Let the leading instance resign; another one takes over.

    \b
    Example: dcos marathon leader delete
    """
    click.echo(context.marathon.abdicate())


@click.command()
@click.option("--once", is_flag=True, help="Only once, however many masters there are.")
@pass_context
def ping(context: Context, once: bool) -> None:
    """Ask Marathon whether it is there, as often as there are masters.

    \b
    Example: dcos marathon ping --once
    """
    count = 1 if once else max(1, len(context.mesos.masters()))
    for number in range(1, count + 1):
        click.echo(f'Marathon ping response[{number}x]: "{context.marathon.ping()}"')


@click.group()
def delay() -> None:
    """Look after apps that wait because they failed.

    \b
    Example: dcos marathon delay reset /web
    """


@delay.command()
@click.argument("app_id", shell_complete=completing.specs)
@pass_context
def reset(context: Context, app_id: str) -> None:
    """Try the app APP_ID again at once, however often it failed.

    \b
    Example: dcos marathon delay reset /web
    """
    with explaining("App", app_id):
        context.marathon.reset_delay(app_id)


@click.group()
def plugin() -> None:
    """Look at Marathon's plugins."""


@plugin.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def list_(context: Context, as_json: bool) -> None:
    """List the plugins.

    \b
    Example: dcos marathon plugin list
    """
    found = context.marathon.plugins()
    if as_json:
        emit_json({"plugins": found})
        return
    rows = [(one["id"], one.get("implementation"), one.get("plugin")) for one in found]
    emit_table(("ID", "IMPLEMENTATION", "PLUGIN"), rows)
