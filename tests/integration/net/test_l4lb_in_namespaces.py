"""dcos-net in a network namespace of its own: virtual IPs from task labels to connections that arrive."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections import Counter
from pathlib import Path

import pytest

from dcos.testing import netns
from dcos.testing.netns import Namespace

from .nodes import (
    BRIDGE,
    INSIDE,
    MAIN,
    NODE,
    OTHER,
    Cluster,
    dcos_net,
    discovery,
    eventually,
    greet,
    greeting,
    vip_address,
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not())),
]


async def test_named_vip_from_every_side(cluster: Cluster, tmp_path: Path) -> None:
    vip = vip_address("mygroupweb.marathon")
    with (
        greeting(cluster.node.listen(NODE, 31000), "near"),
        greeting(cluster.other.listen(OTHER, 31001), "far"),
    ):
        async with dcos_net(cluster.node, tmp_path, NODE), dcos_net(cluster.other, tmp_path, OTHER):
            for agent, port in ((cluster.agent, 31000), (cluster.other_agent, 31001)):
                found = discovery(port, "/mygroup/web:80", network_scope="host")
                await cluster.master.run_task(cluster.framework, agent, "web", discovery=found)
            for space in (cluster.node, cluster.other, cluster.container):

                def both(space: Namespace = space) -> None:
                    answers = Counter(greet(space, vip, 80)[0] for _ in range(24))
                    assert set(answers) == {"near", "far"}, answers

                await eventually(both)
            # the kernel counts them
            text = cluster.node.run("curl", "-sf", "http://127.0.0.1:62080/v1/metrics/l4lb")
            (line,) = (one for one in text.splitlines() if one.startswith("l4lb_vip_connections_total{"))
            assert 'vip="mygroupweb.marathon:80"' in line
            assert int(line.split()[-1]) >= 48
            # a name for the address, at the forwarder of the node
            dig = ["dig", "@198.51.100.1", "+short", "mygroupweb.marathon.l4lb.thisdcos.directory"]
            assert cluster.node.run(*dig).split() == [vip]


async def test_a_node_that_is_silent_is_left_out(cluster: Cluster, tmp_path: Path) -> None:
    """Although the master knows nothing of it yet; live connections are not touched."""
    vip = vip_address("web.marathon")
    with (
        greeting(cluster.node.listen(NODE, 31000), "near"),
        greeting(cluster.other.listen(OTHER, 31001), "far"),
        netns.namespaces("third") as (third,),
    ):
        # two of three may be judged: a third agent answers all along
        netns.join(cluster.node, "10.79.0.1/24", third, "10.79.0.2/24", name="third")
        agents = ((cluster.agent, 31000), (cluster.other_agent, 31001), (cluster.master.add_agent("10.79.0.2"), 31002))
        async with dcos_net(cluster.node, tmp_path, NODE):
            for number, (agent, port) in enumerate(agents):
                found = discovery(port, "/web:80" if number < 2 else "/third:80", network_scope="host")
                await cluster.master.run_task(cluster.framework, agent, "web", discovery=found)

            def answers(wanted: set[str]) -> None:
                assert {greet(cluster.node, vip, 80, 0.5)[0] for _ in range(16)} == wanted

            await eventually(lambda: answers({"near", "far"}))
            await asyncio.sleep(1)  # it has answered
            cluster.other.ip("link", "set", "eth0", "down")
            await eventually(lambda: answers({"near"}))
            cluster.other.ip("link", "set", "eth0", "up")
            await eventually(lambda: answers({"near", "far"}))


async def test_container_calls_itself_through_its_vip(cluster: Cluster, tmp_path: Path) -> None:
    vip = vip_address("self.marathon")
    with greeting(cluster.container.listen(INSIDE, 8080), "inside"):
        async with dcos_net(cluster.node, tmp_path, NODE):
            container = {
                "type": "MESOS",
                "network_infos": [{"port_mappings": [{"host_port": 31005, "container_port": 8080, "protocol": "tcp"}]}],
            }
            await cluster.master.run_task(
                cluster.framework,
                cluster.agent,
                "self",
                discovery=discovery(8080, "/self:80"),
                container=container,
                container_ips=[INSIDE],
            )
            # the host port 31005 leads nowhere here: on its own agent the container is reached directly
            assert (await eventually(lambda: greet(cluster.node, vip, 80)))[0] == "inside"
            assert (await eventually(lambda: greet(cluster.container, vip, 80))) == ["inside", BRIDGE]


async def test_numeric_vip_and_udp(cluster: Cluster, tmp_path: Path) -> None:
    udp = cluster.other.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with udp, greeting(cluster.other.listen(OTHER, 31001), "far"):
        udp.bind((OTHER, 31002))
        async with dcos_net(cluster.node, tmp_path, NODE):
            for port, protocol in ((31001, "tcp"), (31002, "udp")):
                found = discovery(port, "1.2.3.4:5000", protocol, network_scope="host")
                await cluster.master.run_task(cluster.framework, cluster.other_agent, "n", discovery=found)
            assert (await eventually(lambda: greet(cluster.node, "1.2.3.4", 5000))) == ["far", NODE]
            client = cluster.node.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            with client:
                client.settimeout(2)
                client.connect(("1.2.3.4", 5000))
                client.send(b"ping")
                udp.settimeout(2)
                data, peer = udp.recvfrom(100)
                udp.sendto(data + b" pong", peer)
                assert client.recv(100) == b"ping pong"


async def test_health_moves_new_connections_and_spares_old_ones(cluster: Cluster, tmp_path: Path) -> None:
    vip = vip_address("h.marathon")
    with (
        greeting(cluster.node.listen(NODE, 31000), "near"),
        greeting(cluster.other.listen(OTHER, 31001), "far"),
    ):
        async with dcos_net(cluster.node, tmp_path, NODE) as service:
            tasks = {}
            for agent, port, name in ((cluster.agent, 31000, "near"), (cluster.other_agent, 31001, "far")):
                tasks[name] = await cluster.master.run_task(
                    cluster.framework,
                    agent,
                    name,
                    discovery=discovery(port, "/h:80", network_scope="host"),
                    health_checked=True,
                    healthy=True,
                )

            def only(*who: str) -> None:
                assert {greet(cluster.node, vip, 80)[0] for _ in range(16)} == set(who)

            await eventually(lambda: only("near", "far"))
            old = cluster.node.connect(vip, 80)
            while True:
                who = old.recv(100).decode().split()[0]
                if who == "far":
                    break
                old.close()
                old = cluster.node.connect(vip, 80)
            with old:
                await cluster.master.update(tasks["far"], "TASK_RUNNING", healthy=False)
                await eventually(lambda: only("near"))
                old.sendall(b"still here")
                assert old.recv(100) == b"still here"
                # nobody left who takes connections: refused at once instead of a wait
                await cluster.master.update(tasks["near"], "TASK_RUNNING", healthy=False)

                def refused() -> None:
                    with contextlib.suppress(ConnectionRefusedError):
                        cluster.node.connect(vip, 80).close()
                        raise AssertionError("connected")

                await eventually(refused)
                await cluster.master.update(tasks["near"], "TASK_RUNNING", healthy=True)
                await eventually(lambda: only("near"))
                # a table that somebody removed comes back; a service that stops leaves it alone
                service.terminate()
                await service.wait()
                old.sendall(b"and here")
                assert old.recv(100) == b"and here"
                only("near")


async def test_a_broken_table_is_repaired_and_cleanup_leaves_nothing(cluster: Cluster, tmp_path: Path) -> None:
    vip = vip_address("r.marathon")
    with greeting(cluster.other.listen(OTHER, 31001), "far"):
        async with dcos_net(cluster.node, tmp_path, NODE, "--repair_interval=0.3"):
            found = discovery(31001, "/r:80", network_scope="host")
            await cluster.master.run_task(cluster.framework, cluster.other_agent, "r", discovery=found)
            await eventually(lambda: greet(cluster.node, vip, 80))
            for harm in ("delete table ip dcos_l4lb", "flush chain ip dcos_l4lb output", "flush map ip dcos_l4lb vips"):
                cluster.node.run("nft", harm)
                assert (await eventually(lambda: greet(cluster.node, vip, 80, 0.5))) == ["far", NODE]
            cluster.node.ip("link", "del", "minuteman")
            assert (await eventually(lambda: greet(cluster.node, vip, 80, 0.5))) == ["far", NODE]
    assert "dcos_l4lb" in cluster.node.run("nft", "list", "tables")
    await asyncio.to_thread(cluster.node.run, sys.executable, "-c", MAIN, "cleanup")
    assert cluster.node.run("nft", "list", "tables") == ""
    assert "minuteman" not in cluster.node.ip("link")
    assert "spartan" not in cluster.node.ip("link")


async def test_a_node_that_does_not_balance_makes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """``enable_lb: false``: no table, no device, no names; those of tasks are there all the same."""
    async with dcos_net(cluster.node, tmp_path, NODE, "--no-enable_lb"):
        found = discovery(31000, "/web:80", network_scope="host")
        await cluster.master.run_task(cluster.framework, cluster.agent, "web", discovery=found)

        def named() -> None:
            name = "web.marathon.agentip.dcos.thisdcos.directory"
            assert cluster.node.run("dig", "@198.51.100.1", "+short", name).split() == [NODE]

        await eventually(named)
        assert cluster.node.run("dig", "@198.51.100.1", "+short", "web.marathon.l4lb.thisdcos.directory") == ""
        assert cluster.node.run("curl", "-sf", "http://127.0.0.1:62080/v1/vips") == "[]"
        assert "dcos_l4lb" not in cluster.node.run("nft", "list", "tables")
        assert "minuteman" not in cluster.node.ip("link")


async def test_who_filters_forwarded_packets_lets_virtual_ips_pass(cluster: Cluster, tmp_path: Path) -> None:
    """As Docker does, which drops what it does not know; what else it drops stays dropped, and cleanup leaves nothing."""
    vip = vip_address("web.marathon")
    cluster.node.run("iptables", "-P", "FORWARD", "DROP")
    with greeting(cluster.other.listen(OTHER, 31001), "far"):
        async with dcos_net(cluster.node, tmp_path, NODE):
            found = discovery(31001, "/web:80", network_scope="host")
            await cluster.master.run_task(cluster.framework, cluster.other_agent, "web", discovery=found)
            assert (await eventually(lambda: greet(cluster.container, vip, 80)))[0] == "far"
            with pytest.raises(TimeoutError):
                greet(cluster.container, OTHER, 31001, 0.5)
        cluster.node.run("env", f"DCOS_ROOT={tmp_path}", sys.executable, "-c", MAIN, "cleanup", f"--ip={NODE}")
        assert "DCOS" not in cluster.node.run("iptables", "-S")
