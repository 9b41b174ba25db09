"""``dcos explain``: why an app, pod or job waits or fails. An extension: upstream's dcos has no such command."""

from __future__ import annotations

import click

from dcos.cli import completing
from dcos.cli.context import Context
from dcos.cli.output import emit_json, emit_lines, fail
from dcos.cli.reasons import Failure, Story, of_app, of_job, of_pod, told
from dcos.cli.tails import Tail
from dcos.cli.tasks import Task, tasks
from dcos.cli.waiting import described
from dcos.client.adminrouter.failures import ClientError, NotFound

LAST_WORDS = 5


@click.command()
@click.argument("name", shell_complete=completing.anything)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def explain(ctx: click.Context, name: str, as_json: bool) -> None:
    """Say why the app, pod or job NAME waits or fails: offers and what is wrong with them, deployments, failures and their
    last words. (Not in upstream's dcos.)

    Ends with 0 when nothing is waited for and nothing failed lately, and with 1 otherwise.

    \b
    Example: dcos explain /shop/web
    """
    context = ctx.find_object(Context) or Context()
    story = _story(context, name)
    if as_json:
        emit_json(story.json())
    else:
        emit_lines(told(story))
    ctx.exit(0 if story.is_well else 1)


def _story(context: Context, name: str) -> Story:
    """Of the app, else the pod, else the job of this name."""
    wanted = "/" + name.strip("/")
    try:
        found = of_app(context.marathon.app(name, waits=True))
    except NotFound:
        try:
            found = of_pod(context.marathon.pod(name, waits=True))
        except NotFound:
            return _job(context, name)
    found.deployments = [
        f"{one['id']}: {described(one)}"
        for one in context.marathon.deployments()
        if wanted in [*one.get("affectedApps", []), *one.get("affectedPods", [])]
    ]
    _add_words(context, found.failures)
    return found


def _job(context: Context, name: str) -> Story:
    try:
        job = context.metronome.job(name, "activeRuns", "schedules", "history")
    except NotFound:
        fail(
            f"there is no app, pod or job '{name}'",
            "`dcos marathon app list`, `pod list` and `dcos job list` show them",
        )
    found = of_job(job, context.metronome.queue())
    for failure in found.failures:
        ids = [
            task
            for run in (job.get("history") or {}).get("failedFinishedRuns", [])
            if failure.what == f"run {run['id']}"
            for task in run.get("tasks", [])
        ]
        if ids:
            failure.what += f", task {ids[-1]}"
    _add_words(context, found.failures)
    return found


def _add_words(context: Context, failures: list[Failure]) -> None:
    """What the tasks that failed said at the end: to stderr, or else to stdout. Mesos's message where none is known."""
    if not failures:
        return
    try:
        known = list(tasks(context.mesos.state(), completed=True))
    except ClientError:
        return
    for failure in failures:
        task = next((one for one in known if one.id in failure.what), None)
        if task is None:
            continue
        last = (task.raw.get("statuses") or [{}])[-1]
        failure.message = failure.message or str(last.get("message") or "")
        failure.host = failure.host or task.host
        failure.words = _last_words(context, task)


def _last_words(context: Context, task: Task) -> tuple[str, ...]:
    for file in ("stderr", "stdout"):
        try:
            words = Tail(context.mesos, task, file).last(LAST_WORDS)
        except ClientError:
            continue
        if words.strip():
            return tuple(words.splitlines())
    return ()
