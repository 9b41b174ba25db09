"""The overlay between two network namespaces that are nodes: containers reach each other with their own addresses."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import pytest

from dcos.agent.containerizer import cni
from dcos.net.core import ruleset
from dcos.net.core.overlay import DEVICE
from dcos.net.core.vips import Service, Target
from dcos.testing import netns
from dcos.testing.cluster import eventually
from dcos.testing.netns import Namespace
from dcos.testing.patience import PATIENCE_S

from .nodes import greet, greeting

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not())),
]

NODES = {1: "10.77.0.1", 2: "10.77.0.2"}
NETWORK = {
    "vtep_subnet": "44.128.0.0/20",
    "vtep_subnet6": "fd01:a::/64",
    "vtep_mac_oui": "70:B3:D5:00:00:00",
    "overlays": [
        {"name": "ovl-a", "subnet": "9.0.0.0/8", "prefix": 24},
        {"name": "ovl-b", "subnet": "10.200.0.0/16", "prefix": 24},
        {"name": "both", "subnet": "10.201.0.0/16", "prefix": 24, "subnet6": "fd01:b::/64", "prefix6": 80},
        {"name": "six", "subnet6": "fd01:c::/64", "prefix6": 80},
        {
            "name": "closed",
            "subnet": "10.202.0.0/16",
            "prefix": 24,
            "subnet6": "fd01:d::/64",
            "prefix6": 80,
            "accept": ["ovl-b"],
        },
    ],
}
PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from dcos.model.overlay import parse
from dcos.net import overlay
network, ip, number, nodes, configs, data = json.loads(sys.argv[1])
settings = parse(network)
async def main():
    if nodes is None:
        return await overlay.remove(settings, Path(configs))
    one = overlay.Overlay(
        settings, ip, bridges=True, configs=Path(configs), data_dir=data, docker=Path("/nowhere")
    )
    await one.apply(number, {int(key): value for key, value in nodes.items()})
    assert not one.failures
asyncio.run(main())
"""


class Node:
    def __init__(self, space: Namespace, number: int, folder: Path) -> None:
        self.space, self.number, self.folder = space, number, folder
        space.run("sysctl", "-qw", "net.ipv4.ip_forward=1")

    def apply(self, nodes: dict[int, str] | None) -> None:
        words = [NETWORK, NODES[self.number], self.number, nodes, str(self.folder / "cni"), str(self.folder / "data")]
        self.space.run(sys.executable, "-c", PROGRAM, json.dumps(words))

    def attach(self, box: Namespace, name: str) -> str:
        """A container in the network, as an agent would attach it; its (first) address."""
        delegate = json.loads((self.folder / "cni" / f"{name}.conf").read_text())["delegate"]
        config = {**delegate, "name": name, "cniVersion": "0.2.0"}
        variables = f"CNI_COMMAND=ADD CNI_CONTAINERID={box.name} CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni"
        program = f"{variables} CNI_NETNS=/run/netns/{box.name} /usr/lib/cni/bridge"
        told = self.space.run("sh", "-c", f"echo '{json.dumps(config)}' | {program}")
        result = cni.read_result(told.encode())
        return result.addresses[0]

    def attach_both(self, box: Namespace, name: str) -> tuple[str, str]:
        """The same for a network of both families; IPv4 and IPv6."""
        first = self.attach(box, name)
        shown = json.loads(box.ip("-j", "-6", "addr", "show", "dev", "eth0", "scope", "global"))
        return first, str(shown[0]["addr_info"][0]["local"])

    def balance(self, ip: str, target: str, port: int) -> None:
        """A virtual IP, port 80, with one target."""
        wanted = {Service("tcp", ip, 80): (Target(target, port),)}
        made = ruleset.commands(ruleset.difference(wanted, ruleset.Table(), 4), ruleset.Table(), 4)
        file = self.folder / "vips.nft"
        file.write_text(made)
        self.space.run("nft", "-f", str(file))

    def ping(self, box: Namespace, address: str) -> None:
        box.run("ping", "-c1", "-W3", "-q", address)


def test_containers_reach_each_other_across_nodes(tmp_path: Path) -> None:
    with netns.namespaces("one", "two", "a", "b", "c", "outside") as (one, two, a, b, c, outside):
        netns.join(one, "10.77.0.1/24", two, "10.77.0.2/24")
        netns.join(one, "10.78.0.1/24", outside, "10.78.0.2/24", name="out")
        first, second = Node(one, 1, tmp_path / "1"), Node(two, 2, tmp_path / "2")
        for node in (first, second):
            node.apply(NODES)
        assert first.attach(a, "ovl-a").startswith("9.0.0.")
        at_b, at_c = second.attach(b, "ovl-a"), second.attach(c, "ovl-b")
        assert at_b.startswith("9.0.1.")
        (device,) = json.loads(one.ip("-d", "-j", "addr", "show", "dev", "vtep1024"))
        tunnel = device["linkinfo"]["info_data"]
        assert (tunnel["id"], tunnel["port"], tunnel["local"]) == (1024, 64000, NODES[1])
        assert device["address"] == "70:b3:d5:80:00:01"
        assert {f"{one['local']}/{one['prefixlen']}" for one in device["addr_info"]} >= {
            "44.128.0.1/20",
            "fd01:a::1/64",
        }
        assert "to 9.0.0.0/8 lookup 42" in one.ip("rule")
        assert "9.0.1.0/24 via 44.128.0.2 dev vtep1024" in one.ip("route", "show", "table", "42")
        # its own address all the way: another network too
        for address, box in ((at_b, b), (at_c, c)):
            with box.listen(address, 80) as server, a.connect(address, 80) as client:
                peer, (ip, _) = box.inside(server.accept)
                peer.close()
                assert ip == client.getsockname()[0]
        # a node reaches containers of another; what leaves the overlay has the node's address
        one.run("ping", "-c1", "-W3", "-q", at_b)
        with outside.listen("10.78.0.2", 80) as server, a.connect("10.78.0.2", 80):
            peer, (ip, _) = outside.inside(server.accept)
            peer.close()
            assert ip == "10.78.0.1"

        # as after a restart: nothing is made anew
        before = one.ip("-j", "link", "show", "dev", DEVICE)
        first.apply(NODES)
        assert one.ip("-j", "link", "show", "dev", DEVICE) == before
        # what others changed is put right
        one.ip("route", "flush", "table", "42")
        one.ip("neigh", "flush", "dev", DEVICE, "nud", "permanent")
        one.ip("rule", "del", "to", "9.0.0.0/8", "lookup", "42")
        first.apply(NODES)
        first.ping(a, at_b)
        # a node that gave its number back is no longer led to
        first.apply({1: NODES[1]})
        assert one.ip("route", "show", "table", "42") == ""
        first.apply(None)
        assert DEVICE not in one.ip("link")
        assert "lookup 42" not in one.ip("rule")
        assert "dcos_overlay" not in one.run("nft", "list", "tables")
        assert list((tmp_path / "1/cni").iterdir()) == []


def test_ipv6_and_both_families(tmp_path: Path) -> None:
    with netns.namespaces("one", "two", "a", "b", "c", "d") as (one, two, a, b, c, d):
        netns.join(one, "10.77.0.1/24", two, "10.77.0.2/24")
        first, second = Node(one, 1, tmp_path / "1"), Node(two, 2, tmp_path / "2")
        for node in (first, second):
            node.apply(NODES)
        at_a = first.attach(a, "six")
        at_b = second.attach(b, "six")
        both_c, both_d = first.attach_both(c, "both"), second.attach_both(d, "both")
        assert at_a.startswith("fd01:c::")
        assert at_b.startswith("fd01:c::1:0:0:")
        assert (both_c[0][:9], both_d[0][:9]) == ("10.201.0.", "10.201.1.")
        for source, own, target, address in (
            (a, at_a, b, at_b),
            (b, at_b, a, at_a),
            (c, both_c[0], d, both_d[0]),
            (c, both_c[1], d, both_d[1]),
            (a, at_a, d, both_d[1]),
        ):
            with greeting(target.listen(address, 80), "there"):
                assert reached(source, address) == ["there", own]
        # nodes reach containers, also after what others changed was put right
        one.ip("-6", "route", "flush", "table", "42")
        one.ip("-6", "neigh", "flush", "dev", DEVICE, "nud", "permanent")
        one.ip("-6", "rule", "del", "to", "fd01:c::/64", "lookup", "42")
        first.apply(NODES)
        for address in (at_b, *both_d):
            first.ping(one, address)
        before = one.ip("-j", "link", "show", "dev", DEVICE)
        first.apply(NODES)
        assert one.ip("-j", "link", "show", "dev", DEVICE) == before
        first.apply(None)
        assert "lookup 42" not in one.ip("-6", "rule")


def test_an_overlay_accepts_whom_it_names(tmp_path: Path) -> None:
    """The same from another node and from the same; and who speaks for another network is not heard."""
    with netns.namespaces("one", "two", "a", "b", "near", "far") as (one, two, a, b, near, far):
        netns.join(one, "10.77.0.1/24", two, "10.77.0.2/24")
        first, second = Node(one, 1, tmp_path / "1"), Node(two, 2, tmp_path / "2")
        for node in (first, second):
            node.apply(NODES)
        at_a, at_b = first.attach(a, "ovl-a"), first.attach(b, "ovl-b")
        for box, node in ((near, first), (far, second)):
            addresses = node.attach_both(box, "closed")
            with contextlib.ExitStack() as stack:
                for address in addresses:
                    stack.enter_context(greeting(box.listen(address, 80), "closed"))
                assert reached(b, addresses[0]) == ["closed", at_b]
                reached(one, addresses[1])
                refused(a, addresses[0])
            # answers pass, and what it opens itself
            with greeting(a.listen(at_a, 81), "open"):
                assert greet(box, at_a, 81) == ["open", addresses[0]]
        # a virtual IP is no way around it
        at_far = far.run("hostname", "-I").split()[0]
        with greeting(far.listen(at_far, 8080), "closed"):
            first.balance("11.1.2.3", at_far, 8080)
            assert reached(b, "11.1.2.3")[0] == "closed"
            refused(a, "11.1.2.3")
        # as if it were of the network that is accepted
        a.ip("addr", "add", f"{at_b[:-1]}9/32", "dev", "eth0")
        at_near, at_far = (box.run("hostname", "-I").split()[0] for box in (near, far))
        with greeting(far.listen(at_far, 80), "closed"):
            refused(a, at_far, source=f"{at_b[:-1]}9")
        # somebody opens it: put right
        one.run("nft", "flush", "chain", "inet", "dcos_overlay", "forward")
        first.apply(NODES)
        with greeting(near.listen(at_near, 80), "closed"):
            refused(a, at_near)


def reached(space: Namespace, address: str) -> list[str]:
    """Who answers; a bridge that was just made is not sure of its own IPv6 address for a second or two."""
    return eventually(address, lambda: greet(space, address, 80, 0.5), within_s=PATIENCE_S)


def refused(space: Namespace, address: str, source: str = "") -> None:
    """Nobody is reached."""
    with pytest.raises(OSError, match=r"timed out|No route|refused|denied|prohibited"):
        space.connect(address, 80, 1.0, source=source).close()
