"""Terminals of tasks: made where the task starts (``shim/terminal.py``), kept by the container, not by the agent.

That of a program in an image is made by runc in its container, and attended to in the same way (``shim/reaper.py``).
``<box>/tty`` names the terminal, ``<box>/stdin`` is what types into it, ``<box>/reader`` is the process that copies what
it shows to the sandbox's ``stdout``.   Source: what a container with ``tty_info`` may expect of Mesos's I/O switchboard.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from pathlib import Path

from dcos.agent.containerizer import processes
from dcos.agent.containerizer.box import Box
from dcos.agent.containerizer.script import account
from dcos.agent.sandbox import owner_of, plain_file
from dcos.model.v1.types import ContainerInfo, TTYInfo
from dcos.runtime.files import write_atomic

SHIM = Path(__file__).parent / "shim" / "terminal.py"
_ROWS, _COLUMNS = 24, 80
_SCRIPT = "on-terminal"
_DRAIN_S = 3.0
_READY_S = 20.0


def wanted(container: ContainerInfo | None) -> TTYInfo | None:
    return container.tty_info if container is not None else None


def window(info: TTYInfo | None) -> tuple[int, int]:
    """Rows and columns."""
    size = info.window_size if info is not None else None
    return (_ROWS, _COLUMNS) if size is None else (size.rows & 0xFFFF, size.columns & 0xFFFF)


def wrapped(script: str, box: Box, info: TTYInfo | None) -> str:
    """A script that runs ``script`` on a terminal of its own, or itself where none is wanted.   Errors: LaunchError."""
    if info is None:
        return script
    output = expected(box.directory, box.sandbox, box.mark.user, script)
    inner = box.directory / _SCRIPT
    owner = os.geteuid() if box.mark.user is None else account(box.mark.user).pw_uid
    words = [sys.executable, "-I", "-S", SHIM, box.directory, output, *window(info), owner, "/bin/sh", inner]
    return f"#!/bin/sh\nexec {shlex.join(map(str, words))}\n"


def expected(folder: Path, sandbox: Path, user: str | None, script: str = "") -> Path:
    """Note in the box that there will be a terminal; the file of the sandbox that it is shown in."""
    write_atomic(folder / _SCRIPT, script, mode=0o700)
    # opened by root, after the fetcher ran as the user
    plain_file(sandbox / "stdout", owner_of(user))
    return sandbox / "stdout"


async def ready(box: Box, pid: int) -> None:
    """Wait until the container that ``pid`` leads has its terminal, or has ended without; at once if it gets none."""
    async with asyncio.timeout(_READY_S):
        while (box.directory / _SCRIPT).exists():
            if path(box) is not None or not processes.alive(pid):
                return
            await asyncio.sleep(0.005)


async def drained(box: Box) -> None:
    """Wait, not for long, until all that a terminal showed is in the file."""
    pid = reader(box)
    if pid is None:
        return
    try:
        async with asyncio.timeout(_DRAIN_S):
            await processes.ended(pid)
    except TimeoutError:
        return


def reader(box: Box) -> int | None:
    """Who copies what the terminal shows, as long as it lives: its number may be somebody else's by now."""
    pid = number(box, "reader")
    return pid if pid is not None and processes.command_line(pid) == ["cat"] else None


def number(box: Box, name: str) -> int | None:
    try:
        return int((box.directory / name).read_text())
    except (OSError, ValueError):
        return None


def path(box: Box) -> str | None:
    """A name of the terminal's, None where the container has none."""
    try:
        return (box.directory / "tty").read_text().strip()
    except OSError:
        return None
