"""What starts containers by runc ends as they do (``shim/reaper.py``), with a twin of runc that leaves a process behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dcos.agent.containerizer import reaped

REAPER = Path(reaped.__file__).parent / "shim/reaper.py"
RUNC = """#!/bin/sh
(sh -c 'echo $$ >first.pid; {command}' &)
{then}
"""
WAITS = """
until grep -qs . first.pid; do sleep 0.02; done
while kill -0 $(cat first.pid) && ! grep -q '^State:.Z' /proc/$(cat first.pid)/status; do sleep 0.02; done
"""
pytestmark = pytest.mark.skipif(not Path(reaped.PERL).exists(), reason=f"needs {reaped.PERL}")


def end(folder: Path, command: str, then: str) -> int:
    runc = folder / "runc"
    runc.write_text(RUNC.format(command=command, then=then))
    runc.chmod(0o755)
    return subprocess.run([sys.executable, "-I", "-S", REAPER, "first.pid", runc], cwd=folder, check=False).returncode


@pytest.mark.parametrize(("command", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9)])
@pytest.mark.parametrize("first", ["runc", "program"])
def test_the_end_is_the_program_s_whoever_ends_first(tmp_path: Path, command: str, code: int, first: str) -> None:
    if first == "runc":
        assert end(tmp_path, f"sleep 0.3; {command}", "until grep -qs . first.pid; do sleep 0.02; done") == code
    else:
        assert end(tmp_path, command, WAITS) == code


def test_what_did_not_start_ends_with_one(tmp_path: Path) -> None:
    assert end(tmp_path, ":", "exit 3") == 1
