"""Names between real nodes, asked by ``dig`` as a program on an agent asks: the forwarder in front, Mesos-DNS behind."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from dcos.model import names
from dcos.net.core.names import FORWARDER6, FORWARDERS
from dcos.testing.cluster import Failed, LocalCluster, eventually
from tests.e2e.apps import Apps, on_network

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(shutil.which("dig") is None, reason="no dig (dnsutils)"),
]

DIRECTORY = "thisdcos.directory"


def dig(
    cluster: LocalCluster, node: str, name: str, rtype: str = "A", *options: str, at: str = FORWARDERS[0]
) -> list[str]:
    """Answers as ``dig +short`` prints them, sorted, asked from inside the node.   Errors: Failed: nobody answered."""
    words = ["dig", f"@{at}", name, rtype, "+short", "+tries=2", "+timeout=5", *options]
    space = ["ip", "netns", "exec", f"dcos-{cluster.name}-{node}"]
    done = subprocess.run([*space, *words], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(words)} on {node}: {done.stdout.strip()}")
    return sorted(done.stdout.splitlines())


def named(cluster: LocalCluster, node: str, wanted: dict[tuple[str, str], list[str]], *options: str, at: str) -> bool:
    """All at once, so that a failure shows everything."""
    found = {key: dig(cluster, node, *key, *options, at=at) for key in wanted}
    if found != wanted:
        differ = {" ".join(key): (found[key], wanted[key]) for key in wanted if found[key] != wanted[key]}
        raise Failed(f"(found, wanted): {differ}")
    return True


def web(cluster: LocalCluster, apps: Apps) -> list[dict[str, Any]]:
    apps.add(
        "names-web",
        cmd="sleep 100000",
        instances=2,
        portDefinitions=[{"port": 0, "name": "http", "protocol": "tcp", "labels": {"VIP_0": "/names:80"}}],
    )
    return apps.tasks("names-web", 2)


def test_every_form_of_name(cluster: LocalCluster, apps: Apps) -> None:
    running = web(cluster, apps)
    agent, node = cluster.ip("agent1"), "agent1"
    masters = [cluster.ip(one) for one in cluster.nodes("master")]
    agents = sorted(cluster.ip(one) for one in cluster.nodes() if one not in cluster.nodes("master"))
    leader = cluster.get("/mesos_dns/v1/hosts/leader.mesos", token=cluster.token()).json()[0]["ip"]
    tag = names.agent_tag(running[0]["slaveId"])
    own = {f"names-web-{names.task_tag(one['id'])}-{tag}": one["ports"][0] for one in running}
    targets = sorted(f"0 1 {port} {name}.marathon.mesos." for name, port in own.items())
    on_agent = sorted(f"0 1 {port} {name}.marathon.slave.mesos." for name, port in own.items())
    key = json.loads(cluster.sh(node, "curl -sf http://127.0.0.1:62080/lashup/key"))["zbase32_public_key"]
    wanted: dict[tuple[str, str], list[str]] = {
        ("leader.mesos", "A"): [leader],
        ("_leader._tcp.mesos", "SRV"): ["0 1 5050 leader.mesos."],
        ("_leader._udp.mesos", "SRV"): ["0 1 5050 leader.mesos."],
        ("master.mesos", "A"): [leader],
        ("master0.mesos", "A"): [leader],
        ("slave.mesos", "A"): agents,
        ("mesos", "NS"): ["ns1.mesos."],
        ("names-web.marathon.mesos", "A"): [agent],
        ("Names-WEB.marathon.mesos", "A"): [agent],
        ("names-web.marathon.slave.mesos", "A"): [agent],
        ("names-web.marathon.mesos", "AAAA"): [],
        **{(f"{index}.names-web.marathon.mesos", "A"): [agent] for index in (0, 1)},
        **{(f"{name}.marathon.mesos", "A"): [agent] for name in own},
        **{(f"{name}.marathon.slave.mesos", "A"): [agent] for name in own},
        ("_names-web._tcp.marathon.mesos", "SRV"): targets,
        ("_http._names-web._tcp.marathon.mesos", "SRV"): targets,
        ("_names-web._tcp.marathon.slave.mesos", "SRV"): on_agent,
        ("_names-web._udp.marathon.slave.mesos", "SRV"): on_agent,
        ("ready.spartan", "A"): ["127.0.0.1"],
        ("ns.spartan", "A"): [FORWARDERS[0]],
        **{(f"zk-{number + 1}.zk", "A"): [masters[number % len(masters)]] for number in range(5)},
        ("localhost", "A"): ["127.0.0.1"],
        ("localhost", "AAAA"): ["::1"],
        (f"thisnode.{DIRECTORY}", "A"): [agent],
        (f"leader.dcos.{DIRECTORY}", "A"): [leader],
        (f"master.dcos.{DIRECTORY}", "A"): sorted(masters),
        **{(f"names-web.marathon.{kind}.dcos.{DIRECTORY}", "A"): [agent] for kind in ("agentip", "autoip")},
        ("names-web.marathon.agentip.dcos.thisdcos.global", "A"): [agent],
        (f"names-web.marathon.agentip.dcos.{key}.dcos.directory", "A"): [agent],
        (f"leader.mesos.{DIRECTORY}", "A"): [leader],
        (f"names-web.marathon.mesos.{DIRECTORY}", "A"): [agent],
        (f"_names-web._tcp.marathon.mesos.{DIRECTORY}", "SRV"): [f"{one}{DIRECTORY}." for one in targets],
        ("names-web.marathon.mesos.thisdcos.global", "A"): [agent],
    }
    ways = (*((one, ()) for one in (*FORWARDERS, FORWARDER6)), (FORWARDERS[0], ("+tcp",)), (FORWARDER6, ("+tcp",)))
    for server, options in ways:
        eventually(
            f"all names at {server} {' '.join(options)}",
            lambda s=server, o=options: named(cluster, node, wanted, *o, at=s),
            within_s=120,
        )
    (vip,) = dig(cluster, node, f"names.marathon.l4lb.{DIRECTORY}")
    for alias in (
        "l4lb.thisdcos.global",
        f"dclb.{DIRECTORY}",
        "dclb.thisdcos.global",
        f"l4lb.{key}.dcos.directory",
    ):
        assert dig(cluster, node, f"names.marathon.{alias}") == [vip], alias
    (soa,) = dig(cluster, node, "mesos", "SOA")
    assert soa.startswith("ns1.mesos. root.ns1.mesos. ")
    for name in cluster.nodes("master"):
        assert dig(cluster, node, "leader.mesos", "A", "-p", "61053", at=cluster.ip(name)) == [leader]
        assert dig(cluster, node, "ready.spartan", at=cluster.ip(name)) == ["127.0.0.1"], "masters answer on all"


CONTAINERS = {
    "names-dcos": on_network("dcos", "names-dcos"),
    "names-dcos6": on_network("dcos6", "names-dcos6"),
    "names-bridge": {
        "container": {"type": "MESOS", "portMappings": [{"containerPort": 8000, "hostPort": 0}]},
        "networks": [{"mode": "container/bridge"}],
    },
}


@contextlib.contextmanager
def mesos_dns_of_containers(cluster: LocalCluster, node: str, port: int) -> Iterator[None]:
    """A second Mesos-DNS, which names containers by their own addresses."""
    unit = "names-netinfo"
    flags = f"--zk=zk://127.0.0.1:2181/mesos --port={port} --no-httpon --ipsources=netinfo,host"
    cluster.sh(node, f"systemd-run --unit={unit} /opt/mesosphere/bin/dcos-mesos-dns --ip={cluster.ip(node)} {flags}")
    try:
        yield
    finally:
        cluster.sh(node, f"systemctl stop {unit}", check=False)


def test_addresses_of_containers(cluster: LocalCluster, apps: Apps) -> None:
    """A and AAAA: of the agent, of the container, of whichever connects; and Mesos-DNS with ``netinfo`` first."""
    for name, fields in CONTAINERS.items():
        apps.add(name, cmd="sleep 100000", **fields)
    of_agent, port = cluster.ip("agent1"), 61054
    by_apps: dict[tuple[str, str], list[str]] = {}
    by_mesos_dns: dict[tuple[str, str], list[str]] = {}
    for name in CONTAINERS:
        container = apps.address(name)
        v6 = ":" in container
        assert container.startswith(
            {"names-dcos": "9.0.", "names-dcos6": "fd01:b:", "names-bridge": "172.31.254."}[name]
        )
        auto = of_agent if name == "names-bridge" else container
        for kind, ip in (("agentip", of_agent), ("containerip", container), ("autoip", auto)):
            for rtype, is_v6 in (("A", False), ("AAAA", True)):
                by_apps[f"{name}.marathon.{kind}.dcos.{DIRECTORY}", rtype] = [ip] if (":" in ip) == is_v6 else []
        for rtype, is_v6 in (("A", False), ("AAAA", True)):
            by_mesos_dns[f"{name}.marathon.mesos", rtype] = [container] if v6 == is_v6 else []
    for node in cluster.nodes():
        eventually(f"names at {node}", lambda n=node: named(cluster, n, by_apps, at=FORWARDERS[0]), within_s=120)
    master = cluster.nodes("master")[0]
    with mesos_dns_of_containers(cluster, master, port):
        eventually(
            "Mesos-DNS with netinfo",
            lambda: named(cluster, "agent1", by_mesos_dns, "-p", str(port), at=cluster.ip(master)),
            within_s=120,
        )


def restarts(cluster: LocalCluster, node: str) -> int:
    return int(cluster.sh(node, "systemctl show --value -p NRestarts dcos-net"))


@pytest.mark.parametrize(
    ("how", "undo"),
    [
        ("kill -STOP $(systemctl show --value -p MainPID dcos-net)", "true"),
        (
            "nft 'add table inet deaf; add chain inet deaf input { type filter hook input priority 0 ; }; "
            "add rule inet deaf input udp dport 53 drop'",
            "nft delete table inet deaf",
        ),
    ],
    ids=["it stands still", "it does not answer"],
)
def test_systemd_starts_a_forwarder_that_does_not_answer_anew(cluster: LocalCluster, how: str, undo: str) -> None:
    node = "public1"
    before = restarts(cluster, node)
    cluster.sh(node, how)
    try:
        eventually("it is started anew", lambda: restarts(cluster, node) > before, within_s=240, every_s=2)
    finally:
        cluster.sh(node, undo)
    eventually("it answers", lambda: dig(cluster, node, "ready.spartan") == ["127.0.0.1"], within_s=120)
    told = cluster.sh(node, "journalctl --no-pager -u dcos-net | grep -c 'Watchdog timeout'")
    assert int(told) >= 1
    eventually("and is well", lambda: cluster.is_active(node, "dcos-net"), within_s=120)


def test_masters_are_learned_from_exhibitor(cluster: LocalCluster) -> None:
    """A dcos-net that knows no list: as of nodes behind a load balancer of the masters."""
    node, port, unit = "agent1", 5399, "names-exhibitor"
    masters = [cluster.ip(one) for one in cluster.nodes("master")]
    flags = f"--ip={cluster.ip(node)} --dns_bind=127.0.0.1:{port} --rest_port=0 --no-manage_network --no-enable_lb"
    variables = f"--setenv=MASTER_SOURCE=exhibitor --setenv=EXHIBITOR_ADDRESS={masters[-1]}"
    cluster.sh(node, f"systemd-run --unit={unit} {variables} /opt/mesosphere/bin/dcos-net {flags}")
    try:
        wanted: dict[tuple[str, str], list[str]] = {
            ("zk-1.zk", "A"): [masters[0]],
            (f"master.dcos.{DIRECTORY}", "A"): sorted(masters),
            (f"leader.dcos.{DIRECTORY}", "A"): dig(cluster, node, f"leader.dcos.{DIRECTORY}"),
            ("leader.mesos", "A"): dig(cluster, node, "leader.mesos"),
        }
        eventually("it knows them", lambda: named(cluster, node, wanted, "-p", str(port), at="127.0.0.1"), within_s=120)
    finally:
        cluster.sh(node, f"systemctl stop {unit}", check=False)


def test_an_agent_behind_a_load_balancer_of_the_masters(cluster: LocalCluster, apps: Apps) -> None:
    """As ``master_discovery: master_http_loadbalancer`` installs it: masters by Exhibitor, ZooKeeper by names that follow."""
    node = "public2"
    zk = ",".join(f"zk-{number}.zk:2181" for number in range(1, 6))
    overrides = {
        "/etc/mesosphere/dcos-net.env": "MASTER_SOURCE=exhibitor\n"
        f"EXHIBITOR_ADDRESS={cluster.ip(cluster.nodes('master')[-1])}\nDCOS_NET_ZK=zk://{zk}/mesos\n",
        "/etc/mesosphere/mesos/agent-public.env": f"MESOS_MASTER=zk://{zk}/mesos\n",
    }
    units = "dcos-net dcos-mesos-slave-public"

    def registered() -> bool:
        agents = cluster.get("/mesos/slaves", token=cluster.token()).json()["slaves"]
        return [one["active"] for one in agents if cluster.ip(node) in one["pid"]] == [True]

    def settle(what: str) -> None:
        cluster.sh(node, f"systemctl restart {units}")
        eventually(f"it is registered {what}", registered, within_s=120)
        eventually("names", lambda: dig(cluster, node, "zk-3.zk"), within_s=120)

    for path, text in overrides.items():
        cluster.sh(node, f"mkdir -p $(dirname {path}) && printf '{text}' >{path}")
    try:
        settle("by names")
        assert "zk-1.zk" in cluster.sh(
            node, "tr '\\0' '\\n' </proc/$(systemctl show --value -p MainPID dcos-net)/environ"
        )
        here = [["hostname", "CLUSTER", cluster.ip(node)]]
        apps.add(
            "names-told",
            cmd="exec python3 -m http.server $PORT0",
            acceptedResourceRoles=["slave_public"],
            constraints=here,
            portDefinitions=[{"port": 0, "name": "http", "labels": {"VIP_0": "/names-told:80"}}],
        )
        apps.tasks("names-told")
        url = f"http://names-told.marathon.l4lb.{DIRECTORY}/"
        for where in (node, "agent1"):
            eventually(f"from {where}", lambda w=where: cluster.sh(w, f"curl -sf -m 5 {url}"), within_s=120)
        subnets = f"curl -sf http://{cluster.ip(node)}:5051/overlay-agent/overlay"
        assert json.loads(cluster.sh(node, subnets))["overlays"][0]["state"] == {"status": "STATUS_OK"}
    finally:
        cluster.sh(node, f"rm -f {' '.join(overrides)}")
        settle("again")
