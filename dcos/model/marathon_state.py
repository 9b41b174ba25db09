"""What Marathon remembers beside definitions: groups, instances, deployments, last failures. Each is one stored document.

Times are Unix seconds; versions are ISO-8601 texts as in the API (they sort as text).
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from dcos.model.v1.types import Attribute, CheckStatusInfo, TaskState

APP_TASK = "_app"
"""The name of an app's only task; a pod's tasks are named after its containers."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stored document."""


class Goal(StrEnum):
    RUNNING = "Running"
    STOPPED = "Stopped"
    DECOMMISSIONED = "Decommissioned"


class Condition(StrEnum):
    SCHEDULED = "Scheduled"
    """Waits to be launched again on its reservation."""
    PROVISIONED = "Provisioned"
    STAGING = "Staging"
    STARTING = "Starting"
    RUNNING = "Running"
    KILLING = "Killing"
    UNREACHABLE = "Unreachable"
    UNREACHABLE_INACTIVE = "UnreachableInactive"
    ERROR = "Error"
    FAILED = "Failed"
    FINISHED = "Finished"
    KILLED = "Killed"
    GONE = "Gone"
    DROPPED = "Dropped"
    UNKNOWN = "Unknown"


TERMINAL = frozenset(
    {
        Condition.ERROR,
        Condition.FAILED,
        Condition.FINISHED,
        Condition.KILLED,
        Condition.GONE,
        Condition.DROPPED,
        Condition.UNKNOWN,
    }
)


class AgentRef(Record, frozen=True):
    """Where an instance runs, as the offer said."""

    host: str
    agent_id: str
    region: str | None = None
    zone: str | None = None
    attributes: tuple[Attribute, ...] = ()


class TaskNetwork(Record, frozen=True):
    """Addresses that a task has in a network."""

    name: str | None = None
    addresses: tuple[str, ...] = ()


class InstanceTask(Record, frozen=True):
    id: str
    name: str = APP_TASK
    state: TaskState = TaskState.TASK_STAGING
    host_ports: tuple[int, ...] = ()
    """One per declared port in order; 0 where the port has none on the host."""
    addresses: tuple[str, ...] = ()
    networks: tuple[TaskNetwork, ...] = ()
    """The same by network, where they have names."""
    staged_at: float = 0.0
    started_at: float | None = None
    healthy: bool | None = None
    """What the agent's own health check said last."""
    check: CheckStatusInfo | None = None
    message: str = ""


class LocalVolume(Record, frozen=True):
    """A persistent volume of an instance. ``name``: an app's container path, a pod's volume name."""

    name: str
    uuid: str
    persistence_id: str


class Reservation(Record, frozen=True):
    """Resources that an instance keeps while it does not run."""

    volumes: tuple[LocalVolume, ...]
    confirmed: bool = False
    """The agent or an offer showed that it was made."""


class Release(Record, frozen=True):
    """A reservation whose instance was forgotten: it is given back when an offer shows it."""

    instance_id: str
    agent_id: str
    role: str
    since: float
    in_parts: bool = False
    """A pod's: its executor may keep its part for a while after the containers ended."""


class Instance(Record, frozen=True):
    id: str
    app_id: str
    """Of its app or pod."""
    version: str
    """The version of the app or pod that it was launched from."""
    role: str
    agent: AgentRef
    tasks: tuple[InstanceTask, ...]
    goal: Goal = Goal.RUNNING
    condition: Condition = Condition.PROVISIONED
    since: float = 0.0
    active_since: float | None = None
    unreachable_since: float | None = None
    reservation: Reservation | None = None
    incarnation: int = 1
    """Counts the launches on its reservation."""
    config_version: str = ""
    """That of the definition it was launched from; empty: launched by an earlier Marathon."""
    index: int | None = None
    """Its place among the instances of the same configuration, the lowest that was free."""

    @property
    def task(self) -> InstanceTask:
        """An app's only one, a pod's first."""
        return self.tasks[0]

    def has_config(self, config_version: str) -> bool:
        """Whether it was launched with this configuration of its app or pod (scaling alone leaves it so), or a later one."""
        if self.config_version:
            return self.config_version == config_version
        return self.version >= config_version

    @property
    def is_terminal(self) -> bool:
        return self.condition in TERMINAL

    @property
    def is_unreachable(self) -> bool:
        return self.condition in (Condition.UNREACHABLE, Condition.UNREACHABLE_INACTIVE)

    @property
    def holds_place(self) -> bool:
        """Counts for the constraints of its siblings: also while it waits to go on where it was."""
        return self.occupies or (self.rests and self.goal is Goal.RUNNING)

    @property
    def rests(self) -> bool:
        """Ended, and keeps a reservation that it can be launched on again."""
        return self.is_terminal and self.reservation is not None

    @property
    def is_wanted(self) -> bool:
        """Counts as one of the instances of its app or pod: meant to run, and not given up as unreachable."""
        return self.goal is Goal.RUNNING and self.condition is not Condition.UNREACHABLE_INACTIVE

    @property
    def occupies(self) -> bool:
        """Holds, or may hold, resources: also while it is being killed."""
        return not self.is_terminal and self.condition is not Condition.UNREACHABLE_INACTIVE


class Group(Record, frozen=True):
    """A group's own settings; its members are found by their ids."""

    id: str
    version: str
    dependencies: tuple[str, ...] = ()
    enforce_role: bool = False


class ActionKind(StrEnum):
    """As the API calls them for apps."""

    START = "StartApplication"
    SCALE = "ScaleApplication"
    RESTART = "RestartApplication"
    STOP = "StopApplication"


class Action(Record, frozen=True):
    kind: ActionKind
    app_id: str
    """Of an app or a pod."""
    pod: bool = False
    sentenced: tuple[str, ...] = ()
    """Instances that a scale-down must take first."""

    @property
    def name(self) -> str:
        """``ScaleApplication``, ``ScalePod``."""
        return self.kind.value.replace("Application", "Pod") if self.pod else self.kind.value


class Step(Record, frozen=True):
    actions: tuple[Action, ...]


class Rollout(Record, frozen=True):
    """How far a restart in steps is."""

    index: int = 0
    """Of the step under way; as many as there are steps: all done."""
    entered_at: float = 0.0
    """0: its turn is yet to come."""
    reached_at: float | None = None
    """Since when its share of instances is ready."""
    failures: int = 0
    """Of new instances, over all steps."""
    bad: int = 0
    """Measurements out of bounds in a row."""
    good: bool = False
    """The newest measurement since the step was reached was within bounds."""


class Held(Record, frozen=True):
    """What a paused deployment keeps of an app or pod: so many instances of the new and of the old configuration."""

    new: int
    old: int


class Deployment(Record, frozen=True):
    """A plan with its progress. ``originals`` and ``targets`` name the version of every touched app and pod, None: absent."""

    id: str
    version: str
    steps: tuple[Step, ...]
    originals: dict[str, str | None]
    targets: dict[str, str | None]
    current: int = 0
    """Index of the running step."""
    created_groups: tuple[str, ...] = ()
    removed_groups: tuple[Group, ...] = ()
    rollouts: dict[str, Rollout] = {}
    """By app or pod whose restart goes in steps."""
    held: dict[str, Held] | None = None
    """Set while it is paused; without those that no longer or not yet change."""

    @property
    def affected(self) -> frozenset[str]:
        return frozenset(action.app_id for step in self.steps for action in step.actions)


class TaskFailure(Record, frozen=True):
    app_id: str
    task_id: str
    host: str
    agent_id: str
    state: TaskState
    message: str
    timestamp: str
    version: str


class EndedContainer(Record, frozen=True):
    name: str
    task_id: str
    state: TaskState
    message: str = ""


class EndedInstance(Record, frozen=True):
    id: str
    version: str
    started_at: float
    ended_at: float
    message: str
    containers: tuple[EndedContainer, ...]


class History(Record, frozen=True):
    """The last ends of a pod's instances, newest first."""

    app_id: str
    ended: tuple[EndedInstance, ...] = ()


def iso(seconds: float) -> str:
    """``2014-03-01T23:42:20.938Z``."""
    millis = round(seconds * 1000)
    moment = datetime.fromtimestamp(millis // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{millis % 1000:03d}Z"
