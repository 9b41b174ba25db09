"""The agent's step: one event in, the effects in order out.

Theory: frameworks, executors and tasks are in memory; whatever must outlive the process is saved by an effect that stands
before the message telling it. A task's life: PREPARING (sandbox, fetch, image, start) -> RUNNING -> ENDED; its record
stays until the scheduler acknowledged the terminal update. Nothing here waits: a kill notes a deadline, a Tick after it
ends the task by force.

Source: Mesos agent and its command and default executors (states, reasons, order of updates).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from dcos.agent.core.events import (
    AgentShutdown,
    Checked,
    CloseFramework,
    CloseRun,
    ContainerExited,
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
    Leave,
    Plan,
    Probed,
    Registered,
    SaveAcknowledgement,
    SaveExecutor,
    SaveFramework,
    SaveTask,
    SaveUpdate,
    Send,
    SignalContainer,
    StartChecks,
    StartContainer,
    StopChecks,
    TaskAssigned,
    Tick,
    UpdateAcknowledged,
)
from dcos.agent.core.executors import OVERHEAD, command_executor, limits_of, role_of
from dcos.agent.core.exits import Exit, judge
from dcos.agent.core.health import Answer
from dcos.agent.core.state import (
    COMPLETED_FRAMEWORKS,
    ExecutorKind,
    ExecutorRun,
    FrameworkRun,
    KillCause,
    Killing,
    Phase,
    TaskRun,
    container_id_of,
    task_message,
)
from dcos.agent.core.states import TERMINAL, has_capability, lost_state
from dcos.agent.core.updates import UpdateStream
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1.types import (
    AgentID,
    CheckInfoType,
    CheckStatusInfo,
    CheckStatusInfoCommand,
    CheckStatusInfoHttp,
    CheckStatusInfoTcp,
    CommandInfo,
    ContainerInfoType,
    ContainerStatus,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    FrameworkID,
    FrameworkInfo,
    FrameworkInfoCapabilityType,
    KillPolicy,
    NetworkInfo,
    NetworkInfoIPAddress,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    TaskStatusReason,
    TaskStatusSource,
)
from dcos.wire.agent_link import AgentFramework, ExitedExecutor, StatusUpdate

DEFAULT_GRACE_S = 3.0
SIGTERM = 15


@dataclass(frozen=True, slots=True)
class Rules:
    """What the core needs to know of the settings."""

    ip: str
    launcher_dir: str = "/opt/mesosphere/libexec/mesos"
    shutdown_grace_s: float = 5.0
    images: bool = True
    switch_user: bool = True
    max_completed_executors: int = 150


class AgentCore:
    """The agent's memory and its decisions. ``new_uuid`` gives 16 fresh bytes."""

    def __init__(self, rules: Rules, new_uuid: Callable[[], bytes]) -> None:
        self.rules = rules
        self.agent_id: str | None = None
        self.frameworks: dict[str, FrameworkRun] = {}
        self.completed_frameworks: deque[FrameworkRun] = deque(maxlen=COMPLETED_FRAMEWORKS)
        self.registered = False
        self.leaving: str | None = None
        self.counters: dict[str, int] = {}
        self._new_uuid = new_uuid
        self._by_container: dict[str, tuple[FrameworkRun, ExecutorRun, TaskRun]] = {}
        self._stray: dict[tuple[str, str], UpdateStream] = {}
        self._out: list[Effect] = []

    # ---- in and out --------------------------------------------------------------------------------------------------

    def step(self, event: Event) -> list[Effect]:
        """Take ``event`` in."""
        self._out = []
        match event:
            case Registered():
                self._on_registered(event)
            case Disconnected():
                self.registered = False
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
                self._on_started(event)
            case LaunchFailed():
                self._on_launch_failed(event)
            case ContainerExited():
                self._on_exited(event)
            case ContainerMissing():
                self._on_missing(event)
            case Probed():
                self._on_probed(event)
            case Checked():
                self._on_checked(event)
            case Tick():
                self._on_tick(event.now)
        out, self._out = self._out, []
        return out

    def next_deadline(self) -> float | None:
        """When a Tick is wanted, at the latest."""
        times: list[float] = []
        for framework, _, run in self.runs():
            if run.killing is not None and not run.killing.forced:
                times.append(run.killing.deadline)
            if (limit := self._completion_deadline(run)) is not None:
                times.append(limit)
            if self.registered and run.stream.due_at is not None and not framework.terminating:
                times.append(run.stream.due_at)
        if self.registered:
            times += [stream.due_at for stream in self._stray.values() if stream.due_at is not None]
        return min(times, default=None)

    def runs(self) -> Iterator[tuple[FrameworkRun, ExecutorRun, TaskRun]]:
        """Every task that is live or still owes an answer."""
        for framework in self.frameworks.values():
            for executor in framework.executors.values():
                for run in executor.tasks.values():
                    yield framework, executor, run

    def find_container(self, container_id: str) -> tuple[FrameworkRun, ExecutorRun, TaskRun] | None:
        return self._by_container.get(container_id)

    def allocated(self) -> Resources:
        """What running tasks and executors take of the agent."""
        total = EMPTY
        for framework in self.frameworks.values():
            for executor in framework.executors.values():
                if any(run.phase is not Phase.ENDED for run in executor.tasks.values()):
                    total = total + executor.used()
        return total

    def link_frameworks(self) -> tuple[AgentFramework, ...]:
        """What re-registration tells."""
        return tuple(
            AgentFramework(
                info=framework.info,
                executors=tuple(
                    one.info for one in framework.executors.values() if one.kind is not ExecutorKind.COMMAND
                ),
                tasks=tuple(
                    task_message(framework.framework_id, executor, run)
                    for executor in framework.executors.values()
                    for run in executor.tasks.values()
                ),
            )
            for framework in self.frameworks.values()
            if not framework.terminating
        )

    # ---- recovery: the shell puts back what it read, before the first event ----------------------------------------------

    def restore_framework(self, info: FrameworkInfo) -> None:
        assert info.id is not None
        self.frameworks.setdefault(info.id.value, self._new_framework(info))

    def restore_executor(self, framework_id: str, info: ExecutorInfo, kind: ExecutorKind, run_id: str) -> None:
        framework = self.frameworks[framework_id]
        framework.executors[info.executor_id.value] = ExecutorRun(info=info, kind=kind, run_id=run_id, checkpoint=True)

    def restore_task(
        self,
        framework_id: str,
        executor_id: str,
        task: TaskInfo,
        container_id: str,
        updates: tuple[TaskStatus, ...],
        acknowledged: frozenset[bytes],
        now: float,
    ) -> None:
        """A task as its checkpoints tell it; ``acknowledged`` are the uuids of ended updates."""
        framework = self.frameworks[framework_id]
        executor = framework.executors[executor_id]
        run = self._new_run(framework, task, container_id)
        for status in updates:
            self._record(run, status)
            if status.uuid in acknowledged:
                run.stream.last_acknowledged = status
            else:
                run.stream.push(status, now)
        executor.tasks[run.task_id] = run
        self._by_container[container_id] = (framework, executor, run)
        if run.state in TERMINAL:
            run.phase = Phase.ENDED
            last = run.stream.last_acknowledged
            if last is not None and last.state in TERMINAL:
                self._forget(framework, executor, run)

    def restored(self) -> list[Effect]:
        """End of recovery: runs and frameworks without a task left are closed."""
        self._out = []
        for framework in list(self.frameworks.values()):
            for executor in list(framework.executors.values()):
                self._close_if_done(framework, executor)
            self._close_framework_if_done(framework)
        out, self._out = self._out, []
        return out

    # ---- the link ----------------------------------------------------------------------------------------------------

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

    # ---- launch ------------------------------------------------------------------------------------------------------

    def _on_task(self, event: TaskAssigned) -> None:
        task, framework_id = event.task, _id_of(event.framework)
        if self._cannot_take(event.framework, task, event.now):
            return
        if task.executor is not None and task.executor.type is not ExecutorInfoType.DEFAULT:
            self._reject(event.framework, task, "Custom executors are not supported by this agent", event.now)
            return
        if task.executor is not None:
            group = GroupAssigned(
                event.framework, task.executor, (task,), (event.container_id, f"{event.container_id}-1"), event.now
            )
            self._on_group(group)
            return
        if task.command is None:
            self._reject(event.framework, task, "A task needs a command or an executor", event.now)
            return
        if task.container is not None and task.container.type is ContainerInfoType.DOCKER:
            self._reject(
                event.framework, task, "None of the enabled containerizers could create a container", event.now
            )
            return
        framework = self._framework_for(event.framework)
        executor = ExecutorRun(
            info=command_executor(task, framework_id, self.rules.launcher_dir),
            kind=ExecutorKind.COMMAND,
            run_id=event.container_id,
            checkpoint=event.framework.checkpoint,
        )
        framework.executors[executor.executor_id] = executor
        run = self._new_run(framework, task, event.container_id)
        self._admit(framework, executor, run, new_executor=True)

    def _on_group(self, event: GroupAssigned) -> None:
        if any(self._cannot_take(event.framework, task, event.now) for task in event.tasks):
            return
        for task in event.tasks:
            if task.command is None:
                for one in event.tasks:
                    self._reject(
                        event.framework, one, f"Task {task.task_id.value} of the group has no command", event.now
                    )
                return
        framework = self._framework_for(event.framework)
        executor = framework.executors.get(event.executor.executor_id.value)
        fresh = executor is None
        if executor is None:
            executor = ExecutorRun(
                info=msgspec.structs.replace(
                    event.executor,
                    type=ExecutorInfoType.DEFAULT,
                    framework_id=FrameworkID(value=framework.framework_id),
                ),
                kind=ExecutorKind.DEFAULT,
                run_id=event.container_ids[0],
                checkpoint=event.framework.checkpoint,
            )
            framework.executors[executor.executor_id] = executor
        executor.groups += 1
        for task, container_id in zip(event.tasks, event.container_ids[1:], strict=True):
            run = self._new_run(framework, task, container_id)
            run.group = executor.groups
            self._admit(framework, executor, run, new_executor=fresh)
            fresh = False
            self._update(framework, executor, run, TaskState.TASK_STARTING, event.now)

    def _admit(self, framework: FrameworkRun, executor: ExecutorRun, run: TaskRun, *, new_executor: bool) -> None:
        """Remember the task, save it, start its container."""
        executor.tasks[run.task_id] = run
        self._by_container[run.container_id] = (framework, executor, run)
        ids = (framework.framework_id, executor.executor_id, executor.run_id)
        if executor.checkpoint:
            if new_executor:
                self._out += [
                    SaveFramework(framework.info),
                    SaveExecutor(framework.framework_id, executor.info, executor.run_id),
                ]
            self._out.append(SaveTask(*ids, run.info, run.container_id))
        nested = executor.kind is ExecutorKind.DEFAULT
        extra = EMPTY if nested else OVERHEAD
        self._out.append(
            StartContainer(
                Plan(
                    container_id=run.container_id,
                    framework_id=ids[0],
                    executor_id=ids[1],
                    run_id=ids[2],
                    task_id=run.task_id,
                    command=run.info.command or CommandInfo(),
                    limits=limits_of(run.info, extra),
                    user=run.user or None,
                    container=run.info.container,
                    nested=nested,
                )
            )
        )

    def _cannot_take(self, framework: FrameworkInfo, task: TaskInfo, now: float) -> bool:
        """Silently dropped: not for this agent, framework on its way out, agent leaving, or a repeated launch."""
        known = self.frameworks.get(_id_of(framework))
        if self.leaving is not None or (known is not None and known.terminating):
            return True
        if self.agent_id is not None and task.agent_id.value != self.agent_id:
            return True
        return self._find(_id_of(framework), task.task_id.value) is not None

    def _reject(self, framework: FrameworkInfo, task: TaskInfo, message: str, now: float) -> None:
        self._refuse(
            _id_of(framework),
            task.task_id,
            TaskState.TASK_FAILED,
            TaskStatusReason.REASON_CONTAINER_LAUNCH_FAILED,
            message,
            now,
        )

    def _on_started(self, event: ContainerStarted) -> None:
        found = self._by_container.get(event.container_id)
        if found is None:
            self._out.append(DestroyContainer(event.container_id))
            return
        framework, executor, run = found
        if run.phase is not Phase.PREPARING:
            return
        run.phase, run.pid = Phase.RUNNING, event.pid
        started = next((one.timestamp for one in run.statuses if one.state is TaskState.TASK_RUNNING), None)
        run.started_at = event.now if started is None else started
        if framework.terminating or executor.silent:
            self._kill(framework, executor, run, KillCause.SHUTDOWN, 0.0, event.now)
            return
        if run.state is TaskState.TASK_STAGING:
            self._update(framework, executor, run, TaskState.TASK_STARTING, event.now)
        if run.state is TaskState.TASK_STARTING:
            self._update(framework, executor, run, TaskState.TASK_RUNNING, event.now)
        if run.state is TaskState.TASK_KILLING and run.killing is None:
            # the agent died between asking and ending: ask again
            self._kill(framework, executor, run, KillCause.ASKED, self._grace(run, None), event.now)
        elif run.info.health_check is not None or run.info.check is not None:
            run.health.started_at = event.now
            self._out.append(StartChecks(run.container_id, run.info))

    def _on_launch_failed(self, event: LaunchFailed) -> None:
        found = self._by_container.get(event.container_id)
        if found is None or found[2].phase is Phase.ENDED:
            return
        framework, executor, run = found
        self._end(framework, executor, run)
        self._update(
            framework,
            executor,
            run,
            TaskState.TASK_FAILED,
            event.now,
            message=event.message,
            reason=event.reason,
            source=TaskStatusSource.SOURCE_AGENT,
        )
        self._after_end(framework, executor, run, event.now)

    # ---- end ---------------------------------------------------------------------------------------------------------

    def _on_exited(self, event: ContainerExited) -> None:
        found = self._by_container.get(event.container_id)
        if found is None or found[2].phase is Phase.ENDED:
            return
        framework, executor, run = found
        killing = run.killing
        verdict = judge(
            event.end,
            killed=killing is not None or run.state is TaskState.TASK_KILLING,
            timed_out=killing is not None and killing.cause is KillCause.COMPLETION,
            mem_mb=Resources.of(run.info.resources).scalar("mem") / 1000,
        )
        if run.state is TaskState.TASK_STAGING:
            self._update(framework, executor, run, TaskState.TASK_STARTING, event.now)
        if run.state is TaskState.TASK_STARTING:
            # it ran, however short
            self._update(framework, executor, run, TaskState.TASK_RUNNING, event.now)
        self._end(framework, executor, run)
        self._update(
            framework,
            executor,
            run,
            verdict.state,
            event.now,
            message=verdict.message,
            reason=verdict.reason,
            source=TaskStatusSource.SOURCE_EXECUTOR if event.end.known else TaskStatusSource.SOURCE_AGENT,
            healthy=False if killing is not None and killing.cause is KillCause.HEALTH else None,
        )
        self._after_end(framework, executor, run, event.now)

    def _on_missing(self, event: ContainerMissing) -> None:
        """Found in the checkpoints but not among the containers."""
        found = self._by_container.get(event.container_id)
        if found is None or found[2].phase is Phase.ENDED:
            return
        framework, executor, run = found
        if run.killing is None and run.state in (TaskState.TASK_RUNNING, TaskState.TASK_KILLING) and not event.rebooted:
            self._on_exited(ContainerExited(event.container_id, Exit(), event.now))
            return
        message = "Agent rebooted" if event.rebooted else "Agent restarted before the task was launched"
        self._end(framework, executor, run)
        self._update(
            framework,
            executor,
            run,
            lost_state(framework.info, TaskState.TASK_GONE if event.rebooted else TaskState.TASK_DROPPED),
            event.now,
            message=message,
            reason=TaskStatusReason.REASON_AGENT_RESTARTED,
            source=TaskStatusSource.SOURCE_AGENT,
        )
        self._after_end(framework, executor, run, event.now)

    def _end(self, framework: FrameworkRun, executor: ExecutorRun, run: TaskRun) -> None:
        run.phase = Phase.ENDED
        if run.info.health_check is not None or run.info.check is not None:
            self._out.append(StopChecks(run.container_id))

    def _after_end(self, framework: FrameworkRun, executor: ExecutorRun, run: TaskRun, now: float) -> None:
        """Group policy, and what is over when a task is."""
        if run.state in (TaskState.TASK_FAILED, TaskState.TASK_KILLED) and executor.kind is ExecutorKind.DEFAULT:
            for other in list(executor.tasks.values()):
                if other is not run and other.group == run.group and other.phase is not Phase.ENDED:
                    self._kill_any(framework, executor, other, KillCause.GROUP, None, now)
        if framework.terminating or executor.silent:
            self._forget(framework, executor, run)
        self._close_if_done(framework, executor)
        self._close_framework_if_done(framework)

    def _forget(self, framework: FrameworkRun, executor: ExecutorRun, run: TaskRun) -> None:
        """The task owes nothing any more."""
        if executor.tasks.pop(run.task_id, None) is not None:
            executor.completed.append(task_message(framework.framework_id, executor, run))
        self._by_container.pop(run.container_id, None)

    def _close_if_done(self, framework: FrameworkRun, executor: ExecutorRun) -> None:
        if executor.tasks or framework.executors.get(executor.executor_id) is not executor:
            return
        del framework.executors[executor.executor_id]
        framework.completed_executors.append(executor)
        self._out.append(CloseRun(framework.framework_id, executor.executor_id, executor.run_id, executor.checkpoint))
        if executor.kind is not ExecutorKind.COMMAND and not executor.silent and not framework.terminating:
            self._out.append(
                Send(
                    ExitedExecutor(
                        framework_id=FrameworkID(value=framework.framework_id),
                        executor_id=executor.info.executor_id,
                        status=0,
                    )
                )
            )

    def _close_framework_if_done(self, framework: FrameworkRun) -> None:
        if not framework.executors and self.frameworks.get(framework.framework_id) is framework:
            del self.frameworks[framework.framework_id]
            self.completed_frameworks.append(framework)
            self._out.append(CloseFramework(framework.framework_id))
        if self.leaving is not None and not self.frameworks:
            self._out.append(Leave(self.leaving))

    # ---- kill --------------------------------------------------------------------------------------------------------

    def _on_kill(self, event: KillAsked) -> None:
        framework = self.frameworks.get(event.framework_id)
        if framework is None or framework.terminating:
            return
        found = self._find(event.framework_id, event.task_id)
        if found is None:
            self._refuse(
                event.framework_id,
                TaskID(value=event.task_id),
                lost_state(framework.info, TaskState.TASK_DROPPED),
                TaskStatusReason.REASON_EXECUTOR_TERMINATED,
                "Unable to find executor",
                event.now,
            )
            return
        _, executor, run = found
        if run.phase is not Phase.ENDED:
            self._kill_any(framework, executor, run, KillCause.ASKED, event.policy, event.now)

    def _kill_any(
        self,
        framework: FrameworkRun,
        executor: ExecutorRun,
        run: TaskRun,
        cause: KillCause,
        policy: KillPolicy | None,
        now: float,
    ) -> None:
        if run.phase is Phase.PREPARING:
            self._out.append(DestroyContainer(run.container_id))
            self._end(framework, executor, run)
            self._update(
                framework,
                executor,
                run,
                TaskState.TASK_KILLED,
                now,
                message="Killed before its container was started",
                reason=TaskStatusReason.REASON_TASK_KILLED_DURING_LAUNCH,
                source=TaskStatusSource.SOURCE_AGENT,
            )
            self._after_end(framework, executor, run, now)
        else:
            self._kill(framework, executor, run, cause, self._grace(run, policy), now)

    def _kill(
        self,
        framework: FrameworkRun,
        executor: ExecutorRun,
        run: TaskRun,
        cause: KillCause,
        grace_s: float,
        now: float,
    ) -> None:
        """SIGTERM now, all of it by force after ``grace_s``; a later kill may only shorten the wait."""
        if run.killing is not None:
            run.killing.deadline = min(run.killing.deadline, run.killing.since + grace_s)
            return
        run.killing = Killing(cause, now, now + grace_s)
        self._out.append(StopChecks(run.container_id))
        if cause is not KillCause.COMPLETION and has_capability(
            framework.info, FrameworkInfoCapabilityType.TASK_KILLING_STATE
        ):
            self._update(
                framework,
                executor,
                run,
                TaskState.TASK_KILLING,
                now,
                healthy=False if cause is KillCause.HEALTH else run.health.healthy,
            )
        self._out.append(SignalContainer(run.container_id, SIGTERM))

    def _grace(self, run: TaskRun, policy: KillPolicy | None) -> float:
        for one in (policy, run.info.kill_policy):
            if one is not None and one.grace_period is not None:
                return max(0.0, one.grace_period.nanoseconds / 1e9)
        return DEFAULT_GRACE_S

    def _on_executor_shutdown(self, event: ExecutorShutdown) -> None:
        framework = self.frameworks.get(event.framework_id)
        executor = framework.executors.get(event.executor_id) if framework is not None else None
        if framework is not None and executor is not None:
            self._shut(framework, executor, event.now)

    def _on_framework_shutdown(self, event: FrameworkShutdown) -> None:
        framework = self.frameworks.get(event.framework_id)
        if framework is None:
            return
        framework.terminating = True
        for executor in list(framework.executors.values()):
            executor.silent = True
            self._shut(framework, executor, event.now)
            for run in list(executor.tasks.values()):
                if run.phase is Phase.ENDED:
                    self._forget(framework, executor, run)
            self._close_if_done(framework, executor)
        self._close_framework_if_done(framework)

    def _shut(self, framework: FrameworkRun, executor: ExecutorRun, now: float) -> None:
        """End all tasks; their grace is shortened to fit the executor's (1 s is kept for each of two waits)."""
        own = executor.info.shutdown_grace_period
        grace = (own.nanoseconds / 1e9 if own is not None else self.rules.shutdown_grace_s) - 2.0
        for run in list(executor.tasks.values()):
            if run.phase is Phase.PREPARING:
                self._kill_any(framework, executor, run, KillCause.SHUTDOWN, None, now)
            elif run.phase is Phase.RUNNING:
                short = max(0.0, min(grace, self._grace(run, None)))
                self._kill(framework, executor, run, KillCause.SHUTDOWN, short, now)

    def _on_agent_shutdown(self, event: AgentShutdown) -> None:
        self.leaving = event.message
        self.registered = False
        for framework_id in list(self.frameworks):
            self._on_framework_shutdown(FrameworkShutdown(framework_id, event.now))
        if not self.frameworks and not any(isinstance(one, Leave) for one in self._out):
            self._out.append(Leave(event.message))

    # ---- health ------------------------------------------------------------------------------------------------------

    def _on_probed(self, event: Probed) -> None:
        found = self._by_container.get(event.container_id)
        if found is None:
            return
        framework, executor, run = found
        check = run.info.health_check
        if check is None or run.phase is not Phase.RUNNING or run.killing is not None:
            return
        answer = run.health.result(check, event.failure is None, event.now)
        if answer is Answer.NOTHING:
            return
        self._update(
            framework,
            executor,
            run,
            TaskState.TASK_RUNNING,
            event.now,
            message=None if event.failure is None else f"Health check failed: {event.failure}",
            reason=TaskStatusReason.REASON_TASK_HEALTH_CHECK_STATUS_UPDATED,
            healthy=run.health.healthy,
        )
        if answer is Answer.TELL_AND_KILL:
            self._kill(framework, executor, run, KillCause.HEALTH, self._grace(run, None), event.now)

    def _on_checked(self, event: Checked) -> None:
        found = self._by_container.get(event.container_id)
        if found is None:
            return
        framework, executor, run = found
        if run.phase is not Phase.RUNNING or run.killing is not None or run.check_status == event.status:
            return
        run.check_status = event.status
        self._update(
            framework,
            executor,
            run,
            TaskState.TASK_RUNNING,
            event.now,
            reason=TaskStatusReason.REASON_TASK_CHECK_STATUS_UPDATED,
            healthy=run.health.healthy,
        )

    # ---- time --------------------------------------------------------------------------------------------------------

    def _completion_deadline(self, run: TaskRun) -> float | None:
        limit = run.info.max_completion_time
        if limit is None or run.started_at is None or run.phase is not Phase.RUNNING or run.killing is not None:
            return None
        return run.started_at + limit.nanoseconds / 1e9

    def _on_tick(self, now: float) -> None:
        for framework, executor, run in list(self.runs()):
            limit = self._completion_deadline(run)
            if limit is not None and limit <= now:
                self._kill(framework, executor, run, KillCause.COMPLETION, 0.0, now)
            killing = run.killing
            if killing is not None and not killing.forced and killing.deadline <= now and run.phase is Phase.RUNNING:
                killing.forced = True
                self._out.append(DestroyContainer(run.container_id))
        self._send_due(now)

    # ---- updates -----------------------------------------------------------------------------------------------------

    def _update(
        self,
        framework: FrameworkRun,
        executor: ExecutorRun,
        run: TaskRun,
        state: TaskState,
        now: float,
        *,
        message: str | None = None,
        reason: TaskStatusReason | None = None,
        source: TaskStatusSource = TaskStatusSource.SOURCE_EXECUTOR,
        healthy: bool | None = None,
    ) -> None:
        if framework.terminating or executor.silent:
            run.state = state
            return
        status = TaskStatus(
            task_id=run.info.task_id,
            state=state,
            message=message,
            source=source,
            reason=reason,
            agent_id=AgentID(value=self.agent_id) if self.agent_id is not None else run.info.agent_id,
            executor_id=executor.info.executor_id,
            timestamp=now,
            uuid=self._new_uuid(),
            healthy=healthy,
            check_status=self._check_status(run),
            container_status=ContainerStatus(
                container_id=container_id_of(executor, run),
                network_infos=(NetworkInfo(ip_addresses=(NetworkInfoIPAddress(ip_address=self.rules.ip),)),),
                executor_pid=run.pid,
            ),
        )
        self._record(run, status)
        self._count(f"tasks/{state}")
        self._count("updates")
        if executor.checkpoint:
            self._out.append(SaveUpdate(framework.framework_id, executor.executor_id, executor.run_id, status))
        run.stream.push(status, now)
        self._send_due(now)

    def _check_status(self, run: TaskRun) -> CheckStatusInfo | None:
        """Every status of a task with a check carries one, empty before the first result."""
        check = run.info.check
        if check is None or run.check_status is not None:
            return run.check_status
        match check.type:
            case CheckInfoType.COMMAND:
                return CheckStatusInfo(type=check.type, command=CheckStatusInfoCommand())
            case CheckInfoType.HTTP:
                return CheckStatusInfo(type=check.type, http=CheckStatusInfoHttp())
            case CheckInfoType.TCP:
                return CheckStatusInfo(type=check.type, tcp=CheckStatusInfoTcp())
            case _:
                return None

    def _record(self, run: TaskRun, status: TaskStatus) -> None:
        """A new status replaces the previous one of the same state."""
        run.state = status.state
        if run.statuses and run.statuses[-1].state is status.state:
            run.statuses[-1] = status
        else:
            run.statuses.append(status)
        if status.healthy is not None:
            run.health.healthy = status.healthy
        if status.container_status is not None and status.container_status.executor_pid is not None:
            run.pid = status.container_status.executor_pid

    def _refuse(
        self,
        framework_id: str,
        task_id: TaskID,
        state: TaskState,
        reason: TaskStatusReason,
        message: str,
        now: float,
    ) -> None:
        """A terminal update of a task that the agent does not hold."""
        stream = UpdateStream()
        stream.push(
            TaskStatus(
                task_id=task_id,
                state=state,
                message=message,
                source=TaskStatusSource.SOURCE_AGENT,
                reason=reason,
                agent_id=AgentID(value=self.agent_id) if self.agent_id is not None else None,
                timestamp=now,
                uuid=self._new_uuid(),
            ),
            now,
        )
        self._stray[framework_id, task_id.value] = stream
        self._count(f"tasks/{state}")
        self._send_due(now)

    def _send_due(self, now: float) -> None:
        if not self.registered:
            return
        for framework, executor, run in self.runs():
            if not framework.terminating and (status := run.stream.take_due(now)) is not None:
                self._out.append(
                    Send(
                        StatusUpdate(
                            framework_id=FrameworkID(value=framework.framework_id),
                            status=status,
                            latest_state=run.state,
                            executor_id=ExecutorID(value=executor.executor_id),
                        )
                    )
                )
        for (framework_id, _), stream in self._stray.items():
            if (status := stream.take_due(now)) is not None:
                self._out.append(
                    Send(
                        StatusUpdate(
                            framework_id=FrameworkID(value=framework_id), status=status, latest_state=status.state
                        )
                    )
                )

    # ---- small things ------------------------------------------------------------------------------------------------

    def _on_framework_changed(self, info: FrameworkInfo) -> None:
        framework = self.frameworks.get(_id_of(info))
        if framework is not None:
            framework.info = info
            if info.checkpoint:
                self._out.append(SaveFramework(info))

    def _framework_for(self, info: FrameworkInfo) -> FrameworkRun:
        framework_id = _id_of(info)
        framework = self.frameworks.get(framework_id)
        if framework is None:
            framework = next((one for one in self.completed_frameworks if one.framework_id == framework_id), None)
            if framework is not None:
                self.completed_frameworks.remove(framework)
                framework.terminating = False
            else:
                framework = self._new_framework(info)
            self.frameworks[framework_id] = framework
        framework.info = info
        return framework

    def _new_framework(self, info: FrameworkInfo) -> FrameworkRun:
        return FrameworkRun(info=info, completed_executors=deque(maxlen=self.rules.max_completed_executors))

    def _new_run(self, framework: FrameworkRun, task: TaskInfo, container_id: str) -> TaskRun:
        own = task.command.user if task.command is not None else None
        user = (own or framework.info.user) if self.rules.switch_user else ""
        return TaskRun(info=task, container_id=container_id, user=user, role=role_of(task))

    def _find(self, framework_id: str, task_id: str) -> tuple[FrameworkRun, ExecutorRun, TaskRun] | None:
        framework = self.frameworks.get(framework_id)
        for executor in framework.executors.values() if framework is not None else ():
            run = executor.tasks.get(task_id)
            if framework is not None and run is not None:
                return framework, executor, run
        return None

    def _count(self, name: str) -> None:
        self.counters[name] = self.counters.get(name, 0) + 1


def _id_of(framework: FrameworkInfo) -> str:
    return framework.id.value if framework.id is not None else ""
