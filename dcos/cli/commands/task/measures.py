"""``dcos task metrics``: what a task uses, and what its program tells of itself."""

from __future__ import annotations

import click

from dcos.cli import completing
from dcos.cli.commands.task.shared import one_running
from dcos.cli.context import Context, pass_context
from dcos.cli.datapoints import SUMMARY_HEADER, Json, details, of_task, summary_points
from dcos.cli.output import emit_json, emit_table, fail


@click.group()
def metrics() -> None:
    """Show the metrics of a task.

    \b
    Example: dcos task metrics summary hello-world
    """


@metrics.command("details")
@click.argument("task_id", shell_complete=completing.tasks)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def details_(context: Context, task_id: str, as_json: bool) -> None:
    """Show all metrics of the task TASK_ID: of its container, and those that its program gives.

    \b
    Example: dcos task metrics details hello-world --json
    """
    points = _points(context, task_id)
    if as_json:
        emit_json(points)
    else:
        emit_table(("NAME", "VALUE"), details(points, tags=False), right=("VALUE",))


@metrics.command()
@click.argument("task_id", shell_complete=completing.tasks)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def summary(context: Context, task_id: str, as_json: bool) -> None:
    """Show cpu seconds, memory and disk that the task TASK_ID uses.

    \b
    Example: dcos task metrics summary hello-world
    """
    points = _points(context, task_id)
    if as_json:
        emit_json(summary_points(points, node=False))
    else:
        emit_table(SUMMARY_HEADER, [of_task(points)])


def _points(context: Context, task_id: str) -> list[Json]:
    """Of its container; a task of a pod whose own container tells nothing has its pod's."""
    one, container_id = one_running(context, task_id)
    inner = str(container_id["value"])
    outer = container_id
    while "parent" in outer:
        outer = outer["parent"]
    points: list[Json] = []
    for value in dict.fromkeys((inner, str(outer["value"]))):
        points = context.metrics.container(one.agent_id, value)
        if points:
            break
    points += context.metrics.app(one.agent_id, inner)
    if not points:
        fail("No metrics found", "metrics of a new task take up to a minute")
    return points
