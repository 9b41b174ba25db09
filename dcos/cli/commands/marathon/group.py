"""``dcos marathon group``."""

from __future__ import annotations

from typing import Any

import click

from dcos.cli import completing
from dcos.cli.commands.marathon.shared import created, earlier, explaining, normal, waiting
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_table, fail
from dcos.cli.resource import changes, read_object
from dcos.cli.waiting import until_done
from dcos.client.adminrouter.failures import NotFound

Json = dict[str, Any]
_FORCE = click.option("--force", is_flag=True, help="Even while another deployment holds what is in it.")
_TEXTS = frozenset({"id", "version"})


@click.group()
def group() -> None:
    """Act on whole groups of apps and pods."""


@group.command()
@click.argument("resource", required=False)
@waiting
@pass_context
def add(context: Context, resource: str | None, wait: bool) -> None:
    """Add the group in RESOURCE: a JSON or YAML file, a URL, or standard input.

    \b
    Example: dcos marathon group add group.json
    """
    wanted = read_object(resource, "dcos marathon group add < group.json")
    group_id = wanted.get("id")
    if isinstance(group_id, str) and _exists(context, group_id):
        fail(f"Group '{normal(group_id)}' already exists")
    created(context, context.marathon.create_group(wanted), wait)


def _exists(context: Context, group_id: str) -> bool:
    try:
        context.marathon.group(group_id)
    except NotFound:
        return False
    return True


@group.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def list_(context: Context, as_json: bool) -> None:
    """List the groups below the root, with how many apps are in them and below, and whether their role is enforced.

    \b
    Example: dcos marathon group list
    """
    groups = context.marathon.group("/").get("groups", [])
    if as_json:
        emit_json(groups)
        return
    rows = sorted((str(one["id"]), _apps(one), bool(one.get("enforceRole"))) for one in groups)
    emit_table(("ID", "APPS", "ENFORCE_ROLE"), rows, right=("APPS",))


def _apps(one: Json) -> int:
    return len(one.get("apps", [])) + sum(_apps(inner) for inner in one.get("groups", []))


@group.command()
@click.argument("group_id", shell_complete=completing.groups)
@click.option("--group-version", help="This version; -1 is the one before the present, -2 the one before that.")
@pass_context
def show(context: Context, group_id: str, group_version: str | None) -> None:
    """Print the group GROUP_ID with everything in it.

    \b
    Example: dcos marathon group show /shop
    """
    with explaining("Group", group_id):
        version = earlier(
            group_version, lambda: context.marathon.group_versions(group_id), f"group '{normal(group_id)}'"
        )
        emit_json(context.marathon.group(group_id, version))


@group.command()
@click.argument("group_id", shell_complete=completing.groups)
@_FORCE
@waiting
@pass_context
def remove(context: Context, group_id: str, force: bool, wait: bool) -> None:
    """Remove the group GROUP_ID with everything in it.

    \b
    Example: dcos marathon group remove /shop
    """
    with explaining("Group", group_id):
        deployment_id = context.marathon.remove_group(group_id, force=force)
    if wait and deployment_id:
        until_done(context, deployment_id)


@group.command()
@click.argument("group_id", shell_complete=completing.groups)
@click.argument("factor", type=click.FloatRange(min=0))
@_FORCE
@waiting
@pass_context
def scale(context: Context, group_id: str, factor: float, force: bool, wait: bool) -> None:
    """Multiply the instances of all apps in GROUP_ID by FACTOR.

    \b
    Example: dcos marathon group scale /shop 2
    """
    _update(context, group_id, {"scaleBy": factor}, force, wait)


@group.command()
@click.argument("group_id", shell_complete=completing.groups)
@click.argument("properties", nargs=-1)
@_FORCE
@waiting
@pass_context
def update(context: Context, group_id: str, properties: tuple[str, ...], force: bool, wait: bool) -> None:
    """Change the group GROUP_ID by PROPERTIES (key=value, values are JSON), or by the JSON or YAML on standard input.

    \b
    Example: dcos marathon group update shop < group.json
    """
    example = f"dcos marathon group update {group_id} < group.json"
    _update(context, group_id, changes(properties, _TEXTS) if properties else read_object(None, example), force, wait)


def _update(context: Context, group_id: str, change: Json, force: bool, wait: bool) -> None:
    with explaining("Group", group_id):
        context.marathon.group(group_id)
        created(context, context.marathon.update_group(group_id, change, force=force), wait)


@group.command()
@click.argument("live", shell_complete=completing.groups)
@click.argument("idle", shell_complete=completing.groups)
@_FORCE
@waiting
@pass_context
def switch(context: Context, live: str, idle: str, force: bool, wait: bool) -> None:
    """Let the group IDLE take over from the group LIVE. (Not in upstream's dcos.)

    The apps and pods of IDLE are scaled to the numbers of their counterparts in LIVE, in the order of their dependencies; when
    all of them are healthy, those of LIVE are scaled to 0. Roll the deployment back to return.

    \b
    Example: dcos marathon group switch /shop/blue /shop/green
    """
    created(context, context.marathon.switch_group(live, idle, force=force), wait)
