"""Run one command of the installer and wait for it; a failure carries the pasteable command and what it said."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class CommandFailed(Exception):
    """A command ended with another code than 0, took too long or could not be started."""

    def __init__(self, argv: Sequence[str], code: int | None, output: str) -> None:
        self.argv, self.code, self.output = tuple(argv), code, output
        ending = "could not be started" if code is None else f"ended with code {code}"
        super().__init__(f"{shlex.join(argv)}: {ending}\n{output.strip()}".rstrip())


def run(
    argv: Sequence[str],
    *,
    input_text: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float | None = None,
) -> str:
    """Return standard output; raises CommandFailed with standard output and error together."""
    try:
        done = subprocess.run(
            list(argv),
            input=input_text,
            stdin=subprocess.DEVNULL if input_text is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            env=None if env is None else dict(env),
            cwd=cwd,
            timeout=timeout_s,
            check=False,
        )
    except OSError as trouble:
        raise CommandFailed(argv, None, str(trouble)) from trouble
    except subprocess.TimeoutExpired as trouble:
        raise CommandFailed(argv, None, f"no end after {timeout_s} s") from trouble
    if done.returncode != 0:
        raise CommandFailed(argv, done.returncode, done.stdout + done.stderr)
    return done.stdout


def succeeds(argv: Sequence[str], *, timeout_s: float | None = None) -> bool:
    """Whether the command ends with code 0."""
    try:
        run(argv, timeout_s=timeout_s)
    except CommandFailed:
        return False
    return True
