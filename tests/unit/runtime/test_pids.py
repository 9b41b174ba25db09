"""A process known again: alive, gone, another one with its pid, another boot."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from msgspec.structs import replace

from dcos.runtime import pids


def test_only_just_this_process_is_known_again() -> None:
    own = pids.mark(os.getpid())
    assert own is not None
    assert pids.lives(own)
    assert not pids.lives(replace(own, started=own.started + 1))
    assert not pids.lives(replace(own, boot="another"))


def test_what_ended_has_no_mark_though_nobody_waited_for_it() -> None:
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert pids.mark(child.pid) is None


def test_a_mark_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    assert pids.living(path) is None
    path.write_text("123\n")
    assert pids.living(path) is None
    pids.leave_own(path)
    assert pids.living(path) == os.getpid()
