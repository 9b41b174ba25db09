"""The agent's step: one event in, the effects in order out.

Theory: frameworks, executors and tasks are in memory; whatever must outlive the process is saved by an effect that stands
before the message telling it. A task's life: PREPARING (sandbox, fetch, image, start) -> RUNNING -> ENDED; its record
stays until the scheduler acknowledged the terminal update. Nothing here waits: a kill notes a deadline, a Tick after it
ends the task by force.

Source: Mesos agent and its command and default executors (states, reasons, order of updates).
"""

from __future__ import annotations

from dcos.agent.core.draining import DrainAsked
from dcos.agent.core.events import (
    AgentShutdown,
    Checked,
    ContainerExited,
    ContainerLimited,
    ContainerMissing,
    ContainerStarted,
    DestroyContainer,
    Disconnected,
    Effect,
    Event,
    ExecutorShutdown,
    FrameworkChanged,
    FrameworkShutdown,
    GroupAssigned,
    KillAsked,
    LaunchFailed,
    Probed,
    Registered,
    SaveAcknowledgement,
    SaveFramework,
    TaskAssigned,
    Tick,
    UpdateAcknowledged,
    UpdateFailed,
)
from dcos.agent.core.executor_events import (
    ExecutorDisconnected,
    ExecutorSaid,
    ExecutorSubscribed,
    ExecutorUpdated,
    FrameworkSaid,
)
from dcos.agent.core.memory import id_of
from dcos.agent.core.operation_events import OperationAcknowledged, OperationAsked, VolumesChanged
from dcos.agent.core.restoring import Restoring
from dcos.agent.core.state import (
    KillCause,
    Phase,
    TaskRun,
)
from dcos.agent.core.states import lost_state
from dcos.model.v1.types import (
    FrameworkInfo,
    TaskState,
    TaskStatusReason,
)


class AgentCore(Restoring):
    """The agent's memory and its decisions."""

    # ---- in and out ----------------------------------------------------------------------------------------------------

    def step(self, event: Event) -> list[Effect]:
        """Take ``event`` in."""
        self._out = []
        match event:
            case Registered():
                self._on_registered(event)
            case Disconnected():
                self.registered = self.operations.registered = False
            case OperationAsked():
                self.operations.closed = "Agent is draining" if self.drain is not None else None
                self.operations.asked(event)
            case OperationAcknowledged(uuid, status_uuid):
                self.operations.acknowledged(uuid, status_uuid)
            case VolumesChanged():
                self.operations.volumes_changed(event)
            case TaskAssigned():
                self._on_task(event)
            case GroupAssigned():
                self._on_group(event)
            case KillAsked():
                self._on_kill(event)
            case UpdateAcknowledged():
                self._on_acknowledged(event)
            case ExecutorShutdown():
                self._on_executor_shutdown(event)
            case FrameworkShutdown():
                self._on_framework_shutdown(event)
            case FrameworkChanged():
                self._on_framework_changed(event.framework)
            case AgentShutdown():
                self._on_agent_shutdown(event)
            case ContainerStarted():
                if not self._of_custom(event):
                    self._on_started(event)
            case LaunchFailed():
                if not self._of_custom(event):
                    self._on_launch_failed(event)
            case ContainerExited():
                if not self._of_custom(event):
                    self._on_exited(event)
            case ContainerMissing():
                if not self._of_custom(event):
                    self._on_missing(event)
            case UpdateFailed():
                self._on_update_failed(event)
            case ContainerLimited():
                self._on_limited(event)
            case Probed():
                self._on_probed(event)
            case Checked():
                self._on_checked(event)
            case Tick():
                self._on_tick(event.now)
            case ExecutorSubscribed():
                self._on_subscribed(event)
            case ExecutorDisconnected():
                self._on_disconnected(event)
            case ExecutorUpdated():
                self._on_executor_updated(event)
            case ExecutorSaid():
                self._on_executor_said(event)
            case FrameworkSaid():
                self._on_framework_said(event)
            case DrainAsked(config, now):
                self._on_drain(config, now)
        self._end_drain()
        self._take_operations()
        out, self._out = self._out, []
        return out

    def next_deadline(self) -> float | None:
        """When a Tick is wanted, at the latest."""
        times: list[float] = self._custom_deadlines()
        for framework, _, run in self.runs():
            if run.killing is not None and not run.killing.forced and run.phase is Phase.RUNNING:
                times.append(run.killing.deadline)
            if (limit := self._completion_deadline(run)) is not None:
                times.append(limit)
            if self.registered and run.stream.due_at is not None and not framework.terminating:
                times.append(run.stream.due_at)
        if self.registered:
            times += [stream.due_at for stream in self._stray.values() if stream.due_at is not None]
        if (due := self.operations.next_deadline()) is not None:
            times.append(due)
        return min(times, default=None)

    # ---- the link ------------------------------------------------------------------------------------------------------

    def _on_registered(self, event: Registered) -> None:
        self.agent_id = event.agent_id
        self.registered = True
        known = {(framework.framework_id, run.task_id) for framework, _, run in self.runs()}
        for asked in event.reconcile:
            key = (asked.framework_id.value, asked.task_id.value)
            if key not in known:
                framework = self.frameworks.get(key[0])
                self._refuse(
                    key[0],
                    asked.task_id,
                    lost_state(
                        framework.info if framework else None,
                        TaskState.TASK_DROPPED,
                        partition_aware=asked.partition_aware,
                    ),
                    TaskStatusReason.REASON_RECONCILIATION,
                    "Reconciliation: task unknown to the agent",
                    event.now,
                )
        for _, _, run in self.runs():
            run.stream.resend(event.now)
        for stream in self._stray.values():
            stream.resend(event.now)
        self._send_due(event.now)
        self.operations.connected(event.agent_id, event.now)

    def _on_acknowledged(self, event: UpdateAcknowledged) -> None:
        stray = self._stray.get((event.framework_id, event.task_id))
        if stray is not None:
            if stray.acknowledge(event.uuid, event.now) is not None and stray.closed:
                del self._stray[event.framework_id, event.task_id]
            return
        found = self._find(event.framework_id, event.task_id)
        if found is None:
            return
        framework, executor, run = found
        if run.stream.acknowledge(event.uuid, event.now) is None:
            return
        if executor.checkpoint:
            self._out.append(
                SaveAcknowledgement(
                    framework.framework_id, executor.executor_id, executor.run_id, run.task_id, event.uuid
                )
            )
        if run.stream.closed:
            self._forget(framework, executor, run)
            self._close_if_done(framework, executor)
            self._close_framework_if_done(framework)
        else:
            self._send_due(event.now)

    def _on_framework_changed(self, info: FrameworkInfo) -> None:
        framework = self.frameworks.get(id_of(info))
        if framework is not None:
            framework.info = info
            if info.checkpoint:
                self._out.append(SaveFramework(info))

    # ---- time ----------------------------------------------------------------------------------------------------------

    def _completion_deadline(self, run: TaskRun) -> float | None:
        limit = run.info.max_completion_time
        if limit is None or run.started_at is None or run.phase is not Phase.RUNNING or run.killing is not None:
            return None
        return run.started_at + limit.nanoseconds / 1e9

    def _on_tick(self, now: float) -> None:
        self._custom_tick(now)
        self.operations.tick(now)
        for framework, executor, run in list(self.runs()):
            limit = self._completion_deadline(run)
            if limit is not None and limit <= now:
                self._kill(framework, executor, run, KillCause.COMPLETION, 0.0, now)
            killing = run.killing
            if killing is not None and not killing.forced and killing.deadline <= now and run.phase is Phase.RUNNING:
                killing.forced = True
                self._out.append(DestroyContainer(run.container_id))
        self._send_due(now)
