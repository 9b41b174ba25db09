"""What the checkpoints of the agent before this one say, taken into memory."""

from __future__ import annotations

from dcos.agent.core.events import (
    Effect,
)
from dcos.agent.core.executor_life import Life
from dcos.agent.core.probing import Probing
from dcos.agent.core.state import (
    ExecutorKind,
    ExecutorRun,
    Phase,
)
from dcos.model.task_states import TERMINAL
from dcos.model.v1.types import (
    ExecutorInfo,
    FrameworkInfo,
    TaskInfo,
    TaskStatus,
)


class Restoring(Probing):
    """Adds recovery. The shell calls these before the first event, ``restored`` last."""

    def restore_framework(self, info: FrameworkInfo, *, shut: bool = False) -> None:
        """``shut``: it was being shut down; ``restored`` goes on with that, and until then nothing is told of its tasks."""
        assert info.id is not None
        framework = self.frameworks.setdefault(info.id.value, self._new_framework(info))
        framework.terminating = framework.terminating or shut

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

    def restored(self, now: float) -> list[Effect]:
        """End of recovery: runs and frameworks without a task left are closed, shutdowns of frameworks go on."""
        self._out = []
        for framework in list(self.frameworks.values()):
            if framework.terminating:
                self._shut_framework(framework, now)
            for executor in list(framework.executors.values()):
                self._close_if_done(framework, executor)
            self._close_framework_if_done(framework)
        self._take_operations()
        out, self._out = self._out, []
        return out
