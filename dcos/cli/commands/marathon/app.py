"""``dcos marathon app``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from dcos.cli import completing
from dcos.cli.commands.marathon import reasons
from dcos.cli.commands.marathon.shared import created, earlier, explaining, normal, waiting, waiting_ids
from dcos.cli.context import Context, pass_context
from dcos.cli.output import cut, emit_json, emit_lines, emit_table, fail
from dcos.cli.resource import changes, read_object
from dcos.cli.waiting import until_done
from dcos.client.adminrouter.failures import NotFound

Json = dict[str, Any]

_HEADER = ("ID", "MEM", "CPUS", "TASKS", "HEALTH", "DEPLOYMENT", "WAITING", "CONTAINER", "CMD", "ROLE")
_TEXTS = frozenset({"id", "cmd", "user", "role", "executor", "version"})
"""Fields of an app that are texts whatever they look like."""
_ACTIONS = {
    "ScaleApplication": "scale",
    "StartApplication": "start",
    "StopApplication": "stop",
    "RestartApplication": "restart",
}


@click.group()
def app() -> None:
    """Add, change and remove apps."""


@app.command()
@click.argument("resource", required=False)
@waiting
@pass_context
def add(context: Context, resource: str | None, wait: bool) -> None:
    """Add the app in RESOURCE: a JSON or YAML file, a URL, or standard input.

    \b
    Example: dcos marathon app add app.json
    """
    wanted = read_object(resource, "dcos marathon app add < app.json")
    app_id = wanted.get("id")
    if isinstance(app_id, str) and context.marathon.has_app(app_id):
        fail(f"Application '{normal(app_id)}' already exists")
    made = context.marathon.create_app(wanted)
    for one in made.get("deployments", []):
        created(context, str(one["id"]), wait)


@app.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Only ids.")
@pass_context
def list_(context: Context, as_json: bool, quiet: bool) -> None:
    """List the apps.

    \b
    Example: dcos marathon app list --quiet
    """
    apps = sorted(context.marathon.apps(), key=lambda one: str(one["id"]))
    if as_json:
        emit_json(apps)
    elif quiet:
        emit_lines(str(one["id"]) for one in apps)
    else:
        deployments = _deployments(context.marathon.deployments())
        waiting = waiting_ids(context.marathon.queue(), "app")
        emit_table(_HEADER, [_row(one, deployments, waiting) for one in apps], right=("MEM", "CPUS"))


def _deployments(deployments: Sequence[Json]) -> dict[str, list[str]]:
    """What is under way, by app."""
    found: dict[str, list[str]] = {}
    for deployment in deployments:
        for action in deployment.get("currentActions", []):
            name = str(action.get("action") or action.get("type") or "")
            if "app" in action:
                found.setdefault(str(action["app"]), []).append(_ACTIONS.get(name, name))
    return found


def _row(one: Json, deployments: Mapping[str, Sequence[str]], waiting: set[str]) -> tuple[Any, ...]:
    app_id = str(one["id"])
    actions = deployments.get(app_id, [])
    shown = "---" if not actions else actions[0] if len(actions) == 1 else f"({', '.join(actions)})"
    running = one.get("tasksRunning", 0)
    return (
        app_id,
        f"{one.get('mem', 0):g}",
        f"{one.get('cpus', 0):g}",
        f"{running}/{one.get('instances', 0)}",
        f"{one.get('tasksHealthy', 0)}/{running}" if one.get("healthChecks") else "---",
        shown,
        app_id in waiting,
        str((one.get("container") or {}).get("type") or "MESOS"),
        cut(str(one.get("cmd") or (one.get("args") and f"[{', '.join(one['args'])}]") or "N/A"), 30),
        one.get("role", ""),
    )


@app.command()
@click.argument("app_id", shell_complete=completing.apps)
@click.option("--app-version", help="This version; -1 is the one before the present, -2 the one before that.")
@pass_context
def show(context: Context, app_id: str, app_version: str | None) -> None:
    """Print the app APP_ID.

    \b
    Example: dcos marathon app show /web --app-version=-1
    """
    try:
        version = earlier(app_version, lambda: context.marathon.versions(app_id), f"application '{normal(app_id)}'")
        emit_json(context.marathon.app(app_id, version))
    except NotFound as error:
        fail(error.message)


reasons.add_to(app, "app")


@app.command()
@click.argument("app_id", shell_complete=completing.apps)
@click.option("--force", is_flag=True, help="Even while another deployment holds it.")
@waiting
@pass_context
def remove(context: Context, app_id: str, force: bool, wait: bool) -> None:
    """Remove the app APP_ID.

    \b
    Example: dcos marathon app remove /web
    """
    with explaining("App", app_id):
        deployment_id = context.marathon.remove_app(app_id, force=force)
    if wait and deployment_id:
        until_done(context, deployment_id)


@app.command()
@click.argument("app_id", shell_complete=completing.apps)
@click.option("--force", is_flag=True, help="Even while another deployment holds it.")
@waiting
@pass_context
def restart(context: Context, app_id: str, force: bool, wait: bool) -> None:
    """Replace all tasks of the app APP_ID by new ones.

    \b
    Example: dcos marathon app restart /web --wait
    """
    with explaining("App", app_id):
        if not context.marathon.app(app_id).get("instances"):
            fail(f"unable to restart '{normal(app_id)}': it has no instances")
        created(context, context.marathon.restart_app(app_id, force=force), wait)


@app.command()
@click.argument("app_id", shell_complete=completing.apps)
@click.argument("instances", type=int, default=1)
@click.option("--force", is_flag=True, help="Even while another deployment holds it.")
@waiting
@pass_context
def start(context: Context, app_id: str, instances: int, force: bool, wait: bool) -> None:
    """Start the stopped app APP_ID with so many INSTANCES.

    \b
    Example: dcos marathon app start /web 2
    """
    if instances <= 0:
        fail(f"the number of instances must be positive: {instances}")
    with explaining("App", app_id):
        now = context.marathon.app(app_id).get("instances", 0)
        if now > 0:
            fail(f"Application '{normal(app_id)}' already started: {now} instances")
        _scale(context, app_id, instances, force, wait)


@app.command()
@click.argument("app_id", shell_complete=completing.apps)
@click.option("--force", is_flag=True, help="Even while another deployment holds it.")
@waiting
@pass_context
def stop(context: Context, app_id: str, force: bool, wait: bool) -> None:
    """Stop all instances of the app APP_ID; it stays known.

    \b
    Example: dcos marathon app stop /web
    """
    with explaining("App", app_id):
        if not context.marathon.app(app_id).get("instances"):
            fail(f"Application '{normal(app_id)}' already stopped: 0 instances")
        _scale(context, app_id, 0, force, wait)


@app.command()
@click.argument("app_id", shell_complete=completing.apps)
@click.argument("instances", type=int)
@click.option("--force", is_flag=True, help="Even while another deployment holds it.")
@waiting
@pass_context
def scale(context: Context, app_id: str, instances: int, force: bool, wait: bool) -> None:
    """Run so many INSTANCES of the app APP_ID. (Not in upstream's dcos.)

    \b
    Example: dcos marathon app scale /web 3
    """
    if instances < 0:
        fail(f"the number of instances must not be negative: {instances}")
    with explaining("App", app_id):
        context.marathon.app(app_id)
        _scale(context, app_id, instances, force, wait)


def _scale(context: Context, app_id: str, instances: int, force: bool, wait: bool) -> None:
    created(context, context.marathon.update_app(app_id, {"instances": instances}, force=force), wait)


@app.command()
@click.argument("app_id", shell_complete=completing.apps)
@click.option("--scale", "and_scale", is_flag=True, help="Do not replace them.")
@click.option("--host", help="Only those on this host.")
@pass_context
def kill(context: Context, app_id: str, and_scale: bool, host: str | None) -> None:
    """Kill the tasks of the app APP_ID.

    \b
    Example: dcos marathon app kill /web --host=10.0.0.2
    """
    if and_scale and host:
        fail("--scale and --host exclude each other")
    with explaining("App", app_id):
        done = context.marathon.kill_app_tasks(app_id, host=host, scale=and_scale)
    if "deploymentId" in done:
        click.echo(f"Started deployment: {done['deploymentId']}")
    else:
        click.echo(f"Killed tasks: {[one['id'] for one in done.get('tasks', [])]}")


@app.command()
@click.argument("app_id", shell_complete=completing.apps)
@click.argument("properties", nargs=-1)
@click.option("--force", is_flag=True, help="Even while another deployment holds it.")
@waiting
@pass_context
def update(context: Context, app_id: str, properties: tuple[str, ...], force: bool, wait: bool) -> None:
    """Change the app APP_ID by PROPERTIES (key=value, values are JSON), or by the JSON or YAML on standard input.

    \b
    Example: dcos marathon app update web instances=3 env='{"MODE": "fast"}'
    """
    example = f"dcos marathon app update {app_id} < change.json"
    change = changes(properties, _TEXTS) if properties else read_object(None, example)
    with explaining("App", app_id):
        context.marathon.app(app_id)
        created(context, context.marathon.update_app(app_id, change, force=force), wait)


@app.group()
def version() -> None:
    """Earlier versions of apps."""


@version.command("list")
@click.argument("app_id", shell_complete=completing.apps)
@click.option("--max-count", type=click.IntRange(min=1), help="At most so many.")
@pass_context
def version_list(context: Context, app_id: str, max_count: int | None) -> None:
    """List the versions of the app APP_ID, newest first.

    \b
    Example: dcos marathon app version list /web --max-count=3
    """
    with explaining("App", app_id):
        emit_json(context.marathon.versions(app_id)[:max_count])
