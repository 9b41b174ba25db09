"""Isolator ``disk/du``: what each running container's sandbox takes, measured by ``du``, and an end to those over quota.

Only disk that is not a volume of its own counts; a task without disk is not looked at. Links are not followed, other file
systems not entered: volumes have their own places.   Source: Mesos docs/isolators/disk-du.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dcos.agent.containerizer.memory_report import bytes_text
from dcos.agent.core.agent import AgentCore
from dcos.agent.core.events import ContainerLimited, Event
from dcos.agent.core.state import Phase
from dcos.model.resources import Kind, Resources
from dcos.model.v1.types import Resource, TaskStatusReason, ValueScalar, ValueType
from dcos.runtime.clock import Clock
from dcos.runtime.log import Logger
from dcos.runtime.process import ProcessError, run

_DU_S = 600.0
_MB = 2**20


@dataclass(frozen=True, slots=True)
class Watched:
    """One container: at most ``quota`` bytes in ``sandbox``."""

    container_id: str
    sandbox: Path
    quota: int


class DiskUsage:
    """``sandbox_of`` tells a container's, None where there is none yet."""

    def __init__(
        self,
        core: AgentCore,
        *,
        sandbox_of: Callable[[str], Path | None],
        post: Callable[[Event], None],
        interval_s: float,
        enforce: bool,
        clock: Clock,
        log: Logger,
    ) -> None:
        self._core = core
        self._sandbox_of = sandbox_of
        self._post = post
        self._interval_s = interval_s
        self._enforce = enforce
        self._clock = clock
        self._log = log
        self._used: dict[str, int] = {}

    def used_by(self, container_id: str) -> int | None:
        """Bytes, as measured last."""
        return self._used.get(container_id)

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.look()

    async def look(self) -> None:
        """Measure every container once, one after the other."""
        watched = list(self._watched())
        found: dict[str, int] = {}
        for one in watched:
            used = await self._measure(one.sandbox)
            if used is None:
                continue
            found[one.container_id] = used
            if self._enforce and used > one.quota:
                self._log.warning("disk_quota_exceeded", container=one.container_id, used=used, quota=one.quota)
                self._post(
                    ContainerLimited(
                        one.container_id,
                        f"Disk usage ({bytes_text(used)}) exceeds quota ({bytes_text(one.quota)})",
                        TaskStatusReason.REASON_CONTAINER_LIMITATION_DISK,
                        (_disk(one.quota),),
                        self._clock.now(),
                    )
                )
        self._used = found

    def _watched(self) -> Iterator[Watched]:
        wanted: dict[str, Resources] = {}
        for _, executor, task in self._core.runs():
            if executor.life is None and task.phase is Phase.RUNNING:
                wanted[task.container_id] = Resources.of(task.info.resources)
        for container_id in self._core.custom_containers():
            executor_run = self._core.find_executor(container_id)
            if executor_run is not None:
                wanted[container_id] = executor_run.used()
        for container_id, resources in wanted.items():
            quota = quota_of(resources)
            sandbox = self._sandbox_of(container_id)
            if quota is not None and sandbox is not None:
                yield Watched(container_id, sandbox, quota)

    async def _measure(self, sandbox: Path) -> int | None:
        try:
            done = await run(["du", "-k", "-s", "-x", "--", sandbox], timeout_s=_DU_S)
        except (ProcessError, TimeoutError) as error:
            self._log.warning("du_failed", sandbox=str(sandbox), error=str(error))
            return None
        # a file that went meanwhile makes du complain, and yet it tells the sum
        words = done.stdout.split()
        return int(words[0]) * 1024 if words and words[0].isdigit() else None


def quota_of(resources: Resources) -> int | None:
    """Bytes of disk without volumes; None where none was asked for."""

    def plain(kind: Kind) -> bool:
        return kind.name == "disk" and (
            kind.disk is None or (kind.disk.persistence is None and kind.disk.source is None)
        )

    found = resources.filter(plain)
    return found.scalar("disk") * _MB // 1000 if found else None


def _disk(quota: int) -> Resource:
    return Resource(name="disk", type=ValueType.SCALAR, scalar=ValueScalar(value=quota / _MB), role="*")
