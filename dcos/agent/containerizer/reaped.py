"""Programs that runc starts and leaves alone: when they begin, and how exactly they end.

runc itself tells the end of a program as 128 + n when a signal ended it, and a start that failed as an exit status. So it
starts them detached, below ``shim/reaper.py``, which ends as the program does; and writes a program's pid only once it
runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from dcos.agent.containerizer import processes
from dcos.agent.containerizer.base import LaunchError
from dcos.agent.containerizer.box import Box
from dcos.agent.core.exits import Exit
from dcos.runtime.files import write_atomic

_REAPER = Path(__file__).parent / "shim" / "reaper.py"
PERL = "/usr/bin/perl"
"""Waits for them (package perl-base, which every Debian has)."""
CONSOLE = "console"
_MARK = "reaped"
_PID = "first.pid"
_LOG = "runc.log"
_BEGIN_S = 60.0


class _Line(msgspec.Struct):
    level: str = ""
    msg: str = ""


def reaped(
    folder: Path,
    pid_file: Path,
    runc: Sequence[str],
    verb: Sequence[str],
    *,
    shown: Path | None = None,
    handed_over: bool = False,
) -> list[str]:
    """Words that start ``runc VERB...`` so that they end as the program does.

    ``folder`` is that of the program's box, where its mark is left. Its terminal is shown in the file ``shown``, or handed
    over at ``CONSOLE`` in the working folder; else it has none.
    """
    write_atomic(folder / _MARK, "")
    how = [] if shown is None else ["--on-terminal", str(folder), str(shown)]
    own = ["--log", str(folder / _LOG), "--log-format", "json"]
    detached = ["--detach", "--pid-file", str(pid_file), *(("--console-socket", CONSOLE) if handed_over else ())]
    return [sys.executable, "-I", "-S", str(_REAPER), *how, str(pid_file), *runc, *own, *verb, *detached]


def first_pid(box: Box) -> Path:
    """Where the pid of a container's first process is told, once it runs."""
    return box.directory / _PID


def begun(box: Box, told: Path | None = None) -> bool:
    """Whether the program was there to be run. (Boxes of agents before this one may not know.)

    ``told``: the file that tells its pid, where that is not the container's first one.
    """
    return (told or first_pid(box)).exists() or not (box.directory / _MARK).exists()


async def beginning(box: Box, pid: int, told: Path | None = None) -> None:
    """Wait until the program runs, which ``pid`` starts.   Errors: LaunchError with runc's words."""
    ended = asyncio.ensure_future(processes.ended(pid))
    pause = 0.005
    try:
        async with asyncio.timeout(_BEGIN_S):
            while not begun(box, told):
                if ended.done():
                    if begun(box, told):
                        return
                    raise LaunchError(_last_words(box.directory / _LOG))
                await asyncio.wait({ended}, timeout=pause)
                pause = min(pause * 1.5, 0.05)
    except TimeoutError:
        raise LaunchError(f"runc did not start the program within {_BEGIN_S:g} s") from None
    finally:
        ended.cancel()


def exact(box: Box, end: Exit) -> Exit:
    """What is behind ``end``: an agent before this one may have left the program to runc alone."""
    if end.code is None or (box.directory / _MARK).exists():
        return end
    return Exit.of_shell(end.code, out_of_memory=end.out_of_memory)


def _last_words(log: Path) -> str:
    words = "runc ended before the program began"
    with contextlib.suppress(OSError):
        for line in log.read_bytes().splitlines():
            with contextlib.suppress(msgspec.MsgspecError):
                told = msgspec.json.decode(line, type=_Line)
                if told.level in ("error", "fatal") and told.msg:
                    words = told.msg
    return words
