"""The entry point ``dcos``: the command table, and what errors look like.

Exit status: 0 done; 1 refused or failed, with ``Error: text`` on stderr; ``dcos status`` also ends with 1 when the cluster
has problems.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from dcos.cli.config_store import ConfigError
from dcos.cli.context import VERSION, Context
from dcos.cli.lazy import Entry, LazyGroup
from dcos.client.adminrouter import cosmos, marathon
from dcos.client.adminrouter.transport import ClientError, LoginNeeded, Refused, Untrusted

_HERE = "dcos.cli.commands"
COMMANDS = {
    "auth": Entry(f"{_HERE}.auth:auth", "Log in and out"),
    "cluster": Entry(f"{_HERE}.cluster:cluster", "Manage the clusters this machine knows"),
    "config": Entry(f"{_HERE}.config:config", "Show and change the configuration"),
    "job": Entry(f"{_HERE}.job:job", "Run jobs, once or on a schedule"),
    "marathon": Entry(f"{_HERE}.marathon:marathon", "Run apps"),
    "node": Entry(f"{_HERE}.node:node", "Look at the nodes"),
    "package": Entry(f"{_HERE}.package:package", "Find and install packages"),
    "security": Entry(f"{_HERE}.security:security", "Manage accounts, groups, permissions and secrets"),
    "service": Entry(f"{_HERE}.service:service", "Look at services"),
    "status": Entry(f"{_HERE}.status:status", "Show nodes, components, services and problems at a glance"),
    "task": Entry(f"{_HERE}.task:task", "Look at tasks"),
}


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    invoke_without_command=True,
)
@click.option("--version", "show_version", is_flag=True, help="Print versions and exit.")
@click.option("-v", "verbosity", count=True, expose_value=False, help="More talk; -vv for still more.")
@click.option("--debug", is_flag=True, hidden=True, expose_value=False)
@click.option("--log-level", hidden=True, expose_value=False)
@click.pass_context
def dcos(ctx: click.Context, show_version: bool) -> None:
    """Use a DC/OS cluster.

    Begin with `dcos cluster setup <url>`; then `dcos status` shows how the cluster is.
    """
    context = ctx.ensure_object(Context)
    ctx.call_on_close(context.close)
    if show_version:
        _print_versions(context)
    elif ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _print_versions(context: Context) -> None:
    click.echo(f"dcoscli.version={VERSION}")
    try:
        cluster = context.cluster
    except ConfigError:
        return
    click.echo(f"cluster.id={cluster.id}")
    click.echo(f"cluster.url={cluster.url}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        ended_with = dcos.main(args=words, prog_name="dcos", standalone_mode=False)
    except click.UsageError as error:
        if error.ctx is not None:
            click.echo(error.ctx.get_usage(), err=True)
        click.echo(f"Error: {error.format_message()}", err=True)
        return 1
    except click.ClickException as error:
        click.echo(f"Error: {error.format_message()}", err=True)
        return 1
    except click.Abort:
        click.echo("Error: interrupted", err=True)
        return 1
    except (ClientError, ConfigError) as error:
        click.echo(f"Error: {_explained(error)}", err=True)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return ended_with if isinstance(ended_with, int) else 0


def _explained(error: Exception) -> str:
    if isinstance(error, LoginNeeded):
        return "authentication required, please run `dcos auth login`"
    if isinstance(error, Untrusted):
        return f"{error}\nTo use the cluster nevertheless, see `dcos config set core.ssl_verify` or `--insecure`"
    if isinstance(error, Refused):
        data = error.body.get("data")
        return cosmos.explained(error) if isinstance(data, dict) else marathon.explained(error)
    return str(error)
