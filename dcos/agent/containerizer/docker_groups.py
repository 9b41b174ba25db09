"""A control group above each Docker container that outlives it, so that what the kernel counts of memory is not lost.

On cgroup v2 the Engine may find the container's own group gone before it has read there that memory ran out. The kernel
counts such a kill in every group above as well; so the agent makes one for each container (``HostConfig.CgroupParent``),
reads it at the end and removes it: a slice below ``mesos_executors.slice`` with the Engine's systemd driver, a folder
below ``--cgroups_root`` with its driver cgroupfs. Limits stay the container's own; among other tasks it weighs what the
group above does, for alone in there its own weight says nothing.

There is none on v1, where no group counts for those below, nor where the agent or the Engine is not root's, nor for a task
whose parameters name a parent or a weight of disks. Of those the Engine's word is all there is.

Source: kernel cgroup-v2 documentation (memory.events); Docker Engine API (system info, ContainerCreate).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from dbus_fast import Variant

from dcos.agent.containerizer.box import Box
from dcos.agent.containerizer.limits import cpu_shares, weight_of
from dcos.agent.containerizer.memory_report import MemoryReport, read_report
from dcos.agent.containerizer.systemd import SLICE, Bus, BusError, set_slice
from dcos.runtime.files import write_atomic

_NOTE = "parent-group"
"""In the box: the path of the container's group below the hierarchy's root."""
_OWN_WORDS = ("CgroupParent", "BlkioWeight", "BlkioWeightDevice")
"""Parts of HostConfig that want a container to stand elsewhere, or beside others."""
_CONTROLLERS = ("+cpu", "+memory")
_SUFFIX = ".slice"


class DockerGroups:
    """Groups of one agent's containers, told from other agents' by ``owner``. ``bus``: systemd's, where it runs."""

    def __init__(self, hierarchy: Path, *, owner: str, cgroups_root: str, bus: Bus | None) -> None:
        self._hierarchy = hierarchy
        self._mark = f"docker_{hashlib.sha256(owner.encode()).hexdigest()[:8]}_"
        self._cgroups_root = cgroups_root.strip("/")
        self._bus = bus

    async def make(self, box: Box, host_config: dict[str, Any], info: Mapping[str, Any]) -> None:
        """Put a new container under a group of its own.   Errors: ContainerError.

        ``info``: what the Engine tells of itself.
        """
        path = self._path(box.container_id, info)
        if path is None or any(host_config.get(name) for name in _OWN_WORDS):
            return
        write_atomic(box.directory / _NOTE, path)
        weight = weight_of(int(host_config["CpuShares"]))
        if path.endswith(_SUFFIX):
            await self._set_slice(path, weight, box.mark.mem_bytes)
            host_config["CgroupParent"] = path.rpartition("/")[2]
            return
        try:
            self._make_folder(path)
            self._write(path, weight, box.mark.mem_bytes)
        except OSError:
            # the agent may not: in a container, say
            await self._drop(path)
            (box.directory / _NOTE).unlink()
        else:
            host_config["CgroupParent"] = f"/{path}"

    async def update(self, box: Box) -> None:
        """Let it weigh what the box's mark now says.   Errors: ContainerError."""
        path = self._of(box)
        if path is None:
            return
        weight = weight_of(cpu_shares(box.mark.cpus))
        if path.endswith(_SUFFIX):
            await self._set_slice(path, weight, box.mark.mem_bytes)
        else:
            with contextlib.suppress(OSError):
                self._write(path, weight, box.mark.mem_bytes)

    def report(self, box: Box) -> MemoryReport | None:
        """What the kernel counted; None where the container has no such group."""
        path = self._of(box)
        return None if path is None else read_report(self._hierarchy / path)

    async def remove(self, box: Box) -> None:
        """After the container's end. None there is fine."""
        if (path := self._of(box)) is not None:
            await self._drop(path)

    async def sweep(self, known: Callable[[], Collection[str]]) -> None:
        """Remove empty groups whose containers are not ``known`` any more: an agent died before it did."""
        found = [
            one.relative_to(self._hierarchy)
            for one in (
                *(self._hierarchy / SLICE).glob(f"{self._stem}{self._mark}*{_SUFFIX}"),
                *(self._hierarchy / self._cgroups_root).glob(f"{self._mark}*"),
            )
        ]
        # asked after the look: a container is known before it has a group
        names = {self._name(one) for one in known()} if found else set()
        for path in found:
            if path.name.removeprefix(self._stem).removesuffix(_SUFFIX) not in names and self._is_empty(path):
                await self._drop(str(path))

    # ---- names -------------------------------------------------------------------------------------------------------

    @property
    def _stem(self) -> str:
        """What makes a slice one below that of all tasks."""
        return SLICE.removesuffix(_SUFFIX) + "-"

    def _name(self, container_id: str) -> str:
        # a dash in a slice's name would make it the child of another
        return self._mark + container_id.replace("-", "_")

    def _path(self, container_id: str, info: Mapping[str, Any]) -> str | None:
        """Below the hierarchy's root; None where there can be none."""
        rootless = any("rootless" in one for one in info.get("SecurityOptions") or ())
        if str(info.get("CgroupVersion")) != "2" or rootless or os.geteuid() != 0:
            return None
        match info.get("CgroupDriver"):
            case "systemd" if self._bus is not None:
                return f"{SLICE}/{self._stem}{self._name(container_id)}{_SUFFIX}"
            case "cgroupfs":
                return f"{self._cgroups_root}/{self._name(container_id)}"
            case _:
                return None

    def _of(self, box: Box) -> str | None:
        try:
            return (box.directory / _NOTE).read_text()
        except OSError:
            return None

    # ---- slices ------------------------------------------------------------------------------------------------------

    async def _set_slice(self, path: str, weight: int, mem_bytes: int) -> None:
        if self._bus is None:
            return
        properties = [
            ["Description", Variant("s", "Above a Docker container of a Mesos task")],
            ["CPUWeight", Variant("t", weight)],
            ["MemoryAccounting", Variant("b", True)],
            ["MemoryLow", Variant("t", mem_bytes)],
        ]
        await set_slice(self._bus, path.rpartition("/")[2], properties)

    # ---- folders -----------------------------------------------------------------------------------------------------

    def _make_folder(self, path: str) -> None:
        folder = self._hierarchy
        for part in Path(path).parts:
            for controller in _CONTROLLERS:
                with contextlib.suppress(OSError):
                    (folder / "cgroup.subtree_control").write_text(controller)
            folder /= part
            folder.mkdir(exist_ok=True)

    def _write(self, path: str, weight: int, mem_bytes: int) -> None:
        for name, number in (("cpu.weight", weight), ("memory.low", mem_bytes)):
            if (file := self._hierarchy / path / name).exists():
                file.write_text(str(number))

    def _is_empty(self, path: Path) -> bool:
        with contextlib.suppress(OSError):
            return "populated 0" in (self._hierarchy / path / "cgroup.events").read_text().splitlines()
        return False

    async def _drop(self, path: str) -> None:
        if path.endswith(_SUFFIX):
            if self._bus is not None:
                with contextlib.suppress(BusError):
                    await self._bus.call("StopUnit", "ss", path.rpartition("/")[2], "replace")
            return
        for folder in (*(self._hierarchy / path).glob("*/"), self._hierarchy / path):
            with contextlib.suppress(OSError):
                folder.rmdir()
