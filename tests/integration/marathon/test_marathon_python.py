"""marathon-python from PyPI, unmodified, against real ZooKeeper, master, agent and Marathon."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcos.testing.foreign import Installer, environment
from dcos.testing.mesos_cluster import MesosCluster
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port
from dcos.testing.zookeeper import ensemble, why_not

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]
WANTED = "marathon==0.13.0"
MARKER = str(3_000_000 + os.getpid())


def _install(install: Installer) -> None:
    install.packages(WANTED)
    install.old_collections()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[MesosCluster]:
    with ensemble(tmp_path / "zk") as zookeeper:
        made = MesosCluster(tmp_path, zookeeper)
        try:
            made.start_mesos()
            yield made
        finally:
            made.end((MARKER,))


def test_what_its_users_do(cluster: MesosCluster) -> None:
    python = environment(WANTED.replace("==", "-"), _install) / "bin/python"
    port = free_port()
    cluster.add(
        "marathon", "dcos.marathon", f"--master={cluster.zookeeper.url}/mesos", f"--zk={cluster.zookeeper.url}/marathon",
        "--http_address=127.0.0.1", "--hostname=127.0.0.1", f"--http_port={port}", "--mesos_user=",
        "--min_revive_offers_interval=500",
    )  # fmt: skip
    cluster.eventually(
        "Marathon is a framework", lambda: cluster.ask_at(port, "GET", "/v2/info")["frameworkId"] is not None
    )
    program = Path(__file__).with_name("marathon_python_program.py")
    done = subprocess.run(
        [python, program, f"http://127.0.0.1:{port}", MARKER], capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{cluster.logs()}"
    assert done.stdout == "all well\n"
    child = cluster.processes["marathon"].child
    assert child is not None
    assert child.wait(PATIENCE_S) != 0, "its leader was asked to go: its unit starts it again"
