"""Which tasks an argument means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dcos.cli.context import Context
from dcos.cli.output import fail
from dcos.cli.tasks import Task, container_of, matches, tasks

_HINT = "`dcos task list --all` shows all there are"


def found(context: Context, text: str, every: bool, completed: bool) -> Sequence[Task]:
    """Those whose id has ``text`` in it; only the one whose id is exactly that."""
    state = context.mesos.state()
    known = [one for one in tasks(state, active=not completed, completed=completed or every) if matches(one, text)]
    if not known:
        fail(f"no task ID found containing '{text}'", _HINT)
    return [one for one in known if one.id == text] or known


def single(context: Context, text: str, *, every: bool = False) -> Task:
    """The only task that is meant."""
    known = found(context, text, every, False)
    if len(known) > 1:
        ids = ", ".join(sorted(one.id for one in known))
        fail(f"found more than one task with the same name '{text}': {ids}", "give more of the id")
    return known[0]


def one_running(context: Context, text: str) -> tuple[Task, dict[str, Any]]:
    """The task that is meant, and its container."""
    one = single(context, text)
    container_id = container_of(one)
    if container_id is None:
        fail(f"task '{one.id}' has no container yet")
    return one, container_id
