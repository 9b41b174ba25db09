"""What health checks and checks find.   Source: Mesos docs/health-checks.md."""

from __future__ import annotations

from dcos.agent.core.events import (
    Checked,
    Probed,
)
from dcos.agent.core.health import Answer
from dcos.agent.core.launching import Launching
from dcos.agent.core.state import (
    KillCause,
    Phase,
)
from dcos.model.v1.types import (
    TaskState,
    TaskStatusReason,
)


class Probing(Launching):
    """Adds what is told of a task that runs."""

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
        if run.phase is not Phase.RUNNING or run.killing is not None or self._check_status(run) == event.status:
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
