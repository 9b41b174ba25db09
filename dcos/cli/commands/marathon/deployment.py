"""``dcos marathon deployment``."""

from __future__ import annotations

import time
from typing import Any

import click

from dcos.cli import completing
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_lines, emit_table, fail, notice

Json = dict[str, Any]


@click.group()
def deployment() -> None:
    """Look at deployments, undo them or leave off."""


@deployment.command("list")
@click.argument("app_id", required=False, shell_complete=completing.specs)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Only ids.")
@pass_context
def list_(context: Context, app_id: str | None, as_json: bool, quiet: bool) -> None:
    """List what is under way, of the app or pod APP_ID or of all.

    \b
    Example: dcos marathon deployment list /web
    """
    wanted = None if app_id is None else "/" + app_id.strip("/")
    found = [
        one
        for one in context.marathon.deployments()
        if wanted is None or wanted in [*one.get("affectedApps", []), *one.get("affectedPods", [])]
    ]
    if as_json:
        emit_json(found)
        return
    if not found:
        fail("There are no deployments" if wanted is None else f"There are no deployments for '{app_id}'")
    if quiet:
        emit_lines(str(one["id"]) for one in found)
        return
    emit_table(("APP", "POD", "ACTION", "PROGRESS", "ID"), map(_row, found))
    for one in found:
        if one.get("explanation"):
            notice(f"{one['id']}: {one['explanation']}")


def _row(one: Json) -> tuple[str, ...]:
    actions = one.get("currentActions", [])
    return (
        "\n".join(map(str, one.get("affectedApps", []))) or "-",
        "\n".join(map(str, one.get("affectedPods", []))) or "-",
        "\n".join(str(action.get("action", "")) for action in actions) or "-",
        f"{one.get('currentStep', 1) - 1}/{one.get('totalSteps', 0)}",
        str(one["id"]),
    )


@deployment.command()
@click.argument("deployment_id", shell_complete=completing.deployments)
@pass_context
def stop(context: Context, deployment_id: str) -> None:
    """Leave off DEPLOYMENT_ID where it is, without undoing anything.

    \b
    Example: dcos marathon deployment stop 5b2c6d3e
    """
    context.marathon.stop_deployment(deployment_id)


@deployment.command()
@click.argument("deployment_id", shell_complete=completing.deployments)
@pass_context
def rollback(context: Context, deployment_id: str) -> None:
    """Undo DEPLOYMENT_ID by a new deployment.

    \b
    Example: dcos marathon deployment rollback 5b2c6d3e
    """
    emit_json(context.marathon.roll_back_deployment(deployment_id))


@deployment.command()
@click.argument("deployment_id", shell_complete=completing.deployments)
@click.option("--max-count", type=click.IntRange(min=1), help="Look at most so many times.")
@click.option("--interval", type=float, default=1.0, show_default=True, help="Seconds between looks.")
@pass_context
def watch(context: Context, deployment_id: str, max_count: int | None, interval: float) -> None:
    """Print DEPLOYMENT_ID again and again until it is done.

    \b
    Example: dcos marathon deployment watch 5b2c6d3e --interval=2
    """
    looks = 0
    while max_count is None or looks < max_count:
        found = next((one for one in context.marathon.deployments() if one["id"] == deployment_id), None)
        if found is None:
            return
        if looks:
            time.sleep(interval)
        click.clear()
        emit_json(found)
        looks += 1


@deployment.command()
@click.argument("deployment_id", shell_complete=completing.deployments)
@pass_context
def pause(context: Context, deployment_id: str) -> None:
    """Hold DEPLOYMENT_ID where it is. (Not in upstream's dcos.)

    \b
    Example: dcos marathon deployment pause 5b2c6d3e
    """
    context.marathon.steer_deployment(deployment_id, "pause")


@deployment.command("continue")
@click.argument("deployment_id", shell_complete=completing.deployments)
@pass_context
def continue_(context: Context, deployment_id: str) -> None:
    """End the pause of DEPLOYMENT_ID, or the present step of its rollouts. (Not in upstream's dcos.)

    \b
    Example: dcos marathon deployment continue 5b2c6d3e
    """
    context.marathon.steer_deployment(deployment_id, "continue")


@deployment.command()
@click.argument("deployment_id", shell_complete=completing.deployments)
@pass_context
def promote(context: Context, deployment_id: str) -> None:
    """End all steps of the rollouts of DEPLOYMENT_ID: replace the rest now. (Not in upstream's dcos.)

    \b
    Example: dcos marathon deployment promote 5b2c6d3e
    """
    context.marathon.steer_deployment(deployment_id, "promote")


@deployment.command()
@click.argument("deployment_id", shell_complete=completing.deployments)
@pass_context
def abort(context: Context, deployment_id: str) -> None:
    """Roll DEPLOYMENT_ID back: what runs the old configuration stays. (Not in upstream's dcos.)

    \b
    Example: dcos marathon deployment abort 5b2c6d3e
    """
    emit_json(context.marathon.steer_deployment(deployment_id, "abort"))
