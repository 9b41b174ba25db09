"""Ends containers in which the kernel killed a process for want of memory: what is left of one is not what was started.

cgroup v2 ends all of a container by itself, where it is told to in time; v1 never does.
Source: Mesos cgroups/mem isolator (a container is destroyed when its memory runs out).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from dcos.agent.containerizer.control_groups import memory_folder
from dcos.agent.containerizer.memory_report import memory_resource, read_report
from dcos.agent.core.agent import AgentCore
from dcos.agent.core.events import ContainerLimited, Event
from dcos.agent.core.state import Phase
from dcos.model.v1.types import TaskStatusReason
from dcos.runtime.clock import Clock

_EVERY_S = 1.0


class MemoryKills:
    """Looks at every running container that has a control group of its own."""

    def __init__(self, core: AgentCore, *, post: Callable[[Event], None], clock: Clock) -> None:
        self._core = core
        self._post = post
        self._clock = clock

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(_EVERY_S)
            self.look()

    def look(self) -> None:
        for container_id, pid in list(self._running()):
            folder = memory_folder(pid)
            report = read_report(folder) if folder is not None else None
            if report is not None and report.kills:
                self._post(
                    ContainerLimited(
                        container_id,
                        report.words,
                        TaskStatusReason.REASON_CONTAINER_LIMITATION_MEMORY,
                        memory_resource(report.limit),
                        self._clock.now(),
                    )
                )

    def _running(self) -> Iterator[tuple[str, int]]:
        for _, executor, task in self._core.runs():
            if executor.life is None and task.phase is Phase.RUNNING and task.killing is None and task.pid is not None:
                yield task.container_id, task.pid
        for container_id in self._core.custom_containers():
            custom = self._core.find_executor(container_id)
            for pid in custom.pids if custom is not None else ():
                yield container_id, pid
