"""``dcos job schedule``."""

from __future__ import annotations

import click

from dcos.cli import completing
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_table, fail
from dcos.cli.resource import read_object


@click.group()
def schedule() -> None:
    """When jobs run by themselves."""


@schedule.command()
@click.argument("job_id", shell_complete=completing.jobs)
@click.argument("resource", required=False)
@pass_context
def add(context: Context, job_id: str, resource: str | None) -> None:
    """Give the job JOB_ID the schedule in RESOURCE: a JSON file, a URL, or standard input.

    \b
    Example: dcos job schedule add nightly.backup schedule.json
    """
    context.metronome.add_schedule(job_id, read_object(resource, f"dcos job schedule add {job_id} < schedule.json"))


@schedule.command()
@click.argument("job_id", shell_complete=completing.jobs)
@click.argument("resource", required=False)
@pass_context
def update(context: Context, job_id: str, resource: str | None) -> None:
    """Change a schedule of the job JOB_ID to the one in RESOURCE, which has the same id.

    \b
    Example: dcos job schedule update nightly.backup schedule.json
    """
    wanted = read_object(resource, f"dcos job schedule update {job_id} < schedule.json")
    if not isinstance(wanted.get("id"), str):
        fail("the schedule must have an id")
    context.metronome.update_schedule(job_id, wanted)


@schedule.command()
@click.argument("job_id", shell_complete=completing.jobs)
@click.argument("schedule_id")
@pass_context
def remove(context: Context, job_id: str, schedule_id: str) -> None:
    """Take the schedule SCHEDULE_ID from the job JOB_ID.

    \b
    Example: dcos job schedule remove nightly.backup default
    """
    context.metronome.remove_schedule(job_id, schedule_id)


@schedule.command()
@click.argument("job_id", shell_complete=completing.jobs)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def show(context: Context, job_id: str, as_json: bool) -> None:
    """List the schedules of the job JOB_ID.

    \b
    Example: dcos job schedule show nightly.backup
    """
    found = context.metronome.schedules(job_id)
    if as_json:
        emit_json(found)
    else:
        emit_table(
            ("ID", "CRON", "ENABLED", "NEXT RUN", "CONCURRENCY POLICY"),
            [
                (one["id"], one["cron"], one["enabled"], one.get("nextRunAt", "-"), one["concurrencyPolicy"])
                for one in found
            ],
        )
