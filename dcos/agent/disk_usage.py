"""Isolator ``disk/du``: what each running container's sandbox takes, measured by ``du``, and an end to those over quota.

Only disk that is not a volume of its own counts; a task without disk is not looked at. Links are not followed, other file
systems not entered: persistent volumes have their own places, and each its own size as its quota; a MOUNT disk bounds itself.
Source: Mesos docs/isolators/disk-du.md.
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
from dcos.agent.volumes import Volumes, on_mount_disk
from dcos.model.conversions import has_volumes
from dcos.model.resource_kinds import Kind
from dcos.model.resources import Resources
from dcos.model.v1.types import DiskStatistics, Resource, TaskStatusReason, ValueScalar, ValueType
from dcos.runtime.clock import Clock
from dcos.runtime.log import Logger
from dcos.runtime.process import ProcessError, run

_DU_S = 600.0
_MB = 2**20


@dataclass(frozen=True, slots=True)
class Watched:
    """Of one container: at most ``quota`` bytes in ``folder``, its sandbox or a ``volume`` that it holds."""

    container_id: str
    folder: Path
    quota: int
    volume: Resource | None = None


class DiskUsage:
    """``sandbox_of`` tells a container's, None where there is none yet."""

    def __init__(
        self,
        core: AgentCore,
        *,
        sandbox_of: Callable[[str], Path | None],
        volumes: Volumes,
        post: Callable[[Event], None],
        interval_s: float,
        enforce: bool,
        clock: Clock,
        log: Logger,
    ) -> None:
        self._core = core
        self._sandbox_of = sandbox_of
        self._volumes = volumes
        self._post = post
        self._interval_s = interval_s
        self._enforce = enforce
        self._clock = clock
        self._log = log
        self._told: dict[str, list[DiskStatistics]] = {}

    def told_of(self, container_id: str) -> tuple[DiskStatistics, ...]:
        """As measured last: of its sandbox, and of each persistent volume, which it names."""
        return tuple(self._told.get(container_id, ()))

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.look()

    async def look(self) -> None:
        """Measure every container once, one after the other."""
        watched = list(self._watched())
        found: dict[str, list[DiskStatistics]] = {}
        for one in watched:
            used = await self._measure(one.folder)
            if used is None:
                continue
            disk = one.volume.disk if one.volume is not None else None
            found.setdefault(one.container_id, []).append(
                DiskStatistics(
                    source=disk.source if disk is not None else None,
                    persistence=disk.persistence if disk is not None else None,
                    limit_bytes=one.quota,
                    used_bytes=used,
                )
            )
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
        self._told = found

    def _watched(self) -> Iterator[Watched]:
        wanted: dict[str, tuple[Resource, ...]] = {}
        for _, executor, task in self._core.runs():
            if executor.life is None and task.phase is Phase.RUNNING:
                wanted[task.container_id] = task.info.resources
        for container_id in self._core.custom_containers():
            found = self._core.find_executor(container_id)
            if found is not None:
                live = [task.info.resources for task in found.tasks.values() if task.phase is not Phase.ENDED]
                wanted[container_id] = (*found.info.resources, *(one for resources in live for one in resources))
        for container_id, resources in wanted.items():
            quota = quota_of(Resources.of(resources))
            sandbox = self._sandbox_of(container_id)
            if quota is not None and sandbox is not None:
                yield Watched(container_id, sandbox, quota)
            for one in resources:
                if has_volumes((one,)) and one.scalar is not None and not on_mount_disk(one):
                    yield Watched(container_id, self._volumes.path(one), int(one.scalar.value * _MB), volume=one)

    async def _measure(self, folder: Path) -> int | None:
        try:
            done = await run(["du", "-k", "-s", "-x", "--", folder], timeout_s=_DU_S)
        except (ProcessError, TimeoutError) as error:
            self._log.warning("du_failed", folder=str(folder), error=str(error))
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
