"""Where a custom executor stands: from its container's start over its subscription to its end.

REGISTERING (not subscribed yet, or not again after the agent's restart) -> RUNNING -> TERMINATING (told to end) ->
TERMINATED (its container is gone; updates of its tasks may still be unacknowledged).

Source: Mesos agent (states of executors, their timeouts).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from dcos.agent.core.exits import Exit, Verdict, describe
from dcos.model.v1.types import KillPolicy, NetworkInfo, TaskState, TaskStatusReason

if TYPE_CHECKING:
    from dcos.agent.core.state import TaskRun

DOUBT_S = 5.0
"""How long a connection must stand before it is believed that it knows nothing of a task: one that was given up before the
task was handed over may arrive late, and its end is seen within a second or so."""


class Standing(StrEnum):
    REGISTERING = "registering"
    RUNNING = "running"
    TERMINATING = "terminating"
    TERMINATED = "terminated"


@dataclass(slots=True)
class Life:
    """``deadline``: by then it has subscribed (REGISTERING) or ended (TERMINATING), or its container is destroyed."""

    standing: Standing = Standing.REGISTERING
    started: bool = False
    """Its container runs."""
    pid: int | None = None
    network_infos: tuple[NetworkInfo, ...] = ()
    """Where its container is reached; none: at the agent's address."""
    stream: int | None = None
    """The connection that events go to, None while there is none."""
    deadline: float | None = None
    verdict: Verdict | None = None
    """What its tasks will be told at its end, where that is known before."""
    recovered: bool = False
    """It was started by an agent that is dead."""
    used: bool = False
    """It got a task at least once."""
    doubted: tuple[TaskRun, ...] = ()
    """Handed over, yet unknown to ``stream`` when that subscribed: dropped at ``doubt_ends`` if nothing is heard of them."""
    doubt_ends: float | None = None
    kills: dict[str, KillPolicy | None] = field(default_factory=dict)
    """Of which tasks it was asked; told again to a new connection, for the old one may have been broken already."""


def last_words(end: Exit, mem_mb: float) -> Verdict:
    """What the tasks of an executor that ended by itself are told. ``mem_mb``: what its container had."""
    if end.out_of_memory:
        return Verdict(
            TaskState.TASK_FAILED,
            end.limitation or f"Memory limit exceeded: Requested: {mem_mb:g}MB",
            TaskStatusReason.REASON_CONTAINER_LIMITATION_MEMORY,
            end.limited,
        )
    text = describe(end) if end.known else "Abnormal executor termination: unknown"
    return Verdict(
        TaskState.TASK_FAILED,
        text.replace(f"{end.subject} ", "Executor ", 1),
        TaskStatusReason.REASON_EXECUTOR_TERMINATED,
    )
