"""The link between an agent and the leading master: what one tells the other.

One full-duplex HTTP exchange per agent: the agent POSTs to ``PATH`` at the leading master with a chunked body that
never ends; the master answers 200 at once with a chunked body that never ends. Both bodies are RecordIO
(``dcos.wire.recordio``) of JSON, each record one message below, told apart by ``type``. The first record of the agent is
``Register`` or ``Reregister``; the first of the master ``Registered`` or ``Shutdown``. Either side closes the exchange by
ending its body. A master that does not lead answers 307 with the leader's address, or 503 when none is known.

Pings: the master sends ``Ping`` every ``agent_ping_timeout`` and takes any message of the agent as a sign of life; an agent
that hears nothing for ``ping_timeout_s`` of ``Registered`` drops the link, detects the leader again and re-registers.

Source: ours; upstream's libprocess messages of the same names say the same things (they are not a public API).
"""

from __future__ import annotations

import msgspec

from dcos.model.v1.types import (
    AgentInfo,
    AgentInfoCapability,
    DrainConfig,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    FrameworkInfo,
    KillPolicy,
    OfferOperation,
    Operation,
    OperationStatus,
    Resource,
    Task,
    TaskGroupInfo,
    TaskID,
    TaskInfo,
    TaskStatus,
)
from dcos.wire import mesos_json

PATH = "/internal/v1/agent"
CONTENT_TYPE = "application/recordio"
VERSION = 1


class LinkMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False):
    """One record of the link."""


# ---- agent to master -------------------------------------------------------------------------------------------------


class AgentFramework(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A framework that has executors on the re-registering agent."""

    info: FrameworkInfo
    executors: tuple[ExecutorInfo, ...] = ()
    """Custom and default executors only: a command executor is not told."""
    tasks: tuple[Task, ...] = ()
    """Every task the agent still owes an answer for: queued ones as TASK_STAGING, terminal ones whose update is
    unacknowledged too. ``state`` is the latest state, ``status_update_state`` the head of the update stream."""
    completed: bool = False


class Register(LinkMessage, frozen=True, kw_only=True, tag="REGISTER"):
    """A new agent (no id yet) asks for one."""

    agent: AgentInfo
    pid: str
    """``slave(1)@ip:port``, where the agent's HTTP API answers."""
    version: str
    link_version: int = VERSION
    capabilities: tuple[AgentInfoCapability, ...] = ()
    checkpointed_resources: tuple[Resource, ...] = ()
    oversubscribed_resources: tuple[Resource, ...] = ()
    """Revocable ones that it has beyond ``agent.resources``."""
    boot_id: str = ""


class Reregister(LinkMessage, frozen=True, kw_only=True, tag="REREGISTER"):
    """A known agent (``agent.id`` set) comes back with everything that it holds."""

    agent: AgentInfo
    pid: str
    version: str
    link_version: int = VERSION
    capabilities: tuple[AgentInfoCapability, ...] = ()
    checkpointed_resources: tuple[Resource, ...] = ()
    """Those that differ from what ``agent.resources`` says: dynamically reserved ones and persistent volumes."""
    oversubscribed_resources: tuple[Resource, ...] = ()
    frameworks: tuple[AgentFramework, ...] = ()
    operations: tuple[Operation, ...] = ()
    """Applied or being applied, their last status not acknowledged yet."""
    boot_id: str = ""


class Unregister(LinkMessage, frozen=True, kw_only=True, tag="UNREGISTER"):
    """The agent leaves for good (clean removal, not a restart)."""


class Pong(LinkMessage, frozen=True, kw_only=True, tag="PONG"):
    """Answer to ``Ping``."""


class StatusUpdate(LinkMessage, frozen=True, kw_only=True, tag="STATUS_UPDATE"):
    """A task changed. Sent again (10 s doubling to 10 min, and at once after re-registration) until acknowledged."""

    framework_id: FrameworkID
    status: TaskStatus
    latest_state: str
    """The task's latest state at the agent, also while an older update is unacknowledged."""
    executor_id: ExecutorID | None = None


class ExitedExecutor(LinkMessage, frozen=True, kw_only=True, tag="EXITED_EXECUTOR"):
    """A custom or default executor ended. ``status`` is the wait(2) status, -1 when unknown."""

    framework_id: FrameworkID
    executor_id: ExecutorID
    status: int


class ExecutorMessage(LinkMessage, frozen=True, kw_only=True, tag="EXECUTOR_MESSAGE"):
    """From an executor to its scheduler, best effort."""

    framework_id: FrameworkID
    executor_id: ExecutorID
    data: bytes


class UpdateOperationStatus(LinkMessage, frozen=True, kw_only=True, tag="UPDATE_OPERATION_STATUS"):
    """An operation came to its end. Sent again, as ``StatusUpdate`` is, until ``AcknowledgeOperation`` with the status's
    uuid comes: from the master itself for an operation without id or without framework, else when its scheduler did."""

    operation_uuid: bytes
    status: OperationStatus
    framework_id: FrameworkID | None = None


class UpdateResources(LinkMessage, frozen=True, kw_only=True, tag="UPDATE_RESOURCES"):
    """The agent's total changed (operation applied, oversubscription)."""

    total: tuple[Resource, ...]
    operations: tuple[Operation, ...] = ()


AgentMessage = (
    Register
    | Reregister
    | Unregister
    | Pong
    | StatusUpdate
    | ExitedExecutor
    | ExecutorMessage
    | UpdateOperationStatus
    | UpdateResources
)

# ---- master to agent -------------------------------------------------------------------------------------------------


class Registered(LinkMessage, frozen=True, kw_only=True, tag="REGISTERED"):
    """Answer to ``Register`` and ``Reregister``: the agent counts as connected from here on."""

    agent_id: str
    master_id: str
    ping_timeout_s: float
    """Silence of the master after which the agent looks for the leader again (upstream: 75 s)."""
    reconcile: tuple[ReconcileTask, ...] = ()
    """Tasks the master holds for this agent that ``Reregister`` did not name: the agent answers each by an update."""


class ReconcileTask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    framework_id: FrameworkID
    task_id: TaskID
    partition_aware: bool = False
    """The framework's capability: TASK_DROPPED instead of TASK_LOST. The agent may not know the framework."""


class Ping(LinkMessage, frozen=True, kw_only=True, tag="PING"):
    """``connected`` false tells the agent that it must re-register."""

    connected: bool = True


class RunTask(LinkMessage, frozen=True, kw_only=True, tag="RUN_TASK"):
    """Launch one task (command task, or with a custom executor in ``task.executor``)."""

    framework: FrameworkInfo
    task: TaskInfo
    launch_executor: bool = True


class RunTaskGroup(LinkMessage, frozen=True, kw_only=True, tag="RUN_TASK_GROUP"):
    """Launch a task group under ``executor``: all or none."""

    framework: FrameworkInfo
    executor: ExecutorInfo
    task_group: TaskGroupInfo
    launch_executor: bool = True


class KillTask(LinkMessage, frozen=True, kw_only=True, tag="KILL_TASK"):
    framework_id: FrameworkID
    task_id: TaskID
    kill_policy: KillPolicy | None = None


class Acknowledge(LinkMessage, frozen=True, kw_only=True, tag="ACKNOWLEDGE"):
    """The scheduler has the update; the agent sends the next of that task, or forgets the task after the last."""

    framework_id: FrameworkID
    task_id: TaskID
    uuid: bytes


class ShutdownExecutor(LinkMessage, frozen=True, kw_only=True, tag="SHUTDOWN_EXECUTOR"):
    framework_id: FrameworkID
    executor_id: ExecutorID


class ShutdownFramework(LinkMessage, frozen=True, kw_only=True, tag="SHUTDOWN_FRAMEWORK"):
    """The framework was removed: its executors and tasks end, without updates."""

    framework_id: FrameworkID


class UpdateFramework(LinkMessage, frozen=True, kw_only=True, tag="UPDATE_FRAMEWORK"):
    framework: FrameworkInfo


class FrameworkMessage(LinkMessage, frozen=True, kw_only=True, tag="FRAMEWORK_MESSAGE"):
    """From a scheduler to its executor, best effort."""

    framework_id: FrameworkID
    executor_id: ExecutorID
    data: bytes


class ApplyOperation(LinkMessage, frozen=True, kw_only=True, tag="APPLY_OPERATION"):
    """Checkpoint the result of an offer operation (RESERVE, CREATE ...).

    Sent again after a re-registration that did not name ``operation_uuid``; an agent that knows it does nothing.
    """

    operation_uuid: bytes
    info: OfferOperation
    framework_id: FrameworkID | None = None


class AcknowledgeOperation(LinkMessage, frozen=True, kw_only=True, tag="ACKNOWLEDGE_OPERATION"):
    """The operation's end is known where it must be: the agent forgets the operation."""

    operation_uuid: bytes
    status_uuid: bytes


class DrainAgent(LinkMessage, frozen=True, kw_only=True, tag="DRAIN_AGENT"):
    """The agent ends all its tasks and takes no new ones until it has none; sent again after each re-registration."""

    config: DrainConfig


class Shutdown(LinkMessage, frozen=True, kw_only=True, tag="SHUTDOWN"):
    """The agent is refused or removed: it ends its tasks, forgets its id and exits."""

    message: str


MasterMessage = (
    Registered
    | Ping
    | RunTask
    | RunTaskGroup
    | KillTask
    | Acknowledge
    | ShutdownExecutor
    | ShutdownFramework
    | UpdateFramework
    | FrameworkMessage
    | ApplyOperation
    | AcknowledgeOperation
    | DrainAgent
    | Shutdown
)

encode = mesos_json.encode
"""One message to the payload of a record."""
# not strict: infinite limits are written as text
_agent_message = msgspec.json.Decoder(AgentMessage, strict=False).decode
_master_message = msgspec.json.Decoder(MasterMessage, strict=False).decode


def decode_agent_message(raw: bytes) -> AgentMessage:
    """Errors: msgspec.MsgspecError."""
    try:
        message: AgentMessage = _agent_message(raw)
        return message
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


def decode_master_message(raw: bytes) -> MasterMessage:
    """Errors: msgspec.MsgspecError."""
    try:
        message: MasterMessage = _master_message(raw)
        return message
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error
