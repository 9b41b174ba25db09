"""The end of tasks: asked, forced, failed or by themselves; and what is over with them.

Source: Mesos command and default executors (kill policy, group policy, shutdown).
"""

from __future__ import annotations

from dcos.agent.core.events import (
    AgentShutdown,
    CloseFramework,
    CloseRun,
    ContainerExited,
    ContainerLimited,
    ContainerMissing,
    DestroyContainer,
    ExecutorShutdown,
    FrameworkShutdown,
    KillAsked,
    Leave,
    SaveFrameworkShutdown,
    Send,
    SignalContainer,
    StopChecks,
    UpdateGroup,
)
from dcos.agent.core.exits import Exit, Verdict, judge
from dcos.agent.core.groups import exited, limits_of_sharing, shares
from dcos.agent.core.memory import in_docker
from dcos.agent.core.state import (
    ExecutorKind,
    ExecutorRun,
    FrameworkRun,
    KillCause,
    Killing,
    Phase,
    TaskRun,
    task_message,
)
from dcos.agent.core.states import has_capability, lost_state
from dcos.agent.core.telling import Telling
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    FrameworkInfoCapabilityType,
    KillPolicy,
    TaskID,
    TaskState,
    TaskStatusReason,
    TaskStatusSource,
)

DEFAULT_GRACE_S = 3.0
SIGTERM = 15


class Ending(Telling):
    """Adds kills and ends."""

    def _on_exited(self, event: ContainerExited) -> None:
        found = self._by_container.get(event.container_id)
        if found is None or found[2].phase is Phase.ENDED:
            return
        framework, executor, run = found
        killing = run.killing
        if killing is not None and killing.verdict is not None and run.phase is Phase.PREPARING:
            # it was called off, and ended before that was done
            self._tell_end(framework, executor, run, killing.verdict, event.now)
            return
        verdict = judge(
            event.end,
            killed=killing is not None or run.state is TaskState.TASK_KILLING,
            timed_out=killing is not None and killing.cause is KillCause.COMPLETION,
            mem_mb=Resources.of(run.info.resources).scalar("mem") / 1000,
        )
        if killing is not None and killing.cause is KillCause.MEMORY:
            verdict = Verdict(
                TaskState.TASK_FAILED,
                killing.words or "Memory limit exceeded",
                TaskStatusReason.REASON_CONTAINER_LIMITATION_MEMORY,
            )
        elif killing is not None and killing.verdict is not None:
            verdict = killing.verdict
        elif killing is None and verdict.reason is TaskStatusReason.REASON_CONTAINER_LIMITATION_MEMORY:
            self._out_of_memory(executor, run, verdict.message, event.now)
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
            limited=verdict.limited,
            source=TaskStatusSource.SOURCE_EXECUTOR if event.end.known else TaskStatusSource.SOURCE_AGENT,
            healthy=False if killing is not None and killing.cause is KillCause.HEALTH else None,
        )
        self._after_end(framework, executor, run, event.now)

    def _out_of_memory(self, executor: ExecutorRun, run: TaskRun, words: str, now: float) -> None:
        """The limit is that of all tasks that share the executor's control group: they all end."""
        if not shares(executor, run.info):
            return
        for other in executor.tasks.values():
            if other is not run and shares(executor, other.info) and other.phase is Phase.RUNNING:
                other.killing = Killing(KillCause.MEMORY, now, now, forced=True, words=words)
                self._out += [StopChecks(other.container_id), DestroyContainer(other.container_id)]

    def _share(self, executor: ExecutorRun) -> None:
        """Fit the shared control group to the tasks that are in it."""
        if any(shares(executor, run.info) for run in executor.tasks.values() if run.phase is not Phase.ENDED):
            self._out.append(UpdateGroup(executor.run_id, limits_of_sharing(executor)))

    def _on_limited(self, event: ContainerLimited) -> None:
        custom = self._executor_of.get(event.container_id)
        if custom is not None:
            life = custom[1].life
            if life is not None and life.verdict is None:
                self._count_preempted(custom[1], event)
                life.verdict = _limited(custom[0], event)
                self._out.append(DestroyContainer(event.container_id))
            return
        found = self._by_container.get(event.container_id)
        if found is None or found[2].phase is not Phase.RUNNING or found[2].killing is not None:
            return
        framework, executor, run = found
        self._count_preempted(executor, event)
        verdict = _limited(framework, event)
        run.killing = Killing(KillCause.LIMITATION, event.now, event.now, forced=True, verdict=verdict)
        self._out += [StopChecks(event.container_id), DestroyContainer(event.container_id)]
        if event.reason is TaskStatusReason.REASON_CONTAINER_LIMITATION_MEMORY:
            self._out_of_memory(executor, run, event.message, event.now)

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
        state = lost_state(framework.info, TaskState.TASK_GONE if event.rebooted else TaskState.TASK_DROPPED)
        verdict = Verdict(state, message, TaskStatusReason.REASON_AGENT_RESTARTED)
        self._tell_end(framework, executor, run, verdict, event.now)

    def _tell_end(
        self, framework: FrameworkRun, executor: ExecutorRun, run: TaskRun, verdict: Verdict, now: float
    ) -> None:
        """The task is over, in the agent's own words."""
        self._end(framework, executor, run)
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

    def _end(self, framework: FrameworkRun, executor: ExecutorRun, run: TaskRun) -> None:
        run.phase = Phase.ENDED
        if run.info.health_check is not None or run.info.check is not None:
            self._out.append(StopChecks(run.container_id))
        if shares(executor, run.info):
            self._share(executor)

    def _after_end(self, framework: FrameworkRun, executor: ExecutorRun, run: TaskRun, now: float) -> None:
        """Group policy, and what is over when a task is."""
        if run.state is not TaskState.TASK_FINISHED and executor.kind is ExecutorKind.DEFAULT:
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
        if executor.kind is ExecutorKind.DEFAULT and not executor.silent and not framework.terminating:
            self._out.append(Send(exited(framework.framework_id, executor.info, 0)))

    def _close_framework_if_done(self, framework: FrameworkRun) -> None:
        if not framework.executors and self.frameworks.get(framework.framework_id) is framework:
            del self.frameworks[framework.framework_id]
            self.completed_frameworks.append(framework)
            self._out.append(CloseFramework(framework.framework_id))
        if self.leaving is not None and not self.frameworks:
            self._out.append(Leave(self.leaving))

    def _count_preempted(self, executor: ExecutorRun, event: ContainerLimited) -> None:
        """Once an executor, whatever it runs."""
        verdicts = [run.killing.verdict for run in executor.tasks.values() if run.killing is not None]
        known = any(one is not None and one.reason is event.reason for one in verdicts)
        if event.reason is TaskStatusReason.REASON_CONTAINER_PREEMPTED and not known:
            self._count("executors_preempted")

    # ---- kill ----------------------------------------------------------------------------------------------------

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
        """A task that has not begun never will, and neither will those of its group that have not."""
        if _has_begun(run):
            self._kill_begun(framework, executor, run, cause, policy, now)
            return
        words = (
            f"{'A task within the task group was killed' if run.group else 'Killed'} before delivery to the executor"
        )
        verdict = Verdict(TaskState.TASK_KILLED, words, TaskStatusReason.REASON_TASK_KILLED_DURING_LAUNCH)
        for one in list(executor.tasks.values()):
            if one is run or (run.group and one.group == run.group and not _has_begun(one)):
                self._call_off(framework, executor, one, verdict, cause, now)

    def _kill_begun(
        self,
        framework: FrameworkRun,
        executor: ExecutorRun,
        run: TaskRun,
        cause: KillCause,
        policy: KillPolicy | None,
        now: float,
    ) -> None:
        self._kill(framework, executor, run, cause, self._grace(run, policy), now)

    def _call_off(
        self,
        framework: FrameworkRun,
        executor: ExecutorRun,
        run: TaskRun,
        verdict: Verdict,
        cause: KillCause,
        now: float,
    ) -> None:
        """Break its launch off. It is told when its container is gone: until then its resources are not free."""
        if run.killing is None:
            run.killing = Killing(cause, now, now, forced=True, verdict=verdict)
            self._out.append(DestroyContainer(run.container_id))

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
        if self.rules.docker_stop_timeout_s > 0 and in_docker(run.info.container):
            return self.rules.docker_stop_timeout_s
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
        if runs := tuple(one.run_id for one in framework.executors.values() if one.checkpoint):
            self._out.append(SaveFrameworkShutdown(framework.framework_id, runs))
        self._shut_framework(framework, event.now)

    def _shut_framework(self, framework: FrameworkRun, now: float) -> None:
        """End all that it has, and tell nobody."""
        framework.terminating = True
        for executor in list(framework.executors.values()):
            executor.silent = True
            self._shut(framework, executor, now)
            for run in list(executor.tasks.values()):
                if run.phase is Phase.ENDED:
                    self._forget(framework, executor, run)
            self._close_if_done(framework, executor)
        self._close_framework_if_done(framework)

    def _shut(self, framework: FrameworkRun, executor: ExecutorRun, now: float) -> None:
        """End all tasks; their grace is shortened to fit the executor's (1 s is kept for each of two waits)."""
        executor.ending = True
        own = executor.info.shutdown_grace_period
        grace = (own.nanoseconds / 1e9 if own is not None else self.rules.shutdown_grace_s) - 2.0
        for run in list(executor.tasks.values()):
            if not _has_begun(run):
                self._kill_any(framework, executor, run, KillCause.SHUTDOWN, None, now)
            elif run.phase is not Phase.ENDED:
                short = max(0.0, min(grace, self._grace(run, None)))
                self._kill(framework, executor, run, KillCause.SHUTDOWN, short, now)

    def _on_agent_shutdown(self, event: AgentShutdown) -> None:
        self.leaving = event.message
        self.registered = False
        for framework in list(self.frameworks.values()):
            self._shut_framework(framework, event.now)
        if not self.frameworks and not any(isinstance(one, Leave) for one in self._out):
            self._out.append(Leave(event.message))


def _has_begun(run: TaskRun) -> bool:
    """Whether it runs or did; one that an agent before this one started has begun even before it is found again."""
    return run.phase is not Phase.PREPARING or run.state not in (TaskState.TASK_STAGING, TaskState.TASK_STARTING)


def _limited(framework: FrameworkRun, event: ContainerLimited) -> Verdict:
    """A container that used too much has failed; one that was preempted is gone by no fault of its own."""
    state = TaskState.TASK_FAILED
    if event.reason is TaskStatusReason.REASON_CONTAINER_PREEMPTED:
        state = lost_state(framework.info, TaskState.TASK_GONE)
    return Verdict(state, event.message, event.reason, event.limited)
