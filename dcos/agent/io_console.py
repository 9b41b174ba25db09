"""The terminal of a session in an image: made by runc in the container, handed over to the agent, which is its only other end.

So it is the container's own in every respect (its name, its size, its owner), and nothing stands between it and those who attach.
"""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from dcos.agent import io_descriptors
from dcos.agent.containerizer.reaped import CONSOLE
from dcos.agent.io_output import Kind
from dcos.agent.io_session import SessionIo
from dcos.runtime.unix_sockets import listening


class HandedIo(SessionIo):
    """Listens at ``folder`` for the terminal. What the child itself says, runc's words, is shown as well."""

    def __init__(self, folder: Path) -> None:
        super().__init__(None)
        self.tty = True
        self._door = listening(folder / CONSOLE, backlog=1)
        self._size: tuple[int, int] | None = None
        self._gone = asyncio.Event()
        self._settled = asyncio.Event()
        """Whether there is a terminal is known."""
        io_descriptors.close(self._ours.pop("stdin"))

    def child_descriptors(self) -> tuple[int, int, int]:
        stdin, stdout, stderr = self._child
        return stdin, stdout, stderr

    def started(self) -> None:
        super().ended()

    def ended(self) -> None:
        super().ended()
        self._gone.set()

    async def pump(self) -> None:
        try:
            async with asyncio.TaskGroup() as every:
                every.create_task(self._terminal())
                for name in ("stdout", "stderr"):
                    every.create_task(self._words(name))
        finally:
            self._output.end()

    async def _words(self, name: str) -> None:
        await self._output.heard()
        await self._copy(name, Kind.STDOUT)

    async def _terminal(self) -> None:
        try:
            master = await self._handed_over()
        finally:
            self._door.close()
            self._settled.set()
        if master is None:
            return
        self._ours["master"] = master
        os.set_blocking(master, False)
        if self._size is not None:
            self.resize(*self._size)
        await self._words("master")

    async def _handed_over(self) -> int | None:
        """None: the child is gone and handed nothing over."""
        await self._ready(self._door)
        try:
            with self._door.accept()[0] as runc:
                runc.setblocking(False)
                await self._ready(runc)
                _, found, _, _ = socket.recv_fds(runc, 256, 1)
        except OSError:
            return None
        return found[0] if found else None

    async def _ready(self, end: socket.socket) -> None:
        """Something can be read, or nothing will come any more."""
        waits = [asyncio.ensure_future(one) for one in (io_descriptors.readable(end.fileno()), self._gone.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def close(self) -> None:
        super().close()
        self._door.close()
        self._settled.set()

    # ---- for those who attach ----------------------------------------------------------------------------------------

    async def write(self, data: bytes) -> None:
        await self._settled.wait()
        await super().write(data)

    def resize(self, rows: int, columns: int) -> None:
        if "master" in self._ours or self._settled.is_set():
            super().resize(rows, columns)
        else:
            self._size = rows, columns
