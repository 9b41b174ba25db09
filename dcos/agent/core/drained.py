"""Draining: every task is asked to end, none is taken until nothing is left.

Source: Mesos agent (DrainConfig).
"""

from __future__ import annotations

from dcos.agent.core.custom import CustomExecutors
from dcos.agent.core.draining import REASON as DRAINING
from dcos.agent.core.draining import Drain, SaveDrain, policy_for
from dcos.agent.core.memory import id_of
from dcos.agent.core.state import (
    KillCause,
    Phase,
)
from dcos.agent.core.states import lost_state
from dcos.model.v1.types import (
    DrainConfig,
    FrameworkInfo,
    TaskInfo,
    TaskState,
)


class Draining(CustomExecutors):
    """Adds the drain of the agent."""

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
