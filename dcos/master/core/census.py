"""Where tasks are and in which state, counted along.

It counts what a framework has in ``tasks``, ``unreachable`` and ``completed``, so that nobody who asks for numbers has to look
at a hundred thousand tasks. Whoever shows the numbers of an agent or a framework may leave in ``ready`` what he made of them;
it is thrown away when they change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dcos.master.core.records import TaskRecord
from dcos.model.counts import shift
from dcos.model.v1.types import TaskState


@dataclass(slots=True, eq=False)
class OnAgent:
    """Of one agent, known or gone."""

    frameworks: dict[str, dict[str, int]] = field(default_factory=dict)
    ready: bytes | None = None

    def states(self) -> dict[str, int]:
        out: dict[str, int] = {}
        for counts in self.frameworks.values():
            for state, count in counts.items():
                out[state] = out.get(state, 0) + count
        return out


@dataclass(slots=True, eq=False)
class OfFramework:
    """Of one framework."""

    states: dict[str, int] = field(default_factory=dict)
    agents: dict[str, int] = field(default_factory=dict)
    ready: bytes | None = None


_NOWHERE = OfFramework()
_NOBODY = OnAgent()


class Census:
    def __init__(self) -> None:
        self._agents: dict[str, OnAgent] = {}
        self._frameworks: dict[str, OfFramework] = {}

    def on(self, agent: str) -> OnAgent:
        return self._agents.get(agent, _NOBODY)

    def of(self, framework: str) -> OfFramework:
        return self._frameworks.get(framework, _NOWHERE)

    @property
    def frameworks(self) -> Mapping[str, OfFramework]:
        return self._frameworks

    def enter(self, task: TaskRecord) -> None:
        self._count(task, task.message.state, 1)

    def leave(self, task: TaskRecord) -> None:
        self._count(task, task.message.state, -1)

    def changed(self, task: TaskRecord, before: TaskState) -> None:
        """The task was in another state."""
        if task.message.state is not before:
            self._count(task, task.message.state, 1)
            self._count(task, before, -1)

    def forget(self, framework: str) -> None:
        """The framework and all its tasks."""
        known = self._frameworks.pop(framework, None)
        for agent in known.agents if known is not None else ():
            here = self._agents[agent]
            del here.frameworks[framework]
            self._tidy(agent, here)

    def _count(self, task: TaskRecord, state: TaskState, step: int) -> None:
        known = self._frameworks.get(task.framework)
        if known is None:
            known = self._frameworks[task.framework] = OfFramework()
        shift(known.states, state, step)
        if shift(known.agents, task.agent, step) in (0, step):
            known.ready = None  # it came to the agent, or left it
        here = self._agents.get(task.agent)
        if here is None:
            here = self._agents[task.agent] = OnAgent()
        counts = here.frameworks.setdefault(task.framework, {})
        shift(counts, state, step)
        if not counts:
            del here.frameworks[task.framework]
        self._tidy(task.agent, here)

    def _tidy(self, agent: str, here: OnAgent) -> None:
        here.ready = None
        if not here.frameworks:
            del self._agents[agent]
