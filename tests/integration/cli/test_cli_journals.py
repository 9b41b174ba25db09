"""``dcos node log``: our client of journals against a real dcos-log over a real journald."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dcos.client.adminrouter.failures import ClientError
from dcos.client.adminrouter.logs import Logs
from dcos.client.adminrouter.transport import Transport
from dcos.testing.journald import Journald, journald, why_not
from dcos.testing.patience import PATIENCE_S

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(why_not() is not None, reason=why_not() or ""),
]
START = "import sys; from dcos.node.logs.service import main; sys.exit(main())"
PREFIX = "/system/v1/leader/mesos/logs"


class _Door(BaseHTTPRequestHandler):
    """What Admin Router does: the prefix is cut off, the rest goes to the unix socket, byte by byte as it comes."""

    socket_path = ""

    def do_GET(self) -> None:
        with socket.socket(socket.AF_UNIX) as behind:
            behind.connect(self.socket_path)
            accept = self.headers["Accept"]
            path = self.path.removeprefix(PREFIX)
            request = f"GET {path} HTTP/1.1\r\nHost: log\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
            behind.sendall(request.encode())
            with contextlib.suppress(OSError):
                while data := behind.recv(65536):
                    self.wfile.write(data)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture(scope="module")
def journal() -> Iterator[Journald]:
    with tempfile.TemporaryDirectory(prefix="dcos-cli-log-") as name, journald(Path(name)) as running:
        yield running


@pytest.fixture
def logs(journal: Journald) -> Iterator[Logs]:
    with tempfile.TemporaryDirectory(prefix="dcos-cli-log-") as name:
        (Path(name) / "run/dcos").mkdir(parents=True)
        flags = ("--role=agent", "--ip=127.0.0.1", f"--journal={journal.folder}", "--follow_interval=50ms")
        argv = [sys.executable, "-c", START, *flags]
        process = subprocess.Popen(argv, env={**os.environ, "DCOS_ROOT": name})
        _Door.socket_path = f"{name}/run/dcos/dcos-log.sock"
        with ThreadingHTTPServer(("127.0.0.1", 0), _Door) as server:
            thread = threading.Thread(target=server.serve_forever, name="door", daemon=True)
            thread.start()
            made = Logs(Transport(f"http://127.0.0.1:{server.server_port}"))
            try:
                deadline = time.monotonic() + PATIENCE_S
                while not os.path.exists(_Door.socket_path):
                    assert time.monotonic() < deadline, "dcos-log does not open its socket"
                    time.sleep(0.05)
                yield made
            finally:
                process.terminate()
                process.wait()
                server.shutdown()
                thread.join()


def _messages(logs: Logs, unit: str | None, *filters: str, lines: int | None = 10) -> list[str]:
    return [str(one["fields"]["MESSAGE"]) for one in logs.units(None, unit, filters, lines)]


def test_the_end_of_a_units_journal(logs: Logs, journal: Journald) -> None:
    for number in range(5):
        journal.write(f"line {number}", UNIT="dcos-tried.service", SYSLOG_IDENTIFIER="tried", PRIORITY=str(number))
    journal.sync()
    assert _messages(logs, "dcos-tried.service", lines=2) == ["line 3", "line 4"]
    assert _messages(logs, "dcos-tried.service", "PRIORITY:1", lines=None) == ["line 1"]
    assert _messages(logs, "dcos-nothing.service") == []
    with pytest.raises(ClientError):
        _messages(logs, None, "no filter")


def test_following_a_unit(logs: Logs, journal: Journald) -> None:
    journal.write("before", UNIT="dcos-followed.service")
    journal.sync()
    entries = logs.follow_units(None, "dcos-followed.service", (), 1)
    assert next(entries)["fields"]["MESSAGE"] == "before"
    journal.write("after", UNIT="dcos-followed.service")
    assert next(entries)["fields"]["MESSAGE"] == "after"
