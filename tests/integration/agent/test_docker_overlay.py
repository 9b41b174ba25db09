"""The overlay's networks on real Docker Engines, one on each of two nodes: containers of Docker and of plugins meet."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from dcos.agent.containerizer import cni

from .docker_engine import IMAGE, DockerEngine, NoEngine, obstacle

reason = obstacle()
pytestmark = [pytest.mark.integration, pytest.mark.skipif(bool(reason), reason=f"no Docker Engine: {reason}")]

NODES = {1: "10.77.0.1", 2: "10.77.0.2"}
NETWORK = {
    "vtep_subnet": "44.128.0.0/20",
    "vtep_subnet6": "fd01:a::/64",
    "vtep_mac_oui": "70:B3:D5:00:00:00",
    "overlays": [
        {"name": "dcos", "subnet": "9.0.0.0/16", "prefix": 24},
        {"name": "dcos6", "subnet6": "fd01:b::/64", "prefix6": 80},
        {"name": "closed", "subnet": "9.1.0.0/16", "prefix": 24, "accept": []},
    ],
}
PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from dcos.model.overlay import parse
from dcos.net import overlay
network, number, nodes, folder, docker = json.loads(sys.argv[1])
one = overlay.Overlay(
    parse(network), nodes[str(number)], bridges=True, configs=Path(folder, "cni"), data_dir=f"{folder}/data",
    docker=Path(docker),
)
asyncio.run(one.apply(number, {int(key): value for key, value in nodes.items()}))
sys.exit(one.error or 0)
"""


BALANCE = """
import asyncio, sys
from dcos.net.balancer import Balancer
from dcos.net.core.vips import Ranges, Service, Target
from dcos.runtime.nft import Nft
ip, here, there, port = sys.argv[1:]
balancer = Balancer(Nft(), Ranges(), node_ip=here)
wanted = {Service("tcp", one, 80): (Target(there, int(port)),) for one in ip.split(",")}
asyncio.run(balancer.want(wanted))
sys.exit(balancer.failures)
"""
SERVE = """
import socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
while True:
    server.accept()[0].sendall(b"far")
"""
CONNECT = "import socket, sys; print(socket.create_connection((sys.argv[1], 80), 3).recv(100).decode())"


class Node:
    """A namespace with an Engine and the overlay of a node."""

    def __init__(self, engine: DockerEngine, number: int) -> None:
        self.engine, self.number = engine, number

    def run(self, *words: str) -> str:
        done = self.engine.inside(*words)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def apply(self) -> None:
        words = [NETWORK, self.number, NODES, str(self.engine.folder), str(self.engine.socket)]
        self.run(sys.executable, "-c", PROGRAM, json.dumps(words))

    def start(self, network: str) -> tuple[str, str, str]:
        """A container; its process id, its IPv4 and IPv6 address."""
        made = self.engine.docker("run", "--detach", f"--network={network}", IMAGE, "sleep", "1000")
        return self.look(made.stdout.decode().strip(), network)

    def look(self, name: str, network: str) -> tuple[str, str, str]:
        (told,) = json.loads(self.engine.docker("inspect", name).stdout)
        found = told["NetworkSettings"]["Networks"][network]
        return str(told["State"]["Pid"]), found["IPAddress"], found["GlobalIPv6Address"]

    def start_plugged(self, network: str) -> tuple[str, str]:
        """A container in the network as an agent would attach it; its process id and address."""
        file = self.engine.folder / f"cni/{network}.conf"
        return self.plug(network, json.loads(file.read_text())["delegate"])

    def plug(self, network: str, delegate: dict[str, Any]) -> tuple[str, str]:
        pid, _, _ = self.start("none")
        config = json.dumps({**delegate, "name": network, "cniVersion": "0.2.0"})
        variables = f"CNI_COMMAND=ADD CNI_CONTAINERID=box{pid} CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni"
        told = self.run("sh", "-c", f"echo '{config}' | {variables} CNI_NETNS=/proc/{pid}/ns/net /usr/lib/cni/bridge")
        return pid, cni.read_result(told.encode()).addresses[0]


PASS = """
import asyncio
from dcos.net import passage
print(asyncio.run(passage.let_pass(passage.BRIDGES, passage.of_bridges(["172.31.254.0/24"]))))
"""
STOP_PASSING = "import asyncio; from dcos.net import passage; asyncio.run(passage.remove())"


def ping(pid: str, address: str, tries: int = 5) -> bool:
    """From the network namespace of a process."""
    words = ["nsenter", f"--target={pid}", "--net", "ping", "-c1", "-W1", "-q", address]
    return any(subprocess.run(words, capture_output=True, timeout=30).returncode == 0 for _ in range(tries))


@pytest.fixture
def nodes() -> Iterator[tuple[Node, Node]]:
    made: list[DockerEngine] = []
    try:
        for _ in NODES:
            made.append(DockerEngine())
        one, two = made
        subprocess.run(
            ["ip", "link", "add", "eth0", "netns", str(one.pid), "type", "veth", "peer", "eth0", "netns", str(two.pid)],
            check=True,
        )
        for number, engine in enumerate(made, 1):
            engine.inside("ip", "addr", "add", f"{NODES[number]}/24", "dev", "eth0")
            engine.inside("ip", "link", "set", "eth0", "up")
            try:
                engine.start()
            except NoEngine as trouble:
                pytest.skip(f"no Docker Engine: {trouble}")
            engine.load()
        yield Node(one, 1), Node(two, 2)
    finally:
        for engine in made:
            engine.remove()


def test_containers_of_both_kinds_across_nodes(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    for node in nodes:
        node.apply()
    here, at_here, _ = one.start("dcos")
    there, at_there, _ = two.start("dcos")
    plugged, at_plugged = two.start_plugged("dcos")
    assert (at_here, at_there) == ("9.0.0.130", "9.0.1.130")
    assert at_plugged == "9.0.1.2"
    for pid, address in (
        *((here, at_there), (there, at_here), (here, at_plugged), (plugged, at_here)),
        *((plugged, at_there), (there, at_plugged)),
        *((str(one.engine.pid), at_there), (str(one.engine.pid), at_plugged)),
    ):
        assert ping(pid, address), (pid, address)
    # IPv6 alone
    six_here, _, six_at_here = one.start("dcos6")
    six_there, _, six_at_there = two.start("dcos6")
    assert (six_at_here, six_at_there) == ("fd01:b::8000:0:2", "fd01:b::1:8000:0:2")
    assert ping(six_here, six_at_there)
    assert ping(six_there, six_at_here)
    # one that accepts nobody else: from the other node and from the same, from either engine
    closed, at_closed, _ = two.start("closed")
    for pid in (here, there, plugged):
        assert not ping(pid, at_closed, tries=1)
    closed_here, _, _ = one.start("closed")
    assert ping(closed_here, at_closed)
    assert ping(closed, at_here), "it may open connections itself"
    # as after a restart of the service, and of the Engine: everything is as it was
    for node in nodes:
        node.apply()
    one.engine.stop()
    one.engine.start()
    one.apply()
    assert ping(here, at_there)
    again, at_again, _ = one.start("dcos")
    assert at_again.startswith("9.0.0.1")
    assert ping(again, at_there)


def test_virtual_ips_from_every_kind_of_container(nodes: tuple[Node, Node]) -> None:
    """Docker drops what it does not know between bridges; not what goes through a virtual IP."""
    one, two = nodes
    for node in nodes:
        node.apply()
    bridge = {
        "type": "bridge",
        "bridge": "ucr-br0",
        "isGateway": True,
        "ipMasq": True,
        "ipam": {
            "type": "host-local",
            "subnet": "172.31.254.0/24",
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(one.engine.folder / "ucr"),
        },
    }
    bridged, at_bridged = one.plug("mesos-bridge", bridge)
    docked, _, _ = one.start("bridge")
    joined, _, _ = one.start("dcos")
    plugged, _ = one.start_plugged("dcos")
    one.run("iptables", "-P", "FORWARD", "DROP")  # what Docker does where it was the first to switch forwarding on
    words = ["nsenter", f"--target={two.engine.pid}", "--net", sys.executable, "-c", SERVE, NODES[2], "31000"]
    with subprocess.Popen(words) as server:
        try:
            vips = ("11.1.2.3", "10.9.8.7")
            one.run(sys.executable, "-c", BALANCE, ",".join(vips), NODES[1], NODES[2], "31000")
            for ip in vips:
                for pid in (bridged, docked, joined, plugged, str(one.engine.pid)):
                    inside = ["nsenter", f"--target={pid}", "--net", sys.executable, "-c", CONNECT, ip]
                    done = subprocess.run(inside, capture_output=True, text=True, timeout=30)
                    assert done.stdout == "far\n", (ip, pid, done.stderr[-300:])
            # the bridge is not Docker's: what its containers send to other machines is dropped until a chain of ours lets it pass
            assert not ping(bridged, NODES[2], tries=1)
            assert [one.run(sys.executable, "-c", PASS).strip() for _ in range(2)] == ["True", "False"]
            assert ping(bridged, NODES[2])
            two.run("ip", "route", "add", "172.31.254.0/24", "via", NODES[1])
            assert not ping(str(two.engine.pid), at_bridged, tries=1), "only answers and mapped ports"
            one.run(sys.executable, "-c", STOP_PASSING)
            assert "DCOS-" not in one.run("iptables", "-S")
        finally:
            server.kill()
