"""Three masters: the leading one can go, and so can any Mesos-DNS, and names stay."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dcos.net.core.names import FORWARDERS
from dcos.testing.asking import Asking
from dcos.testing.cluster import LocalCluster, eventually
from dcos.testing.netns import Namespace
from tests.e2e.conftest import gather_logs

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def trio(nodes_can_boot: None) -> Iterator[LocalCluster]:
    made = LocalCluster(os.environ.get("DCOS_E2E_TRIO", "e2e3"))
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


def asking(cluster: LocalCluster) -> Asking:
    """Somebody on an agent who goes on asking its forwarder for a task."""
    space = Namespace.named(f"dcos-{cluster.name}-agent1")
    return Asking("hello-world.marathon.mesos", (FORWARDERS[0], 53), space=space)


def goes_on(one: Asking, count: int) -> None:
    already = one.asked
    eventually("questions go on", lambda: one.asked >= already + count, within_s=120)


def test_no_question_is_lost_while_each_mesos_dns_dies_and_stands_still(trio: LocalCluster) -> None:
    with asking(trio) as one:
        eventually("the name is there", lambda: one.there, within_s=120)
        for master in trio.nodes("master"):
            for number in ("KILL", "STOP", "CONT"):
                eventually("it is back", lambda: trio.is_active(master, "dcos-mesos-dns"), within_s=120)  # noqa: B023
                trio.sh(master, f"systemctl kill --kill-whom=main -s {number} dcos-mesos-dns")
                goes_on(one, 200)
    print(f"while Mesos-DNS of three masters died, stood still and came back: {one}")
    assert not one.lost
    assert len(one.turns) == 1, "the name was always there"


def test_no_question_is_lost_while_every_mesos_dns_is_down(trio: LocalCluster) -> None:
    """What was asked a moment ago is answered, until they are back."""
    with asking(trio) as one:
        eventually("the name is there", lambda: one.there, within_s=120)
        try:
            for master in trio.nodes("master"):
                trio.sh(master, "systemctl stop dcos-mesos-dns")
            goes_on(one, 20)
        finally:
            for master in trio.nodes("master"):
                trio.sh(master, "systemctl start dcos-mesos-dns")
        goes_on(one, 200)
    print(f"while all Mesos-DNS were down: {one}")
    assert not one.lost
    assert len(one.turns) == 1, "the name was always there"


def test_no_question_is_lost_while_the_leading_master_process_dies(trio: LocalCluster) -> None:
    old = leader(trio, "master1")
    with asking(trio) as one:
        eventually("the name is there", lambda: one.there, within_s=120)
        trio.sh(old, "systemctl kill --kill-whom=main -s KILL dcos-mesos-master")
        eventually("somebody leads", lambda: leader(trio, "master1"), within_s=120)
        goes_on(one, 1000)
    print(f"while the leading master died: {one}")
    assert not one.lost
    assert len(one.turns) == 1, "the name was always there"
    eventually("all is well again", trio.healthy, within_s=180)


def test_stopping_the_leading_master_moves_leadership(trio: LocalCluster) -> None:
    old = leader(trio, "master1")
    other = next(node for node in trio.nodes("master") if node != old)
    pids = trio.sh("agent1", "pgrep -f '[h]ello-world.py|[h]ello_world|[h]ello-world/server'").split()
    with asking(trio) as one:
        eventually("the name is there", lambda: one.there, within_s=120)
        trio.local("stop", old)
        token = eventually("login at another master", lambda: trio.token(other), within_s=120)
        new = eventually("a new leader", lambda: (found := leader(trio, other)) != old and found, within_s=120)
        assert new != old
        goes_on(one, 500)
    print(f"while the leading master's machine was off: {one}")
    assert not one.lost
    assert len(one.turns) == 1, "the name was always there"
    eventually(
        "hello-world answers through the other master",
        lambda: "Hello" in trio.get("/service/hello-world/", token=token, master=other).text,
        within_s=120,
    )
    assert trio.sh("agent1", "pgrep -f '[h]ello-world.py|[h]ello_world|[h]ello-world/server'").split() == pids

    trio.dcos("cluster", "setup", f"http://{trio.ip(other)}", "--no-check", "--username", trio.facts["admin"],
              "--password-file", trio.facts["password_file"])  # fmt: skip
    eventually(
        "the app list, once another Marathon leads",
        lambda: "/hello-world" in trio.dcos("marathon", "app", "list", check=False).stdout,
        within_s=120,
    )

    trio.local("start", old, timeout_s=300)
    eventually("the old master is back", trio.healthy, within_s=180)
    assert trio.sh("agent1", "pgrep -f '[h]ello-world.py|[h]ello_world|[h]ello-world/server'").split() == pids
