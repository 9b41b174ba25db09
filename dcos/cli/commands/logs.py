"""``dcos logs``: what all tasks of a service write, across nodes. An extension: upstream's dcos has no such command."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import click

from dcos.cli import completing, merging
from dcos.cli.context import Context, pass_context
from dcos.cli.output import fail, notice, until_interrupted
from dcos.cli.tails import Lines, Tail
from dcos.cli.tasks import Task
from dcos.client.adminrouter.failures import ClientError
from dcos.client.adminrouter.mesos import Mesos

LOOK_EVERY_S: Final = 1.0
LOOK_FOR_TASKS_EVERY_S: Final = 3.0
AT_ONCE: Final = 8
"""Agents that are asked at the same time."""


@click.command()
@click.argument("service", shell_complete=completing.anything)
@click.option("-f", "--follow", is_flag=True, help="Go on printing what comes, of tasks too that come later.")
@click.option("--lines", default=10, show_default=True, help="Begin with so many of the last lines of each file.")
@click.option("--file", "files", multiple=True, help="Only this file of the sandboxes; stdout and stderr without it.")
@click.option("--completed", is_flag=True, help="Tasks that ended too.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@pass_context
def logs(
    context: Context, service: str, follow: bool, lines: int, files: tuple[str, ...], completed: bool, as_json: bool
) -> None:
    """Print what all tasks of SERVICE write: of an app, a pod, a group, a job or a framework. (Not in upstream's dcos.)

    Each line begins with its task; a line of stderr has ! instead of |.

    \b
    Example: dcos logs /shop -f
    """
    stream = Stream(context, service, files or ("stdout", "stderr"), abs(lines), as_json=as_json)
    stream.begin(completed=completed)
    if not stream.followed and not follow:
        fail(f"no task of '{service}' runs", "--completed shows those that ended; `dcos explain` says why nothing runs")
    with until_interrupted():
        while follow:
            time.sleep(LOOK_EVERY_S)
            stream.look()


class Stream:
    """The files that are followed. Lines of one look are printed by task; what agents say does not mix."""

    def __init__(self, context: Context, service: str, files: tuple[str, ...], lines: int, *, as_json: bool) -> None:
        self._context = context
        self._service = service
        self._files = files
        self._lines = lines
        self._as_json = as_json
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="agents")
        self._looked_at = 0.0
        self.followed: dict[str, tuple[Task, dict[str, tuple[Tail, Lines]]]] = {}
        self._labels: dict[str, str] = {}

    def begin(self, *, completed: bool) -> None:
        """The end of what all have written."""
        self._look_for_tasks(completed=completed, lines=self._lines)

    def look(self) -> None:
        """Print what was written since."""
        if time.monotonic() - self._looked_at >= LOOK_FOR_TASKS_EVERY_S:
            try:
                self._look_for_tasks(completed=False, lines=None)
            except ClientError as error:
                notice(f"cannot ask for tasks now: {error}")
        for task_id, found in zip(list(self.followed), self._pool.map(self._more, list(self.followed)), strict=True):
            self._print(task_id, found)

    def _look_for_tasks(self, *, completed: bool, lines: int | None) -> None:
        """Follow tasks that came (from their files' beginning, with ``lines`` None); leave those that went."""
        self._looked_at = time.monotonic()
        now = {one.id: one for one in merging.wanted(self._context.mesos.state(), self._service, completed=completed)}
        came, went = merging.came_and_went(self.followed, now)
        for task_id in went:
            self._print(task_id, self._more(task_id) + self._rest(task_id))
            self._say(task_id, "is over")
            del self.followed[task_id]
        self._labels = merging.labels([*now.values()])
        opened = self._pool.map(lambda task_id: self._open(now[task_id], lines), came)
        for task_id, (files, said) in zip(came, opened, strict=True):
            if files:
                self.followed[task_id] = (now[task_id], files)
                if lines is None:
                    self._say(task_id, f"is new, on {now[task_id].host}")
                self._print(task_id, said)

    @property
    def _mesos(self) -> Mesos:
        """Of this thread: a connection serves one at a time."""
        if not hasattr(self._local, "mesos"):
            self._local.mesos = Mesos(self._context.transport_of(self._context.cluster))
        found: Mesos = self._local.mesos
        return found

    def _open(self, one: Task, lines: int | None) -> tuple[dict[str, tuple[Tail, Lines]], list[tuple[str, str]]]:
        """The task's files, and what is printed of them first. Empty for a task whose agent does not know it yet."""
        files, said = dict[str, tuple[Tail, Lines]](), list[tuple[str, str]]()
        for file in self._files:
            try:
                tail, whole = Tail(self._mesos, one, file), Lines()
                text = tail.more() if lines is None else tail.last(lines)
            except ClientError:
                continue
            files[file] = (tail, whole)
            said += [(file, line) for line in whole.feed(text)]
        return files, said

    def _more(self, task_id: str) -> list[tuple[str, str]]:
        said = []
        for file, (tail, whole) in self.followed[task_id][1].items():
            try:
                tail.use(self._mesos)
                said += [(file, line) for line in whole.feed(tail.more())]
            except ClientError:
                continue  # the agent is away, or the sandbox is gone; the next look tells
        return said

    def _rest(self, task_id: str) -> list[tuple[str, str]]:
        return [(file, line) for file, (_, whole) in self.followed[task_id][1].items() for line in whole.rest()]

    def _print(self, task_id: str, said: list[tuple[str, str]]) -> None:
        width = max((len(one) for one in self._labels.values()), default=0)
        for file, text in said:
            if self._as_json:
                click.echo(json.dumps({"task": task_id, "file": file, "line": text}, ensure_ascii=False))
            else:
                name = self._labels.get(task_id, task_id)
                click.echo(merging.line(name, text, width=width, error=file == "stderr"))

    def _say(self, task_id: str, text: str) -> None:
        notice(f"--- {self._labels.get(task_id, task_id)} {text}")
