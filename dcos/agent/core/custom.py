"""Custom executors: a program of the framework that runs many tasks and speaks for them.

Its container is the executor's; a task is queued (Phase.PREPARING) until it is handed over (RUNNING) and ended by an
update of the executor, or with it. Whoever subscribes gets what is queued.

Source: Mesos agent (executor API v1, launch, kill, shutdown, recovery).
"""

from __future__ import annotations

import msgspec

from dcos.agent.core.custom_launch import CustomLaunch
from dcos.agent.core.draining import told_as
from dcos.agent.core.events import (
    SaveUpdate,
    Send,
    UpdateContainer,
)
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
from dcos.agent.core.executor_life import Standing
from dcos.agent.core.groups import limits_of_all
from dcos.agent.core.state import ExecutorRun, FrameworkRun, Phase, TaskRun
from dcos.model.conversions import has_volumes
from dcos.model.task_states import TERMINAL
from dcos.model.v1 import executor as v1
from dcos.model.v1.types import (
    AgentID,
    ContainerID,
    ContainerStatus,
    FrameworkID,
    NetworkInfo,
    NetworkInfoIPAddress,
    TaskStatus,
    TaskStatusSource,
)
from dcos.wire.agent_link import ExecutorMessage


class CustomExecutors(CustomLaunch):
    """Adds what custom executors say."""

    def _on_subscribed(self, event: ExecutorSubscribed) -> None:
        ids = (event.framework_id, event.executor_id)
        self._out.append(OpenStream(*ids, event.stream))
        found = self._living(*ids)
        if found is None or self.leaving is not None:
            self._out += [TellExecutor(*ids, v1.Event(type=v1.EventType.SHUTDOWN)), CloseStream(*ids)]
            return
        framework, executor, life = found
        life.standing, life.stream, life.deadline = Standing.RUNNING, event.stream, None
        subscribed = v1.EventSubscribed(
            executor_info=executor.info,
            framework_info=framework.info,
            agent_info=event.agent,
            container_id=ContainerID(value=executor.run_id),
        )
        self._tell(framework, executor, v1.Event(type=v1.EventType.SUBSCRIBED, subscribed=subscribed))
        for status in event.updates:
            self._take_update(framework, executor, status, event.now)
        self._doubt(executor, life, event.tasks, event.now)
        self._tell_kills_again(framework, executor, life)
        if not life.used and all(run.phase is Phase.ENDED for run in executor.tasks.values()):
            # every task was killed before it came
            self._shut(framework, executor, event.now)
            return
        self._deliver(framework, executor)

    def _on_disconnected(self, event: ExecutorDisconnected) -> None:
        framework = self.frameworks.get(event.framework_id)
        executor = framework.executors.get(event.executor_id) if framework is not None else None
        if executor is not None and executor.life is not None and executor.life.stream == event.stream:
            executor.life.stream = None
            executor.life.doubted, executor.life.doubt_ends = (), None  # the next subscription tells

    def _on_executor_updated(self, event: ExecutorUpdated) -> None:
        framework = self.frameworks.get(event.framework_id)
        executor = framework.executors.get(event.executor_id) if framework is not None else None
        if framework is None or executor is None or framework.terminating or executor.silent or executor.life is None:
            return
        self._take_update(framework, executor, event.status, event.now)

    def _take_update(self, framework: FrameworkRun, executor: ExecutorRun, status: TaskStatus, now: float) -> None:
        """Save, acknowledge to the executor, tell the master. One that was seen is only acknowledged again."""
        assert status.uuid is not None
        run = executor.tasks.get(status.task_id.value)
        if run is None or status.uuid in run.seen:
            if run is not None or _was_told(executor, status):
                self._acknowledge(framework, executor, status)
            return
        terminal = status.state in TERMINAL
        if run.phase is Phase.ENDED or (run.phase is Phase.PREPARING and not terminal):
            self._count("invalid_updates")
            return
        status = self._whole(executor, run, status, now)
        state, reason = told_as(self.drain, framework.info, status.state, status.reason)
        status = msgspec.structs.replace(status, state=state, reason=reason)
        assert status.uuid is not None
        run.seen.add(status.uuid)
        if terminal:
            self._end(framework, executor, run)
            self._out.append(UpdateContainer(executor.run_id, limits_of_all(executor)))
            self._link_volumes(executor, has_volumes(run.info.resources))
        self._record(run, status)
        self._count_end(status)
        self._count("updates")
        if executor.checkpoint:
            self._out.append(SaveUpdate(framework.framework_id, executor.executor_id, executor.run_id, status))
        self._acknowledge(framework, executor, status)
        run.stream.push(status, now)
        self._send_due(now)
        if terminal:
            self._after_end(framework, executor, run, now)

    def _whole(self, executor: ExecutorRun, run: TaskRun, status: TaskStatus, now: float) -> TaskStatus:
        """What the agent fills in."""
        life = executor.life
        own = status.container_status or ContainerStatus()
        address = NetworkInfo(ip_addresses=(NetworkInfoIPAddress(ip_address=self.rules.ip),))
        return msgspec.structs.replace(
            status,
            source=TaskStatusSource.SOURCE_EXECUTOR,
            agent_id=AgentID(value=self.agent_id) if self.agent_id is not None else run.info.agent_id,
            executor_id=executor.info.executor_id,
            timestamp=now if status.timestamp is None else status.timestamp,
            container_status=msgspec.structs.replace(
                own,
                container_id=own.container_id or ContainerID(value=executor.run_id),
                network_infos=own.network_infos or (life.network_infos if life is not None else ()) or (address,),
                executor_pid=life.pid if own.executor_pid is None and life is not None else own.executor_pid,
            ),
        )

    def _acknowledge(self, framework: FrameworkRun, executor: ExecutorRun, status: TaskStatus) -> None:
        told = v1.EventAcknowledged(task_id=status.task_id, uuid=status.uuid or b"")
        self._tell(framework, executor, v1.Event(type=v1.EventType.ACKNOWLEDGED, acknowledged=told))

    def _on_executor_said(self, event: ExecutorSaid) -> None:
        found = self._living(event.framework_id, event.executor_id)
        if found is None:
            return
        self._count("messages")
        self._out.append(
            Send(
                ExecutorMessage(
                    framework_id=FrameworkID(value=event.framework_id),
                    executor_id=found[1].info.executor_id,
                    data=event.data,
                )
            )
        )

    def _on_framework_said(self, event: FrameworkSaid) -> None:
        """Best effort: only to one that is subscribed."""
        found = self._living(event.framework_id, event.executor_id)
        if found is None or found[2].standing is not Standing.RUNNING:
            self._count("invalid_messages")
            return
        self._count("messages")
        self._tell(found[0], found[1], v1.Event(type=v1.EventType.MESSAGE, message=v1.EventMessage(data=event.data)))


def _was_told(executor: ExecutorRun, status: TaskStatus) -> bool:
    """Whether this very update ended a task that is closed already."""
    return any(
        one.uuid == status.uuid
        for task in executor.completed
        if task.task_id == status.task_id
        for one in task.statuses
    )
