"""One cluster of real systemd nodes for the whole run: 1 master, 1 private agent, 2 public agents, hello-world running."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcos.install.local import nspawn
from dcos.install.local.cluster import base_folder
from dcos.testing.cluster import LocalCluster
from tests.e2e.apps import Apps


@pytest.fixture(scope="session")
def nodes_can_boot() -> None:
    base = base_folder()
    base.mkdir(parents=True, exist_ok=True)
    reason = nspawn.obstacle(base)
    if reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must boot nodes: {reason}")
        pytest.skip(f"nodes cannot be booted here: {reason}")


@pytest.fixture(scope="session")
def cluster(nodes_can_boot: None) -> Iterator[LocalCluster]:
    made = LocalCluster(os.environ.get("DCOS_E2E_CLUSTER", "e2e"))
    made.down()
    try:
        made.up(public_agents=2)
        yield made
    finally:
        gather_logs(made)
        made.down()


@pytest.fixture
def apps(cluster: LocalCluster, tmp_path: Path) -> Iterator[Apps]:
    made = Apps(cluster, tmp_path)
    try:
        yield made
    finally:
        made.end()


def gather_logs(made: LocalCluster) -> None:
    """Keep every node's journal beside the test run, for reading after a failure."""
    folder = Path(os.environ.get("DCOS_E2E_LOGS", "build/e2e-logs")) / made.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for node in made.nodes():
            text = made.sh(node, "journalctl --no-pager -o short-precise -n 6000", timeout_s=120, check=False)
            (folder / f"{node}.log").write_text(text, encoding="utf-8")
    except Exception as error:
        print(f"no logs of {made.name}: {error}")
