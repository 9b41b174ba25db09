"""Running programs that end by themselves (the long-lived belong to systemd).

The standard library's Popen in threads, not the loop's own subprocesses: uvloop hands its pipes on to the child's children,
so that a program which leaves something running behind (a supervisor, a daemon) would never seem to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

_threads = ThreadPoolExecutor(max_workers=64, thread_name_prefix="process")
"""At most this many programs at once; more wait."""


class ProcessError(Exception):
    """A program failed: says which, how, and what it wrote to stderr."""


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    """Exit status; negative: ended by that signal."""
    stdout: bytes
    stderr: bytes

    @property
    def ok(self) -> bool:
        return self.code == 0


async def run(
    argv: Sequence[str | Path],
    *,
    timeout_s: float,
    input: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = False,
    user: str | int | None = None,
) -> Result:
    """Run ``argv`` to its end; kills it after ``timeout_s`` or at cancellation.   Errors: ProcessError, TimeoutError."""
    words = [str(word) for word in argv]
    try:
        child = subprocess.Popen(  # noqa: ASYNC220 - a vfork, which returns at once
            words,
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if env is None else dict(env),
            cwd=cwd,
            user=user,
        )
    except OSError as error:
        raise ProcessError(f"{words[0]}: {error}") from error
    talk = asyncio.get_running_loop().run_in_executor(_threads, child.communicate, input)
    try:
        async with asyncio.timeout(timeout_s):
            stdout, stderr = await asyncio.shield(talk)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        raise
    result = Result(child.returncode, stdout, stderr)
    if check and not result.ok:
        raise ProcessError(f"{words[0]} exited with {result.code}: {stderr.decode(errors='replace').strip()[-2000:]}")
    return result
