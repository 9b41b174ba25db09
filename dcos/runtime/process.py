"""Running programs that end by themselves (the long-lived belong to systemd).

The standard library's Popen in threads, not the loop's own subprocesses: uvloop hands its pipes on to the child's children,
so that a program which leaves something running behind (a supervisor, a daemon) would never seem to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

_threads = ThreadPoolExecutor(max_workers=64, thread_name_prefix="process")
"""At most this many programs at once; more wait."""
_LOOK_S = 0.05


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


async def run_bounded(
    argv: Sequence[str], *, timeout_s: float, most_bytes: int, env: Mapping[str, str]
) -> tuple[int | None, bytes]:
    """Run a program of others to its end: (exit status, the first ``most_bytes`` of what it wrote to stdout and stderr together).

    Status None: it was not done after ``timeout_s``. Whatever it started in its process group ends with it, too, then and at
    cancellation; what left the group is not waited for.   Errors: ProcessError: it cannot be started.
    """
    try:
        child = subprocess.Popen(  # noqa: ASYNC220 - a vfork, which returns at once
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise ProcessError(f"{argv[0]}: {error}") from error
    stop = threading.Event()
    reading = asyncio.get_running_loop().run_in_executor(_threads, _read, child, most_bytes, stop)
    done = False
    try:
        async with asyncio.timeout(timeout_s):
            output = await asyncio.shield(reading)
            done = True
    except TimeoutError:
        output = b""
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        stop.set()
        if not done:
            output = await asyncio.shield(reading)
    return (child.returncode if done else None), output


def _read(child: subprocess.Popen[bytes], most_bytes: int, stop: threading.Event) -> bytes:
    """Read until the program has ended, keep the beginning. A pipe that something else holds open is not waited for."""
    kept = bytearray()
    assert child.stdout is not None
    with child.stdout as pipe, selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while not stop.is_set():
            if selector.select(_LOOK_S):
                chunk = os.read(pipe.fileno(), 1 << 16)
                if not chunk:
                    break
                kept += chunk[: most_bytes - len(kept)]
            elif child.poll() is not None:
                break
        while child.poll() is None and not stop.wait(_LOOK_S):
            pass
    if stop.is_set():
        child.wait()  # it was killed
    return bytes(kept)
