"""Three masters: the leading one can go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dcos.testing.cluster import LocalCluster, eventually
from tests.e2e.conftest import gather_logs

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def trio(nodes_can_boot: None) -> Iterator[LocalCluster]:
    made = LocalCluster("e2e3")
    made.down()
    try:
        made.up(masters=3, agents=1, public_agents=0)
        yield made
    finally:
        gather_logs(made)
        made.down()


def leader(cluster: LocalCluster, asked: str) -> str:
    """Name of the leading master's node, as ``asked`` sees it."""
    state = cluster.get("/mesos/state-summary", token=cluster.token(asked), master=asked).json()
    assert state["slaves"] is not None
    answer = cluster.get("/mesos_dns/v1/hosts/leader.mesos", token=cluster.token(asked), master=asked).json()
    ip = answer[0]["ip"]
    return next(node for node in cluster.nodes("master") if cluster.ip(node) == ip)


def test_stopping_the_leading_master_moves_leadership(trio: LocalCluster) -> None:
    old = leader(trio, "master1")
    other = next(node for node in trio.nodes("master") if node != old)
    pids = trio.sh("agent1", "pgrep -f '[h]ello-world.py|[h]ello_world|[h]ello-world/server'").split()
    trio.local("stop", old)
    token = eventually("login at another master", lambda: trio.token(other), within_s=60)

    new = eventually("a new leader", lambda: (found := leader(trio, other)) != old and found, within_s=60)
    assert new != old
    eventually(
        "hello-world answers through the other master",
        lambda: "Hello" in trio.get("/service/hello-world/", token=token, master=other).text,
        within_s=60,
    )
    assert trio.sh("agent1", "pgrep -f '[h]ello-world.py|[h]ello_world|[h]ello-world/server'").split() == pids

    trio.dcos("cluster", "setup", f"http://{trio.ip(other)}", "--no-check", "--username", trio.facts["admin"],
              "--password-file", trio.facts["password_file"])  # fmt: skip
    eventually(
        "the app list, once another Marathon leads",
        lambda: "/hello-world" in trio.dcos("marathon", "app", "list", check=False).stdout,
        within_s=60,
    )

    trio.local("start", old, timeout_s=120)
    eventually("the old master is back", trio.healthy, within_s=180)
    assert trio.sh("agent1", "pgrep -f '[h]ello-world.py|[h]ello_world|[h]ello-world/server'").split() == pids
