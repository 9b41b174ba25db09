"""The input and output of one container, for those who attach.

A session's is the agent's own: pipes, or a terminal, which end with the agent as the session does (one in an image is made in
the container and handed over: ``io_console.py``). A task's terminal
belongs to its container: we type through its FIFO and follow the file that it is copied to, so that both still work after
a restart of the agent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Protocol

from dcos.agent import io_descriptors
from dcos.agent.containerizer import processes, terminal
from dcos.agent.containerizer.box import Box
from dcos.agent.io_output import Kind, Listener, Output
from dcos.model.v1.types import TTYInfo

_LOOK_S = 0.1
_LAST_WORDS_S = 5.0


class ProcessIo(Protocol):
    """One container's. ``typing`` is whether somebody holds its input; only one at a time may."""

    tty: bool
    typing: bool

    def listen(self, *, patient: bool = False) -> Listener:
        """What it writes from now on."""
        ...

    def leave(self, listener: Listener) -> None: ...

    async def write(self, data: bytes) -> None:
        """Type it in.   Errors: OSError."""
        ...

    def end_input(self) -> None:
        """Nothing more will be typed (a terminal's user types ^D instead)."""
        ...

    def resize(self, rows: int, columns: int) -> None:
        """Errors: OSError where there is no terminal."""
        ...


class SessionIo:
    """Pipes or a terminal between the agent and a child process. ``slave`` names the terminal."""

    def __init__(self, tty: TTYInfo | None) -> None:
        self.tty = tty is not None
        self.typing = False
        self.slave: str | None = None
        self._output = Output()
        self._ours: dict[str, int] = {}
        self._child: list[int] = []
        if tty is not None:
            master, slave = os.openpty()
            io_descriptors.resize(slave, *terminal.window(tty))
            self.slave = os.ttyname(slave)
            self._ours = {"master": master}
            self._child = [slave]
        else:
            stdin, ours = os.pipe()
            out, stdout = os.pipe()
            error, stderr = os.pipe()
            self._ours = {"stdin": ours, "stdout": out, "stderr": error}
            self._child = [stdin, stdout, stderr]
        for descriptor in self._ours.values():
            os.set_blocking(descriptor, False)

    def child_descriptors(self) -> tuple[int, int, int]:
        """stdin, stdout, stderr of the child. (A terminal is opened by the child itself, to become its own.)"""
        if self.tty:
            return (self._child[0],) * 3
        stdin, stdout, stderr = self._child
        return stdin, stdout, stderr

    def started(self) -> None:
        """The child has them. (A terminal is held until the child ends, for one that nobody has open seems to end.)"""
        if not self.tty:
            self.ended()

    def ended(self) -> None:
        """The child is gone, or will never come."""
        for descriptor in self._child:
            io_descriptors.close(descriptor)
        self._child = []

    def give_to(self, uid: int) -> None:
        """Let a user open the terminal by its name."""
        if self.tty and os.geteuid() == 0:
            os.fchown(self._child[0], uid, -1)

    async def pump(self) -> None:
        """Copy what the child writes, from the first listener on, until all ends are closed."""
        await self._output.heard()
        try:
            async with asyncio.TaskGroup() as both:
                if self.tty:
                    both.create_task(self._copy("master", Kind.STDOUT))
                else:
                    both.create_task(self._copy("stdout", Kind.STDOUT))
                    both.create_task(self._copy("stderr", Kind.STDERR))
        finally:
            self._output.end()

    async def _copy(self, name: str, kind: Kind) -> None:
        while data := await io_descriptors.read_some(self._ours[name]):
            await self._output.put((kind, data))

    def close(self) -> None:
        """The container is gone."""
        self.ended()
        self._output.end()
        for descriptor in self._ours.values():
            io_descriptors.close(descriptor)
        self._ours = {}

    # ---- for those who attach ----------------------------------------------------------------------------------------

    def listen(self, *, patient: bool = False) -> Listener:
        return self._output.listen(patient=patient)

    def leave(self, listener: Listener) -> None:
        self._output.leave(listener)

    async def write(self, data: bytes) -> None:
        descriptor = self._ours.get("master" if self.tty else "stdin")
        if descriptor is None:
            raise BrokenPipeError("stdin is closed")
        # a copy: the container may end, and its number be another's, while we wait
        own = os.dup(descriptor)
        try:
            await io_descriptors.write_all(own, data)
        finally:
            io_descriptors.close(own)

    def end_input(self) -> None:
        if not self.tty and (descriptor := self._ours.pop("stdin", None)) is not None:
            io_descriptors.close(descriptor)

    def resize(self, rows: int, columns: int) -> None:
        descriptor = self._ours.get("master")
        if descriptor is None:
            raise OSError("Inappropriate ioctl for device")
        io_descriptors.resize(descriptor, rows, columns)


class TerminalIo:
    """Of a container that was started on a terminal."""

    tty = True

    def __init__(self, box: Box) -> None:
        self._box = box
        self.typing = False
        self._followers: dict[Listener, asyncio.Task[None]] = {}

    def listen(self, *, patient: bool = False) -> Listener:
        """The file is the memory here: a slow listener only reads later what it would have heard."""
        listener = Listener(patient=True)
        follower = asyncio.get_running_loop().create_task(self._follow(listener), name="follow-terminal")
        self._followers[listener] = follower
        return listener

    def leave(self, listener: Listener) -> None:
        listener.end()
        if (follower := self._followers.pop(listener, None)) is not None:
            follower.cancel()

    async def _follow(self, listener: Listener) -> None:
        reader = terminal.reader(self._box)
        try:
            descriptor = self._shown(reader)
        except OSError:
            listener.end()
            return
        try:
            place = os.fstat(descriptor).st_size
            while True:
                alive = reader is not None and processes.alive(reader)
                while data := os.pread(descriptor, io_descriptors.CHUNK, place):
                    place += len(data)
                    listener.take((Kind.STDOUT, data))
                    await listener.roomy()
                if not alive:
                    return
                # cut back, when the log was rotated
                place = min(place, os.fstat(descriptor).st_size)
                await asyncio.sleep(_LOOK_S)
        finally:
            io_descriptors.close(descriptor)
            listener.end()

    def _shown(self, reader: int | None) -> int:
        """The very file that the terminal is copied to, whatever now has its name."""
        return os.open(f"/proc/{reader}/fd/1", os.O_RDONLY | os.O_CLOEXEC)

    async def write(self, data: bytes) -> None:
        descriptor = os.open(self._box.directory / "stdin", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            await io_descriptors.write_all(descriptor, data)
        finally:
            io_descriptors.close(descriptor)

    def end_input(self) -> None:
        """A terminal has no end of input."""

    def resize(self, rows: int, columns: int) -> None:
        name = terminal.path(self._box)
        if name is None or terminal.reader(self._box) is None or not Path(name).is_char_device():
            raise OSError("the terminal is gone")
        descriptor = os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            io_descriptors.resize(descriptor, rows, columns)
        finally:
            io_descriptors.close(descriptor)


async def last_words(pump: asyncio.Task[None]) -> None:
    """Let what was written still be heard; not for ever, for somebody else may hold the other end."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORDS_S):
            await asyncio.shield(pump)
