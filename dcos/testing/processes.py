"""The cluster's services as processes on loopback: what an integration test starts of them, and how it ends them.

with ensemble(folder / "zk") as zk, Processes(folder, zk.url) as services:
    services.start_mesos()
    services.start_marathon()
    services.eventually("Marathon answers", lambda: services.get("marathon", "/v2/info"))
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port

T = TypeVar("T")


class Processes:
    """``folder`` takes logs, work folders and, as ``DCOS_ROOT``, the node's files; ``zk`` is ``zk://host:port``."""

    def __init__(self, folder: Path, zk: str) -> None:
        self.folder = folder
        self.zk = zk
        self._ports: dict[str, int] = {}
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The last started goes first; then what tasks left, for they outlive their agent."""
        for name in reversed(list(self._children)):
            self.stop(name)
        deadline = time.monotonic() + PATIENCE_S
        while left := self._of_tasks():
            assert time.monotonic() < deadline, f"processes of tasks do not end: {left}"
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def _of_tasks(self) -> list[int]:
        """Processes that work in the agent's folder, and those that watch over them."""
        below = f"{self.folder / 'agent'}/", f"{self.folder / 'run'}/"
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                    where = os.readlink(entry / "cwd") + "/"
                    if any(one.startswith(below) for one in (where, *words)):
                        found.append(int(entry.name))
        return found

    def port(self, name: str) -> int:
        """The port of a service, the same each time."""
        return self._ports.setdefault(name, free_port())

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port(name)}"

    # ---- start and stop ----

    def start(self, name: str, module: str, *flags: str, root: Path | None = None) -> None:
        """``root``: of a node of its own, whose files and sockets are not those of the others."""
        code = f"import sys; from {module}.service import main; sys.exit(main())"
        with (self.folder / f"{name}.log").open("ab") as out:
            self._children[name] = subprocess.Popen(
                [sys.executable, "-c", code, *flags],
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={**os.environ, "DCOS_ROOT": str(root or self.folder)},
            )

    def pid(self, name: str) -> int:
        return self._children[name].pid

    def stop(self, name: str, number: int = signal.SIGTERM) -> int:
        """The exit status."""
        child = self._children.pop(name)
        child.send_signal(number)
        try:
            return child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()

    def ended(self, name: str, within_s: float = PATIENCE_S) -> int:
        """The exit status of one that ends by itself.   Errors: subprocess.TimeoutExpired."""
        return self._children.pop(name).wait(within_s)

    def start_mesos(self, *, ports: str = "31200-31299", resources: str = "cpus:2;mem:1024;disk:1000") -> None:
        """A master, and an agent that runs tasks as plain processes."""
        self.start(
            "master", "dcos.master", f"--zk={self.zk}/mesos", "--ip=127.0.0.1", f"--port={self.port('master')}",
            f"--work_dir={self.folder / 'master'}", "--hostname=127.0.0.1", "--cluster=test",
        )  # fmt: skip
        self.start(
            "agent", "dcos.agent", f"--master={self.zk}/mesos", "--ip=127.0.0.1", f"--port={self.port('agent')}",
            f"--work_dir={self.folder / 'agent'}", f"--runtime_dir={self.folder / 'run'}", "--launcher=posix",
            "--isolation=posix/cpu,posix/mem", "--hostname=127.0.0.1", "--no-systemd_enable_support",
            f"--resources={resources};ports:[{ports}]", "--no-switch_user",
        )  # fmt: skip

    def start_marathon(self, *flags: str) -> None:
        self.start(
            "marathon", "dcos.marathon", f"--master={self.zk}/mesos", f"--zk={self.zk}/marathon",
            "--http_address=127.0.0.1", "--hostname=127.0.0.1", f"--http_port={self.port('marathon')}", "--mesos_user=",
            "--min_revive_offers_interval=500", *flags,
        )  # fmt: skip

    def start_cosmos(self) -> None:
        self.start(
            "cosmos", "dcos.catalog", f"--zk={self.zk}/cosmos", f"--httpInterface=127.0.0.1:{self.port('cosmos')}",
            f"--marathonUri={self.url('marathon')}", f"--adminRouterUri={self.url('adminrouter')}",
        )  # fmt: skip

    # ---- look ----

    def get(self, name: str, path: str) -> Any:
        """The JSON of a GET."""
        with urllib.request.urlopen(self.url(name) + path, timeout=PATIENCE_S) as answer:
            return json.loads(answer.read())

    def send(self, name: str, path: str, body: Any) -> Any:
        """The JSON of a POST."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url(name) + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.loads(answer.read())

    def logs(self) -> str:
        return "\n".join(
            f"--- {one.name}\n{one.read_text(errors='replace')[-2500:]}" for one in sorted(self.folder.glob("*.log"))
        )

    def eventually(self, what: str, probe: Callable[[], T], within_s: float = PATIENCE_S) -> T:
        """The first true answer; failing connections and missing keys count as not yet."""
        deadline = time.monotonic() + within_s
        last: object = None
        while time.monotonic() < deadline:
            try:
                if last := probe():
                    return last
            except (OSError, KeyError) as error:
                last = error
            time.sleep(0.2)
        raise AssertionError(f"not within {within_s} s: {what}; last {last!r}\n{self.logs()}")
