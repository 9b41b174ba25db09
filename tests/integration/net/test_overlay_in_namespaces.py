"""The overlay between two network namespaces that are nodes: containers reach each other with their own addresses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from dcos.net.core.overlay import DEVICE
from dcos.testing import netns
from dcos.testing.netns import Namespace

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not())),
]

NODES = {1: "10.77.0.1", 2: "10.77.0.2"}
NETWORK = {
    "vtep_subnet": "44.128.0.0/20",
    "vtep_mac_oui": "70:B3:D5:00:00:00",
    "overlays": [
        {"name": "ovl-a", "subnet": "9.0.0.0/8", "prefix": 24},
        {"name": "ovl-b", "subnet": "10.200.0.0/16", "prefix": 24},
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
        """A container in the network, as an agent would attach it; its address."""
        delegate = json.loads((self.folder / "cni" / f"{name}.conf").read_text())["delegate"]
        config = {**delegate, "name": name, "cniVersion": "0.2.0"}
        variables = f"CNI_COMMAND=ADD CNI_CONTAINERID={box.name} CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni"
        program = f"{variables} CNI_NETNS=/run/netns/{box.name} /usr/lib/cni/bridge"
        told = self.space.run("sh", "-c", f"echo '{json.dumps(config)}' | {program}")
        return str(json.loads(told)["ip4"]["ip"]).partition("/")[0]

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
