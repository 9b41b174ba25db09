"""Ids: paths of apps and groups, instance ids, task ids, discovery names.

A path is absolute, ``/a/b``, the root ``/``. An instance is ``a_b.instance-<uuid>``, its task
``a_b.instance-<uuid>._app.<incarnation>``.   Source: Marathon's id rules.
"""

from __future__ import annotations

import re

ROOT = "/"
SEGMENT_TEXT = r"^(([a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])\.)*([a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])|(\.|\.\.)$"
_SEGMENT = re.compile(SEGMENT_TEXT)
RESERVED = frozenset({"restart", "tasks", "versions", ".", ".."})
"""Words that may not end an app's id: they are resources below an app."""

_TASK = re.compile(
    r"^(?P<key>.+)\.(?P<kind>instance|marathon)-(?P<uuid>[0-9a-fA-F-]{36})"
    r"\.(?P<name>[^.]+)(?:\.(?P<incarnation>\d+))?$"
)
_LEGACY_TASK = re.compile(r"^(?P<key>.+)[._](?P<uuid>[0-9a-fA-F]{8}-[0-9a-fA-F-]{27})$")
TASK_ID_RULE = "Expected: '<run spec id with _ for />.instance-<uuid>._app.<incarnation>'"


def segments(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def canonical(path: str, base: str = ROOT) -> str:
    """The absolute form: relative ones hang below ``base``, ``.`` and ``..`` are resolved, slashes collapse."""
    parts = segments(path)
    made = [] if path.startswith("/") else segments(base)
    for part in parts:
        if part == "..":
            made = made[:-1]
        elif part != ".":
            made.append(part)
    return "/" + "/".join(made)


def parent(path: str) -> str:
    return "/" + "/".join(segments(path)[:-1])


def ancestors(path: str) -> list[str]:
    """The groups above, the root first."""
    parts = segments(path)
    return ["/" + "/".join(parts[:count]) for count in range(len(parts))]


def is_below(path: str, group: str) -> bool:
    """Whether ``path`` lies in ``group`` at any depth (never itself)."""
    return path != group and (group == ROOT or path.startswith(group + "/"))


def child(group: str, name: str) -> str:
    return canonical(name, group)


def id_faults(path: str) -> list[str]:
    """Rules that the id of an app breaks."""
    parts = segments(path)
    if not parts:
        return ["must not be empty"]
    faults = [f"must fully match regular expression '{SEGMENT_TEXT}'" for part in parts if not _SEGMENT.fullmatch(part)]
    if parts[-1] in RESERVED:
        faults.append(f"must not end with any of these reserved keywords: {', '.join(sorted(RESERVED))}")
    return faults[:1]


def key(path: str) -> str:
    """The path as part of task ids and store names: ``a_b``."""
    return "_".join(segments(path))


def from_key(text: str) -> str:
    return "/" + text.replace("_", "/")


def discovery_name(path: str) -> str:
    """``/a/b`` is found as ``b.a``."""
    return ".".join(reversed(segments(path)))


def instance_id(app_id: str, uuid: str) -> str:
    return f"{key(app_id)}.instance-{uuid}"


def spec_of_instance(instance: str) -> str:
    """The app or pod whose instance it names."""
    return from_key(instance.rpartition(".")[0])


def task_id(instance: str, name: str, incarnation: int = 1) -> str:
    return f"{instance}.{name}.{incarnation}"


def instance_of(task: str) -> str | None:
    """The instance that a task id names; None where it is not the id of one of our tasks."""
    match = _TASK.match(task)
    if match:
        return f"{match['key']}.{match['kind']}-{match['uuid']}"
    return task if _LEGACY_TASK.match(task) else None


def app_of(task: str) -> str | None:
    """The app that a task id names."""
    match = _TASK.match(task) or _LEGACY_TASK.match(task)
    return from_key(match["key"]) if match else None
