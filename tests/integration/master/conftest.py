from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dcos.testing import zookeeper
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port

SETTINGS = (
    "--zk_session_timeout=5secs",
    "--agent_ping_timeout=1secs",
    "--max_agent_ping_timeouts=4",
    "--agent_reregister_timeout=20secs",
    "--hostname_lookup=false",
    "--cluster=test",
)


class MasterProcess:
    """A real master on a loopback port."""

    def __init__(self, zk: str, zk_path: str, folder: Path, *settings: str) -> None:
        self.zk_path = zk_path
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.log = folder / f"master-{self.port}.log"
        words = [f"--zk=zk://{zk}{zk_path}", "--ip=127.0.0.1", f"--port={self.port}", *SETTINGS, *settings]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dcos.master.service", *words],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "DCOS_ROOT": str(folder)},
            )

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=20) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def status(self, path: str) -> tuple[int, str | None]:
        """Code and Location, redirects not followed."""

        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_: Any) -> None:
                return None

        try:
            with urllib.request.build_opener(Stay).open(f"http://{self.address}{path}", timeout=20) as answer:
                return answer.status, None
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers.get("Location")

    async def until_leading(self, timeout_s: float = PATIENCE_S) -> None:
        await until(self.leads, timeout_s, lambda: self.log.read_text()[-3000:])

    async def until_following(self, timeout_s: float = PATIENCE_S) -> None:
        await until(lambda: self._answers(307), timeout_s, lambda: self.log.read_text()[-3000:])

    def leads(self) -> bool:
        return self._answers(200)

    def _answers(self, code: int) -> bool:
        with contextlib.suppress(OSError):
            return self.status("/state-summary")[0] == code
        return False

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


async def until(
    done: Callable[[], bool], timeout_s: float = PATIENCE_S, why: Callable[[], str] = lambda: "it did not come true"
) -> None:
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not await asyncio.to_thread(done):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(why())
        await asyncio.sleep(0.1)


@pytest.fixture(scope="session")
def zk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``host:port`` of a real ZooKeeper."""
    reason = zookeeper.why_not()
    if reason is not None:
        pytest.skip(reason)
    with zookeeper.ensemble(tmp_path_factory.mktemp("zookeeper")) as servers:
        yield servers.hosts


@pytest.fixture
def start(zk: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., MasterProcess]]:
    """Start masters of one cluster, each test its own; all are ended afterwards."""
    path = "/" + "".join(letter for letter in request.node.name if letter.isalnum())
    started: list[MasterProcess] = []

    def one(*settings: str) -> MasterProcess:
        made = MasterProcess(zk, path + "/mesos", tmp_path, *settings)
        started.append(made)
        return made

    yield one
    for master in started:
        if master.process.poll() is None:
            master.kill()
