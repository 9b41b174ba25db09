"""The agent's shell: one queue of events, one writer, effects performed in order; slow ones in tasks of their own.

A container is one task here: launch, tell, wait, tell. Health checks are others. What they find comes back as events.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from dcos.agent.core.draining import DrainAsked
from dcos.agent.core.events import (
    AgentShutdown,
    Disconnected,
    Event,
    ExecutorShutdown,
    FrameworkChanged,
    FrameworkShutdown,
    GroupAssigned,
    KillAsked,
    Registered,
    TaskAssigned,
    Tick,
    UpdateAcknowledged,
)
from dcos.agent.core.executor_events import FrameworkSaid
from dcos.agent.core.operation_events import (
    OperationAcknowledged,
    OperationAsked,
)
from dcos.agent.identity import CAPABILITIES, MESOS_VERSION
from dcos.agent.recovery import Recovery
from dcos.model.v1.types import AgentID
from dcos.wire import agent_link
from dcos.wire.agent_link import MasterMessage


class Daemon(Recovery):
    """The agent that runs."""

    async def run(self) -> None:
        """For ever; what happens is decided here and nowhere else."""
        while True:
            deadline = self.core.next_deadline()
            event: Event
            try:
                async with asyncio.timeout(None if deadline is None else max(0.0, deadline - self.clock.now())):
                    event = await self._events.get()
            except TimeoutError:
                event = Tick(self.clock.now())
            self._perform(self.core.step(event))
            if not self.core.awaited():
                self._all_back.set()

    # ---- the master --------------------------------------------------------------------------------------------------

    def hello(self) -> agent_link.Register | agent_link.Reregister:
        """The first words to a master."""
        common: dict[str, Any] = {
            "agent": self.info,
            "pid": self.pid,
            "version": MESOS_VERSION,
            "capabilities": CAPABILITIES,
            "boot_id": self._boot_id(),
            "checkpointed_resources": self.core.operations.checkpointed(),
            "oversubscribed_resources": self.core.operations.oversubscribed.messages(),
        }
        if self.info.id is None:
            return agent_link.Register(**common)
        operations = self.core.operations.link_operations()
        return agent_link.Reregister(frameworks=self.core.link_frameworks(), operations=operations, **common)

    pid = ""
    """``slave(1)@ip:port``"""

    def lost(self, leader: str) -> None:
        self.post(Disconnected())
        self._app.status(f"disconnected from {leader}")

    async def receive(self, message: MasterMessage, leader: str) -> None:
        """What the master says, as an event."""
        now = self.clock.now()
        match message:
            case agent_link.Registered():
                self._registered(message, leader, now)
            case agent_link.Ping():
                pass
            case agent_link.RunTask():
                self.post(TaskAssigned(message.framework, message.task, self._new_id(), now, message.launch_executor))
            case agent_link.RunTaskGroup():
                ids = tuple(self._new_id() for _ in range(len(message.task_group.tasks) + 1))
                tasks = message.task_group.tasks
                self.post(GroupAssigned(message.framework, message.executor, tasks, ids, now, message.launch_executor))
            case agent_link.KillTask():
                self.post(KillAsked(message.framework_id.value, message.task_id.value, now, message.kill_policy))
            case agent_link.Acknowledge():
                self.post(UpdateAcknowledged(message.framework_id.value, message.task_id.value, message.uuid, now))
            case agent_link.ShutdownExecutor():
                self.post(ExecutorShutdown(message.framework_id.value, message.executor_id.value, now))
            case agent_link.ShutdownFramework():
                self.post(FrameworkShutdown(message.framework_id.value, now))
            case agent_link.UpdateFramework():
                self.post(FrameworkChanged(message.framework))
            case agent_link.FrameworkMessage():
                self.post(FrameworkSaid(message.framework_id.value, message.executor_id.value, message.data))
            case agent_link.ApplyOperation(operation_uuid=number, info=operation, framework_id=owner):
                self.post(OperationAsked(number, operation, owner.value if owner is not None else None, now))
            case agent_link.AcknowledgeOperation():
                self.post(OperationAcknowledged(message.operation_uuid, message.status_uuid))
            case agent_link.DrainAgent(config=config):
                self._app.log.info("drain_asked", mark_gone=config.mark_gone)
                self.post(DrainAsked(config, now))
            case agent_link.Shutdown():
                self._app.log.warning("shutdown_by_master", message=message.message)
                self.post(AgentShutdown(message.message, now))

    def _registered(self, message: agent_link.Registered, leader: str, now: float) -> None:
        if self.agent_id != message.agent_id:
            self.info = msgspec.structs.replace(self.info, id=AgentID(value=message.agent_id))
        self._checkpoints.save_agent(self.info)
        self._app.log.info("registered", agent=message.agent_id, master=leader)
        self._app.status(f"registered as {message.agent_id} with {leader}")
        self.post(Registered(message.agent_id, now, message.reconcile))
