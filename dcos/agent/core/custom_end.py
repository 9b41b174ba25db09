"""The end of custom executors and of what they run: killed, shut down, too late, gone.

Source: Mesos agent (kill, shutdown, timeouts of executors).
"""

from __future__ import annotations

from collections.abc import Iterator

from dcos.agent.core.ending import Ending
from dcos.agent.core.events import (
    DestroyContainer,
    Send,
    UpdateFailed,
)
from dcos.agent.core.executor_events import (
    CloseStream,
    TellExecutor,
)
from dcos.agent.core.executor_life import DOUBT_S, Life, Standing, last_words
from dcos.agent.core.exits import Exit, Verdict
from dcos.agent.core.groups import exited, limits_of_all
from dcos.agent.core.state import ExecutorRun, FrameworkRun, KillCause, Phase, TaskRun
from dcos.agent.core.states import lost_state
from dcos.model.v1 import executor as v1
from dcos.model.v1.types import (
    KillPolicy,
    TaskState,
    TaskStatusReason,
)


class CustomEnding(Ending):
    """Adds executors that are programs of frameworks: who they are, and how they end."""

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
                self._tell_end(framework, executor, run, verdict, now)
        if not silent:
            status = end.wait_status
            self._out.append(Send(exited(framework.framework_id, executor.info, -1 if status is None else status)))
        self._close_if_done(framework, executor)
        self._close_framework_if_done(framework)

    def _close_if_done(self, framework: FrameworkRun, executor: ExecutorRun) -> None:
        if not executor.alive:
            super()._close_if_done(framework, executor)

    def _kill_begun(
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
            super()._kill_begun(framework, executor, run, cause, policy, now)
            return
        life.kills[run.task_id] = policy
        if life.standing is Standing.RUNNING and life.stream is not None:
            self._tell_kill(framework, executor, run, policy)

    def _tell_kills_again(self, framework: FrameworkRun, executor: ExecutorRun, life: Life) -> None:
        life.kills = {name: one for name, one in life.kills.items() if name in executor.tasks}
        for name, policy in life.kills.items():
            if (run := executor.tasks[name]).phase is Phase.RUNNING:
                self._tell_kill(framework, executor, run, policy)

    def _tell_kill(
        self, framework: FrameworkRun, executor: ExecutorRun, run: TaskRun, policy: KillPolicy | None
    ) -> None:
        kill = v1.EventKill(task_id=run.info.task_id, kill_policy=policy)
        self._tell(framework, executor, v1.Event(type=v1.EventType.KILL, kill=kill))

    def _call_off(
        self,
        framework: FrameworkRun,
        executor: ExecutorRun,
        run: TaskRun,
        verdict: Verdict,
        cause: KillCause,
        now: float,
    ) -> None:
        """A task that waits for its executor has no container of its own: it is over at once."""
        if executor.life is None:
            super()._call_off(framework, executor, run, verdict, cause, now)
        else:
            self._tell_end(framework, executor, run, verdict, now)

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
            # told when its container is gone
            reason = TaskStatusReason.REASON_EXECUTOR_TERMINATED
            words = "The executor was shut down before it was started"
            life.verdict = life.verdict or Verdict(TaskState.TASK_FAILED, words, reason)
            self._out.append(DestroyContainer(executor.run_id))
            return
        own = executor.info.shutdown_grace_period
        life.deadline = now + (own.nanoseconds / 1e9 if own is not None else self.rules.shutdown_grace_s)
        self._tell(framework, executor, v1.Event(type=v1.EventType.SHUTDOWN))

    def _on_update_failed(self, event: UpdateFailed) -> None:
        """It holds tasks that it has no room for: it ends with all of them."""
        found = self._executor_of.get(event.container_id)
        life = found[1].life if found is not None else None
        if found is None or life is None or life.verdict is not None or life.standing is not Standing.RUNNING:
            return
        life.verdict = Verdict(
            lost_state(found[0].info, TaskState.TASK_GONE),
            f"Failed to update resources for container: {event.message}",
            TaskStatusReason.REASON_CONTAINER_UPDATE_FAILED,
        )
        self._out.append(DestroyContainer(event.container_id))

    def _custom_tick(self, now: float) -> None:
        for framework, executor, life in list(self._lives()):
            self._drop_doubted(framework, executor, life, now)
            if life.deadline is None or life.deadline > now:
                continue
            life.deadline = None
            if life.standing is Standing.REGISTERING:
                life.standing, life.verdict = Standing.TERMINATING, self._too_late(framework, life)
            self._out.append(DestroyContainer(executor.run_id))

    def _doubt(self, executor: ExecutorRun, life: Life, known: frozenset[str], now: float) -> None:
        """Tasks that were handed over, of which the executor that subscribes says nothing (``known``: what it has).

        They are not dropped at once as upstream's are: what it says may be older than they are.
        """
        life.doubted = tuple(run for run in executor.tasks.values() if _handed_over(run) and run.task_id not in known)
        life.doubt_ends = now + DOUBT_S if life.doubted else None

    def _drop_doubted(self, framework: FrameworkRun, executor: ExecutorRun, life: Life, now: float) -> None:
        if life.doubt_ends is None or life.doubt_ends > now:
            return
        doubted, life.doubted, life.doubt_ends = life.doubted, (), None
        if life.standing is not Standing.RUNNING:
            return
        verdict = Verdict(
            lost_state(framework.info, TaskState.TASK_DROPPED),
            "The task was not known to its executor when that subscribed",
            TaskStatusReason.REASON_AGENT_RESTARTED,
        )
        for run in doubted:
            if _handed_over(run):
                self._tell_end(framework, executor, run, verdict, now)

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
        return [at for _, _, life in self._lives() for at in (life.deadline, life.doubt_ends) if at is not None]

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


def _handed_over(run: TaskRun) -> bool:
    """Given to its executor, which said nothing of it yet."""
    return run.phase is Phase.RUNNING and run.state is TaskState.TASK_STAGING
