"""``dcos task``: what runs, and its files."""

from __future__ import annotations

import click

from dcos.cli import completing
from dcos.cli.commands.task.files import download, log, ls
from dcos.cli.commands.task.measures import metrics
from dcos.cli.commands.task.processes import attach, exec_
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_lines, emit_table, fail, shown_instead
from dcos.cli.tasks import matches, tasks


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def task(ctx: click.Context, as_json: bool) -> None:
    """Look at tasks; without a command, list them.

    \b
    Example: dcos task list
    """
    context = ctx.find_object(Context) or Context()
    if ctx.invoked_subcommand is None and not shown_instead(ctx, context):
        _list(context, None, False, False, as_json, False, None)


@task.command("list")
@click.argument("filter", required=False, shell_complete=completing.tasks)
@click.option("--all", "every", is_flag=True, help="Completed ones too.")
@click.option("--completed", is_flag=True, help="Only completed ones.")
@click.option("--agent-id", help="Only those on this agent.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Only ids.")
@pass_context
def list_(
    context: Context, filter: str | None, every: bool, completed: bool, agent_id: str | None, as_json: bool, quiet: bool
) -> None:
    """List tasks whose id has FILTER in it, or fits it as a shell pattern.

    \b
    Example: dcos task list 'web.*' --all
    """
    _list(context, filter, every, completed, as_json, quiet, agent_id)


def _list(
    context: Context,
    wanted: str | None,
    every: bool,
    completed: bool,
    as_json: bool,
    quiet: bool,
    agent_id: str | None,
) -> None:
    state = context.mesos.state()
    found = [
        one
        for one in tasks(state, active=not completed, completed=completed or every)
        if (wanted is None or matches(one, wanted)) and (agent_id is None or one.agent_id == agent_id)
    ]
    if as_json:
        emit_json([one.raw for one in found])
        return
    if wanted is not None and not found:
        fail(f"no task ID found containing '{wanted}'", "`dcos task list --all` shows all there are")
    if quiet:
        emit_lines(one.id for one in found)
        return
    rows = [
        (
            one.raw.get("name", ""),
            one.host,
            one.user,
            one.raw.get("state", ""),
            one.id,
            one.agent_id,
            one.region,
            one.zone,
        )
        for one in sorted(found, key=lambda one: (str(one.raw.get("name")), one.id))
    ]
    emit_table(("NAME", "HOST", "USER", "STATE", "ID", "AGENT ID", "REGION", "ZONE"), rows)


for _command in (attach, download, exec_, log, ls, metrics):
    task.add_command(_command)
