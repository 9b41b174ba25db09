"""What happens to the agent (events) and what it wants done (effects).

Events carry the time where it matters; effects are performed in order, checkpoints before messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dcos.agent.core.draining import DrainAsked, SaveDrain
from dcos.agent.core.executor_events import (
    CloseStream,
    ExecutorDisconnected,
    ExecutorSaid,
    ExecutorSubscribed,
    ExecutorUpdated,
    FrameworkSaid,
    OpenStream,
    TellExecutor,
)
from dcos.agent.core.exits import Exit
from dcos.agent.core.operation_events import (
    ChangeVolumes,
    LinkVolumes,
    OperationAcknowledged,
    OperationAsked,
    SaveResources,
    VolumesChanged,
)
from dcos.model.v1.types import (
    CheckStatusInfo,
    CommandInfo,
    ContainerInfo,
    ExecutorInfo,
    FrameworkInfo,
    KillPolicy,
    NetworkInfo,
    Resource,
    TaskInfo,
    TaskStatus,
    TaskStatusReason,
)
from dcos.wire.agent_link import AgentMessage, ReconcileTask

# ---- events ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Registered:
    """The master counts this agent as connected."""

    agent_id: str
    now: float
    reconcile: tuple[ReconcileTask, ...] = ()


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The link to the master broke."""


@dataclass(frozen=True, slots=True)
class TaskAssigned:
    """One task to launch. ``container_id`` names its run, should one be needed."""

    framework: FrameworkInfo
    task: TaskInfo
    container_id: str
    now: float
    launch_executor: bool = True
    """False: the master counts on a custom executor that is there."""


@dataclass(frozen=True, slots=True)
class GroupAssigned:
    """A task group to launch; ``container_ids`` are one for the executor and one for each task."""

    framework: FrameworkInfo
    executor: ExecutorInfo
    tasks: tuple[TaskInfo, ...]
    container_ids: tuple[str, ...]
    now: float
    launch_executor: bool = True


@dataclass(frozen=True, slots=True)
class KillAsked:
    framework_id: str
    task_id: str
    now: float
    policy: KillPolicy | None = None


@dataclass(frozen=True, slots=True)
class UpdateAcknowledged:
    framework_id: str
    task_id: str
    uuid: bytes
    now: float


@dataclass(frozen=True, slots=True)
class ExecutorShutdown:
    framework_id: str
    executor_id: str
    now: float


@dataclass(frozen=True, slots=True)
class FrameworkShutdown:
    framework_id: str
    now: float


@dataclass(frozen=True, slots=True)
class FrameworkChanged:
    framework: FrameworkInfo


@dataclass(frozen=True, slots=True)
class AgentShutdown:
    """The master refuses this agent for good."""

    message: str
    now: float


@dataclass(frozen=True, slots=True)
class ContainerStarted:
    container_id: str
    pid: int
    now: float
    network_infos: tuple[NetworkInfo, ...] = ()
    """Where it is reached; none: at the agent's address."""
    data: bytes | None = None
    """Goes along with TASK_RUNNING."""


@dataclass(frozen=True, slots=True)
class LaunchFailed:
    """It did not start, or was broken off (``DestroyContainer``); nothing of it is left."""

    container_id: str
    message: str
    now: float
    reason: TaskStatusReason = TaskStatusReason.REASON_CONTAINER_LAUNCH_FAILED


@dataclass(frozen=True, slots=True)
class UpdateFailed:
    """A container that runs could not be given other limits."""

    container_id: str
    message: str
    now: float


@dataclass(frozen=True, slots=True)
class ContainerExited:
    container_id: str
    end: Exit
    now: float


@dataclass(frozen=True, slots=True)
class ContainerLimited:
    """A running container takes more than it may, and is to end for it."""

    container_id: str
    message: str
    reason: TaskStatusReason
    limited: tuple[Resource, ...]
    now: float


@dataclass(frozen=True, slots=True)
class ContainerMissing:
    """After a restart of the agent: the container was never started, or nobody knows how it ended."""

    container_id: str
    now: float
    rebooted: bool = False


@dataclass(frozen=True, slots=True)
class Probed:
    """A health check ran. ``failure`` says why it failed, None means healthy."""

    container_id: str
    failure: str | None
    now: float


@dataclass(frozen=True, slots=True)
class Checked:
    """A check ran; ``status`` is its result (empty inside after a timeout)."""

    container_id: str
    status: CheckStatusInfo
    now: float


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed: kill deadlines, completion limits, retries."""

    now: float


Event = (
    Registered
    | Disconnected
    | TaskAssigned
    | GroupAssigned
    | KillAsked
    | UpdateAcknowledged
    | ExecutorShutdown
    | FrameworkShutdown
    | FrameworkChanged
    | AgentShutdown
    | ContainerStarted
    | LaunchFailed
    | UpdateFailed
    | ContainerExited
    | ContainerMissing
    | ContainerLimited
    | Probed
    | Checked
    | Tick
    | OperationAsked
    | OperationAcknowledged
    | VolumesChanged
    | ExecutorSubscribed
    | ExecutorDisconnected
    | ExecutorUpdated
    | ExecutorSaid
    | FrameworkSaid
    | DrainAsked
)

# ---- effects ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """To the master; dropped when there is no link (what matters is sent again)."""

    message: AgentMessage


@dataclass(frozen=True, slots=True)
class SaveFramework:
    framework: FrameworkInfo


@dataclass(frozen=True, slots=True)
class SaveFrameworkShutdown:
    """The framework is shut down with these runs: an agent after this one goes on ending them."""

    framework_id: str
    run_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SaveExecutor:
    framework_id: str
    executor: ExecutorInfo
    container_id: str
    custom: bool = False


@dataclass(frozen=True, slots=True)
class SaveTask:
    framework_id: str
    executor_id: str
    run_id: str
    task: TaskInfo
    container_id: str


@dataclass(frozen=True, slots=True)
class SaveUpdate:
    framework_id: str
    executor_id: str
    run_id: str
    status: TaskStatus


@dataclass(frozen=True, slots=True)
class SaveAcknowledgement:
    framework_id: str
    executor_id: str
    run_id: str
    task_id: str
    uuid: bytes


@dataclass(frozen=True, slots=True)
class CloseRun:
    """The run is over: mark it in the checkpoints and let its sandbox age."""

    framework_id: str
    executor_id: str
    run_id: str
    checkpointed: bool


@dataclass(frozen=True, slots=True)
class CloseFramework:
    framework_id: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container may use. cpus in thousandths, memory in bytes; None: no hard limit was asked for."""

    cpus: int
    mem_bytes: int
    cpus_limit: float | None = None
    mem_limit_bytes: float | None = None
    disk_bytes: int = 0
    revocable: bool = False
    """Some of its cpus are, and so all of it is."""
    partly_unlimited: bool = False
    """``cpus_limit`` counts the requests of tasks that name no limit: where requests are none, there is none at all."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything needed to start one task's container."""

    container_id: str
    framework_id: str
    executor_id: str
    run_id: str
    task_id: str
    command: CommandInfo
    limits: Limits
    user: str | None = None
    container: ContainerInfo | None = None
    environment: dict[str, str] = field(default_factory=dict, hash=False)
    resources: tuple[Resource, ...] = field(default=(), hash=False)
    """What the task (or executor) was given, named ports and volumes included."""
    executor_resources: tuple[Resource, ...] = field(default=(), hash=False)
    """What its executor was given, for a task of a group."""
    executor_user: str | None = None
    """Whose the executor's own sandbox is, for a task of a group."""
    executor_container: ContainerInfo | None = None
    """How its executor is contained, for a task of a group: its networks are the task's too."""
    executor: bool = False
    """A custom executor, not a task."""
    nested: bool = False
    """A task of a group: its sandbox lies inside the executor's."""
    group: str = ""
    """The run whose control group it shares; empty: it has one of its own."""
    group_ipc: bool = False
    """It is started in the IPC and with the /dev/shm of its group."""
    space: str = ""
    """The path that says which secrets it may read, as its scheduler told."""


@dataclass(frozen=True, slots=True)
class StartContainer:
    plan: Plan


@dataclass(frozen=True, slots=True)
class UpdateContainer:
    """It may use more or less from now on. (A hard memory limit is never lowered.)"""

    container_id: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class UpdateGroup:
    """What the tasks that share an executor's control group may use together from now on."""

    run_id: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class SignalContainer:
    """SIGTERM (or another) to every process of the container."""

    container_id: str
    signal: int


@dataclass(frozen=True, slots=True)
class DestroyContainer:
    """Stop preparing it (``LaunchFailed`` tells when it is gone), or kill all of it if it had started (``ContainerExited``)."""

    container_id: str


@dataclass(frozen=True, slots=True)
class StartChecks:
    container_id: str
    task: TaskInfo


@dataclass(frozen=True, slots=True)
class StopChecks:
    container_id: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Forget the agent's id and end the process, once every container is gone."""

    message: str


Effect = (
    Send
    | SaveFramework
    | SaveFrameworkShutdown
    | SaveExecutor
    | SaveTask
    | SaveUpdate
    | SaveAcknowledgement
    | CloseRun
    | CloseFramework
    | StartContainer
    | UpdateContainer
    | UpdateGroup
    | SignalContainer
    | DestroyContainer
    | StartChecks
    | StopChecks
    | Leave
    | SaveResources
    | ChangeVolumes
    | LinkVolumes
    | OpenStream
    | TellExecutor
    | CloseStream
    | SaveDrain
)
