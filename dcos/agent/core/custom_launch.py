"""Tasks of custom executors: queued, their executor started, handed over to it.

Source: Mesos agent (launch of executors and their tasks).
"""

from __future__ import annotations

from dcos.agent.core.custom_end import CustomEnding
from dcos.agent.core.events import (
    ContainerExited,
    ContainerMissing,
    ContainerStarted,
    LaunchFailed,
    Plan,
    SaveExecutor,
    SaveFramework,
    SaveTask,
    Send,
    StartContainer,
    UpdateContainer,
)
from dcos.agent.core.executor_life import Life, Standing
from dcos.agent.core.exits import Exit, Verdict
from dcos.agent.core.groups import exited, limits_of_all
from dcos.agent.core.memory import id_of, space_of
from dcos.agent.core.operation_events import LinkVolumes
from dcos.agent.core.state import ExecutorKind, ExecutorRun, FrameworkRun, Phase
from dcos.agent.core.states import lost_state
from dcos.model.conversions import has_volumes
from dcos.model.v1 import executor as v1
from dcos.model.v1.types import (
    CommandInfo,
    ExecutorInfo,
    FrameworkInfo,
    TaskGroupInfo,
    TaskInfo,
    TaskState,
    TaskStatusReason,
)


class CustomLaunch(CustomEnding):
    """Adds their start."""

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
            over = executor is not None and executor.life is not None and not executor.alive
            if executor is None or (over and launch_executor):
                # the master counts it as there from now on, though its end was told before
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
            container=info.container or self.rules.default_container,
            executor=True,
            space=space_of(info.labels),
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
                life.started, life.pid, life.network_infos = True, event.pid, event.network_infos
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
