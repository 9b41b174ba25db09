"""Tasks out of Mesos's state: which ones an argument means.   Source: dcos-core-cli pkg/mesos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """A task with what its framework and agent add. ``raw`` is Mesos's object."""

    raw: Json
    user: str
    host: str
    region: str
    zone: str

    @property
    def id(self) -> str:
        return str(self.raw["id"])

    @property
    def agent_id(self) -> str:
        return str(self.raw.get("slave_id", ""))


def tasks(state: Json, *, active: bool = True, completed: bool = False) -> Iterator[Task]:
    """Tasks of all frameworks in Mesos's state."""
    agents = {str(one.get("id")): one for one in state.get("slaves", [])}
    groups = (["tasks"] if active else []) + (["completed_tasks"] if completed else [])
    for framework in [*state.get("frameworks", []), *state.get("completed_frameworks", [])]:
        for group in groups:
            for raw in framework.get(group, []):
                agent = agents.get(str(raw.get("slave_id")), {})
                fault = (agent.get("domain") or {}).get("fault_domain") or {}
                yield Task(
                    raw=raw,
                    user=str(raw.get("user") or framework.get("user") or ""),
                    host=str(agent.get("hostname") or "N/A"),
                    region=str((fault.get("region") or {}).get("name", "")),
                    zone=str((fault.get("zone") or {}).get("name", "")),
                )


def matches(task: Task, text: str) -> bool:
    """The id contains ``text``, or fits it as a shell pattern."""
    return text in task.id or fnmatchcase(task.id, text)


def container_of(task: Task) -> Json | None:
    """The container that the task's newest status names; None for a task that has none yet."""
    for status in reversed(task.raw.get("statuses", [])):
        found: Json | None = (status.get("container_status") or {}).get("container_id")
        if found:
            return found
    return None
