"""What leaves containers' networks carries the machine's address, in the kernel's own table."""

from __future__ import annotations

import pytest

from dcos.agent.containerizer.masquerade import Masquerade
from dcos.runtime.nft import Nft
from dcos.testing import netns

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not())),
]


async def test_networks_are_covered_once_and_for_all() -> None:
    with netns.namespaces("node", "box", "outside") as (node, box, outside):
        netns.join(node, "10.9.0.1/24", box, "10.9.0.2/24", name="box")
        netns.join(node, "10.77.0.1/24", outside, "10.77.0.2/24")
        node.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        box.ip("route", "add", "default", "via", "10.9.0.1")
        first = Masquerade(Nft(namespace=node.name))
        await first.cover(["10.9.0.2/24"])
        # another agent's, after a restart
        await Masquerade(Nft(namespace=node.name)).cover(["10.9.0.3/24", "10.8.0.2/16", "fd00::2/64", "10.5.5.5/32"])
        assert node.run("nft", "list", "table", "inet", "dcos_masquerade").count(" masquerade") == 2
        with outside.listen("10.77.0.2", 80) as server, box.connect("10.77.0.2", 80):
            client, (peer, _) = outside.inside(server.accept)
            client.close()
        assert peer == "10.77.0.1"
