"""Executor calls and events.

Source: the schema table in ``dcos/wire/schema`` (Mesos 1.11); a test holds the two together.
"""

from __future__ import annotations

from enum import StrEnum

from dcos.model.v1.base import Message
from dcos.model.v1.types import (
    AgentInfo,
    ContainerID,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    FrameworkInfo,
    KillPolicy,
    TaskGroupInfo,
    TaskID,
    TaskInfo,
    TaskStatus,
)


class EventType(StrEnum):
    UNKNOWN = "UNKNOWN"
    SUBSCRIBED = "SUBSCRIBED"
    LAUNCH = "LAUNCH"
    LAUNCH_GROUP = "LAUNCH_GROUP"
    KILL = "KILL"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    MESSAGE = "MESSAGE"
    ERROR = "ERROR"
    SHUTDOWN = "SHUTDOWN"
    HEARTBEAT = "HEARTBEAT"


class CallType(StrEnum):
    UNKNOWN = "UNKNOWN"
    SUBSCRIBE = "SUBSCRIBE"
    UPDATE = "UPDATE"
    MESSAGE = "MESSAGE"
    HEARTBEAT = "HEARTBEAT"


class Event(Message, frozen=True, kw_only=True):
    type: EventType | None = None
    subscribed: EventSubscribed | None = None
    acknowledged: EventAcknowledged | None = None
    launch: EventLaunch | None = None
    launch_group: EventLaunchGroup | None = None
    kill: EventKill | None = None
    message: EventMessage | None = None
    error: EventError | None = None


class EventSubscribed(Message, frozen=True, kw_only=True):
    executor_info: ExecutorInfo
    framework_info: FrameworkInfo
    agent_info: AgentInfo
    container_id: ContainerID | None = None


class EventLaunch(Message, frozen=True, kw_only=True):
    task: TaskInfo


class EventLaunchGroup(Message, frozen=True, kw_only=True):
    task_group: TaskGroupInfo


class EventKill(Message, frozen=True, kw_only=True):
    task_id: TaskID
    kill_policy: KillPolicy | None = None


class EventAcknowledged(Message, frozen=True, kw_only=True):
    task_id: TaskID
    uuid: bytes


class EventMessage(Message, frozen=True, kw_only=True):
    data: bytes


class EventError(Message, frozen=True, kw_only=True):
    message: str


class Call(Message, frozen=True, kw_only=True):
    executor_id: ExecutorID
    framework_id: FrameworkID
    type: CallType | None = None
    subscribe: CallSubscribe | None = None
    update: CallUpdate | None = None
    message: CallMessage | None = None


class CallSubscribe(Message, frozen=True, kw_only=True):
    unacknowledged_tasks: tuple[TaskInfo, ...] = ()
    unacknowledged_updates: tuple[CallUpdate, ...] = ()


class CallUpdate(Message, frozen=True, kw_only=True):
    status: TaskStatus


class CallMessage(Message, frozen=True, kw_only=True):
    data: bytes
