"""A virtual IP with backends on three real nodes while one is killed, frozen, cut off or drained; and the tables themselves.

Prints what clients on the master saw (``pytest -s``). How long is judged loosely: the machine may have other things to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from dcos.testing.cluster import BIN, Failed, LocalCluster, eventually
from dcos.testing.vip_load import VipLoad
from tests.e2e.apps import Apps
from tests.e2e.test_networks import PRIVATE, PUBLIC, fetched

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

ALL = {"agent1", "public1", "public2"}
"""Nodes with backends; their host names are what these answer."""
NAME = "net-faults.marathon.l4lb.thisdcos.directory"
SERVER = """
import os, signal, socket, sys, threading, time
name = socket.gethostname().encode()
def end(*_):  # those who come while the news spread are served
    threading.Timer(3, os._exit, (0,)).start()
signal.signal(signal.SIGTERM, end)
def datagrams():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", int(os.environ["PORT1"])))
    while True:
        sock.sendto(name, sock.recvfrom(100)[1])
threading.Thread(target=datagrams, daemon=True).start()
server = socket.create_server(("", int(os.environ["PORT0"])), backlog=256)
while True:
    client = server.accept()[0]
    if client.recv(1000):
        client.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + name)
    client.close()
"""
ASK_UDP = """
import socket, sys
for _ in range(24):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        sock.connect((sys.argv[1], 53))
        sock.send(b"?")
        print(sock.recv(100).decode())
"""
SOON_S = 60.0
"""After so long nobody may meet a fault any more, on a machine that is very busy too."""


class Victim:
    """The backend on one node."""

    def __init__(self, cluster: LocalCluster, node: str) -> None:
        self._cluster, self.node = cluster, node

    def suffer(self, script: str) -> float:
        """Run it on the node; when it began, Unix seconds."""
        return float(self._cluster.sh(self.node, f"date +%s.%N; {script}").split()[0])


@pytest.fixture(scope="module")
def served(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apps]:
    """Three backends, each on a node of its own, known to be healthy."""
    made = Apps(cluster, tmp_path_factory.mktemp("faults"))
    check = {
        **{"protocol": "MESOS_HTTP", "path": "/", "portIndex": 0},
        **{"intervalSeconds": 1, "timeoutSeconds": 1, "delaySeconds": 0, "gracePeriodSeconds": 10},
        **{"maxConsecutiveFailures": 1000},
    }
    try:
        made.add(
            "net-faults",
            cmd=f"exec python3 -c '{SERVER}' net-faults-server",
            instances=3,
            constraints=[["hostname", "UNIQUE"]],
            acceptedResourceRoles=PRIVATE + PUBLIC,
            portDefinitions=[
                {"port": 0, "name": "tcp", "protocol": "tcp", "labels": {"VIP_0": "/net-faults:80"}},
                {"port": 0, "name": "udp", "protocol": "udp", "labels": {"VIP_0": "/net-faults:53"}},
            ],
            healthChecks=[check],
            upgradeStrategy={"minimumHealthCapacity": 0, "maximumOverCapacity": 0},
        )
        yield made
    finally:
        made.end()


def load(cluster: LocalCluster, node: str = "master1", host: str = NAME, least: int = 0) -> VipLoad:
    command = [str(BIN / "dcos-install"), "local", "exec", f"--cluster={cluster.name}", node, "--"]
    return VipLoad(command, host, least=least)


def answering(cluster: LocalCluster, wanted: set[str], node: str = "master1") -> bool:
    """Connections meet exactly these, and none fails.   Errors: Failed."""
    with load(cluster, node, least=40) as one:
        pass
    seen = {each.answer for each in one.tries}
    if seen != wanted:
        raise Failed(f"{node}: {seen} of {len(one.tries)}, not {wanted}")
    return True


@pytest.fixture
def victim(cluster: LocalCluster, served: Apps) -> Victim:
    """All three answer before each fault."""
    served.tasks("net-faults", 3)
    eventually("all three answer", lambda: answering(cluster, ALL), within_s=120)
    return Victim(cluster, "public2")


SIGNAL = "pkill -{} -f '[n]et-faults-server'"
CUT = "; ".join(
    f"add chain inet cut {hook} {{ type filter hook {hook} priority -300; policy drop; }}"
    for hook in ("input", "output", "forward")
)
FAULTS = {
    "killed": (SIGNAL.format("KILL"), "true"),
    "frozen": (SIGNAL.format("STOP"), SIGNAL.format("CONT")),
    "cut off": (f"nft 'add table inet cut; {CUT}'", "nft delete table inet cut"),
}
"""What happens to a node, and what mends it."""


@pytest.mark.parametrize("what", FAULTS)
def test_one_of_three_fails(cluster: LocalCluster, victim: Victim, what: str) -> None:
    """New connections soon go to the others alone, and nobody else's fail."""
    fault, mend = FAULTS[what]
    with load(cluster) as clients:
        fault_at = victim.suffer(fault)
        try:
            if what == "killed":  # Marathon starts another at once
                time.sleep(4)
            else:
                eventually("only the others", lambda: answering(cluster, ALL - {victim.node}), within_s=SOON_S)
        finally:
            victim.suffer(mend)
    print(f"\n{clients.report(what, fault_at)}")
    failed = clients.failed()
    assert not [one for one in failed if one.began + one.took < fault_at]
    assert all(one.began - fault_at < SOON_S for one in failed)
    # no more than the clients that met the one that failed, before it was left out
    assert len(failed) < len(clients.tries) / 2, failed[:5]


def test_one_of_three_is_drained(cluster: LocalCluster, victim: Victim, served: Apps) -> None:
    """While it stops it gets no new connections, and nobody notices."""
    (task,) = (one for one in served.tasks("net-faults", 3) if one["host"] == cluster.ip(victim.node))
    path = f"/marathon/v2/apps//net-faults/tasks/{task['id']}"
    with load(cluster) as clients:
        fault_at = time.time()
        answer = cluster.http(f"http://{cluster.ip('master1')}{path}", method="DELETE", token=cluster.token())
        assert answer.status == 200, answer.text

        def replaced() -> bool:
            return all(one["id"] != task["id"] for one in served.tasks("net-faults", 3))

        eventually("another runs", replaced, within_s=120)
    print(f"\n{clients.report('drained', fault_at)}")
    assert not clients.failed()


def test_udp_from_every_node(cluster: LocalCluster, served: Apps) -> None:
    """From the nodes of the backends as well, to themselves and the others."""
    for node in cluster.nodes():

        def answered(node: str = node) -> bool:
            return set(cluster.sh(node, f"python3 -c '{ASK_UDP}' {NAME}").split()) == ALL

        eventually(f"datagrams from {node}", answered, within_s=120)


def test_restarting_the_service_disturbs_nobody(cluster: LocalCluster, served: Apps) -> None:
    """Neither the table, nor connections that begin meanwhile: names are looked up by the other nodes' forwarders."""
    address = cluster.sh("public1", f"getent ahostsv4 {NAME}").split()[0]
    before = table(cluster, "public1")
    with load(cluster, "public1", address) as clients:
        cluster.sh("public1", "systemctl restart dcos-net")
    assert not clients.failed()
    assert table(cluster, "public1") == before


def table(cluster: LocalCluster, node: str) -> dict[str, Any]:
    """What the kernel has of the table: handles stay as long as nothing is made anew."""
    shown = cluster.sh(node, "nft -a list table ip dcos_l4lb")
    return {line.strip(): None for line in shown.splitlines() if "handle" in line}


def test_a_table_that_somebody_broke_is_put_right(cluster: LocalCluster, served: Apps) -> None:
    for harm in ("flush map ip dcos_l4lb vips", "delete table ip dcos_l4lb"):
        cluster.sh("public1", f"nft '{harm}'")

        eventually(f"after {harm}", lambda: answering(cluster, ALL, "public1"), within_s=120)
    told = cluster.sh("public1", "curl -sf http://127.0.0.1:62080/v1/metrics/l4lb")
    (repairs,) = (line.split()[1] for line in told.splitlines() if line.startswith("l4lb_repairs_total "))
    assert int(repairs) >= 1


OURS = ("dcos_l4lb", "dcos_overlay", "DCOS-", "dcos overlay", "minuteman", "spartan", "vtep1024", "lookup 42")
SHOW = "nft list tables; iptables -S; ip -br link; ip rule; ip -6 rule; ip route show table 42"


def test_a_service_that_is_removed_leaves_nothing(cluster: LocalCluster) -> None:
    """And everything is there again when it comes back."""
    before = cluster.sh("public1", SHOW)
    assert all(ours in before for ours in OURS if ours != "DCOS-"), before
    try:
        cluster.sh("public1", "systemctl stop dcos-net && /opt/mesosphere/bin/dcos-net cleanup")
        after = cluster.sh("public1", SHOW)
        assert not [ours for ours in OURS if ours in after], after
        assert cluster.sh("public1", "ls /opt/mesosphere/etc/dcos/network/cni").split() == ["ucr-default-bridge.conf"]
    finally:
        cluster.sh("public1", "systemctl start dcos-net")
    hello = "hello-world.marathon.l4lb.thisdcos.directory"
    eventually("it balances again", lambda: fetched(cluster, "public1", hello), within_s=120)
    eventually("the overlay is there again", lambda: "vtep1024" in cluster.sh("public1", SHOW), within_s=120)
