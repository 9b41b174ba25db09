"""``dcos apply``: make the cluster be as files say. An extension: upstream's dcos has no such command."""

from __future__ import annotations

from collections.abc import Sequence

import click

from dcos.cli.applying import render
from dcos.cli.applying.carry_out import carry_out
from dcos.cli.applying.documents import Document, load
from dcos.cli.applying.plan import Action, Change, change_of, removals, strangers
from dcos.cli.applying.present import present
from dcos.cli.context import Context
from dcos.cli.output import emit_json, emit_lines, notice
from dcos.cli.waiting import until_done

CHANGED = 2


@click.command()
@click.option("-f", "--filename", "sources", multiple=True, required=True, help="File, folder, URL or - ; repeatable.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option(
    "--prune", is_flag=True, help="In the files' groups and permissions, also remove what the files leave out."
)
@click.option("--delete", is_flag=True, help="Remove all that the files name.")
@click.option("--wait", is_flag=True, help="Until the deployments are over; tells what they wait for.")
@click.option(
    "--force", is_flag=True, help="Even while another deployment holds something; runs of removed jobs are stopped."
)
@click.option("--exit-code", is_flag=True, help="End with 2 when something changed (or would), with 0 when not.")
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON.")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@click.pass_context
def apply(
    ctx: click.Context,
    sources: tuple[str, ...],
    dry_run: bool,
    prune: bool,
    delete: bool,
    wait: bool,
    force: bool,
    exit_code: bool,
    as_json: bool,
    yes: bool,
) -> None:
    """Make apps, pods, groups, jobs and permissions be as files say. (Not in upstream's dcos.)

    Files are JSON or YAML and may have several documents. What a file does not mention stays as it is; nothing is removed
    without --prune or --delete.

    \b
    Example: dcos apply -f shop.yaml --dry-run
    Example: dcos apply -f shop/ --wait
    """
    context = ctx.find_object(Context) or Context()
    documents = load(sources)
    changes = planned(context, documents, prune=prune, delete=delete)
    if as_json:
        emit_json(render.as_json(changes))
    else:
        emit_lines(render.lines(changes))
    touched = [one for one in changes if one.action is not Action.NOTHING]
    gone = [one for one in touched if one.action is Action.DELETE]
    if touched and not dry_run:
        if gone and not yes:
            click.confirm(f"Remove {', '.join(f'{one.kind} {one.name}' for one in gone)}?", abort=True, err=True)
        deployments: dict[str, None] = {}

        def done(_: Change, deployment: str) -> None:
            if deployment:
                deployments[deployment] = None

        carry_out(context, touched, done, force=force)
        for deployment in deployments:
            notice(f"Created deployment {deployment}")
            if wait:
                until_done(context, deployment)
    if not as_json:
        click.echo(render.summary(changes, done=not dry_run))
    ctx.exit(CHANGED if exit_code and touched else 0)


def planned(context: Context, documents: Sequence[Document], *, prune: bool, delete: bool) -> list[Change]:
    """What has to change. Groups are removed only when nothing is in them that the documents do not name."""
    named = {(one.kind, one.name) for one in documents}
    changes, others = [], dict[tuple[str, str], Change]()
    for one in documents:
        there = present(context, one)
        if delete:
            change = removals(one, there)
            if one.kind == "group" and there is not None and (left := strangers(there, named)):
                notice(f"group {one.name} stays: {', '.join(f'{kind} {name}' for kind, name in left)} is in it")
                change = Change(Action.NOTHING, one.kind, one.name, {}, (), one.where)
            changes.append(change)
            continue
        changes.append(change_of(one, there, prune=prune))
        if prune and one.kind == "group" and there is not None:
            for kind, name in strangers(there, named):
                others[kind, name] = Change(Action.DELETE, kind, name, {}, (), one.where)
    return [*changes, *others.values()]
