"""Virtual IPs and container networks between real nodes. Shares the cluster of ``test_cluster``, and leaves it as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dcos.testing.cluster import Failed, LocalCluster, eventually
from tests.e2e.apps import Apps, on_network

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

PRIVATE, PUBLIC = ["*"], ["slave_public"]
SERVE = "exec python3 -m http.server --bind :: 8000"


def at(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def fetched(cluster: LocalCluster, node: str, url: str) -> str:
    return cluster.sh(node, f"curl -sf -m 5 'http://{url}/'")


def overlay_of(cluster: LocalCluster) -> dict[str, Any]:
    """Each node's part of the overlays by its address, all of them made."""
    state = cluster.get("/mesos/overlay-master/state", token=cluster.token()).json()
    for one in state["agents"]:
        for network in one["overlays"]:
            if network["state"] != {"status": "STATUS_OK"}:
                raise Failed(f"{one['ip']}: {network['state']}")
    return {one["ip"]: one for one in state["agents"]}


def test_a_vip_has_backends_on_several_nodes(cluster: LocalCluster, apps: Apps) -> None:
    command = "hostname >index.html && exec python3 -m http.server $PORT0"
    apps.add(
        "net-many",
        cmd=command,
        instances=3,
        constraints=[["hostname", "UNIQUE"]],
        acceptedResourceRoles=PRIVATE + PUBLIC,
        portDefinitions=[{"port": 0, "name": "http", "labels": {"VIP_0": "/net-many:80"}}],
    )
    hosts = {str(one["host"]) for one in apps.tasks("net-many", 3)}
    assert hosts == {cluster.ip(node) for node in ("agent1", "public1", "public2")}
    names = {cluster.sh(node, "hostname").strip() for node in ("agent1", "public1", "public2")}
    for node in cluster.nodes():

        def each(node: str = node) -> bool:
            script = (
                "for _ in $(seq 36); do curl -sf -m 5 http://net-many.marathon.l4lb.thisdcos.directory/ || exit 1; done"
            )
            return set(cluster.sh(node, script).split()) == names

        eventually(f"each from {node}", each, within_s=120)


def test_a_vip_of_a_container_in_bridge_mode(cluster: LocalCluster, apps: Apps) -> None:
    """Named and numbered, from every node, from itself, and at its port of the node."""
    host, number = "net-bridged.marathon.l4lb.thisdcos.directory", "10.123.4.5:81"
    again = "curl -sf -m 5 --retry 20 --retry-all-errors --retry-delay 1"
    hairpin = f"{again} http://{host}/ >self/index.html"
    apps.add(
        "net-bridged",
        cmd=f"echo from-the-bridge >index.html && mkdir self && ({hairpin} &) && {SERVE}",
        acceptedResourceRoles=PRIVATE,
        networks=[{"mode": "container/bridge"}],
        container={
            "type": "MESOS",
            "portMappings": [
                {"containerPort": 8000, "hostPort": 0, "labels": {"VIP_0": "/net-bridged:80", "VIP_1": number}}
            ],
        },
    )
    (task,) = apps.tasks("net-bridged")
    at_the_node = f"{task['host']}:{task['ports'][0]}"
    for node in cluster.nodes():
        for where in (host, number, at_the_node):
            text = eventually(f"{where} from {node}", lambda n=node, w=where: fetched(cluster, n, w), within_s=120)
            assert text.strip() == "from-the-bridge"

    def by_itself() -> bool:
        return fetched(cluster, "master1", f"{host}/self").strip() == "from-the-bridge"

    eventually("the container reached itself by its virtual IP", by_itself, within_s=120)


@pytest.mark.parametrize("network", ["dcos", "dcos6"])
def test_containers_of_two_nodes_reach_each_other(cluster: LocalCluster, apps: Apps, network: str) -> None:
    """The one's page is fetched by the other, by address and by virtual IP, and served again to every node; and by itself."""
    server, client = f"net-server-{network}", f"net-client-{network}"
    fetch_again = "curl -sf -m 5 --retry 20 --retry-all-errors --retry-delay 1"
    hairpin = f"{fetch_again} 'http://{server}.marathon.l4lb.thisdcos.directory/' >self/index.html"
    apps.add(
        server,
        cmd=f"echo from-the-server >index.html && mkdir self && ({hairpin} &) && {SERVE}",
        acceptedResourceRoles=PUBLIC,
        **on_network(network, server),
    )
    address = apps.address(server)
    assert address.startswith("9.0." if network == "dcos" else "fd01:b:")
    urls = (f"http://{at(address)}:8000/", f"http://{server}.marathon.l4lb.thisdcos.directory/")
    fetch = " && ".join(f"{fetch_again} '{url}' >>index.html" for url in urls)
    apps.add(client, cmd=f"{fetch} && {SERVE}", acceptedResourceRoles=PRIVATE, **on_network(network, client))
    found = apps.address(client)
    for node in cluster.nodes():
        for where in (f"{at(found)}:8000", f"{client}.marathon.l4lb.thisdcos.directory"):
            text = eventually(f"{where} from {node}", lambda n=node, w=where: fetched(cluster, n, w), within_s=120)
            assert text.split() == ["from-the-server"] * 2

    def by_itself() -> bool:
        return fetched(cluster, "master1", f"{at(address)}:8000/self").strip() == "from-the-server"

    eventually("the container reached itself by its virtual IP", by_itself, within_s=120)


APART = {
    "cniVersion": "0.2.0",
    "name": "net-apart",
    "type": "dcos-l4lb",
    "delegate": {
        "type": "bridge",
        "bridge": "net-apart0",
        "ipam": {"type": "host-local", "subnet": "10.88.7.0/24", "dataDir": "/run/net-apart"},
    },
}
"""No gateway, no route: what is sent there stays there."""


def test_a_virtual_ip_inside_a_network_apart(cluster: LocalCluster, apps: Apps) -> None:
    """A container that does not reach its node meets another one by a virtual IP in its own network."""
    at_home, folder = "/opt/mesosphere/etc/dcos/network/cni/net-apart.conf", "/run/dcos/cni/l4lb"
    cluster.sh("agent1", f"cat >{at_home} <<'END'\n{json.dumps(APART)}\nEND")
    try:
        apps.add("net-apart", cmd=SERVE, **on_network("net-apart", "net-apart"))
        apps.tasks("net-apart")
        host = "net-apart.marathon.l4lb.thisdcos.directory"
        vip = eventually("its address", lambda: cluster.sh("agent1", f"getent ahostsv4 {host}").split()[0], within_s=60)
        meet = f"until curl -sf -m 2 'http://{vip}/'; do sleep 0.5; done; touch net-apart-met; sleep 10000"
        apps.add("net-apart-client", cmd=meet, **on_network("net-apart", "net-apart-client"))
        apps.tasks("net-apart-client")
        find = "find /var/lib/mesos -name net-apart-met | grep ."
        eventually("they met", lambda: cluster.sh("agent1", find), within_s=60)
        assert len(cluster.sh("agent1", f"ls {folder}").split()) == 2
        inside = "for one in /run/dcos/cni/l4lb/*; do nsenter --net=$(cat $one) ip -br link show minuteman; done"
        assert len(cluster.sh("agent1", inside).splitlines()) == 2
    finally:
        apps.end()
        left = f"ls {folder} | grep . && exit 1; rm {at_home}; ip link delete net-apart0; rm -r /run/net-apart"
        eventually("nothing is left", lambda: cluster.sh("agent1", f"{left}; true") or True, within_s=60)


def test_the_overlay_tells_its_state(cluster: LocalCluster) -> None:
    told = eventually("all is made", lambda: overlay_of(cluster), within_s=120)
    assert set(told) == {cluster.ip(node) for node in cluster.nodes()}
    here = json.loads(cluster.sh("agent1", f"curl -sf http://{cluster.ip('agent1')}:5051/overlay-agent/overlay"))
    assert here == told[cluster.ip("agent1")]
    assert "mesos_bridge" in here["overlays"][0]
    assert "mesos_bridge" not in told[cluster.ip("master1")]["overlays"][0]
    own = json.loads(cluster.sh("master1", f"curl -sf http://{cluster.ip('master1')}:5050/overlay-agent/overlay"))
    assert own == told[cluster.ip("master1")]


def test_every_node_tells_its_public_addresses(cluster: LocalCluster) -> None:
    """All of them, at any node's dcos-net: here what detect_ip_public prints, the node's own address."""

    def told() -> bool:
        entries = cluster.get("/net/v1/nodes", token=cluster.token()).json()
        found = {one["private_ip"]: (one["public_ips"], one["hostname"]) for one in entries}
        wanted = {cluster.ip(node): ([cluster.ip(node)], node) for node in cluster.nodes()}
        if found != wanted:
            raise Failed(f"{found}, not {wanted}")
        return True

    eventually("all of them", told, within_s=120)


def test_a_reboot_keeps_addresses(cluster: LocalCluster, apps: Apps) -> None:
    here = [["hostname", "CLUSTER", cluster.ip("public1")]]
    apps.add("net-stays", cmd=SERVE, acceptedResourceRoles=PUBLIC, constraints=here, **on_network("dcos", "net-stays"))
    before = apps.address("net-stays")
    told = eventually("all is made", lambda: overlay_of(cluster), within_s=120)
    cluster.local("stop", "public1")
    cluster.local("start", "public1", timeout_s=300)
    assert eventually("all is made again", lambda: overlay_of(cluster), within_s=120) == told

    def again() -> str:
        found = apps.address("net-stays")
        fetched(cluster, "agent1", f"{found}:8000")
        return found

    # the same part of the network; its first free address, for those of before are gone
    assert eventually("it runs again", again, within_s=180).rpartition(".")[0] == before.rpartition(".")[0]
    eventually(
        "the virtual IP too",
        lambda: fetched(cluster, "agent1", "net-stays.marathon.l4lb.thisdcos.directory"),
        within_s=120,
    )
