"""Real ZooKeeper, master, agent and schedulers as plain processes on loopback, for tests of schedulers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port
from dcos.testing.zookeeper import ZooKeeperEnsemble

T = TypeVar("T")


@dataclass
class Process:
    """One service, started as its console script would be."""

    module: str
    flags: list[str]
    log: Path
    environ: dict[str, str] = field(default_factory=dict)
    """Beside this process's own."""
    child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        code = f"import sys; from {self.module}.service import main; sys.exit(main())"
        with self.log.open("ab") as out:
            words = [sys.executable, "-c", code, *self.flags]
            environ = {**os.environ, **self.environ}
            self.child = subprocess.Popen(words, env=environ, stdout=out, stderr=out, start_new_session=True)

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(number)
            self.child.wait(PATIENCE_S)


@dataclass
class MesosCluster:
    """ZooKeeper, one master and one agent on loopback ports; schedulers are added."""

    folder: Path
    zookeeper: ZooKeeperEnsemble
    master_port: int = field(default_factory=free_port)
    agent_port: int = field(default_factory=free_port)
    processes: dict[str, Process] = field(default_factory=dict)

    def add(self, name: str, module: str, *flags: str, environ: dict[str, str] | None = None) -> Process:
        self.processes[name] = made = Process(module, list(flags), self.folder / f"{name}.log", environ or {})
        made.start()
        return made

    def start_mesos(
        self, *agent_flags: str, isolation: str = "posix/cpu,posix/mem", master_flags: tuple[str, ...] = ()
    ) -> None:
        zk = f"{self.zookeeper.url}/mesos"
        work = str(self.folder / "agent")
        self.add(
            "master", "dcos.master", f"--zk={zk}", "--ip=127.0.0.1", f"--port={self.master_port}",
            f"--work_dir={self.folder / 'master'}", "--hostname=127.0.0.1", *master_flags,
        )  # fmt: skip
        self.add(
            "agent", "dcos.agent", f"--master={zk}", "--ip=127.0.0.1", f"--port={self.agent_port}",
            f"--work_dir={work}", f"--runtime_dir={self.folder / 'run'}", "--launcher=posix",
            f"--isolation={isolation}", "--hostname=127.0.0.1", "--no-systemd_enable_support",
            "--resources=cpus:4;mem:2048;disk:1000;ports:[31000-31099]", "--attributes=rack:r1", "--no-switch_user", *agent_flags,
        )  # fmt: skip

    def ask_at(self, port: int, method: str, path: str, body: Any = None) -> Any:
        """JSON where the answer is some.   Errors: OSError."""
        url = f"http://127.0.0.1:{port}{path}"
        data = None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                raw = answer.read()
                return json.loads(raw) if answer.headers.get_content_type() == "application/json" else raw
        except urllib.error.HTTPError as error:
            with error:
                raise OSError(f"{method} {path}: {error.code} {error.read()!r}") from None

    def eventually(self, what: str, probe: Callable[[], T], within_s: float = PATIENCE_S) -> T:
        """The first true answer of ``probe``; a failing connection counts as not yet."""
        deadline = time.monotonic() + within_s
        last: object = None
        while time.monotonic() < deadline:
            try:
                found = probe()
                if found:
                    return found
                last = found
            except (OSError, urllib.error.URLError, KeyError) as error:
                last = error
            time.sleep(0.2)
        raise AssertionError(f"not within {within_s} s: {what}; last {last!r}\n{self.logs()}")

    def logs(self) -> str:
        tails = [f"--- {name}\n{one.log.read_text(errors='replace')[-3000:]}" for name, one in self.processes.items()]
        return "\n".join(tails)

    def pid_of(self, marker: str) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    if words[:1] == [b"sleep"] and marker.encode() in words:
                        found.append(int(entry.name))
        return sorted(found)

    def pids(self, marker: str, count: int) -> list[int]:
        """So many are there. (A shell has begun when its task runs, and may not have become the program yet.)"""
        found: list[int] = self.eventually(
            f"{count} run", lambda: pids if len(pids := self.pid_of(marker)) == count else []
        )
        return found

    def supervise(self) -> None:
        """What systemd does: a service that ended is started again."""
        for process in self.processes.values():
            if process.child is not None and process.child.poll() is not None:
                process.start()

    def end(self, markers: Iterable[str]) -> None:
        """End all services, schedulers first, and the ``sleep <marker>`` processes that tasks left."""
        for process in reversed(self.processes.values()):
            process.kill(signal.SIGTERM)
        for marker in markers:
            for pid in self.pid_of(marker):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
