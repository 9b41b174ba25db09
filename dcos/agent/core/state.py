"""What the agent holds: frameworks, their executors, their tasks. Owned and changed by ``agent.py`` alone.

Shape: framework id -> executor id -> task id. A command task is an executor of its own (same id) whose run is the task's
container; a task group is one executor whose tasks have containers of their own; a custom executor's run is its container
and that of all its tasks.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from dcos.agent.core.executor_life import Life, Standing
from dcos.agent.core.exits import Verdict
from dcos.agent.core.health import Health
from dcos.agent.core.updates import UpdateStream
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1.types import (
    CheckStatusInfo,
    ContainerID,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    FrameworkInfo,
    NetworkInfo,
    Task,
    TaskInfo,
    TaskState,
    TaskStatus,
)

COMPLETED_FRAMEWORKS = 50
COMPLETED_TASKS = 200


class Phase(StrEnum):
    """Where a task's container stands."""

    PREPARING = "preparing"
    RUNNING = "running"
    ENDED = "ended"


class KillCause(StrEnum):
    ASKED = "asked"
    HEALTH = "health"
    COMPLETION = "completion"
    GROUP = "group"
    SHUTDOWN = "shutdown"
    MEMORY = "memory"
    """Of the control group that it shares."""
    LIMITATION = "limitation"
    """It took more than it may, and ``verdict`` says of what."""


@dataclass(slots=True)
class Killing:
    cause: KillCause
    since: float
    deadline: float
    forced: bool = False
    words: str = ""
    verdict: Verdict | None = None


@dataclass(slots=True)
class TaskRun:
    info: TaskInfo
    container_id: str
    user: str
    role: str | None
    stream: UpdateStream = field(default_factory=UpdateStream)
    state: TaskState = TaskState.TASK_STAGING
    statuses: list[TaskStatus] = field(default_factory=list)
    phase: Phase = Phase.PREPARING
    pid: int | None = None
    network_infos: tuple[NetworkInfo, ...] = ()
    """Where it is reached; none: at the agent's address."""
    started_at: float | None = None
    killing: Killing | None = None
    health: Health = field(default_factory=Health)
    check_status: CheckStatusInfo | None = None
    group: int = 0
    """Tasks of the same executor with the same number live and die together."""
    seen: set[bytes] = field(default_factory=set)
    """Updates that a custom executor told (they may come again)."""

    @property
    def task_id(self) -> str:
        return self.info.task_id.value


class ExecutorKind(StrEnum):
    COMMAND = "COMMAND"
    DEFAULT = "DEFAULT"
    CUSTOM = "CUSTOM"


@dataclass(slots=True)
class ExecutorRun:
    info: ExecutorInfo
    kind: ExecutorKind
    run_id: str
    checkpoint: bool
    tasks: dict[str, TaskRun] = field(default_factory=dict)
    """Live ones and terminal ones whose update is unacknowledged."""
    completed: deque[Task] = field(default_factory=lambda: deque(maxlen=COMPLETED_TASKS))
    silent: bool = False
    """Its framework is gone: it ends without updates."""
    groups: int = 0
    ending: bool = False
    """It was told to shut down: it takes no more tasks."""
    life: Life | None = None
    """Of custom ones only."""

    @property
    def executor_id(self) -> str:
        return self.info.executor_id.value

    @property
    def alive(self) -> bool:
        """A custom executor whose container has not ended, with or without tasks."""
        return self.life is not None and self.life.standing is not Standing.TERMINATED

    @property
    def active(self) -> bool:
        """It takes resources."""
        return self.alive or any(run.phase is not Phase.ENDED for run in self.tasks.values())

    @property
    def pids(self) -> list[int]:
        """Main processes of what runs."""
        if self.life is not None:
            return [self.life.pid] if self.alive and self.life.pid is not None else []
        return [run.pid for run in self.tasks.values() if run.phase is Phase.RUNNING and run.pid is not None]

    def used(self) -> Resources:
        """Resources of the executor and of its tasks that have not ended."""
        total = EMPTY if self.life is not None and not self.alive else Resources.of(self.info.resources)
        for task in self.tasks.values():
            if task.phase is not Phase.ENDED:
                total = total + Resources.of(task.info.resources)
        return total


@dataclass(slots=True)
class FrameworkRun:
    info: FrameworkInfo
    executors: dict[str, ExecutorRun] = field(default_factory=dict)
    completed_executors: deque[ExecutorRun] = field(default_factory=lambda: deque(maxlen=150))
    terminating: bool = False

    @property
    def framework_id(self) -> str:
        return self.info.id.value if self.info.id is not None else ""


def container_id_of(executor: ExecutorRun, task: TaskRun) -> ContainerID:
    """A group's task is nested in its executor."""
    if executor.kind is not ExecutorKind.DEFAULT:
        return ContainerID(value=task.container_id)
    return ContainerID(value=task.container_id, parent=ContainerID(value=executor.run_id))


def task_message(framework_id: str, executor: ExecutorRun, run: TaskRun) -> Task:
    """The task as the APIs and the master see it."""
    info = run.info
    head = run.stream.head
    return Task(
        name=info.name,
        task_id=info.task_id,
        framework_id=FrameworkID(value=framework_id),
        executor_id=None if executor.kind is ExecutorKind.COMMAND else ExecutorID(value=executor.executor_id),
        agent_id=info.agent_id,
        state=run.state,
        resources=info.resources,
        statuses=tuple(run.statuses),
        status_update_state=head.state if head is not None else None,
        status_update_uuid=head.uuid if head is not None else None,
        labels=info.labels,
        discovery=info.discovery,
        container=info.container,
        health_check=info.health_check,
        kill_policy=info.kill_policy,
        user=info.command.user if info.command is not None else None,
        limits=info.limits,
    )
