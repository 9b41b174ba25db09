"""What a new leading master does not know yet, carried over from what the one before told.

A new leader knows from its registry which agents there are, but of their tasks only when each agent has come back. Until then
their tasks run as before, so names and virtual IPs must not drop them. Carried are tasks of agents that the new leader names as
recovered, until it tells of the task itself; or until the agent has come back and two heartbeats later nothing was told of the
task, which ended meanwhile; or until so many heartbeats have passed that the leader must have given the agent up.
"""

from __future__ import annotations

from collections.abc import Mapping

from dcos.model.cluster import ClusterAgent, ClusterFramework, RunningTask, TaskKey

_AFTER_RETURN = 2
"""Heartbeats that a task of an agent that came back is waited for."""
_AT_MOST = 48
"""Heartbeats that an agent is waited for: 12 minutes, two more than masters wait."""


class Carried:
    """``take`` fills in what is missing, the other methods tell of events. Cheap where nothing is carried."""

    def __init__(self) -> None:
        self._tasks: dict[str, set[TaskKey]] = {}
        """By agent, which has an entry as long as it is waited for."""
        self._returned: dict[str, int] = {}
        """Heartbeats since the agent came back."""
        self._beats = 0

    def take(
        self,
        recovered: frozenset[str],
        before: tuple[Mapping[str, ClusterAgent], Mapping[str, ClusterFramework], Mapping[TaskKey, RunningTask]],
        agents: dict[str, ClusterAgent],
        frameworks: dict[str, ClusterFramework],
        tasks: dict[TaskKey, RunningTask],
    ) -> None:
        """Add to what a new leader told (the last three) what it does not know of the agents it named as ``recovered``."""
        self._tasks, self._returned, self._beats = {}, {}, 0
        old_agents, old_frameworks, old_tasks = before
        missing = {agent_id for agent_id in recovered if agent_id in old_agents and agent_id not in agents}
        if not missing:
            return
        for agent_id in missing:
            agents[agent_id] = old_agents[agent_id]
            self._tasks[agent_id] = set()
        for key, task in old_tasks.items():
            framework = old_frameworks.get(task.framework_id)
            if task.agent_id in missing and key not in tasks and framework is not None:
                tasks[key] = task
                frameworks.setdefault(framework.id, framework)
                self._tasks[task.agent_id].add(key)

    def told(self, agent_id: str, key: TaskKey) -> None:
        """The leader told of this task."""
        if self._tasks and agent_id in self._tasks:
            self._tasks[agent_id].discard(key)

    def returned(self, agent_id: str) -> None:
        if agent_id in self._tasks:
            self._returned.setdefault(agent_id, 0)

    def gone(self, agent_id: str) -> set[TaskKey]:
        """The agent is given up; tasks to forget with it."""
        self._returned.pop(agent_id, None)
        return self._tasks.pop(agent_id, set())

    def beat(self) -> tuple[set[str], set[TaskKey]]:
        """A heartbeat: agents and tasks to forget now."""
        agents: set[str] = set()
        tasks: set[TaskKey] = set()
        if not self._tasks:
            return agents, tasks
        self._beats += 1
        for agent_id in list(self._tasks):
            if agent_id in self._returned:
                self._returned[agent_id] += 1
                if self._returned[agent_id] >= _AFTER_RETURN:
                    tasks |= self.gone(agent_id)
            elif self._beats >= _AT_MOST:
                agents.add(agent_id)
                tasks |= self.gone(agent_id)
        return agents, tasks
