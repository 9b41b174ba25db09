"""The agent's step: one event in, the effects in order out.

Theory: frameworks, executors and tasks are in memory; whatever must outlive the process is saved by an effect that stands
before the message telling it. A task's life: PREPARING (sandbox, fetch, image, start) -> RUNNING -> ENDED; its record
stays until the scheduler acknowledged the terminal update. Nothing here waits: a kill notes a deadline, a Tick after it
ends the task by force.

Source: Mesos agent and its command and default executors (states, reasons, order of updates).
"""

from __future__ import annotations

import msgspec

from dcos.agent.core.custom import CustomExecutors
from dcos.agent.core.draining import REASON as DRAINING
from dcos.agent.core.draining import Drain, DrainAsked, SaveDrain, policy_for
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
    Plan,
    Probed,
    Registered,
    SaveAcknowledgement,
    SaveExecutor,
    SaveFramework,
    SaveTask,
    Send,
    StartChecks,
    StartContainer,
    TaskAssigned,
    Tick,
    UpdateAcknowledged,
)
from dcos.agent.core.executor_events import (
    ExecutorDisconnected,
    ExecutorSaid,
    ExecutorSubscribed,
    ExecutorUpdated,
    FrameworkSaid,
)
from dcos.agent.core.executor_life import Life
from dcos.agent.core.executors import OVERHEAD, command_executor, limits_of
from dcos.agent.core.groups import exited, shares
from dcos.agent.core.health import Answer
from dcos.agent.core.memory import id_of, in_docker
from dcos.agent.core.operation_events import OperationAcknowledged, OperationAsked, VolumesChanged
from dcos.agent.core.state import (
    ExecutorKind,
    ExecutorRun,
    FrameworkRun,
    KillCause,
    Phase,
    TaskRun,
)
from dcos.agent.core.states import lost_state
from dcos.model.acls import Action
from dcos.model.launch_rights import task_user
from dcos.model.resources import EMPTY
from dcos.model.task_states import TERMINAL
from dcos.model.v1.types import (
    CommandInfo,
    DrainConfig,
    ExecutorInfo,
    ExecutorInfoType,
    FrameworkID,
    FrameworkInfo,
    TaskInfo,
    TaskState,
    TaskStatus,
    TaskStatusReason,
    TaskStatusSource,
)


class AgentCore(CustomExecutors):
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

    def _take_operations(self) -> None:
        """What operations want: saved before it is told."""
        operations = self.operations
        if operations.saves or operations.messages:
            self._out += operations.saves
            self._out += [Send(message) for message in operations.messages]
            operations.saves, operations.messages = [], []

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

    # ---- recovery ------------------------------------------------------------------------------------------------------

    def restore_framework(self, info: FrameworkInfo) -> None:
        assert info.id is not None
        self.frameworks.setdefault(info.id.value, self._new_framework(info))

    def restore_executor(self, framework_id: str, info: ExecutorInfo, kind: ExecutorKind, run_id: str) -> None:
        framework = self.frameworks[framework_id]
        executor = ExecutorRun(info=info, kind=kind, run_id=run_id, checkpoint=True)
        framework.executors[info.executor_id.value] = executor
        if kind is ExecutorKind.CUSTOM:
            executor.life = Life(recovered=True)
            self._remember_container(framework, executor)

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
        if executor.life is None:
            self._by_container[container_id] = (framework, executor, run)
        else:
            run.phase, executor.life.used = Phase.RUNNING, True
            run.seen = {status.uuid for status in updates if status.uuid is not None}
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
        self._take_operations()
        out, self._out = self._out, []
        return out

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

    # ---- launch --------------------------------------------------------------------------------------------------------

    def _forbidden(
        self,
        framework: FrameworkInfo,
        executor: ExecutorInfo | None,
        tasks: tuple[TaskInfo, ...],
        now: float,
        *,
        grouped: bool,
    ) -> bool:
        """Whether ACLs forbid to run any of them as its user; then all are refused."""
        for task in tasks:
            user = task_user(task, executor, framework)
            if not self.rules.acls.allows(Action.RUN_TASK, framework.principal, user):
                kinds = TaskStatusReason
                reason = kinds.REASON_TASK_GROUP_UNAUTHORIZED if grouped else kinds.REASON_TASK_UNAUTHORIZED
                why = f"Task '{task.task_id.value}' is not authorized to launch as user '{user}'"
                for one in tasks:
                    self._refuse(id_of(framework), one.task_id, TaskState.TASK_ERROR, reason, why, now)
                return True
        return False

    def _on_task(self, event: TaskAssigned) -> None:
        task, framework_id = event.task, id_of(event.framework)
        if self._drains(event.framework, (task,), event.now):
            return
        if self._forbidden(event.framework, task.executor, (task,), event.now, grouped=False):
            return
        if self._cannot_take(event.framework, task, event.now) or self._lacks(event.framework, (task,), event.now):
            return
        if task.executor is not None and task.executor.type is not ExecutorInfoType.DEFAULT:
            self._assign(
                event.framework,
                task.executor,
                (task,),
                event.container_id,
                event.now,
                launch_executor=event.launch_executor,
                grouped=False,
            )
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
        if not self._has_containerizer_for(task.container):
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
        if self._drains(event.framework, event.tasks, event.now):
            return
        if self._forbidden(event.framework, event.executor, event.tasks, event.now, grouped=True):
            return
        if any(self._cannot_take(event.framework, task, event.now) for task in event.tasks):
            return
        if self._lacks(event.framework, event.tasks, event.now):
            return
        if event.executor.type is ExecutorInfoType.CUSTOM:
            self._assign(
                event.framework,
                event.executor,
                event.tasks,
                event.container_ids[0],
                event.now,
                launch_executor=event.launch_executor,
                grouped=True,
            )
            return
        for task in event.tasks:
            if task.command is None:
                for one in event.tasks:
                    self._reject(
                        event.framework, one, f"Task {task.task_id.value} of the group has no command", event.now
                    )
                return
        known = self.frameworks.get(id_of(event.framework))
        found = known.executors.get(event.executor.executor_id.value) if known is not None else None
        if (found is None and not event.launch_executor) or (found is not None and found.ending):
            state = lost_state(event.framework, TaskState.TASK_DROPPED)
            word = "has ended" if found is None else "is terminating"
            for task in event.tasks:
                self._refuse(
                    id_of(event.framework),
                    task.task_id,
                    state,
                    TaskStatusReason.REASON_EXECUTOR_TERMINATED,
                    f"The executor to run the task {word}",
                    event.now,
                )
            if found is None:
                self._out.append(Send(exited(id_of(event.framework), event.executor, -1)))
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
        self._share(executor)

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
        extra = EMPTY if nested or in_docker(run.info.container) else OVERHEAD
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
                    resources=run.info.resources,
                    nested=nested,
                    executor_resources=executor.info.resources if nested else (),
                    executor_user=framework.info.user if nested else None,
                    group=executor.run_id if shares(executor, run.info) else "",
                )
            )
        )

    def _cannot_take(self, framework: FrameworkInfo, task: TaskInfo, now: float) -> bool:
        """Silently dropped: not for this agent, framework on its way out, agent leaving, or a repeated launch."""
        known = self.frameworks.get(id_of(framework))
        if self.leaving is not None or (known is not None and known.terminating):
            return True
        if self.agent_id is not None and task.agent_id.value != self.agent_id:
            return True
        return self._find(id_of(framework), task.task_id.value) is not None

    def _lacks(self, framework: FrameworkInfo, tasks: tuple[TaskInfo, ...], now: float) -> bool:
        """Whether tasks count on reservations or volumes that are not here; then all of them are dropped."""
        executors = {task.executor.executor_id: task.executor.resources for task in tasks if task.executor is not None}
        wanted = [*(task.resources for task in tasks), *executors.values()]
        missing = self.operations.missing(one for resources in wanted for one in resources)
        if not missing:
            return False
        state = lost_state(framework, TaskState.TASK_DROPPED)
        reason = TaskStatusReason.REASON_RESOURCES_UNKNOWN
        for task in tasks:
            self._refuse(id_of(framework), task.task_id, state, reason, f"The agent does not have {missing}", now)
        return True

    def _reject(self, framework: FrameworkInfo, task: TaskInfo, message: str, now: float) -> None:
        self._refuse(
            id_of(framework),
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
        run.phase, run.pid, run.network_infos = Phase.RUNNING, event.pid, event.network_infos
        started = next((one.timestamp for one in run.statuses if one.state is TaskState.TASK_RUNNING), None)
        run.started_at = event.now if started is None else started
        if framework.terminating or executor.silent:
            self._kill(framework, executor, run, KillCause.SHUTDOWN, 0.0, event.now)
            return
        if run.state is TaskState.TASK_STAGING:
            self._update(framework, executor, run, TaskState.TASK_STARTING, event.now)
        if run.state is TaskState.TASK_STARTING:
            self._update(framework, executor, run, TaskState.TASK_RUNNING, event.now, data=event.data)
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

    # ---- health --------------------------------------------------------------------------------------------------------

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

    # ---- draining ------------------------------------------------------------------------------------------------------

    def _on_drain(self, config: DrainConfig, now: float) -> None:
        """Every task is asked to end."""
        if self.drain is None or self.drain.config != config:
            self.drain = Drain(config, now)
            self._out.append(SaveDrain(config))
        for framework, executor, run in list(self.runs()):
            if run.phase is not Phase.ENDED:
                self._kill_any(framework, executor, run, KillCause.ASKED, policy_for(run.info, config), now)

    def _drains(self, framework: FrameworkInfo, tasks: tuple[TaskInfo, ...], now: float) -> bool:
        """Whether tasks are refused because the agent drains."""
        if self.drain is None:
            return False
        state = lost_state(framework, TaskState.TASK_DROPPED)
        for task in tasks:
            self._refuse(id_of(framework), task.task_id, state, DRAINING, "Agent is draining", now)
        return True

    def _end_drain(self) -> None:
        """Nothing is left."""
        if self.drain is None or self._stray or next(self.runs(), None) or self.operations.link_operations():
            return
        self.drain = None
        self._out.append(SaveDrain(None))

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
