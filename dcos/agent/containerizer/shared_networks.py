"""Networks of task groups: one for all tasks of an executor, held while the executor's run lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dcos.agent.containerizer.base import Launcher
from dcos.agent.containerizer.box import Box, Mark, boxes
from dcos.agent.containerizer.cni import named
from dcos.agent.containerizer.networks import Networks, status
from dcos.agent.core.events import Plan


@dataclass(frozen=True, slots=True)
class Holder:
    """``pid`` is a process in the network; ``address`` its first."""

    box: Box
    pid: int
    address: str | None


class SharedNetworks:
    """Below ``folder`` a box for each group that has a network."""

    def __init__(self, networks: Networks, folder: Path, launchers: Mapping[str, Launcher], launcher: str) -> None:
        self.folder = folder
        self._networks = networks
        self._launchers = launchers
        self._launcher = launcher
        self._locks: dict[str, asyncio.Lock] = {}

    async def of(self, plan: Plan) -> Holder | None:
        """Of the group that a task belongs to, made for its first task; None: it has none.   Errors: LaunchError."""
        info = plan.executor_container if plan.nested else None
        if info is None or not named(info.network_infos):
            return None
        box = Box(self.folder, plan.run_id)
        async with self._locks.setdefault(plan.run_id, asyncio.Lock()):
            if not (box.directory / "box.json").exists():
                box = Box(self.folder, plan.run_id, self._mark(plan))
            launcher = self._launchers[box.mark.launcher]
            pid = await self._networks.hold(box, launcher, info.network_infos, info.hostname)
        addresses = (one.ip_address for each in status(box) for one in each.ip_addresses)
        return Holder(box, pid, next(addresses, None))

    def _mark(self, plan: Plan) -> Mark:
        return Mark(
            launcher=self._launcher,
            backend="host",
            sandbox="",
            description=f"Network of executor {plan.executor_id} of framework {plan.framework_id}",
            # what waits for ever needs next to nothing
            cpus=1,
            mem_bytes=4 * 2**20,
        )

    async def drop(self, group: str) -> None:
        """All that was in it is gone.   Errors: ContainerError."""
        box = Box(self.folder, group)
        async with self._locks.setdefault(group, asyncio.Lock()):
            if box.directory.exists():
                await self._networks.let_go(box, self._launchers[box.mark.launcher])
        self._locks.pop(group, None)

    def known(self) -> list[str]:
        """Groups that have one."""
        return [box.container_id for box in boxes(self.folder)]
