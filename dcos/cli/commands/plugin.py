"""``dcos plugin``: programs that add commands to ``dcos``, for the current cluster."""

from __future__ import annotations

import click

from dcos.cli import completing
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_lines, emit_table, notice
from dcos.cli.plugins import fetch
from dcos.cli.plugins.store import PluginStore


@click.group()
def plugin() -> None:
    """Add, list and remove plugins: programs that bring further commands.

    \b
    Example: dcos plugin list
    """


@plugin.command()
@click.argument("resource")
@click.option("-u", "--update", is_flag=True, help="Replace it where it is there already.")
@pass_context
def add(context: Context, resource: str, update: bool) -> None:
    """Add the plugin in RESOURCE: a zip archive or a program, as a file or a URL.

    \b
    Example: dcos plugin add https://example.com/dcos-kafka.zip
    """
    made = fetch.from_anywhere(context, resource, update=update)
    notice(f"New commands available: {', '.join(one.name for one in made.commands)}")


@plugin.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Only names.")
@pass_context
def list_(context: Context, as_json: bool, quiet: bool) -> None:
    """List the plugins and the commands that they bring.

    \b
    Example: dcos plugin list --json
    """
    found = PluginStore(context.cluster).plugins()
    if as_json:
        emit_json(
            [
                {
                    "name": one.name,
                    "commands": [{"name": each.name, "description": each.description} for each in one.commands],
                }
                for one in found
            ]
        )
    elif quiet:
        emit_lines(one.name for one in found)
    else:
        emit_table(("NAME", "COMMANDS"), [(one.name, " ".join(each.name for each in one.commands)) for one in found])


@plugin.command()
@click.argument("name", shell_complete=completing.plugins)
@pass_context
def remove(context: Context, name: str) -> None:
    """Remove the plugin NAME with its commands.

    \b
    Example: dcos plugin remove kafka
    """
    PluginStore(context.cluster).remove(name)
