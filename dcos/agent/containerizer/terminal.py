"""Terminals of tasks: made where the task starts (``shim/terminal.py``), kept by the container, not by the agent.

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
from dcos.model.v1.types import ContainerInfo, TTYInfo

SHIM = Path(__file__).parent / "shim" / "terminal.py"
_ROWS, _COLUMNS = 24, 80
_DRAIN_S = 3.0


def wanted(container: ContainerInfo | None) -> TTYInfo | None:
    return container.tty_info if container is not None else None


def window(info: TTYInfo | None) -> tuple[int, int]:
    """Rows and columns."""
    size = info.window_size if info is not None else None
    return (_ROWS, _COLUMNS) if size is None else (size.rows & 0xFFFF, size.columns & 0xFFFF)


def launch_script(script: Path, box: Path, sandbox: Path, info: TTYInfo, user: str | None) -> str:
    """What starts ``script`` (for /bin/sh) on a terminal of its own.   Errors: LaunchError."""
    owner = os.geteuid() if user is None else account(user).pw_uid
    rows, columns = window(info)
    words = [sys.executable, "-I", "-S", str(SHIM), str(box), str(sandbox / "stdout")]
    words += [str(rows), str(columns), str(owner), "/bin/sh", str(script)]
    return f"#!/bin/sh\nexec {shlex.join(words)}\n"


async def drained(box: Box) -> None:
    """Wait, not for long, until all that a terminal showed is in the file."""
    pid = number(box, "reader")
    if pid is None:
        return
    try:
        async with asyncio.timeout(_DRAIN_S):
            await processes.ended(pid)
    except TimeoutError:
        return


def number(box: Box, name: str) -> int | None:
    try:
        return int((box.directory / name).read_text())
    except (OSError, ValueError):
        return None


def path(box: Box) -> str | None:
    """The terminal's, None where the container has none."""
    try:
        return (box.directory / "tty").read_text().strip()
    except OSError:
        return None
