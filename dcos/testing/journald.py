"""A journald of its own for tests: the real one, in a mount namespace whose ``/run`` is a folder of the test."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from dcos.testing.patience import PATIENCE_S

PROGRAM = Path("/lib/systemd/systemd-journald")
_CONFIGURATION = """[Journal]
Storage=volatile
ReadKMsg=no
Audit=no
ForwardToSyslog=no
RateLimitIntervalSec=0
SyncIntervalSec=1s
"""


def why_not() -> str | None:
    """Why there can be none here."""
    if os.geteuid() != 0:
        return "a mount namespace needs root"
    if not PROGRAM.exists() or shutil.which("unshare") is None:
        return "no systemd-journald or no unshare"
    return None


class Journald:
    """``folder`` is that of the journal's files."""

    def __init__(self, run: Path, process: subprocess.Popen[bytes]) -> None:
        self._run = run
        self._process = process
        self.folder = run / "log/journal"
        self._count = 0

    def write(self, message: str, **fields: str) -> None:
        """One entry, as a native client sends it; several lines are fine."""
        lines = b""
        for name, value in {"MESSAGE": message, **fields}.items():
            data = value.encode()
            lines += name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(lines, str(self._run / "systemd/journal/socket"))

    def sync(self) -> None:
        """Return when everything written so far is in its files."""
        self._count += 1
        mark = f"sync-{os.getpid()}-{self._count}"
        self.write(mark, TEST_SYNC=mark)
        self._wait(f"TEST_SYNC={mark}")

    def rotate(self) -> None:
        """Begin a new file, and keep the old ones."""
        before = set(self.folder.rglob("*.journal"))
        self._process_in_it(signal.SIGUSR2)
        deadline = time.monotonic() + PATIENCE_S
        while set(self.folder.rglob("*.journal")) == before:
            assert time.monotonic() < deadline, "journald does not rotate"
            time.sleep(0.05)

    def _process_in_it(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)

    def _wait(self, match: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        command = ["journalctl", f"--directory={self.folder}", "--quiet", "--no-pager", match]
        while not subprocess.run(command, capture_output=True, check=False).stdout:
            assert time.monotonic() < deadline, f"{match} does not come into the journal"
            time.sleep(0.05)


@contextlib.contextmanager
def journald(folder: Path) -> Iterator[Journald]:
    """``folder``: a short path, empty; sockets are made below it."""
    run = folder / "run"
    (run / "systemd/journal").mkdir(parents=True)
    (run / "log/journal").mkdir(parents=True)
    (run / "systemd/journald.conf.d").mkdir()
    (run / "systemd/journald.conf.d/test.conf").write_text(_CONFIGURATION)
    command = f'mount --make-rprivate / && mount --bind "{run}" /run && exec {PROGRAM}'
    with (folder / "journald.log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "/bin/sh", "-c", command], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not (run / "systemd/journal/socket").exists():
            said = (folder / "journald.log").read_text(errors="replace")
            assert process.poll() is None, f"journald ended: {said}"
            assert time.monotonic() < deadline, f"journald does not begin: {said}"
            time.sleep(0.05)
        made = Journald(run, process)
        made.sync()
        yield made
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
