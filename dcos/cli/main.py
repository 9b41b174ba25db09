"""The entry point ``dcos``: the command table, and what errors look like.

Exit status: 0 done; 1 refused or failed, with ``Error: text`` and where possible ``Hint: text`` on stderr. That of a plugin, of
``task exec`` and of ``node ssh`` is the other program's; ``dcos status`` ends with 1 when the cluster has problems, ``dcos
apply`` with 2 when something changed and ``--exit-code`` asks for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from dcos.cli.config_store import ConfigError
from dcos.cli.context import Context
from dcos.cli.lazy import Entry, LazyGroup
from dcos.cli.output import Refusal
from dcos.client.adminrouter.failures import ClientError
from dcos.release import VERSION

_HERE = "dcos.cli.commands"
COMMANDS = {
    "apply": Entry(f"{_HERE}.apply:apply", "Make apps, pods, groups, jobs and permissions be as files say"),
    "auth": Entry(f"{_HERE}.auth:auth", "Log in and out"),
    "cluster": Entry(f"{_HERE}.cluster:cluster", "Manage the clusters this machine knows"),
    "completion": Entry(f"{_HERE}.completion:completion", "Print what lets a shell complete commands"),
    "config": Entry(f"{_HERE}.config:config", "Show and change the configuration"),
    "diagnostics": Entry(f"{_HERE}.diagnostics:diagnostics", "Collect what tells of the cluster's state in a bundle"),
    "explain": Entry(f"{_HERE}.explain:explain", "Say why an app, pod or job waits or fails"),
    "job": Entry(f"{_HERE}.job:job", "Run jobs, once or on a schedule"),
    "logs": Entry(f"{_HERE}.logs:logs", "Print what all tasks of a service write, across nodes"),
    "marathon": Entry(f"{_HERE}.marathon:marathon", "Run apps"),
    "node": Entry(f"{_HERE}.node:node", "Look at the nodes and maintain them"),
    "package": Entry(f"{_HERE}.package:package", "Find and install packages"),
    "plugin": Entry(f"{_HERE}.plugin:plugin", "Add, list and remove plugins"),
    "quota": Entry(f"{_HERE}.quota:quota", "Limit what groups may use"),
    "security": Entry(f"{_HERE}.security:security", "Manage accounts, groups, permissions and secrets"),
    "service": Entry(f"{_HERE}.service:service", "Look at services"),
    "status": Entry(f"{_HERE}.status:status", "Show nodes, components, services and problems at a glance"),
    "task": Entry(f"{_HERE}.task:task", "Look at tasks"),
}


class Root(LazyGroup):
    """The commands of the table, and those of the current cluster's plugins."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        known = super().get_command(ctx, cmd_name)
        if known is not None or cmd_name.startswith("-"):
            return known
        from dcos.cli.plugins import commands  # only when the table has no such command

        return commands.find(ctx.ensure_object(Context), cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            raise _Unknown(name, self, ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_commands(ctx, formatter)
        from dcos.cli.plugins import commands

        rows = commands.listing(ctx.ensure_object(Context))
        if rows:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(rows)


class _Unknown(click.UsageError):
    """``dcos x`` that nobody has."""

    def __init__(self, name: str, group: click.Group, ctx: click.Context) -> None:
        super().__init__(f"unknown command {name}", ctx)
        self.name = name
        self.known = group.list_commands(ctx)


@click.group(
    cls=Root,
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    invoke_without_command=True,
)
@click.option("--version", "show_version", is_flag=True, help="Print versions and exit.")
@click.option("-v", "verbosity", count=True, help="Show requests on stderr; -vv shows more of them.")
@click.option("--debug", is_flag=True, hidden=True)
@click.option("--log-level", hidden=True, expose_value=False)
@click.pass_context
def dcos(ctx: click.Context, show_version: bool, verbosity: int, debug: bool) -> None:
    """Use a DC/OS cluster.

    Begin with `dcos cluster setup <url>`; then `dcos status` shows how the cluster is.

    \b
    Example: dcos cluster setup https://dcos.example.com --username=admin
    """
    context = ctx.ensure_object(Context)
    context.verbosity = 2 if debug else verbosity or _verbosity(context.environ.get("DCOS_VERBOSITY", ""))
    if context.environ.get("NO_COLOR"):
        ctx.color = False
    ctx.call_on_close(context.close)
    if show_version:
        _print_versions(context)
    elif ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _verbosity(text: str) -> int:
    return min(int(text), 2) if text.isdecimal() else 0


def _print_versions(context: Context) -> None:
    click.echo(f"dcoscli.version={VERSION}")
    try:
        cluster = context.cluster
    except ConfigError:
        return
    click.echo(f"cluster.id={cluster.id}")
    click.echo(f"cluster.url={cluster.url}")


def main(argv: Sequence[str] | None = None, *, context: Context | None = None) -> int:
    """Run one command; returns its exit status. ``context``: in place of one from the environment."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        ended_with = dcos.main(args=words, prog_name="dcos", standalone_mode=False, obj=context)
    except click.UsageError as error:
        if error.ctx is not None:
            click.echo(error.ctx.get_usage(), err=True)
        _say(_in_upstreams_words(error.format_message()), _usage_hint(error))
        return 1
    except click.ClickException as error:
        _say(error.format_message(), error.hint if isinstance(error, Refusal) else "")
        return 1
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return 1
    except (ClientError, ConfigError) as error:
        from dcos.cli.hints import explained, hint

        _say(explained(error), hint(error))
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return ended_with if isinstance(ended_with, int) else 0


def _say(text: str, hint: str = "") -> None:
    click.echo(f"Error: {text}", err=True)
    if hint:
        click.echo(f"Hint: {hint}", err=True)


def _in_upstreams_words(text: str) -> str:
    """``unknown command x`` of groups below the first, too."""
    name = text.removeprefix("No such command '").partition("'")[0]
    return f"unknown command {name}" if text.startswith("No such command '") else text


def _usage_hint(error: click.UsageError) -> str:
    if isinstance(error, _Unknown):
        import difflib

        close = difflib.get_close_matches(error.name, error.known, n=1)
        return f"did you mean `dcos {close[0]}`?" if close else "`dcos --help` lists the commands"
    return f"`{error.ctx.command_path} --help` says what there is" if error.ctx is not None else ""
