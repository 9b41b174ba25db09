"""``dcos job``: beginning, ending and looking at runs."""

from __future__ import annotations

from typing import Any

import click

from dcos.cli import completing
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_lines, emit_table, fail

Json = dict[str, Any]


@click.command()
@click.argument("job_id", shell_complete=completing.jobs)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def run(context: Context, job_id: str, as_json: bool) -> None:
    """Run the job JOB_ID now.

    \b
    Example: dcos job run nightly.backup
    """
    made = context.metronome.start(job_id)
    if as_json:
        emit_json(made)
    else:
        click.echo(f"Run ID: {made['id']}")


@click.command()
@click.argument("job_id", shell_complete=completing.jobs)
@click.argument("run_id", required=False)
@click.option("--all", "every", is_flag=True, help="All its runs.")
@pass_context
def kill(context: Context, job_id: str, run_id: str | None, every: bool) -> None:
    """Stop RUN_ID of the job JOB_ID, or all its runs.

    \b
    Example: dcos job kill nightly.backup --all
    """
    if (run_id is None) != every:
        fail("give either a run id or --all")
    for one in [str(found["id"]) for found in context.metronome.runs(job_id)] if every else [str(run_id)]:
        context.metronome.stop(job_id, one)


@click.command("runs")
@click.argument("job_id", shell_complete=completing.jobs)
@click.option("--run-id", help="Only this run.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Only ids.")
@pass_context
def show_runs(context: Context, job_id: str, run_id: str | None, as_json: bool, quiet: bool) -> None:
    """List the runs of the job JOB_ID that are not over.

    \b
    Example: dcos job show runs nightly.backup
    """
    found = [one for one in context.metronome.runs(job_id) if run_id is None or one["id"] == run_id]
    if as_json:
        emit_json(found)
    elif quiet:
        emit_lines(str(one["id"]) for one in found)
    else:
        rows = [(task["id"], one["jobId"], task["startedAt"]) for one in found for task in one.get("tasks", ())]
        emit_table(("TASK ID", "JOB ID", "STARTED AT"), rows)


@click.command()
@click.argument("job_id", shell_complete=completing.jobs)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Only ids.")
@click.option("--last", is_flag=True, help="Only the newest.")
@click.option("--failures", is_flag=True, help="Those that failed.")
@pass_context
def history(context: Context, job_id: str, as_json: bool, quiet: bool, last: bool, failures: bool) -> None:
    """List the finished runs of the job JOB_ID: those that succeeded, or failed.

    \b
    Example: dcos job history nightly.backup --failures
    """
    kept: Json | None = context.metronome.job(job_id, "history").get("history")
    if not kept:
        fail(f"job '{job_id}' has no history")
    runs: list[Json] = kept["failedFinishedRuns" if failures else "successfulFinishedRuns"]
    shown = runs[:1] if last else runs
    if as_json:
        emit_json({**kept, "failedFinishedRuns" if failures else "successfulFinishedRuns": shown})
    elif quiet:
        emit_lines(str(one["id"]) for one in shown)
    else:
        click.echo(_head(job_id, kept, failures=failures))
        emit_table(
            ("RUN ID", "STARTED", "FINISHED"), [(one["id"], one["createdAt"], one["finishedAt"]) for one in shown]
        )


def _head(job_id: str, kept: Json, *, failures: bool) -> str:
    if failures:
        return f'"{job_id}"  Failure runs: {kept["failureCount"]} Last Failure: {kept["lastFailureAt"] or "N/A"}'
    return f'"{job_id}"  Successful runs: {kept["successCount"]} Last Success: {kept["lastSuccessAt"] or "N/A"}'


@click.command()
@click.argument("job_id", required=False, shell_complete=completing.jobs)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Only ids of runs.")
@pass_context
def queue(context: Context, job_id: str | None, as_json: bool, quiet: bool) -> None:
    """List runs that wait for resources.

    \b
    Example: dcos job queue
    """
    waiting = [one for one in context.metronome.queue() if job_id is None or one["jobId"] == job_id]
    rows = [(str(one["jobId"]), str(each["runId"])) for one in waiting for each in one["runs"]]
    if as_json:
        emit_json(waiting)
    elif quiet:
        emit_lines(run_id for _, run_id in rows)
    else:
        emit_table(("JOB ID", "RUN ID"), rows)
