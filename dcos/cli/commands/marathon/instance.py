"""``dcos marathon leader``, ``ping`` and ``plugin``: Marathon itself."""

from __future__ import annotations

import itertools
import time

import click

from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_table
from dcos.client.adminrouter.transport import NotFound


@click.group()
def leader() -> None:
    """Look at the leading instance, or let another one lead."""


@leader.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def show(context: Context, as_json: bool) -> None:
    """Print the address of the leading instance."""
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
    """Let the leading instance resign; another one takes over."""
    click.echo(context.marathon.abdicate())


@click.command()
@click.option("--once", is_flag=True, help="Only once.")
@click.option("--interval", type=float, default=1.0, hidden=True)
@pass_context
def ping(context: Context, once: bool, interval: float) -> None:
    """Ask Marathon whether it is there, five times."""
    for number in itertools.count(1):
        click.echo(f'Marathon ping response[{number}x]: "{context.marathon.ping()}"')
        if once or number == PINGS:
            return
        time.sleep(interval)


PINGS = 5


@click.group()
def plugin() -> None:
    """Look at Marathon's plugins."""


@plugin.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def list_(context: Context, as_json: bool) -> None:
    """List the plugins."""
    found = context.marathon.plugins()
    if as_json:
        emit_json({"plugins": found})
        return
    rows = [
        (one["id"], one.get("implementation"), one.get("plugin"), one.get("info", {}).get("version")) for one in found
    ]
    emit_table(("ID", "IMPLEMENTATION", "PLUGIN", "VERSION"), rows)
