"""The dcos program, a real Admin Router (nginx), bouncer, Cosmos, Marathon, master and agent: a person's first minutes."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dcos.testing.patience import PATIENCE_S
from dcos.testing.processes import Processes
from dcos.testing.zookeeper import ensemble, why_not
from tests.integration.cli.conftest import PASSWORD, node_files

NO_NGINX = None if shutil.which("nginx") else "no nginx on PATH (nginx-light)"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif((why_not() or NO_NGINX) is not None, reason=str(why_not() or NO_NGINX)),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that nginx's workers may enter."""
    with tempfile.TemporaryDirectory(prefix="dcos-cli-") as name:
        made = Path(name)
        made.chmod(0o755)
        yield made


@pytest.fixture
def cluster(folder: Path) -> Iterator[Processes]:
    node_files(folder, "3.0.0")
    with ensemble(folder / "zk", servers=1) as zookeeper, Processes(folder, zookeeper.url) as made:
        made.start("bouncer", "dcos.iam", f"--zk={made.zk}/dcos/iam", f"--port={made.port('bouncer')}")
        made.start_mesos()
        made.start_marathon()
        made.start_cosmos()
        upstreams = ",".join(f"dcos-{name}=127.0.0.1:{made.port(name)}" for name in ("bouncer", "cosmos", "marathon"))
        made.start(
            "adminrouter", "dcos.adminrouter", "--role=master", "--ip=127.0.0.1", f"--zk={made.zk}/mesos",
            f"--http_port={made.port('adminrouter')}", f"--https_port={made.port('tls')}", f"--upstreams={upstreams}",
            "--cache_first_poll_delay=0.2", "--cache_poll_period=1", "--events_poll_period=1", "--access_log=off",
        )  # fmt: skip
        yield made


def dcos(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("dcos")), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "DCOS_DIR": str(folder / "dcos-dir"), "DCOS_PASSWORD": PASSWORD},
    )


def test_first_minutes(cluster: Processes, folder: Path) -> None:
    url = cluster.url("adminrouter")

    def ok(*words: str) -> str:
        done = dcos(folder, *words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}\n{cluster.logs()}"
        return done.stdout

    def is_set_up() -> bool:
        done = dcos(folder, "cluster", "setup", url, "--username=admin", "--no-check")
        if done.returncode:
            raise KeyError(done.stderr)
        return True

    cluster.eventually("the cluster can be set up", is_set_up)
    (known,) = json.loads(ok("cluster", "list", "--json"))
    assert (known["cluster_id"], known["status"], known["version"]) == ("the-cluster-id", "AVAILABLE", "3.0.0")
    cluster.eventually("an agent is there", lambda: dcos(folder, "node", "list", "--mesos-id").stdout.strip())
    cluster.eventually("Marathon leads", lambda: cluster.get("marathon", "/v2/info").get("frameworkId"))

    assert "hello-world" in ok("package", "search")
    ok("package", "install", "hello-world", "--yes")

    def healthy() -> Any:
        found = json.loads(dcos(folder, "status", "--json").stdout)["services"]
        return found and found[0]["state"] == "healthy"

    cluster.eventually("hello-world is healthy", healthy)
    token = ok("config", "show", "core.dcos_acs_token").strip()

    def through_the_door() -> str:
        request = urllib.request.Request(f"{url}/service/hello-world/", headers={"Authorization": f"token={token}"})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return str(answer.read().decode())

    assert "Hello, World!" in cluster.eventually("it answers", through_the_door)
    assert "TASK_RUNNING" in ok("task")
    assert "listening on" in ok("task", "log", "hello-world", "--lines=50")
    assert "stdout" in ok("task", "ls", "hello-world")
    run_inside(folder)
    assert "not launched with a terminal" in dcos(folder, "task", "attach", "--no-stdin", "hello-world").stderr
    app = {"id": "/typist", "cmd": "while read -r line; do echo got $line; done", "tty": True, "cpus": 0.1, "mem": 32}
    (folder / "typist.json").write_text(json.dumps(app))
    ok("marathon", "app", "add", str(folder / "typist.json"))
    cluster.eventually("the terminal runs", lambda: "TASK_RUNNING" in dcos(folder, "task", "list", "typist").stdout)
    attach(folder)
    ok("marathon", "app", "remove", "typist")
    ok("task", "download", "hello-world", "stdout", f"--target-dir={folder}/copy")
    assert "listening on" in (folder / "copy/stdout").read_text()
    assert "1/1" in ok("marathon", "app", "list")
    assert "marathon" in ok("service")
    ok("marathon", "app", "update", "hello-world", "instances=2")
    cluster.eventually("two run", lambda: "2/2" in dcos(folder, "marathon", "app", "list").stdout)
    ok("package", "uninstall", "hello-world", "--yes")
    cluster.eventually("it is gone", lambda: "/hello-world" not in ok("marathon", "app", "list"))
    ok("auth", "logout")
    assert "dcos auth login" in dcos(folder, "task").stderr


def run_inside(folder: Path) -> None:
    """``dcos task exec``: both ways through nginx, with pipes and with a terminal."""
    done = dcos(folder, "task", "exec", "hello-world", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)
    program, environment = (
        str(Path(sys.executable).with_name("dcos")),
        {**os.environ, "DCOS_DIR": str(folder / "dcos-dir")},
    )
    words = [program, "task", "exec", "-i", "hello-world", "sh", "-c", "read -r line; echo got $line; cat; echo over"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"one\n")
        child.stdin.flush()
        # it comes while the request goes on
        assert child.stdout.readline() == b"got one\n"
        out, err = child.communicate(b"two\n" * 50_000, timeout=60)
        assert (out, err, child.returncode) == (b"two\n" * 50_000 + b"over\n", b"", 0)

    command = ("exec", "-it", "hello-world", "sh", "-c", "stty size; tty; read -r line; echo got $line")
    with at_terminal(folder, *command) as (child, master):
        seen = b""
        while b"/dev/pts/" not in seen:
            seen += more(master, seen)
        os.write(master, b"hello\r")
        while b"got hello" not in seen:
            seen += more(master, seen)
        assert child.wait(60) == 0


def more(master: int, seen: bytes) -> bytes:
    """What the terminal shows next."""
    ready, _, _ = select.select([master], [], [], 30)
    assert ready, f"nothing comes after {seen!r}"
    return os.read(master, 1000)


@contextlib.contextmanager
def at_terminal(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """``dcos task`` on a terminal, and the hand at its keys."""
    master, slave = os.openpty()
    program, environment = (
        str(Path(sys.executable).with_name("dcos")),
        {**os.environ, "DCOS_DIR": str(folder / "dcos-dir")},
    )
    child = subprocess.Popen([program, "task", *words], stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    try:
        yield child, master
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        os.close(master)


def attach(folder: Path) -> None:
    """``dcos task attach``: type, hear, leave, come again."""
    for word in (b"one", b"two"):
        with at_terminal(folder, "attach", "typist") as (child, master):
            seen = b""
            os.write(master, word + b"\r")
            while b"got " + word not in seen:
                seen += more(master, seen)
            os.write(master, b"\x10\x11")
            assert child.wait(60) == 0
