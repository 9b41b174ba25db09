"""Where executors find the agent's unix socket, and systemd's."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from dcos.agent import executor_socket
from dcos.agent.executor_socket import made


def test_where_it_is(tmp_path: Path) -> None:
    assert made(None, Path("/run/m"), {}).path == "/run/m/agent.sock"
    found = made("/x/y.sock", Path("/run/m"), {})
    assert (found.path, found.folder, found.handed) == ("/x/y.sock", Path("/run/m/executors"), None)
    with pytest.raises(ValueError, match="cannot be longer than 108 characters"):
        made(None, Path("/run") / ("m" * 100), {})


def test_one_that_systemd_hands_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as door, socket.socket(socket.AF_INET) as other:
        door.bind(path)
        first = min(door.fileno(), other.fileno())
        names = {door.fileno(): "executors", other.fileno(): "web"}
        told = {
            "LISTEN_PID": str(os.getpid()),
            "LISTEN_FDNAMES": ":".join(names.get(one, "") for one in range(first, max(names) + 1)),
        }
        monkeypatch.setattr(executor_socket, "_FIRST_FD", first)
        found = made("systemd:executors", tmp_path, told)
        assert (found.path, found.handed is not None) == (path, True)
        for location, environment in (
            ("systemd:other", told),
            ("systemd:executors", {**told, "LISTEN_PID": "1"}),
            ("systemd:executors", {}),
        ):
            with pytest.raises(ValueError, match="systemd handed over no socket named"):
                made(location, tmp_path, environment)
        with pytest.raises(ValueError, match="'web' of systemd is not a unix socket"):
            made("systemd:web", tmp_path, told)
        assert found.handed is not None
        found.handed.close()
