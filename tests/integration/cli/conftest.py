"""The official ``dcos`` command line from PyPI (dcoscli 0.6.1, unmodified) and a cluster of our services behind Admin Router.

It was written for Python 3.5: its wheels are installed as they are, with the newest dependencies that its code runs with
(its pins of cryptography, virtualenv and others have no builds for today's Python), in a virtual environment of their own,
made once and kept below the temporary folder. ``old_collections.py`` gives that interpreter back the names that Python 3.10 took
out of ``collections``; the program itself is not touched.
"""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import argon2
import pytest

from dcos.testing import journald as journals
from dcos.testing.foreign import Installer, environment
from dcos.testing.processes import Processes
from dcos.testing.zookeeper import ensemble

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
def dcoscli() -> Path:
    """The official ``dcos``."""
    return environment("dcoscli-0.6.1", _install) / "bin/dcos"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that nginx's workers may enter."""
    with tempfile.TemporaryDirectory(prefix="dcos-dcoscli-") as name:
        made = Path(name)
        made.chmod(0o755)
        yield made


def node_files(folder: Path, version: str) -> None:
    """What a master's services read: versions, the first account, the cluster's id."""
    etc = folder / "opt/mesosphere/etc"
    etc.mkdir(parents=True)
    (folder / "opt/mesosphere/active/dcos-metadata/etc").mkdir(parents=True)
    (folder / "opt/mesosphere/active.buildinfo.full.json").write_text("{}")
    (etc / "dcos-version.json").write_text(json.dumps({"version": version}))
    hashed = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    (etc / "bouncer-bootstrap-user.json").write_text(json.dumps({"uid": "admin", "password_hash": hashed}))
    (folder / "var/lib/dcos").mkdir(parents=True)
    (folder / "var/lib/dcos/cluster-id").write_text("the-cluster-id\n")


@pytest.fixture(scope="module")
def journal(folder: Path) -> Iterator[journals.Journald]:
    """Of all nodes."""
    if reason := journals.why_not():
        pytest.skip(reason)
    with journals.journald(folder / "j") as running:
        yield running


def start_agents_node(made: Processes, journal: journals.Journald) -> None:
    """What else is on an agent: its Admin Router, its logs and its metrics."""
    root = made.folder / "node"
    (root / "run/dcos/telegraf").mkdir(parents=True)
    (root / "opt/mesosphere/etc").mkdir(parents=True)
    (root / "etc/mesosphere/roles").mkdir(parents=True)
    (root / "etc/mesosphere/roles/slave").touch()
    (root / "var/lib/dcos").mkdir(parents=True)
    (root / "var/lib/dcos/cluster-id").write_text("the-cluster-id\n")
    made.start(
        *("log-agent", "dcos.node.logs", "--role=agent", "--ip=127.0.0.1", f"--agent_port={made.port('agent')}"),
        *(f"--admin_router={made.url('adminrouter')}", f"--journal={journal.folder}", "--follow_interval=50ms"),
        root=root,
    )
    made.start(
        *("telegraf", "dcos.node.metrics", "--ip=127.0.0.1", f"--agent_port={made.port('agent')}", "--interval=500ms"),
        *(f"--port={made.port('telegraf')}", f"--statsd_port={made.port('statsd')}", "--tasks_host=127.0.0.1"),
        *(f"--admin_router={made.url('agents-router')}", f"--mesos_master_port={made.port('nobody')}"),
        *(f"--marathon_port={made.port('nobody')}", f"--exhibitor_port={made.port('nobody')}"),
        f"--net=http://127.0.0.1:{made.port('nobody')}",
        root=root,
    )
    made.start(
        *("agents-router", "dcos.adminrouter", "--role=agent", "--ip=127.0.0.1", f"--zk={made.zk}/mesos"),
        *(f"--http_port={made.port('agents-router')}", "--https_port=0", "--access_log=off"),
        f"--upstreams=dcos-mesos-slave=127.0.0.1:{made.port('agent')}",
        root=root,
    )


def open_sockets(made: Processes) -> None:
    """Sockets of a unit have Admin Router's group; here nginx's workers are nobody."""
    for name in ("run/dcos/dcos-log.sock", "node/run/dcos/dcos-log.sock", "node/run/dcos/telegraf-dcos-metrics.sock"):
        made.eventually(name, (made.folder / name).exists)
        (made.folder / name).chmod(0o666)


@pytest.fixture(scope="module")
def cluster(folder: Path, journal: journals.Journald) -> Iterator[Processes]:
    node_files(folder, "1.11")
    with ensemble(folder / "zk", servers=1) as zookeeper, Processes(folder, zookeeper.url) as made:
        made.start("bouncer", "dcos.iam", f"--zk={made.zk}/dcos/iam", f"--port={made.port('bouncer')}")
        made.start_mesos()
        made.start_marathon()
        made.start(
            *("metronome", "dcos.metronome", f"--master={made.zk}/mesos", f"--zk={made.zk}/metronome"),
            *("--http_address=127.0.0.1", "--hostname=127.0.0.1", f"--http_port={made.port('metronome')}"),
            *("--mesos_user=", "--min_revive_offers_interval=500"),
        )
        made.start(
            *("mesos-dns", "dcos.dns", f"--zk={made.zk}/mesos", "--ip=127.0.0.1"),
            *(f"--dns_port={made.port('dns')}", f"--http_port={made.port('mesos-dns')}"),
        )
        made.start_cosmos()
        running = {"load_state": "loaded", "active_state": "active", "sub_state": "running", "pid": 1}
        (folder / "units.json").write_text(json.dumps({"dcos-marathon.service": running}))
        made.start(
            *("diagnostics", "dcos.node", "--role=master", "--ip=127.0.0.1", f"--port={made.port('diagnostics')}"),
            *(f"--units_source=file:{folder}/units.json", "--master_list=127.0.0.1"),
        )
        names = ("bouncer", "cosmos", "diagnostics", "marathon", "metronome", "mesos-dns")
        upstreams = ",".join(f"dcos-{name}=127.0.0.1:{made.port(name)}" for name in names)
        made.start(
            *("adminrouter", "dcos.adminrouter", "--role=master", "--ip=127.0.0.1", f"--zk={made.zk}/mesos"),
            *(f"--http_port={made.port('adminrouter')}", f"--https_port={made.port('tls')}", "--access_log=off"),
            *(f"--upstreams={upstreams}", "--cache_first_poll_delay=0.2", "--cache_poll_period=1"),
            *("--events_poll_period=1", f"--agent_router_port={made.port('agents-router')}"),
        )
        made.start(
            *("log-master", "dcos.node.logs", "--role=master", "--ip=127.0.0.1", f"--journal={journal.folder}"),
            *(f"--admin_router={made.url('adminrouter')}", "--follow_interval=50ms"),
        )
        start_agents_node(made, journal)
        open_sockets(made)
        yield made


class Cli:
    """The program with a configuration of its own."""

    def __init__(self, program: Path, cluster: Processes) -> None:
        self.program = program
        self._cluster = cluster
        self._environment = {
            "PATH": f"{cluster.folder}/bin:{os.environ['PATH']}",
            "HOME": str(cluster.folder),
            "DCOS_DIR": str(cluster.folder / "dcos-dir"),
            "LC_ALL": "C.UTF-8",
            "SSH_AUTH_SOCK": "/nowhere",
            "PYTHONUNBUFFERED": "1",
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

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Running, with its standard output to be read, until the end of the block."""
        with subprocess.Popen(
            [self.program, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self._environment,
        ) as child:
            try:
                yield child
            finally:
                child.kill()

    def on_terminal(self, given: bytes, *words: str) -> bytes:
        """What it shows on a terminal of its own, where ``given`` is typed at once."""
        ours, its = pty.openpty()
        child = subprocess.Popen(
            [self.program, *words], stdin=its, stdout=its, stderr=its, start_new_session=True, env=self._environment
        )
        os.close(its)
        os.write(ours, given)
        shown = b""
        try:
            while select.select([ours], [], [], 60)[0] and (more := os.read(ours, 4096)):
                shown += more
        except OSError:
            """The other end is closed."""
        finally:
            child.kill()
            child.wait()
            os.close(ours)
        return shown

    def ok(self, *words: str, given: str | None = None) -> str:
        done = self.run(*words, given=given)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}\n{self._cluster.logs()}"
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.ok(*words, "--json"))

    def shown(self, *words: str) -> Any:
        """JSON of a command that gives nothing else."""
        return json.loads(self.ok(*words))


@pytest.fixture(scope="module")
def cli(dcoscli: Path, cluster: Processes) -> Cli:
    """Set up with the cluster."""
    made = Cli(dcoscli, cluster)
    words = ("cluster", "setup", cluster.url("adminrouter"), "--username=admin", f"--password={PASSWORD}", "--no-check")

    def is_set_up() -> bool:
        done = made.run(*words)
        if done.returncode:
            raise KeyError(done.stdout + done.stderr)
        return True

    cluster.eventually("the cluster can be set up", is_set_up)
    cluster.eventually("Marathon leads", lambda: cluster.get("marathon", "/v2/info").get("frameworkId"))
    cluster.eventually("Metronome leads", lambda: cluster.get("metronome", "/leader").get("leader"))
    cluster.eventually("an agent is there", lambda: cluster.get("master", "/slaves")["slaves"])
    cluster.eventually("Cosmos tells of Metronome", lambda: made.run("job", "list").returncode == 0)
    cluster.eventually("names are there", lambda: made.run("node", "--json").returncode == 0)
    return made
