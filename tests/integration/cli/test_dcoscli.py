"""The official ``dcos`` command line from PyPI (dcoscli 0.6.1, unmodified) against our services, through Admin Router.

It was written for Python 3.5: its wheels are installed as they are, with the newest dependencies that its code runs with
(its pins of cryptography, virtualenv and others have no builds for today's Python), in a virtual environment of their own,
made once and kept below the temporary folder. ``old_collections.py`` gives that interpreter back the names that Python 3.10 took
out of ``collections``; the program itself is not touched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import argon2
import pytest

from dcos.testing.foreign import Installer, environment
from dcos.testing.processes import Processes
from dcos.testing.zookeeper import ensemble, why_not

NO_NGINX = None if shutil.which("nginx") else "no nginx on PATH (nginx-light)"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif((why_not() or NO_NGINX) is not None, reason=str(why_not() or NO_NGINX)),
]
CLI = ("dcoscli==0.6.1", "dcos==0.6.1")
TOOLS = ("setuptools<70", "wheel")
NEEDS = (
    *("cryptography", "docopt==0.6.2", "jsonschema==2.6.0", "pager==3.3", "pkginfo==1.2.1", "prettytable==0.7.2"),
    *("PyJWT==1.4.2", "pygments<3", "requests<3", "retrying==1.3.3", "six<2", "sseclient==0.0.19", "toml<1"),
)
PASSWORD = "a good password"


def _install(install: Installer) -> None:
    install.packages(*TOOLS)
    install.packages("--no-build-isolation", *NEEDS)
    install.packages("--no-deps", *CLI)
    install.old_collections()


@pytest.fixture(scope="session")
def program() -> Path:
    """The official ``dcos``."""
    return environment("dcoscli-0.6.1", _install) / "bin/dcos"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that nginx's workers may enter."""
    with tempfile.TemporaryDirectory(prefix="dcos-dcoscli-") as name:
        made = Path(name)
        made.chmod(0o755)
        yield made


@pytest.fixture
def cluster(folder: Path) -> Iterator[Processes]:
    etc = folder / "opt/mesosphere/etc"
    etc.mkdir(parents=True)
    (folder / "opt/mesosphere/active/dcos-metadata/etc").mkdir(parents=True)
    (folder / "opt/mesosphere/active.buildinfo.full.json").write_text("{}")
    (etc / "dcos-version.json").write_text('{"version": "1.11"}')
    hashed = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    (etc / "bouncer-bootstrap-user.json").write_text(json.dumps({"uid": "admin", "password_hash": hashed}))
    (folder / "var/lib/dcos").mkdir(parents=True)
    (folder / "var/lib/dcos/cluster-id").write_text("the-cluster-id\n")
    with ensemble(folder / "zk", servers=1) as zookeeper, Processes(folder, zookeeper.url) as made:
        made.start("bouncer", "dcos.iam", f"--zk={made.zk}/dcos/iam", f"--port={made.port('bouncer')}")
        made.start_mesos()
        made.start_marathon()
        made.start(
            *("mesos-dns", "dcos.dns", f"--zk={made.zk}/mesos", "--ip=127.0.0.1"),
            *(f"--dns_port={made.port('dns')}", f"--http_port={made.port('mesos-dns')}"),
        )
        names = ("bouncer", "marathon", "mesos-dns")
        upstreams = ",".join(f"dcos-{name}=127.0.0.1:{made.port(name)}" for name in names)
        made.start(
            *("adminrouter", "dcos.adminrouter", "--role=master", "--ip=127.0.0.1", f"--zk={made.zk}/mesos"),
            *(f"--http_port={made.port('adminrouter')}", f"--https_port={made.port('tls')}", "--access_log=off"),
            *(f"--upstreams={upstreams}", "--cache_first_poll_delay=0.2", "--cache_poll_period=1"),
            "--events_poll_period=1",
        )
        yield made


class Cli:
    """The program with a configuration of its own."""

    def __init__(self, program: Path, cluster: Processes) -> None:
        self.program = program
        self._cluster = cluster
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(cluster.folder),
            "DCOS_DIR": str(cluster.folder / "dcos-dir"),
            "LC_ALL": "C.UTF-8",
        }

    def run(self, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *words],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=self._environment,
        )

    def ok(self, *words: str, given: str | None = None) -> str:
        done = self.run(*words, given=given)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}\n{self._cluster.logs()}"
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.ok(*words, "--json"))


APP = {
    "id": "/sleeper",
    "cmd": "echo hello from the task; echo trouble >&2; sleep 1000",
    "cpus": 0.1,
    "mem": 32,
    "instances": 1,
}


def test_node_service_and_task(program: Path, cluster: Processes) -> None:
    cli = Cli(program, cluster)
    url = cluster.url("adminrouter")

    def is_set_up() -> bool:
        words = ("cluster", "setup", url, "--username=admin", f"--password={PASSWORD}", "--no-check")
        done = cli.run(*words)
        if done.returncode:
            raise KeyError(done.stdout + done.stderr)
        return True

    cluster.eventually("the cluster can be set up", is_set_up)
    cluster.eventually("Marathon leads", lambda: cluster.get("marathon", "/v2/info").get("frameworkId"))
    cluster.eventually("an agent is there", lambda: cluster.get("master", "/slaves")["slaves"])
    cluster.eventually("names are there", lambda: cli.run("node", "--json").returncode == 0)

    agents = [one for one in cli.json("node") if one["type"] == "agent"]
    (agent,) = agents
    assert agent["hostname"] == "127.0.0.1"
    table = cli.ok("node")
    assert agent["id"] in table
    assert "master (leader)" in table

    services = cli.json("service")
    (marathon,) = [one for one in services if one["name"] == "marathon"]
    assert "marathon" in cli.ok("service")

    cli.ok("marathon", "app", "add", given=json.dumps(APP))
    cluster.eventually("the task runs", lambda: "TASK_RUNNING" in cli.run("task", "--json").stdout)
    (task,) = cli.json("task", "sleeper")
    assert task["state"] == "TASK_RUNNING"
    assert task["slave_id"] == agent["id"]
    assert task["id"] in cli.ok("task")
    cluster.eventually("it has spoken", lambda: "hello from the task" in cli.run("task", "log", "sleeper").stdout)
    assert "trouble" in cli.ok("task", "log", "sleeper", "stderr")
    listed = cli.ok("task", "ls", "sleeper")
    assert {"stdout", "stderr"} <= set(listed.split())
    assert "-rw" in cli.ok("task", "ls", "--long", "sleeper")

    done = cli.run("task", "exec", "sleeper", "sh", "-c", "echo inside; echo aside >&2")
    assert (done.stdout, done.stderr, done.returncode) == ("inside\n", "aside\n", 0)
    assert cli.ok("task", "exec", "--interactive", "sleeper", "cat", given="to and fro\n") == "to and fro\n"

    cli.ok("marathon", "app", "remove", "sleeper")
    cluster.eventually("the task is over", lambda: "sleeper" in cli.run("task", "--completed").stdout)
    assert cli.json("task", "sleeper") == []

    cli.ok("service", "shutdown", marathon["id"])
    cluster.eventually("it is gone", lambda: cluster.get("master", "/frameworks")["completed_frameworks"])
    cli.ok("node", "decommission", agent["id"])
    assert cluster.get("master", "/slaves")["slaves"] == []
