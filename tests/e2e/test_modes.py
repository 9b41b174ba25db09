"""A cluster that runs goes from one mode to the next and back, and gets another authority, on real nodes: tasks run on all the
while, secrets stay, and at each step everything works that the mode promises."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcos.testing.cluster import BIN, LocalCluster, eventually
from dcos.wire import certificates
from tests.e2e.conftest import gather_logs
from tests.e2e.test_strict import asked

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2400)]
STEPS = (
    ("permissive", "false"),
    ("permissive", "true"),
    ("strict", "true"),
    ("permissive", "true"),
    ("permissive", "false"),
    ("disabled", "false"),
)
"""(``security``, ``tls_between_services``): neighbours understand each other, so nodes may take each step one after the other."""


@pytest.fixture(scope="module")
def running(nodes_can_boot: None) -> Iterator[LocalCluster]:
    made = LocalCluster(f"{os.environ.get('DCOS_E2E_CLUSTER', 'e2e')}-modes")
    made.down()
    try:
        made.up(masters=1, agents=1, public_agents=0)
        yield made
    finally:
        gather_logs(made)
        made.down()


def reconfigured(cluster: LocalCluster, *settings: str) -> None:
    cluster.local("reconfigure", *settings, timeout_s=900)
    cluster.look_again()


def tasks(cluster: LocalCluster) -> set[str]:
    """Of hello-world, by the agent's processes: what a restart would change."""
    return set(cluster.sh("agent1", "systemctl list-units --no-legend 'mesos-*' | awk '{print $1}'").split())


def works(cluster: LocalCluster) -> None:
    """Login, the app through Admin Router, a secret, the health of all nodes."""
    token = cluster.token()
    eventually(
        "hello-world answers", lambda: cluster.get("/service/hello-world/", token=token).status == 200, within_s=120
    )
    eventually("no problems", cluster.healthy, within_s=180)
    url = f"{cluster.scheme}://{cluster.ip('master1')}/secrets/v1/secret/default/word"
    answer = cluster.http(url, token=token, method="PUT", body={"value": "open sesame"})
    assert answer.status in (201, 409), answer.text
    assert cluster.http(url, token=token).json() == {"value": "open sesame"}
    shown = cluster.get("/system/health/v1/nodes", token=token).json()
    assert {node["health"] for node in shown["nodes"]} == {0}
    agents = json.loads(cluster.get("/mesos/slaves", token=token).text)["slaves"]
    logs = cluster.get(f"/system/v1/agent/{agents[0]['id']}/dcos-metadata/dcos-version.json", token=token)
    assert logs.status == 200, "masters reach the Admin Router of an agent"


def speaks(cluster: LocalCluster, node: str, port: int) -> tuple[bool, bool]:
    """Whether a port serves a process without credentials: (plainly, over TLS)."""
    seen = [asked(cluster, node, f"{scheme}://{cluster.ip(node)}:{port}/") for scheme in ("http", "https")]
    refused = ("000", "400", "401", "403")
    return seen[0] not in refused, seen[1] not in refused


def test_from_one_mode_to_the_next_and_back(running: LocalCluster) -> None:
    works(running)
    before = tasks(running)
    assert before
    for security, early in STEPS:
        reconfigured(running, f"security={security}", f"tls_between_services={early}")
        works(running)
        assert tasks(running) == before, f"tasks run on ({security}, {early})"
        plain, secured = security != "strict", security == "permissive"
        for node, port in (("master1", 5050), ("agent1", 5051)):
            assert speaks(running, node, port) == (plain, secured), (security, node, port)
        assert speaks(running, "agent1", 61001)[0] == plain
        assert speaks(running, "agent1", 61002)[1] == secured


def signed_by(cluster: LocalCluster, node: str, service: str, pem: str) -> bool:
    text = cluster.sh(node, f"cat /var/lib/dcos/pki/{service}.pem")
    return certificates.leads_to(text, certificates.read_certificates(pem)[0])


def test_another_authority_in_mode_strict(running: LocalCluster) -> None:
    """With every link over TLS: the new one is trusted, then signs, then the old one is forgotten."""
    for security, early in STEPS[:3]:
        reconfigured(running, f"security={security}", f"tls_between_services={early}")
    before = tasks(running)
    genconf = Path(str(running.facts["folder"])) / "genconf"

    def bundle() -> str:
        return running.sh("agent1", "cat /opt/mesosphere/etc/ca-bundle.crt")

    old = bundle()
    for stage, roots in (("add", 2), ("use", 2), ("drop", 1)):
        done = running.here(str(BIN / "dcos-install"), "rotate", "authority", stage, f"--out={genconf}")
        subprocess.run(done, check=True)
        reconfigured(running)
        works(running)
        assert len(certificates.read_certificates(bundle())) == roots
        assert tasks(running) == before
    new = bundle()
    assert new != old
    for node, service in (("master1", "dcos-mesos-master"), ("agent1", "dcos-mesos-slave")):
        assert signed_by(running, node, service, new)
        assert not signed_by(running, node, service, old)
