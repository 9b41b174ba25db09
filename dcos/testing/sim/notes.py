"""What a framework remembers of its tasks, and how it behaves."""

from __future__ import annotations

from dataclasses import dataclass, field

from dcos.model.resources import Resources
from dcos.model.task_states import TERMINAL
from dcos.model.v1.types import TaskState


@dataclass(slots=True, eq=False)
class TaskNote:
    """What the framework knows of one task."""

    id: str
    agent: str
    framework: str
    resources: Resources
    launched: float
    state: TaskState = TaskState.TASK_STAGING
    final: bool = False
    """A terminal state that nothing may follow."""
    heard: list[str] = field(default_factory=list)
    kill: bool = False
    abandoned: bool = False
    """Its framework was removed: nobody will say more of it."""
    group: str = ""
    """Of a task group: its executor's id."""

    @property
    def live(self) -> bool:
        return not self.final and self.state not in TERMINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What the seed chose for one framework."""

    name: str
    service: bool
    aware: bool
    role: str
    count: int
    """Tasks to launch, or instances to keep."""
    groups: bool = False
    programs: bool = False
    """It has an executor of its own."""
    reserves: bool = False
    hushes: bool = False
    """It suppresses its role while it wants nothing."""
    ponders: bool = False
    """It holds offers for a while."""
    checkpoint: bool = True
    failover_s: float = 1e6
    mean_s: float = 60.0
    """Of a batch's tasks."""
    reconcile_s: float = 40.0
