"""Custom executors: a program of the framework that runs many tasks and speaks for them.

Its container is the executor's; a task is queued (Phase.PREPARING) until it is handed over (RUNNING) and ended by an
update of the executor, or with it. Whoever subscribes gets what is queued.

Source: Mesos agent (executor API v1, launch, kill, shutdown, recovery).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from dcos.agent.core.draining import told_as
from dcos.agent.core.ending import Ending
from dcos.agent.core.events import (
    ContainerExited,
    ContainerMissing,
    ContainerStarted,
    DestroyContainer,
    LaunchFailed,
    Plan,
    SaveExecutor,
    SaveFramework,
    SaveTask,
    SaveUpdate,
    Send,
    StartContainer,
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
from dcos.agent.core.executor_life import Life, Standing, last_words
from dcos.agent.core.exits import Exit, Verdict
from dcos.agent.core.groups import exited, limits_of_all
from dcos.agent.core.memory import id_of
from dcos.agent.core.operation_events import LinkVolumes
from dcos.agent.core.state import ExecutorKind, ExecutorRun, FrameworkRun, KillCause, Phase, TaskRun
from dcos.agent.core.states import lost_state
from dcos.model.conversions import has_volumes
from dcos.model.task_states import TERMINAL
from dcos.model.v1 import executor as v1
from dcos.model.v1.types import (
    AgentID,
    CommandInfo,
    ContainerID,
    ContainerStatus,
    ExecutorInfo,
    FrameworkID,
    FrameworkInfo,
    KillPolicy,
    NetworkInfo,
    NetworkInfoIPAddress,
    TaskGroupInfo,
    TaskInfo,
    TaskState,
    TaskStatus,
    TaskStatusReason,
    TaskStatusSource,
)
from dcos.wire.agent_link import ExecutorMessage


class CustomExecutors(Ending):
    """Adds executors that are programs of frameworks."""

    # ---- launch ------------------------------------------------------------------------------------------------------

    def _assign(
        self,
        info: FrameworkInfo,
        wanted: ExecutorInfo,
        tasks: tuple[TaskInfo, ...],
        container_id: str,
        now: float,
        *,
        launch_executor: bool,
        grouped: bool,
    ) -> None:
        """Queue tasks for their executor, and start it if it is not there."""
        known = self.frameworks.get(id_of(info))
        executor = known.executors.get(wanted.executor_id.value) if known is not None else None
        problem = self._unusable(wanted, executor, launch_executor=launch_executor)
        if problem is not None:
            state, reason, message = problem
            if state is TaskState.TASK_DROPPED:
                state = lost_state(info, state)
            for task in tasks:
                self._refuse(id_of(info), task.task_id, state, reason, message, now)
            if executor is None:
                self._out.append(Send(exited(id_of(info), wanted, -1)))
            return
        framework = self._framework_for(info)
        if executor is None:
            executor = ExecutorRun(
                info=wanted,
                kind=ExecutorKind.CUSTOM,
                run_id=container_id,
                checkpoint=info.checkpoint,
                life=Life(),
            )
            framework.executors[executor.executor_id] = executor
            self._remember_container(framework, executor)
            self._save_executor(framework, executor)
            self._queue(framework, executor, tasks, grouped=grouped)
            self._out.append(StartContainer(self._plan(framework, executor)))
            return
        self._queue(framework, executor, tasks, grouped=grouped)
        self._deliver(framework, executor)

    def _unusable(
        self, wanted: ExecutorInfo, executor: ExecutorRun | None, *, launch_executor: bool
    ) -> tuple[TaskState, TaskStatusReason, str] | None:
        """Why tasks cannot go to this executor."""
        if executor is None:
            if not launch_executor:
                reason = TaskStatusReason.REASON_EXECUTOR_TERMINATED
                return TaskState.TASK_DROPPED, reason, "The executor to run the task has ended"
            failed = TaskState.TASK_FAILED, TaskStatusReason.REASON_CONTAINER_LAUNCH_FAILED
            if wanted.command is None:
                return *failed, "A custom executor needs a command"
            if not self._has_containerizer_for(wanted.container):
                return *failed, "None of the enabled containerizers could create a container"
            return None
        life = executor.life
        if life is None or life.standing in (Standing.TERMINATING, Standing.TERMINATED):
            reason = TaskStatusReason.REASON_EXECUTOR_TERMINATED
            word = "of another kind" if life is None else life.standing
            return TaskState.TASK_DROPPED, reason, f"The executor to run the task is {word}"
        return None

    def _save_executor(self, framework: FrameworkRun, executor: ExecutorRun) -> None:
        if executor.checkpoint:
            self._out += [
                SaveFramework(framework.info),
                SaveExecutor(framework.framework_id, executor.info, executor.run_id, custom=True),
            ]

    def _queue(
        self, framework: FrameworkRun, executor: ExecutorRun, tasks: tuple[TaskInfo, ...], *, grouped: bool
    ) -> None:
        if grouped:
            executor.groups += 1
        for task in tasks:
            run = self._new_run(framework, task, executor.run_id)
            run.group = executor.groups if grouped else 0
            executor.tasks[run.task_id] = run
            if executor.checkpoint:
                self._out.append(
                    SaveTask(framework.framework_id, executor.executor_id, executor.run_id, run.info, executor.run_id)
                )

    def _plan(self, framework: FrameworkRun, executor: ExecutorRun) -> Plan:
        info = executor.info
        command = info.command or CommandInfo()
        user = (command.user or framework.info.user) if self.rules.switch_user else ""
        return Plan(
            container_id=executor.run_id,
            framework_id=framework.framework_id,
            executor_id=executor.executor_id,
            run_id=executor.run_id,
            task_id=executor.executor_id,
            command=command,
            limits=limits_of_all(executor),
            user=user or None,
            container=info.container,
            executor=True,
            resources=info.resources + tuple(one for run in executor.tasks.values() for one in run.info.resources),
        )

    def _deliver(self, framework: FrameworkRun, executor: ExecutorRun) -> None:
        """Hand over what is queued, in order; a group goes as one."""
        life = executor.life
        queued = [run for run in executor.tasks.values() if run.phase is Phase.PREPARING]
        if life is None or life.standing is not Standing.RUNNING or life.stream is None or not queued:
            return
        life.used = True
        self._out.append(UpdateContainer(executor.run_id, limits_of_all(executor)))
        self._link_volumes(executor, any(has_volumes(run.info.resources) for run in queued))
        while queued:
            first = queued[0]
            together = [first] if not first.group else [run for run in queued if run.group == first.group]
            queued = [run for run in queued if run not in together]
            for run in together:
                run.phase = Phase.RUNNING
            if first.group:
                group = TaskGroupInfo(tasks=tuple(run.info for run in together))
                event = v1.Event(type=v1.EventType.LAUNCH_GROUP, launch_group=v1.EventLaunchGroup(task_group=group))
            else:
                event = v1.Event(type=v1.EventType.LAUNCH, launch=v1.EventLaunch(task=first.info))
            self._tell(framework, executor, event)

    def _link_volumes(self, executor: ExecutorRun, changed: bool) -> None:
        """Its sandbox shows the volumes of the executor and of its tasks that have not ended."""
        if changed:
            live = [run.info.resources for run in executor.tasks.values() if run.phase is not Phase.ENDED]
            every = (*executor.info.resources, *(one for resources in live for one in resources))
            self._out.append(LinkVolumes(executor.run_id, every))

    # ---- its container -----------------------------------------------------------------------------------------------

    def _of_custom(self, event: ContainerStarted | LaunchFailed | ContainerExited | ContainerMissing) -> bool:
        """Take in what happened to a custom executor's container; False when it is not one's."""
        found = self._executor_of.get(event.container_id)
        if found is None:
            return False
        framework, executor = found
        life = executor.life
        assert life is not None
        match event:
            case ContainerStarted():
                life.started, life.pid = True, event.pid
                if life.standing is Standing.REGISTERING:
                    wait = self.rules.reregistration_s if life.recovered else self.rules.registration_s
                    life.deadline = event.now + wait
            case LaunchFailed():
                self._over(
                    framework, executor, Exit(), Verdict(TaskState.TASK_FAILED, event.message, event.reason), event.now
                )
            case ContainerExited():
                self._over(framework, executor, event.end, None, event.now)
            case ContainerMissing():
                verdict = None
                if event.rebooted:
                    state = lost_state(framework.info, TaskState.TASK_GONE)
                    verdict = Verdict(state, "Agent rebooted", TaskStatusReason.REASON_AGENT_RESTARTED)
                self._over(framework, executor, Exit(), verdict, event.now)
        return True

    def _over(
        self, framework: FrameworkRun, executor: ExecutorRun, end: Exit, verdict: Verdict | None, now: float
    ) -> None:
        """The container is gone: so are the tasks that had not ended."""
        life = executor.life
        assert life is not None
        mem_mb = limits_of_all(executor).mem_bytes / 1024**2
        verdict = life.verdict or verdict or last_words(end, mem_mb)
        life.standing, life.deadline, life.stream = Standing.TERMINATED, None, None
        self._executor_of.pop(executor.run_id, None)
        self._out.append(CloseStream(framework.framework_id, executor.executor_id))
        silent = executor.silent or framework.terminating
        for run in list(executor.tasks.values()):
            if run.phase is not Phase.ENDED:
                self._end(framework, executor, run)
                self._tell_end(framework, executor, run, verdict, now)
        if not silent:
            status = end.wait_status
            self._out.append(Send(exited(framework.framework_id, executor.info, -1 if status is None else status)))
        self._close_if_done(framework, executor)
        self._close_framework_if_done(framework)

    def _tell_end(
        self, framework: FrameworkRun, executor: ExecutorRun, run: TaskRun, verdict: Verdict, now: float
    ) -> None:
        """A terminal update in the agent's own words."""
        self._update(
            framework,
            executor,
            run,
            verdict.state,
            now,
            message=verdict.message,
            reason=verdict.reason,
            limited=verdict.limited,
            source=TaskStatusSource.SOURCE_AGENT,
        )
        self._after_end(framework, executor, run, now)

    def _close_if_done(self, framework: FrameworkRun, executor: ExecutorRun) -> None:
        if not executor.alive:
            super()._close_if_done(framework, executor)

    # ---- what it says ------------------------------------------------------------------------------------------------

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
        dropped = Verdict(
            lost_state(framework.info, TaskState.TASK_DROPPED),
            "The task was not known to its executor when that subscribed",
            TaskStatusReason.REASON_AGENT_RESTARTED,
        )
        for run in list(executor.tasks.values()):
            handed_over = run.phase is Phase.RUNNING and run.state is TaskState.TASK_STAGING
            if handed_over and run.task_id not in event.tasks:
                self._end(framework, executor, run)
                self._tell_end(framework, executor, run, dropped, event.now)
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
                network_infos=own.network_infos or (address,),
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

    # ---- its end -----------------------------------------------------------------------------------------------------

    def _kill_any(
        self,
        framework: FrameworkRun,
        executor: ExecutorRun,
        run: TaskRun,
        cause: KillCause,
        policy: KillPolicy | None,
        now: float,
    ) -> None:
        life = executor.life
        if life is None:
            super()._kill_any(framework, executor, run, cause, policy, now)
            return
        if run.phase is Phase.PREPARING:
            killed = Verdict(
                TaskState.TASK_KILLED,
                "Killed before delivery to the executor",
                TaskStatusReason.REASON_TASK_KILLED_DURING_LAUNCH,
            )
            for one in list(executor.tasks.values()):
                if one is run or (run.group and one.group == run.group and one.phase is Phase.PREPARING):
                    self._end(framework, executor, one)
                    self._tell_end(framework, executor, one, killed, now)
        elif life.standing is Standing.RUNNING:
            kill = v1.EventKill(task_id=run.info.task_id, kill_policy=policy)
            self._tell(framework, executor, v1.Event(type=v1.EventType.KILL, kill=kill))

    def _shut(self, framework: FrameworkRun, executor: ExecutorRun, now: float) -> None:
        """Ask it to end, destroy it after its grace; at once when nothing of it runs yet."""
        life = executor.life
        if life is None:
            super()._shut(framework, executor, now)
            return
        if life.standing in (Standing.TERMINATING, Standing.TERMINATED):
            return
        life.standing = Standing.TERMINATING
        if not life.started:
            self._out.append(DestroyContainer(executor.run_id))
            reason = TaskStatusReason.REASON_EXECUTOR_TERMINATED
            verdict = Verdict(TaskState.TASK_FAILED, "The executor was shut down before it was started", reason)
            self._over(framework, executor, Exit(), verdict, now)
            return
        own = executor.info.shutdown_grace_period
        life.deadline = now + (own.nanoseconds / 1e9 if own is not None else self.rules.shutdown_grace_s)
        self._tell(framework, executor, v1.Event(type=v1.EventType.SHUTDOWN))

    def _custom_tick(self, now: float) -> None:
        for framework, executor, life in list(self._lives()):
            if life.deadline is None or life.deadline > now:
                continue
            life.deadline = None
            if life.standing is Standing.REGISTERING:
                life.standing, life.verdict = Standing.TERMINATING, self._too_late(framework, life)
            self._out.append(DestroyContainer(executor.run_id))

    def _too_late(self, framework: FrameworkRun, life: Life) -> Verdict:
        if life.recovered:
            return Verdict(
                lost_state(framework.info, TaskState.TASK_GONE),
                f"Executor did not reregister within {self.rules.reregistration_s:g} s",
                TaskStatusReason.REASON_EXECUTOR_REREGISTRATION_TIMEOUT,
            )
        return Verdict(
            TaskState.TASK_FAILED,
            f"Executor did not register within {self.rules.registration_s:g} s",
            TaskStatusReason.REASON_EXECUTOR_REGISTRATION_TIMEOUT,
        )

    # ---- looking up --------------------------------------------------------------------------------------------------

    def _remember_container(self, framework: FrameworkRun, executor: ExecutorRun) -> None:
        self._executor_of[executor.run_id] = (framework, executor)

    def _lives(self) -> Iterator[tuple[FrameworkRun, ExecutorRun, Life]]:
        for framework, executor in self._executor_of.values():
            if executor.life is not None:
                yield framework, executor, executor.life

    def _custom_deadlines(self) -> list[float]:
        return [life.deadline for _, _, life in self._lives() if life.deadline is not None]

    def _living(self, framework_id: str, executor_id: str) -> tuple[FrameworkRun, ExecutorRun, Life] | None:
        """A custom executor that is not on its way out."""
        framework = self.frameworks.get(framework_id)
        executor = framework.executors.get(executor_id) if framework is not None else None
        if framework is None or executor is None or framework.terminating or executor.silent or executor.life is None:
            return None
        if executor.life.standing in (Standing.TERMINATING, Standing.TERMINATED):
            return None
        return framework, executor, executor.life

    def custom_containers(self) -> list[str]:
        """Containers of custom executors that have not ended."""
        return list(self._executor_of)

    def awaited(self) -> int:
        """How many executors of the agent before this one have not subscribed again."""
        return sum(1 for _, _, life in self._lives() if life.recovered and life.standing is Standing.REGISTERING)

    def _tell(self, framework: FrameworkRun, executor: ExecutorRun, event: v1.Event) -> None:
        self._out.append(TellExecutor(framework.framework_id, executor.executor_id, event))


def _was_told(executor: ExecutorRun, status: TaskStatus) -> bool:
    """Whether this very update ended a task that is closed already."""
    return any(
        one.uuid == status.uuid
        for task in executor.completed
        if task.task_id == status.task_id
        for one in task.statuses
    )
