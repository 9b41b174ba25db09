"""The output of many tasks as one stream of lines, each with the name of its task before it.   No I/O.

``wanted`` chooses the tasks of a service out of Mesos's state; ``labels`` names them shortly and differently.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable
from typing import Any, Final

import click

from dcos.cli.tasks import Task, tasks
from dcos.scheduling import ids

Json = dict[str, Any]
_COLOURS: Final = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta")
_SHORT: Final = 8


def wanted(state: Json, service: str, *, completed: bool = False) -> list[Task]:
    """Tasks of the app, pod, job or framework ``service``, and those of the groups of this name; by id.

    ``completed``: those that ended too.
    """
    spec = "/" + service.strip("/")
    job = "/" + service.replace(".", "/") + "/"
    frameworks = {str(one.get("id")): str(one.get("name")) for one in state.get("frameworks", [])}
    found = []
    for one in tasks(state, completed=completed):
        framework = frameworks.get(str(one.raw.get("framework_id")), "")
        owner = ids.app_of(one.id)
        is_own = owner is not None and (owner == spec or owner.startswith(spec + "/"))
        if framework == "metronome":
            is_own = owner is not None and owner.startswith(job)
        if is_own or framework == service or _framework_of(one) == service:
            found.append(one)
    return sorted(found, key=lambda one: one.id)


def _framework_of(one: Task) -> str | None:
    """Name of the framework that the task is the scheduler of, by its label."""
    labels = one.raw.get("labels") or []
    return next((str(each.get("value")) for each in labels if each.get("key") == "DCOS_PACKAGE_FRAMEWORK_NAME"), None)


def label(one: Task) -> str:
    """Short: a task of Marathon by its app's last part, the beginning of its instance's number and its container."""
    instance, owner = ids.instance_of(one.id), ids.app_of(one.id)
    if instance is None or owner is None:
        return one.id
    number = instance.rpartition(".")[2].rpartition("instance-")[2].removeprefix("marathon-")[:_SHORT]
    container = one.id.removeprefix(instance).strip(".").rpartition(".")[0]
    parts = [owner.rpartition("/")[2], number, *([container] if container not in ("", "_app") else [])]
    return ".".join(parts)


def labels(some: Iterable[Task]) -> dict[str, str]:
    """Id to label; those that would be the same are whole ids."""
    made = {one.id: label(one) for one in some}
    twice = [text for text in made.values() if list(made.values()).count(text) > 1]
    return {task_id: task_id if text in twice else text for task_id, text in made.items()}


def line(name: str, text: str, *, width: int, error: bool) -> str:
    """``web.4f2a9c1e  | text``; what went to stderr has ``!`` in place of ``|``. Each name keeps its colour."""
    colour = _COLOURS[zlib.crc32(name.encode()) % len(_COLOURS)]
    return f"{click.style(name.ljust(width), fg=colour)} {'!' if error else '|'} {text}"


def came_and_went(before: Collection[str], now: Collection[str]) -> tuple[list[str], list[str]]:
    """Ids of tasks that are new, and of those that are gone."""
    return [one for one in now if one not in before], [one for one in before if one not in now]
