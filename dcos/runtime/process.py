"""Running programs that end by themselves (the long-lived belong to systemd)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
    options: dict[str, Any] = {} if user is None else {"user": user}  # uvloop knows no such argument, not even None
    try:
        child = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE if input is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=None if env is None else dict(env),
            cwd=cwd,
            **options,
        )
    except OSError as error:
        raise ProcessError(f"{words[0]}: {error}") from error
    try:
        async with asyncio.timeout(timeout_s):
            stdout, stderr = await child.communicate(input)
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    result = Result(child.returncode or 0, stdout, stderr)
    if check and not result.ok:
        raise ProcessError(f"{words[0]} exited with {result.code}: {stderr.decode(errors='replace').strip()[-2000:]}")
    return result
