"""``dcos marathon task``."""

from __future__ import annotations

from typing import Any

import click

from dcos.cli import completing
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_lines, emit_table, fail

Json = dict[str, Any]


@click.group()
def task() -> None:
    """Look at the tasks of apps, and kill them."""


@task.command("list")
@click.argument("app_id", required=False, shell_complete=completing.specs)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Only ids.")
@pass_context
def list_(context: Context, app_id: str | None, as_json: bool, quiet: bool) -> None:
    """List the tasks of the app APP_ID or of all.

    \b
    Example: dcos marathon task list /web
    """
    tasks = sorted(context.marathon.tasks(app_id), key=lambda one: (str(one.get("appId")), str(one["id"])))
    if as_json:
        emit_json(tasks)
    elif quiet:
        emit_lines(str(one["id"]) for one in tasks)
    else:
        emit_table(("APP", "HEALTHY", "STARTED", "HOST", "ID", "ROLE"), map(_row, tasks))


def _row(one: Json) -> tuple[Any, ...]:
    healthy = all(result.get("alive") for result in one.get("healthCheckResults") or [])
    return (one.get("appId"), healthy, one.get("startedAt", "N/A"), one.get("host"), one["id"], one.get("role", ""))


@task.command()
@click.argument("task_id", shell_complete=completing.tasks)
@pass_context
def show(context: Context, task_id: str) -> None:
    """Print the task TASK_ID.

    \b
    Example: dcos marathon task show web.instance-4f2a9c1e._app.1
    """
    found = next((one for one in context.marathon.tasks() if one["id"] == task_id), None)
    if found is None:
        fail(f"Task '{task_id}' does not exist")
    emit_json(found)


@task.command()
@click.argument("task_id", shell_complete=completing.tasks)
@click.option("--wipe", is_flag=True, help="Its reserved data too.")
@pass_context
def stop(context: Context, task_id: str, wipe: bool) -> None:
    """Kill the task TASK_ID; its app starts another.

    \b
    Example: dcos marathon task stop web.instance-4f2a9c1e._app.1
    """
    found = context.marathon.kill_tasks((task_id,), wipe=wipe).get("tasks", [])
    if not found:
        fail(f"Task '{task_id}' does not exist")
    emit_json(found[0])


@task.command()
@click.argument("task_ids", nargs=-1, required=True, shell_complete=completing.tasks)
@click.option("--scale", is_flag=True, help="Do not replace them.")
@click.option("--wipe", is_flag=True, help="Their reserved data too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def kill(context: Context, task_ids: tuple[str, ...], scale: bool, wipe: bool, as_json: bool) -> None:
    """Kill the tasks TASK_IDS.

    \b
    Example: dcos marathon task kill --scale web.instance-4f2a9c1e._app.1
    """
    done = context.marathon.kill_tasks(task_ids, scale=scale, wipe=wipe)
    if as_json:
        emit_json(done)
    elif "deploymentId" in done:
        click.echo(f"Created deployment: {done['deploymentId']}")
    elif done.get("tasks"):
        click.echo(f"Killed tasks: {[one['id'] for one in done['tasks']]}")
    else:
        fail("no tasks were killed")
