"""An agent without containers: speaks the link, runs tasks in its head, keeps updates until acknowledged.

    agent = FakeAgent("127.0.0.1:5050", resources="cpus:4;mem:2048")
    async with agent: ...

It follows redirects, comes back with its id and tasks after a lost link, and can be told to misbehave (``mute``).
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import msgspec

from dcos.agent.core.operation_events import ChangeVolumes, OperationAsked, VolumesChanged
from dcos.agent.core.operations import Operations
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    AgentID,
    AgentInfo,
    AgentInfoCapability,
    AgentInfoCapabilityType,
    FrameworkID,
    FrameworkInfo,
    Task,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    TaskStatusSource,
)
from dcos.runtime import http
from dcos.wire import agent_link, recordio

CAPABILITIES = tuple(
    AgentInfoCapability(type=kind)
    for kind in (
        AgentInfoCapabilityType.MULTI_ROLE,
        AgentInfoCapabilityType.HIERARCHICAL_ROLE,
        AgentInfoCapabilityType.RESERVATION_REFINEMENT,
        AgentInfoCapabilityType.RESOURCE_PROVIDER,
        AgentInfoCapabilityType.RESIZE_VOLUME,
        AgentInfoCapabilityType.AGENT_OPERATION_FEEDBACK,
        AgentInfoCapabilityType.AGENT_DRAINING,
        AgentInfoCapabilityType.TASK_RESOURCE_LIMITS,
    )
)


class FakeAgent:
    """``masters``: addresses to try in turn. A launched task runs at once (``autorun``) until killed or ``finish``ed."""

    def __init__(
        self,
        *masters: str,
        resources: str = "cpus:2;mem:1024;disk:1024;ports:[31000-31100]",
        hostname: str = "127.0.0.1",
        pid: str = "slave(1)@127.0.0.1:5051",
        autorun: bool = True,
    ) -> None:
        self.masters = list(masters)
        self.info = AgentInfo(hostname=hostname, resources=Resources.parse(resources).messages())
        self.pid = pid
        self.autorun = autorun
        self.mute = False
        """Answer no pings."""
        self.registered = asyncio.Event()
        self.shutdown: str | None = None
        self.heard: list[agent_link.MasterMessage] = []
        self.tasks: dict[tuple[str, str], Task] = {}
        self.frameworks: dict[str, FrameworkInfo] = {}
        self._unacknowledged: dict[tuple[str, str], list[agent_link.StatusUpdate]] = {}
        self.operations = Operations(lambda: uuid.uuid4().bytes)
        self.operations.restore(self.info.resources, (), ())
        self._out: asyncio.Queue[agent_link.AgentMessage | None] = asyncio.Queue()
        self._runner: asyncio.Task[None] | None = None

    @property
    def id(self) -> str | None:
        return self.info.id.value if self.info.id is not None else None

    async def __aenter__(self) -> Self:
        self._runner = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def cut(self) -> None:
        """Stop; tasks and id stay, so that entering again is a restart."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
            self._runner = None
        self.registered.clear()

    def finish(self, framework: str, task: str, state: TaskState = TaskState.TASK_FINISHED) -> None:
        """The task ends."""
        self._update((framework, task), state)

    def leave(self) -> None:
        """For good: the master forgets it, and tells it to shut down."""
        self._out.put_nowait(agent_link.Unregister())

    # ---- the link ----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        async with http.session(timeout_s=None) as session:
            turn = 0
            while self.shutdown is None:
                address = self.masters[turn % len(self.masters)]
                turn += 1
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    await self._exchange(session, f"http://{address}{agent_link.PATH}")
                self.registered.clear()
                await asyncio.sleep(0.1)

    async def _exchange(self, session: aiohttp.ClientSession, url: str) -> None:
        for _ in range(3):
            self._out = asyncio.Queue()
            self._out.put_nowait(self._hello())
            headers = {"Content-Type": agent_link.CONTENT_TYPE}
            async with session.post(url, data=self._body(), headers=headers, allow_redirects=False) as response:
                if response.status == 307:
                    url = f"http://{urlsplit(response.headers['Location']).netloc}{agent_link.PATH}"
                    self._out.put_nowait(None)
                    continue
                if response.status != 200:
                    self._out.put_nowait(None)
                    return
                decoder = recordio.Decoder()
                async for chunk in response.content.iter_any():
                    for record in decoder.feed(chunk):
                        self._hear(agent_link.decode_master_message(record))
                self._out.put_nowait(None)
                return

    def _hello(self) -> agent_link.Register | agent_link.Reregister:
        if self.info.id is None:
            return agent_link.Register(agent=self.info, pid=self.pid, version="1.11.0", capabilities=CAPABILITIES)
        frameworks = tuple(
            agent_link.AgentFramework(
                info=info, tasks=tuple(task for (owner, _), task in self.tasks.items() if owner == framework)
            )
            for framework, info in self.frameworks.items()
        )
        return agent_link.Reregister(
            agent=self.info,
            pid=self.pid,
            version="1.11.0",
            capabilities=CAPABILITIES,
            frameworks=frameworks,
            checkpointed_resources=self.operations.checkpointed(),
            operations=self.operations.link_operations(),
        )

    async def _body(self) -> AsyncIterator[bytes]:
        queue = self._out
        while (message := await queue.get()) is not None:
            yield recordio.frame(agent_link.encode(message))

    def _hear(self, message: agent_link.MasterMessage) -> None:
        self.heard.append(message)
        match message:
            case agent_link.Registered():
                self.info = msgspec.structs.replace(self.info, id=AgentID(value=message.agent_id))
                for waiting in self._unacknowledged.values():
                    self._out.put_nowait(waiting[0])
                for missing in message.reconcile:
                    self._lost(missing.framework_id.value, missing.task_id.value)
                self.operations.connected(message.agent_id, 0.0)
                self._tell_operations()
                self.registered.set()
            case agent_link.Ping():
                if not self.mute:
                    self._out.put_nowait(agent_link.Pong())
            case agent_link.RunTask():
                self._launch(message.framework, message.task)
            case agent_link.RunTaskGroup():
                for task in message.task_group.tasks:
                    self._launch(message.framework, task)
            case agent_link.KillTask():
                key = (message.framework_id.value, message.task_id.value)
                if key in self.tasks:
                    self._update(key, TaskState.TASK_KILLED)
            case agent_link.DrainAgent():
                for key in list(self.tasks):
                    self._update(key, TaskState.TASK_KILLED)
            case agent_link.Acknowledge():
                self._acknowledged((message.framework_id.value, message.task_id.value), message.uuid)
            case agent_link.ShutdownFramework():
                owner = message.framework_id.value
                self.frameworks.pop(owner, None)
                for key in [key for key in self.tasks if key[0] == owner]:
                    del self.tasks[key]
                    self._unacknowledged.pop(key, None)
            case agent_link.ApplyOperation():
                owner_id = message.framework_id.value if message.framework_id is not None else None
                self.operations.asked(OperationAsked(message.operation_uuid, message.info, owner_id, 0.0))
                self._tell_operations()
            case agent_link.AcknowledgeOperation():
                self.operations.acknowledged(message.operation_uuid, message.status_uuid)
            case agent_link.Shutdown():
                self.shutdown = message.message
            case _:
                pass

    def _tell_operations(self) -> None:
        """Volumes are made in its head."""
        for effect in self.operations.saves:
            if isinstance(effect, ChangeVolumes):
                self.operations.volumes_changed(VolumesChanged(effect.uuid, None, 0.0))
        for message in self.operations.messages:
            self._out.put_nowait(message)
        self.operations.saves, self.operations.messages = [], []

    # ---- tasks -------------------------------------------------------------------------------------------------------

    def _launch(self, framework: FrameworkInfo, info: TaskInfo) -> None:
        assert framework.id is not None
        self.frameworks[framework.id.value] = framework
        self.tasks[framework.id.value, info.task_id.value] = Task(
            name=info.name,
            task_id=info.task_id,
            framework_id=framework.id,
            executor_id=info.executor.executor_id if info.executor is not None else None,
            agent_id=info.agent_id,
            state=TaskState.TASK_STAGING,
            resources=info.resources,
            labels=info.labels,
            discovery=info.discovery,
        )
        if self.autorun:
            self._update((framework.id.value, info.task_id.value), TaskState.TASK_STARTING)
            self._update((framework.id.value, info.task_id.value), TaskState.TASK_RUNNING)

    def _update(self, key: tuple[str, str], state: TaskState) -> None:
        task = msgspec.structs.replace(self.tasks[key], state=state)
        self.tasks[key] = task
        self._queue(key, self._status(key[1], state, task))

    def _status(self, task_id: str, state: TaskState, task: Task | None = None) -> TaskStatus:
        return TaskStatus(
            task_id=TaskID(value=task_id),
            state=state,
            source=TaskStatusSource.SOURCE_EXECUTOR if task is not None else TaskStatusSource.SOURCE_AGENT,
            agent_id=self.info.id,
            uuid=uuid.uuid4().bytes,
            timestamp=1.0,
        )

    def _lost(self, framework: str, task: str) -> None:
        self._queue((framework, task), self._status(task, TaskState.TASK_DROPPED))

    def _queue(self, key: tuple[str, str], status: TaskStatus) -> None:
        from_agent = agent_link.StatusUpdate(
            framework_id=self.tasks[key].framework_id if key in self.tasks else FrameworkID(value=key[0]),
            status=status,
            latest_state=self.tasks[key].state if key in self.tasks else status.state,
        )
        waiting = self._unacknowledged.setdefault(key, [])
        waiting.append(from_agent)
        if len(waiting) == 1:
            self._out.put_nowait(from_agent)

    def _acknowledged(self, key: tuple[str, str], done: bytes) -> None:
        waiting = self._unacknowledged.get(key)
        if not waiting or waiting[0].status.uuid != done:
            return
        acknowledged = waiting.pop(0)
        if waiting:
            self._out.put_nowait(waiting[0])
            return
        del self._unacknowledged[key]
        if acknowledged.status.state not in (TaskState.TASK_STARTING, TaskState.TASK_RUNNING, TaskState.TASK_KILLING):
            self.tasks.pop(key, None)
