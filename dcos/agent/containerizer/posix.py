"""``--launcher=posix``: a shell beside each task keeps its exit status on disk (``shim/supervise.sh``).

No limits are enforced, as with upstream's posix isolators.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from dcos.agent.containerizer import processes
from dcos.agent.containerizer.base import ContainerError, Ended, Found, LaunchError, Running
from dcos.agent.containerizer.box import Box
from dcos.agent.core.exits import Exit
from dcos.runtime.process import ProcessError, run

SHIM = Path(__file__).parent / "shim" / "supervise.sh"
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
_START_S = 20.0


class PosixLauncher:
    """Sessions and a supervising shell."""

    name = "posix"

    def __init__(self) -> None:
        self._looks = processes.Looks()

    async def start(self, box: Box) -> int:
        try:
            await run(["/bin/sh", SHIM, box.directory], timeout_s=_START_S, env=_ENVIRONMENT, check=True)
        except (ProcessError, TimeoutError) as error:
            raise LaunchError(f"the supervising shell did not start: {error}") from error
        deadline = asyncio.get_running_loop().time() + _START_S
        while (pid := _number(box, "pid")) is None:
            if asyncio.get_running_loop().time() > deadline:
                raise LaunchError(f"the supervising shell told no pid within {_START_S:g} s")
            await asyncio.sleep(0.002)
        return pid

    async def update(self, box: Box) -> None:
        """There are no limits."""

    async def find(self, box: Box) -> Found:
        if (end := _end(box)) is not None:
            return Ended(end)
        supervisor, pid = _number(box, "supervisor"), _number(box, "pid")
        if supervisor is None:
            return None
        if not self._supervised(box, supervisor):
            # it may have written its last word between our two looks
            return Ended(_end(box) or Exit())
        if pid is None:
            pid = await self._late_pid(box)
        return Running(pid)

    async def wait(self, box: Box) -> Exit:
        supervisor = _number(box, "supervisor")
        if supervisor is not None and _end(box) is None and self._supervised(box, supervisor):
            await processes.ended(supervisor)
        return _end(box) or Exit()

    async def signal(self, box: Box, number: int) -> None:
        if (pid := _number(box, "pid")) is not None:
            processes.signal_all((await self._looks.fresh()).tree(pid), number)

    async def kill(self, box: Box) -> None:
        pid = _number(box, "pid")
        if pid is not None and not await processes.kill_tree(pid, self._looks):
            raise ContainerError(f"container {box.container_id}: processes survive SIGKILL")

    async def forget(self, box: Box) -> None:
        """Everything is in the box."""

    def _supervised(self, box: Box, supervisor: int) -> bool:
        return processes.alive(supervisor) and str(box.directory) in processes.command_line(supervisor)

    async def _late_pid(self, box: Box) -> int:
        for _ in range(500):
            if (pid := _number(box, "pid")) is not None:
                return pid
            await asyncio.sleep(0.01)
        raise ContainerError(f"container {box.container_id}: its supervisor told no pid")


def _number(box: Box, name: str) -> int | None:
    try:
        return int((box.directory / name).read_text())
    except (OSError, ValueError):
        return None


def _end(box: Box) -> Exit | None:
    """What the supervising shell wrote; None: nothing yet. A number alone is from agents of old: the shell's own status."""
    try:
        *how, number = (box.directory / "exit").read_text().split()
        status = int(number)
    except (OSError, ValueError):
        return None
    if not how:
        return Exit.of_shell(status)
    if how == ["killed"]:
        return Exit(signal=status & 0x7F, core_dumped=bool(status & 0x80))
    return Exit(code=status)
