"""What the tasks of a group share, held by a process that sleeps while the executor's run lasts: a network, IPC, /dev/shm.

Source: Mesos network/cni and namespaces/ipc isolators, where the executor's container holds them.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dcos.agent.containerizer.base import Launcher
from dcos.agent.containerizer.box import Box, Mark, boxes
from dcos.agent.containerizer.cni import named
from dcos.agent.containerizer.networks import Networks, status
from dcos.agent.containerizer.privileges import DEFAULT_SHM_BYTES, PrivilegeRules
from dcos.agent.containerizer.shared_ipc import holding_script, holds, ready
from dcos.agent.core.events import Plan
from dcos.agent.core.memory import has_image
from dcos.model.v1.types import ContainerInfo, ContainerInfoType, LinuxInfo, LinuxInfoIpcMode


@dataclass(frozen=True, slots=True)
class Holder:
    """``pid`` is a process in the namespaces; ``address`` the network's first."""

    box: Box
    pid: int
    address: str | None
    networked: bool
    """Whether it holds a network; else that is the machine's."""
    ipc: bool
    """Whether the task is in its IPC."""


class SharedNamespaces:
    """Below ``folder`` a box for each group that shares something."""

    def __init__(
        self,
        networks: Networks,
        folder: Path,
        launchers: Mapping[str, Launcher],
        launcher: str,
        rules: PrivilegeRules,
    ) -> None:
        self._rules = rules
        self.folder = folder
        self._networks = networks
        self._launchers = launchers
        self._launcher = launcher
        self._locks: dict[str, asyncio.Lock] = {}

    async def of(self, plan: Plan) -> Holder | None:
        """Of the group that a task belongs to, made for the first that needs one; None: nothing is shared.

        Errors: LaunchError.
        """
        if not plan.nested:
            return None
        info = plan.executor_container or ContainerInfo(type=ContainerInfoType.MESOS)
        networked = bool(named(info.network_infos))
        ipc = self._rules.shares_group_ipc(info.linux_info, _linux(plan), image=has_image(plan.container))
        if not networked and not ipc:
            return None
        box = Box(self.folder, plan.run_id)
        async with self._locks.setdefault(plan.run_id, asyncio.Lock()):
            if not (box.directory / "box.json").exists():
                box = Box(self.folder, plan.run_id, self._mark(plan))
            launcher = self._launchers[box.mark.launcher]
            waits = holding_script(self._rules.shm_bytes(info.linux_info) or DEFAULT_SHM_BYTES)
            pid = await self._networks.hold(box, launcher, info.network_infos, info.hostname, waits)
            await ready(box, pid)
        addresses = (one.ip_address for each in status(box) for one in each.ip_addresses)
        return Holder(box, pid, next(addresses, None), networked, ipc and holds(pid))

    def _mark(self, plan: Plan) -> Mark:
        return Mark(
            launcher=self._launcher,
            backend="host",
            sandbox="",
            description=f"Namespaces of executor {plan.executor_id} of framework {plan.framework_id}",
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


def in_group(plan: Plan, holder: Holder | None) -> Plan:
    """With what a group's task inherits: the group's IPC, or the machine's where its executor shares that."""
    if holder is not None and holder.ipc:
        return dataclasses.replace(plan, group_ipc=True)
    above = plan.executor_container.linux_info if plan.nested and plan.executor_container is not None else None
    own = _linux(plan)
    if above is None or above.ipc_mode is not LinuxInfoIpcMode.SHARE_PARENT:
        return plan
    if own is not None and (own.ipc_mode is not None or own.shm_size is not None):
        return plan
    container = plan.container or ContainerInfo(type=ContainerInfoType.MESOS)
    linux = msgspec.structs.replace(own or LinuxInfo(), ipc_mode=LinuxInfoIpcMode.SHARE_PARENT)
    return dataclasses.replace(plan, container=msgspec.structs.replace(container, linux_info=linux))


def _linux(plan: Plan) -> LinuxInfo | None:
    return plan.container.linux_info if plan.container is not None else None
