from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
import uvloop

from dcos.runtime.process import ProcessError, run
from dcos.testing.patience import PATIENCE_S


async def test_output_and_status() -> None:
    result = await run(["sh", "-c", "cat; echo err >&2; exit 3"], timeout_s=10, input=b"in")
    assert (result.code, result.stdout, result.stderr) == (3, b"in", b"err\n")


async def test_a_missing_program_is_named() -> None:
    with pytest.raises(ProcessError, match="no-such-program"):
        await run(["no-such-program"], timeout_s=10)


async def test_check_tells_what_it_wrote() -> None:
    with pytest.raises(ProcessError, match="exited with 2: why"):
        await run(["sh", "-c", "echo why >&2; exit 2"], timeout_s=10, check=True)


async def test_a_timeout_kills() -> None:
    with pytest.raises(TimeoutError):
        await run(["sleep", "600"], timeout_s=0.2)


def test_what_stays_behind_does_not_hold_us_under_uvloop(tmp_path: Path) -> None:
    """The program ends at once; its detached child lives on."""
    child = "echo $$ >new; mv new pid; exec sleep 600"
    script = f"cd {tmp_path}; exec setsid --fork sh -c '{child}' </dev/null >/dev/null 2>&1"
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run(["sh", "-c", script], timeout_s=PATIENCE_S)).ok
    while not (tmp_path / "pid").exists():
        time.sleep(0.01)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)  # an error if it is gone
