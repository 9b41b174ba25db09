"""Modes permissive and strict with the process driver: every link over TLS, without nodes that have to be booted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from dcos.testing import netns
from dcos.testing.cluster import LocalCluster, eventually
from tests.e2e.outside import runs_from_outside

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@contextmanager
def processes(security: str) -> Iterator[LocalCluster]:
    with ExitStack() as stack:
        space = None if netns.why_not() else stack.enter_context(netns.namespaces(security))[0]
        made = LocalCluster(f"{os.environ.get('DCOS_E2E_CLUSTER', 'e2e')}-{security[:4]}", space)
        made.down()
        try:
            made.up(driver="process", agents=1, public_agents=0, security=security)
            yield made
        finally:
            made.down()


def answer(cluster: LocalCluster, url: str) -> int:
    """Status without any credential; 0: none."""
    try:
        return cluster.http(url).status
    except OSError:
        return 0


def ways(cluster: LocalCluster, node: str, port: int) -> tuple[bool, bool]:
    """Whether somebody without credentials is served (plainly, over TLS)."""
    found = [answer(cluster, f"{scheme}://{cluster.ip(node)}:{port}/version") for scheme in ("http", "https")]
    return found[0] in (200, 404), found[1] in (200, 404)


def healthy(cluster: LocalCluster) -> None:
    token = cluster.token()
    eventually(
        "hello-world answers", lambda: cluster.get("/service/hello-world/", token=token).status == 200, within_s=120
    )
    eventually("no problems", cluster.healthy, within_s=180)


def test_permissive_ports_take_both() -> None:
    with processes("permissive") as cluster:
        healthy(cluster)
        assert ways(cluster, "master1", 5050) == (True, True)
        assert ways(cluster, "agent1", 5051) == (True, True)
        assert ways(cluster, "agent1", 61001)[0]
        assert ways(cluster, "agent1", 61002)[1]


def test_strict_ports_take_tls_and_who_is_known() -> None:
    with processes("strict") as cluster:
        healthy(cluster)
        for node, port in (("master1", 5050), ("agent1", 5051), ("agent1", 61001), ("agent1", 61002)):
            assert ways(cluster, node, port) == (False, False), port
        bundle = Path(str(cluster.facts["folder"])) / "nodes/master1/root/opt/mesosphere/etc/ca-bundle.crt"
        runs_from_outside(cluster, bundle.read_text())
