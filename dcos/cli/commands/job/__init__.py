"""``dcos job``: jobs, their runs and schedules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from dcos.cli import completing
from dcos.cli.commands.job.runs import history, kill, queue, run, show_runs
from dcos.cli.commands.job.schedule import schedule
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_lines, emit_table, fail
from dcos.cli.resource import read_object
from dcos.client.adminrouter.metronome import Metronome

Json = dict[str, Any]


@click.group()
def job() -> None:
    """Run jobs, once or on a schedule.

    \b
    Example: dcos job list
    """


@job.command()
@click.argument("resource", required=False)
@pass_context
def add(context: Context, resource: str | None) -> None:
    """Add the job in RESOURCE: a JSON or YAML file, a URL, or standard input.

    \b
    Example: dcos job add backup.json
    """
    wanted = read_object(resource, "dcos job add < job.json")
    schedules = _cut_schedules(wanted)
    made = context.metronome.create_job(wanted)
    for one in schedules[:1]:
        context.metronome.add_schedule(str(made["id"]), one)


@job.command()
@click.argument("resource", required=False)
@pass_context
def update(context: Context, resource: str | None) -> None:
    """Change the job in RESOURCE: a JSON or YAML file, a URL, or standard input. Its schedule is changed when it has one.

    \b
    Example: dcos job update backup.json
    """
    wanted = read_object(resource, "dcos job update < job.json")
    schedules = _cut_schedules(wanted)
    if not isinstance(wanted.get("id"), str):
        fail("the job must have an id")
    job_id = wanted["id"]
    context.metronome.update_job(job_id, wanted)
    for one in schedules[:1]:
        _put_schedule(context.metronome, job_id, one)


def _cut_schedules(wanted: Json) -> list[Json]:
    found = wanted.pop("schedules", [])
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _put_schedule(metronome: Metronome, job_id: str, wanted: Json) -> None:
    known = {one["id"] for one in metronome.schedules(job_id)}
    (metronome.update_schedule if wanted.get("id") in known else metronome.add_schedule)(job_id, wanted)


@job.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Only ids.")
@pass_context
def list_(context: Context, as_json: bool, quiet: bool) -> None:
    """List the jobs.

    \b
    Example: dcos job list
    """
    jobs = context.metronome.jobs()
    if as_json:
        emit_json(jobs)
    elif quiet:
        emit_lines(str(one["id"]) for one in jobs)
    else:
        emit_table(("ID", "STATUS", "LAST RUN"), _rows(jobs))


def _rows(jobs: Iterable[Json]) -> list[tuple[str, str, str]]:
    return [(str(one["id"]), _status(one), _last_run(one.get("historySummary") or {})) for one in jobs]


def _status(one: Json) -> str:
    if one.get("activeRuns"):
        return "Running"
    return "Scheduled" if one.get("schedules") else "Unscheduled"


def _last_run(summary: Json) -> str:
    success, failure = summary.get("lastSuccessAt") or "", summary.get("lastFailureAt") or ""
    if not success and not failure:
        return "N/A"
    return "Success" if success > failure else "Failed"


class _ShowGroup(click.Group):
    """``show <id>`` and ``show runs <id>``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            return "job", show_job, args
        return super().resolve_command(ctx, args)


@job.group(cls=_ShowGroup)
def show() -> None:
    """Print a job (dcos job show ID), or its runs (dcos job show runs ID)."""


@click.command("job")
@click.argument("job_id", shell_complete=completing.jobs)
@pass_context
def show_job(context: Context, job_id: str) -> None:
    """Print the job JOB_ID.

    \b
    Example: dcos job show nightly.backup
    """
    emit_json(context.metronome.job(job_id, "activeRuns", "schedules", "historySummary"))


@job.command()
@click.argument("job_id", shell_complete=completing.jobs)
@click.option("--stop-current-job-runs", is_flag=True, help="Stop the runs that it has.")
@pass_context
def remove(context: Context, job_id: str, stop_current_job_runs: bool) -> None:
    """Remove the job JOB_ID.

    \b
    Example: dcos job remove nightly.backup --stop-current-job-runs
    """
    context.metronome.remove_job(job_id, stop_runs=stop_current_job_runs)


show.add_command(show_runs)
for _command in (run, kill, history, queue, schedule):
    job.add_command(_command)
