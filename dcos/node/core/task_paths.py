"""Where the files of a task are, from what Mesos tells of it.

``/frameworks/<F>/executors/<E>/runs/<C>[/tasks/<T>]`` below an agent: the sandbox of its executor's run, in pods of its own part.
Source: dcos-log's discovery of tasks; Mesos's virtual paths of sandboxes.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

import msgspec

LIVING = ("TASK_RUNNING", "TASK_STARTING", "TASK_KILLING", "TASK_STAGING", "TASK_UNREACHABLE")


class ContainerId(msgspec.Struct, frozen=True):
    value: str
    parent: ContainerId | None = None

    @property
    def root(self) -> str:
        return self.value if self.parent is None else self.parent.root


class ContainerStatus(msgspec.Struct, frozen=True):
    container_id: ContainerId | None = None


class Status(msgspec.Struct, frozen=True):
    container_status: ContainerStatus | None = None


class Task(msgspec.Struct, frozen=True):
    """As ``/tasks`` of a master tells it."""

    id: str
    framework_id: str
    slave_id: str = ""
    executor_id: str = ""
    state: str = ""
    statuses: list[Status] = []

    @property
    def container(self) -> ContainerId | None:
        """The newest that is known."""
        for status in reversed(self.statuses):
            if status.container_status is not None and status.container_status.container_id is not None:
                return status.container_status.container_id
        return None


class Ambiguous(LookupError):
    """Several tasks have this in their ids; the text names some."""


def choose(text: str, tasks: Iterable[Task]) -> Task | None:
    """The task of this id, else the one that has it in its id; of both kinds first those that live.

    Errors: Ambiguous.
    """
    found = [task for task in tasks if text in task.id]
    for group in (
        [task for task in found if task.id == text],
        [task for task in found if task.state in LIVING],
        found,
    ):
        if group:
            names = sorted({task.id for task in group})
            if len(names) > 1:
                shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
                raise Ambiguous(f"{len(names)} tasks have {text!r} in their ids: {shown}")
            return next((task for task in group if task.state in LIVING), group[0])
    return None


def sandbox(task: Task) -> str | None:
    """The path below an agent, escaped for a URL; None where no container was ever told of."""
    container = task.container
    if container is None or not task.slave_id:
        return None
    parts = ["frameworks", task.framework_id, "executors", task.executor_id or task.id, "runs", container.root]
    if container.parent is not None:
        parts += ["tasks", task.id]
    return "/" + "/".join(quote(part, safe="") for part in parts)
