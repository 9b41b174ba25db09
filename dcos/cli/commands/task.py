"""``dcos task``: what runs, and its files."""

from __future__ import annotations

import datetime
import os
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from dcos.cli.attachment import Attachment, window
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_lines, emit_table, fail
from dcos.cli.tasks import Task, container_of, matches, tasks
from dcos.client.adminrouter.transport import Refused

_CHUNK = 2**16
_TAIL_BYTES = 2**18


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def task(ctx: click.Context, as_json: bool) -> None:
    """Look at tasks; without a command, list them."""
    if ctx.invoked_subcommand is None:
        _list(ctx.find_object(Context) or Context(), None, False, False, as_json, False, None)


@task.command("list")
@click.argument("filter", required=False)
@click.option("--all", "every", is_flag=True, help="Completed ones too.")
@click.option("--completed", is_flag=True, help="Only completed ones.")
@click.option("--agent-id", help="Only those on this agent.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Only ids.")
@pass_context
def list_(
    context: Context, filter: str | None, every: bool, completed: bool, agent_id: str | None, as_json: bool, quiet: bool
) -> None:
    """List tasks whose id has FILTER in it."""
    _list(context, filter, every, completed, as_json, quiet, agent_id)


def _list(
    context: Context,
    wanted: str | None,
    every: bool,
    completed: bool,
    as_json: bool,
    quiet: bool,
    agent_id: str | None,
) -> None:
    state = context.mesos.state()
    found = [
        one
        for one in tasks(state, active=not completed, completed=completed or every)
        if (wanted is None or matches(one, wanted)) and (agent_id is None or one.agent_id == agent_id)
    ]
    if as_json:
        emit_json([one.raw for one in found])
        return
    if wanted is not None and not found:
        fail(f"no task ID found containing '{wanted}'")
    if quiet:
        emit_lines(one.id for one in found)
        return
    rows = [
        (
            one.raw.get("name", ""),
            one.host,
            one.user,
            one.raw.get("state", ""),
            one.id,
            one.agent_id,
            one.region,
            one.zone,
        )
        for one in sorted(found, key=lambda one: (str(one.raw.get("name")), one.id))
    ]
    emit_table(("NAME", "HOST", "USER", "STATE", "ID", "AGENT ID", "REGION", "ZONE"), rows)


@task.command()
@click.argument("task_id")
@click.argument("file", default="stdout")
@click.option("--all", "every", is_flag=True, help="Completed tasks too.")
@click.option("--completed", is_flag=True, help="Only completed tasks.")
@click.option("--follow", is_flag=True, help="Go on printing what comes.")
@click.option("--lines", default=10, show_default=True, help="Begin with so many of the last lines.")
@pass_context
def log(context: Context, task_id: str, file: str, every: bool, completed: bool, follow: bool, lines: int) -> None:
    """Print the end of FILE (stdout) of tasks.

    Example: dcos task log hello-world stderr --follow
    """
    found = _found(context, task_id, every, completed)
    places: list[tuple[Task, str, int]] = []
    for one in found:
        path = f"{context.mesos.sandbox(one.agent_id, one.raw)}/{file}"
        if len(found) > 1:
            click.echo(f"===> {one.id} <===")
        size = context.mesos.file_size(one.agent_id, path)
        click.echo(_tail(context, one, path, size, abs(lines)), nl=False)
        places.append((one, path, size))
    while follow:
        time.sleep(1)
        places = [(one, path, _more(context, one, path, size)) for one, path, size in places]


def _found(context: Context, text: str, every: bool, completed: bool) -> Sequence[Task]:
    state = context.mesos.state()
    known = [one for one in tasks(state, active=not completed, completed=completed or every) if matches(one, text)]
    if not known:
        fail(f"no task ID found containing '{text}'")
    return [one for one in known if one.id == text] or known


def _tail(context: Context, one: Task, path: str, size: int, lines: int) -> str:
    start = max(0, size - _TAIL_BYTES)
    text = _read(context, one, path, start, size)
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines else ""


def _more(context: Context, one: Task, path: str, size: int) -> int:
    """Print what was added since ``size``; the new size."""
    now = context.mesos.file_size(one.agent_id, path)
    if now > size:
        click.echo(_read(context, one, path, size, now), nl=False)
    return now


def _read(context: Context, one: Task, path: str, start: int, end: int) -> str:
    parts = []
    while start < end:
        part = context.mesos.read_file(one.agent_id, path, start, min(_CHUNK, end - start))
        if not part:
            break
        parts.append(part)
        start += len(part.encode())
    return "".join(parts)


@task.command()
@click.argument("task_id")
@click.argument("path", default="")
@click.option("--long", "in_full", is_flag=True, help="Show mode, owner, size and date too.")
@click.option("--all", "every", is_flag=True, help="Completed tasks too.")
@click.option("--completed", is_flag=True, help="Only completed tasks.")
@pass_context
def ls(context: Context, task_id: str, path: str, in_full: bool, every: bool, completed: bool) -> None:
    """List the files in PATH of a task's sandbox."""
    found = _found(context, task_id, every, completed)
    for one in found:
        folder = context.mesos.sandbox(one.agent_id, one.raw)
        files = context.mesos.browse(one.agent_id, f"{folder}/{path}".rstrip("/"))
        if len(found) > 1:
            click.echo(f"===> {one.id} <===")
        if not in_full:
            click.echo("  ".join(str(file["path"]).rpartition("/")[2] for file in files))
            continue
        rows = [
            (
                file.get("mode", ""), file.get("nlink", ""), file.get("uid", ""), file.get("gid", ""), file.get("size", 0),
                _date(file.get("mtime")), str(file["path"]).rpartition("/")[2],
            )
            for file in files
        ]  # fmt: skip
        emit_table(("MODE", "LINKS", "UID", "GID", "SIZE", "DATE", "NAME"), rows, right=("SIZE",))


def _date(value: object) -> str:
    seconds = float(value) if isinstance(value, int | float) else 0.0
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%b %d %H:%M")


# ---- processes -------------------------------------------------------------------------------------------------------


@task.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-i", "--interactive", is_flag=True, help="Send what is typed here.")
@click.option("-t", "--tty", is_flag=True, help="Give the command a terminal.")
@click.option("-u", "--user", help="Run it as this user.")
@click.argument("task_id")
@click.argument("command")
@click.argument("args", nargs=-1)
@click.pass_context
def exec_(
    ctx: click.Context,
    interactive: bool,
    tty: bool,
    user: str | None,
    task_id: str,
    command: str,
    args: tuple[str, ...],
) -> None:
    """Run COMMAND with ARGS in a task's container; ends as COMMAND does. Ctrl-P Ctrl-Q leaves (and ends it).

    Example: dcos task exec -it hello-world bash
    """
    context = ctx.find_object(Context) or Context()
    if tty and not (sys.stdin.isatty() and sys.stdout.isatty()):
        fail("must be running in a tty to pass the '--tty' flag")
    one, parent = _one_running(context, task_id)
    containers = context.mesos.containers(one.agent_id)
    container_id = {"value": str(uuid.uuid4()), "parent": parent}
    wanted: dict[str, Any] = {"shell": False, "value": command, "arguments": [command, *args]}
    if user is not None:
        wanted["user"] = user
    size = None
    if tty:
        size = window()["control"]["tty_info"]
        if kind := os.environ.get("TERM"):
            wanted["environment"] = {"variables": [{"name": "TERM", "value": kind}]}
    output = containers.session(container_id, wanted, tty=size)
    attachment = Attachment(containers, container_id, output, keys=interactive, on_terminal=tty)
    try:
        attachment.run()
    finally:
        output.close()
    if attachment.detached:
        return
    ctx.exit(_exit_code(containers.wait(container_id)))


@task.command()
@click.option("--no-stdin", is_flag=True, help="Only show its output.")
@click.argument("task_id")
@pass_context
def attach(context: Context, no_stdin: bool, task_id: str) -> None:
    """Join a task that was launched with a terminal. Ctrl-P Ctrl-Q leaves it running."""
    if not no_stdin and not (sys.stdin.isatty() and sys.stdout.isatty()):
        fail("must be running in a tty to attach to a task; --no-stdin shows its output only")
    one, container_id = _one_running(context, task_id)
    containers = context.mesos.containers(one.agent_id)
    try:
        output = containers.output(container_id)
    except Refused as error:
        if error.status == 500:
            fail(f"task '{one.id}' was not launched with a terminal: {error}")
        raise
    attachment = Attachment(containers, container_id, output, keys=not no_stdin, on_terminal=not no_stdin)
    try:
        attachment.run()
    finally:
        output.close()


@task.command()
@click.argument("task_id")
@click.argument("path", default="")
@click.option("--target-dir", default=".", show_default=True, help="Where to put it.")
@click.option("--all", "every", is_flag=True, help="Completed tasks too.")
@pass_context
def download(context: Context, task_id: str, path: str, target_dir: str, every: bool) -> None:
    """Copy PATH of a task's sandbox (all of it, without PATH) to this machine."""
    found = _found(context, task_id, every, False)
    if len(found) > 1:
        fail(_several(task_id, found))
    one = found[0]
    folder = context.mesos.sandbox(one.agent_id, one.raw)
    target = Path(target_dir)
    target.mkdir(parents=True, exist_ok=True)
    _download(context, one.agent_id, f"{folder}/{path}".rstrip("/"), target, whole=not path.strip("/"))


def _download(context: Context, agent_id: str, source: str, target: Path, *, whole: bool) -> None:
    """A file, or a folder with all that is in it (``whole``: without the folder itself)."""
    name = source.rpartition("/")[2]
    if not whole:
        siblings = context.mesos.browse(agent_id, source.rpartition("/")[0])
        entry = next((one for one in siblings if one["path"] == source), None)
        if entry is None:
            fail(f"'{name}' does not exist in the task's sandbox")
        if not str(entry["mode"]).startswith("d"):
            _save(context, agent_id, source, target / name)
            return
        target = target / name
    target.mkdir(exist_ok=True)
    for entry in context.mesos.browse(agent_id, source):
        inner = str(entry["path"])
        mode = str(entry["mode"])
        if mode.startswith("d"):
            _download(context, agent_id, inner, target / inner.rpartition("/")[2], whole=True)
        elif mode.startswith("-"):
            _save(context, agent_id, inner, target / inner.rpartition("/")[2])


def _save(context: Context, agent_id: str, source: str, target: Path) -> None:
    with target.open("wb") as file:
        for part in context.mesos.download(agent_id, source):
            file.write(part)


def _one_running(context: Context, text: str) -> tuple[Task, dict[str, Any]]:
    """The task that is meant, and its container."""
    known = [one for one in tasks(context.mesos.state()) if matches(one, text)]
    if not known:
        fail(f"no task ID found containing '{text}'")
    exact = [one for one in known if one.id == text]
    if len(exact or known) > 1:
        fail(_several(text, known))
    one = (exact or known)[0]
    container_id = container_of(one)
    if container_id is None:
        fail(f"task '{one.id}' has no container yet")
    return one, container_id


def _several(text: str, found: Sequence[Task]) -> str:
    return f"found more than one task with the same name '{text}': {', '.join(sorted(one.id for one in found))}"


def _exit_code(status: int | None) -> int:
    """Of a shell, from what wait(2) gave."""
    if status is None:
        return 1
    return 128 + (status & 0x7F) if status & 0x7F else status >> 8
