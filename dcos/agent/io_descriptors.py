"""Reading and writing pipes and terminals without blocking the loop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios

CHUNK = 65536


async def read_some(descriptor: int) -> bytes:
    """At least one byte of a non-blocking descriptor; empty at its end (a terminal that nobody has open has ended)."""
    while True:
        try:
            return os.read(descriptor, CHUNK)
        except BlockingIOError:
            await _ready(descriptor, writing=False)
        except OSError:
            return b""


async def write_all(descriptor: int, data: bytes) -> None:
    """Errors: OSError (BrokenPipeError when nobody will read)."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            await _ready(descriptor, writing=True)


async def readable(descriptor: int) -> None:
    """Return when there is something to read, or its end."""
    await _ready(descriptor, writing=False)


async def _ready(descriptor: int, *, writing: bool) -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
    add(descriptor, done.set)
    try:
        await done.wait()
    finally:
        remove(descriptor)


def resize(terminal: int, rows: int, columns: int) -> None:
    """Set the window of a terminal (either end).   Errors: OSError."""
    # the kernel keeps 16 bits of each
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows & 0xFFFF, columns & 0xFFFF, 0, 0))


def close(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)
