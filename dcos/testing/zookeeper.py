"""Real ZooKeeper servers for tests: Debian's jars on free loopback ports, in a folder that the test gives.

with ensemble(tmp_path, servers=3) as zk:
    store = await connect(zk.hosts)
    zk[0].kill()            # SIGKILL; .pause() and .resume() are SIGSTOP and SIGCONT
    zk[0].start()           # same data, same ports
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dcos.testing.ports import free_port, free_ports

CLASSPATH = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"
JAVA_FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


def why_not() -> str | None:
    """Why no server can be started here, None if one can."""
    if shutil.which("java") is None:
        return "no java on PATH (default-jre-headless)"
    missing = [jar for jar in CLASSPATH.split(":") if not Path(jar).exists()]
    return f"no {missing[0]} (libzookeeper-java)" if missing else None


@dataclass
class ZooKeeperServer:
    """One server. ``peers``: (id, quorum port, election port) of the whole ensemble, empty for a server alone."""

    folder: Path
    port: int = field(default_factory=free_port)
    id: int = 1
    peers: Sequence[tuple[int, int, int]] = ()
    tick_ms: int = 500
    """Session timeouts are 2 to 20 ticks."""
    fsync: bool = False
    heap_mb: int = 128
    host: str = "127.0.0.1"
    _process: subprocess.Popen[bytes] | None = None

    @property
    def hosts(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server was not started"
        return self._process.pid

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def start(self, *, wait: bool = True) -> None:
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        (data / "myid").write_text(f"{self.id}\n")
        settings = [
            f"tickTime={self.tick_ms}",
            "initLimit=20",
            "syncLimit=10",
            f"dataDir={data}",
            f"clientPortAddress={self.host}",
            f"clientPort={self.port}",
            "maxClientCnxns=0",
            "admin.enableServer=false",
            "4lw.commands.whitelist=*",
            *(f"server.{id}={self.host}:{quorum}:{election}" for id, quorum, election in self.peers),
        ]
        config = self.folder / "zoo.cfg"
        config.write_text("\n".join(settings) + "\n")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "java",
                    f"-Xmx{self.heap_mb}m",
                    *JAVA_FLAGS,
                    f"-Dzookeeper.forceSync={'yes' if self.fsync else 'no'}",
                    "-cp",
                    CLASSPATH,
                    "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                    str(config),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
            )
        if wait:
            self.wait_serving()

    def wait_serving(self, timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not self.is_serving():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"ZooKeeper does not serve:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)

    def is_serving(self) -> bool:
        return "Mode:" in self.command("srvr")

    def is_leading(self) -> bool:
        return "Mode: leader" in self.command("srvr")

    def command(self, word: str) -> str:
        """The answer to a four-letter word, empty if there is none."""
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), timeout=2.0) as link:
            link.sendall(word.encode())
            link.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: link.recv(65536), b"")).decode(errors="replace")
        return ""

    def kill(self) -> None:
        """SIGKILL and wait."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """SIGTERM, SIGKILL if that does not help."""
        if self._process is None or self._process.poll() is not None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self.kill()


@dataclass
class ZooKeeperEnsemble:
    """Several servers, or one."""

    servers: list[ZooKeeperServer]

    def __getitem__(self, index: int) -> ZooKeeperServer:
        return self.servers[index]

    @property
    def hosts(self) -> str:
        return ",".join(server.hosts for server in self.servers)

    @property
    def url(self) -> str:
        """``zk://h1:p,...`` without a path."""
        return f"zk://{self.hosts}"

    def leader(self) -> ZooKeeperServer:
        return next(server for server in self.servers if server.is_leading())


@contextlib.contextmanager
def ensemble(folder: Path, *, servers: int = 1, tick_ms: int = 500, heap_mb: int = 128) -> Iterator[ZooKeeperEnsemble]:
    """Start, yield when all serve, stop. A test that wants a skip asks ``why_not`` first."""
    ports = free_ports(3 * servers)
    peers = tuple((i + 1, ports[3 * i + 1], ports[3 * i + 2]) for i in range(servers)) if servers > 1 else ()
    made = [
        ZooKeeperServer(folder / f"zk{i + 1}", ports[3 * i], i + 1, peers, tick_ms, heap_mb=heap_mb)
        for i in range(servers)
    ]
    try:
        for server in made:
            server.start(wait=False)
        for server in made:
            server.wait_serving()
        yield ZooKeeperEnsemble(made)
    finally:
        for server in made:
            server.stop()
