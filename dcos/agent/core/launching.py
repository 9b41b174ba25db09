"""Tasks and task groups that come in: refused, given to their executor, or started; and what became of the start.

Source: Mesos agent (launch, launch errors), command and default executors.
"""

from __future__ import annotations

import msgspec

from dcos.agent.core.drained import Draining
from dcos.agent.core.events import (
    ContainerStarted,
    DestroyContainer,
    GroupAssigned,
    LaunchFailed,
    Plan,
    SaveExecutor,
    SaveFramework,
    SaveTask,
    Send,
    StartChecks,
    StartContainer,
    TaskAssigned,
)
from dcos.agent.core.executors import OVERHEAD, command_executor, limits_of
from dcos.agent.core.exits import Verdict
from dcos.agent.core.groups import exited, shares
from dcos.agent.core.memory import has_image, id_of, in_docker, space_of
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
from dcos.model.v1.types import (
    CommandInfo,
    ExecutorInfo,
    ExecutorInfoType,
    FrameworkID,
    FrameworkInfo,
    TaskInfo,
    TaskState,
    TaskStatusReason,
)


class Launching(Draining):
    """Adds launches."""

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
        if self._cannot_limit(event.framework, (task,), event.now):
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
        if self._cannot_limit(event.framework, event.tasks, event.now):
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
                    container=run.info.container or (None if nested else self.rules.default_container),
                    resources=run.info.resources,
                    nested=nested,
                    executor_resources=executor.info.resources if nested else (),
                    executor_user=framework.info.user if nested else None,
                    executor_container=(executor.info.container or self.rules.default_container) if nested else None,
                    group=executor.run_id if shares(executor, run.info) else "",
                    space=space_of(run.info.labels),
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

    def _cannot_limit(self, framework: FrameworkInfo, tasks: tuple[TaskInfo, ...], now: float) -> bool:
        """Whether a task names limits that nothing here would keep it to; then all of them are dropped."""
        if self.rules.holds_limits:
            return False
        for task in tasks:
            container = (
                task.executor.container if task.executor is not None and task.container is None else task.container
            )
            if task.limits and not in_docker(container) and not has_image(container):
                why = (
                    f"Task '{task.task_id.value}' has resource limits: they need --launcher=systemd, an image or docker"
                    " on this agent"
                )
                state = lost_state(framework, TaskState.TASK_DROPPED)
                for one in tasks:
                    self._refuse(id_of(framework), one.task_id, state, TaskStatusReason.REASON_TASK_INVALID, why, now)
                return True
        return False

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
        if run.phase is not Phase.PREPARING or (run.killing is not None and run.killing.verdict is not None):
            return
        run.phase, run.pid, run.network_infos = Phase.RUNNING, event.pid, event.network_infos
        started = next((one.timestamp for one in run.statuses if one.state is TaskState.TASK_RUNNING), None)
        run.started_at = event.now if started is None else started
        if framework.terminating or executor.silent:
            if (
                started is None
            ):  # one that ran before the agent's restart has its grace, from the end of the recovery on
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
        asked = run.killing.verdict if run.killing is not None else None
        verdict = asked or Verdict(TaskState.TASK_FAILED, event.message, event.reason)
        self._tell_end(framework, executor, run, verdict, event.now)
