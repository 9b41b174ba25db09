"""``dcos task log``, ``ls`` and ``download``: files of tasks."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from dcos.cli import completing
from dcos.cli.commands.task.shared import found, single
from dcos.cli.context import Context, pass_context
from dcos.cli.journal import FORMATS, line_of_file
from dcos.cli.output import emit_lines, emit_table, fail, until_interrupted
from dcos.cli.tails import Tail

LOOK_EVERY_S: Final = 1.0


@click.command()
@click.argument("task_id", shell_complete=completing.tasks)
@click.argument("file", default="stdout")
@click.option("--all", "every", is_flag=True, help="Completed tasks too.")
@click.option("--completed", is_flag=True, help="Only completed tasks.")
@click.option("--follow", is_flag=True, help="Go on printing what comes.")
@click.option("--lines", default=10, show_default=True, help="Begin with so many of the last lines.")
@click.option("-o", "--output", "form", type=click.Choice(FORMATS), default="short", help="How a line is printed.")
@pass_context
def log(
    context: Context, task_id: str, file: str, every: bool, completed: bool, follow: bool, lines: int, form: str
) -> None:
    """Print the end of FILE (stdout) of tasks.

    \b
    Example: dcos task log hello-world stderr --follow
    """
    known = found(context, task_id, every, completed)
    tails = []
    for one in known:
        tail = Tail(context.mesos, one, file)
        if len(known) > 1:
            click.echo(f"===> {one.id} <===")
        print_tail(tail, file, form, tail.last(abs(lines)))
        tails.append(tail)
    if follow:
        follow_tails(tails, file, form)


def print_tail(tail: Tail, file: str, form: str, text: str) -> None:
    """``text`` of a task's ``file`` in one of the ``FORMATS``."""
    if not form.startswith("json"):
        click.echo(text, nl=False)
        return
    one = tail.task
    fields = {
        "FRAMEWORK_ID": one.raw.get("framework_id", ""),
        "AGENT_ID": one.agent_id,
        "TASK_ID": one.id,
        "FILE": file,
    }
    emit_lines(line_of_file(line, form, fields) for line in text.splitlines())


def follow_tails(tails: Sequence[Tail], file: str, form: str) -> None:
    """Print what comes until somebody interrupts; a line says which task speaks when that changes."""
    shown = tails[-1]
    with until_interrupted():
        while True:
            time.sleep(LOOK_EVERY_S)
            for tail in tails:
                text = tail.more()
                if text and tail is not shown:
                    click.echo(f"===> {tail.task.id} <===")
                    shown = tail
                print_tail(tail, file, form, text)


@click.command()
@click.argument("task_id", shell_complete=completing.tasks)
@click.argument("path", default="")
@click.option("--long", "in_full", is_flag=True, help="Show mode, owner, size and date too.")
@click.option("--all", "every", is_flag=True, help="Completed tasks too.")
@click.option("--completed", is_flag=True, help="Only completed tasks.")
@pass_context
def ls(context: Context, task_id: str, path: str, in_full: bool, every: bool, completed: bool) -> None:
    """List the files in PATH of a task's sandbox.

    \b
    Example: dcos task ls hello-world --long
    """
    known = found(context, task_id, every, completed)
    for one in known:
        folder = context.mesos.sandbox(one.agent_id, one.raw)
        files = context.mesos.browse(one.agent_id, f"{folder}/{path}".rstrip("/"))
        if len(known) > 1:
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


@click.command()
@click.argument("task_id", shell_complete=completing.tasks)
@click.argument("path", default="")
@click.option("--target-dir", default=".", show_default=True, help="Where to put it.")
@click.option("--all", "every", is_flag=True, help="Completed tasks too.")
@pass_context
def download(context: Context, task_id: str, path: str, target_dir: str, every: bool) -> None:
    """Copy PATH of a task's sandbox (all of it, without PATH) to this machine.

    \b
    Example: dcos task download hello-world stderr --target-dir=/tmp
    """
    one = single(context, task_id, every=every)
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
