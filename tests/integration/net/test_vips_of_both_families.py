"""Virtual IPs over IPv4 and IPv6, TCP and UDP, from nodes, containers and a container to itself; and what they never disturb."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcos.agent.containerizer.port_mapper import PortMapper
from dcos.model.v1.types import NetworkInfoPortMapping
from dcos.runtime.nft import Nft
from dcos.testing import netns
from dcos.testing.netns import Namespace

from .nodes import (
    BRIDGE6,
    INSIDE,
    INSIDE6,
    NODE,
    OTHER,
    OTHER6,
    Cluster,
    dcos_net,
    discovery,
    eventually,
    greet,
    greeting,
    partition,
    vip_address,
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not())),
]


def udp_socket(space: Namespace, ip: str, port: int = 0) -> socket.socket:
    def make() -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((ip, port))
        sock.settimeout(0.5)
        return sock

    return space.inside(make)


@contextlib.contextmanager
def answering(sock: socket.socket, text: str) -> Iterator[None]:
    """Answers each datagram with ``text``."""
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                _, peer = sock.recvfrom(100)
                sock.sendto(text.encode(), peer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        sock.close()


def ask(client: socket.socket, ip: str, port: int) -> str:
    """What answers a datagram, from the address that was asked."""
    client.sendto(b"?", (ip, port))
    data, peer = client.recvfrom(100)
    assert peer[:2] == (ip, port)
    return data.decode()


async def test_ipv6_from_every_side(cluster: Cluster, tmp_path: Path) -> None:
    named, numeric = vip_address("six.marathon", 6), "fd05::1"
    with greeting(cluster.container.listen(INSIDE6, 8080), "inside"):
        async with dcos_net(cluster.node, tmp_path, NODE), dcos_net(cluster.other, tmp_path, OTHER):
            for vip in ("/six:80", f"[{numeric}]:81"):
                await cluster.master.run_task(
                    cluster.framework,
                    cluster.agent,
                    "six",
                    discovery=discovery(8080, vip),
                    container_ips=[INSIDE, INSIDE6],
                )
            for ip, port in ((named, 80), (numeric, 81)):
                for space in (cluster.node, cluster.other):
                    answer = await eventually(lambda s=space, i=ip, p=port: greet(s, i, p))
                    assert answer[0] == "inside"
                # a container to itself
                assert await eventually(lambda i=ip, p=port: greet(cluster.container, i, p)) == ["inside", BRIDGE6]
            # nobody left who takes connections: refused, not a wait
            aaaa = ["dig", "@198.51.100.1", "+short", "AAAA", "six.marathon.l4lb.thisdcos.directory"]
            assert cluster.node.run(*aaaa).split() == [named]


async def test_datagrams_of_both_families_move_on_when_their_backend_dies(cluster: Cluster, tmp_path: Path) -> None:
    """One client that never changes its port: the kernel would go on sending to the dead for ever."""
    served = ((INSIDE, "inside"), (INSIDE6, "inside"))
    with contextlib.ExitStack() as stack:
        for ip, text in served:
            stack.enter_context(answering(udp_socket(cluster.container, ip, 5353), text))
        stack.enter_context(answering(udp_socket(cluster.other, OTHER, 5353), "far"))
        stack.enter_context(answering(udp_socket(cluster.other, OTHER6, 5353), "far"))
        clients = {version: udp_socket(cluster.node, "::" if version == 6 else "0.0.0.0") for version in (4, 6)}
        for client in clients.values():
            stack.enter_context(client)
        async with dcos_net(cluster.node, tmp_path, NODE):
            tasks = {}
            for name, agent, ips in (
                ("inside", cluster.agent, [INSIDE, INSIDE6]),
                ("far", cluster.other_agent, [OTHER, OTHER6]),
            ):
                found = discovery(5353, "/names:53", "udp")
                tasks[name] = await cluster.master.run_task(
                    cluster.framework, agent, name, discovery=found, container_ips=ips
                )
            for version, client in clients.items():
                vip = vip_address("names.marathon", version)
                first = await eventually(lambda c=client, v=vip: ask(c, v, 53))
                assert {ask(client, vip, 53) for _ in range(8)} == {first}
            # both die in turn: first one, then it is back and the other goes
            await cluster.master.update(tasks["inside"], "TASK_KILLED")
            for version, client in clients.items():

                def far(c: socket.socket = client, v: str = vip_address("names.marathon", version)) -> None:
                    assert ask(c, v, 53) == "far"

                await eventually(far)
            found = discovery(5353, "/names:53", "udp")
            await cluster.master.run_task(
                cluster.framework, cluster.agent, "again", discovery=found, container_ips=[INSIDE, INSIDE6]
            )
            await cluster.master.update(tasks["far"], "TASK_KILLING")
            fresh = udp_socket(cluster.node, "0.0.0.0")
            with fresh:

                def inside() -> None:
                    with udp_socket(cluster.node, "0.0.0.0") as one:
                        assert {ask(one, vip_address("names.marathon"), 53) for _ in range(4)} == {"inside"}

                await eventually(inside)
            # whoever is being killed keeps whom it has until it is gone
            assert ask(clients[4], vip_address("names.marathon"), 53) == "far"
            await cluster.master.update(tasks["far"], "TASK_KILLED")

            def moved() -> None:
                assert ask(clients[4], vip_address("names.marathon"), 53) == "inside"

            await eventually(moved)


async def test_who_asked_before_there_was_anybody_is_answered_then(cluster: Cluster, tmp_path: Path) -> None:
    """From a port that stays, without a pause that would let the kernel forget."""
    vip = vip_address("late.marathon")
    with (
        answering(udp_socket(cluster.other, OTHER, 5353), "far"),
        udp_socket(cluster.node, "0.0.0.0") as client,
        greeting(cluster.node.listen(NODE, 31000), "near"),
    ):
        async with dcos_net(cluster.node, tmp_path, NODE):
            found = discovery(31000, "/early:80", network_scope="host")
            await cluster.master.run_task(cluster.framework, cluster.agent, "early", discovery=found)
            await eventually(lambda: greet(cluster.node, vip_address("early.marathon"), 80))
            with pytest.raises(TimeoutError):
                ask(client, vip, 53)
            late = discovery(5353, "/late:53", "udp", network_scope="host")
            await cluster.master.run_task(cluster.framework, cluster.other_agent, "late", discovery=late)
            assert await eventually(lambda: ask(client, vip, 53)) == "far"


async def test_connections_outlive_the_kill_grace_and_every_unrelated_change(cluster: Cluster, tmp_path: Path) -> None:
    vip = vip_address("web.marathon")
    with (
        greeting(cluster.node.listen(NODE, 31000), "near"),
        greeting(cluster.other.listen(OTHER, 31001), "far"),
    ):
        async with dcos_net(cluster.node, tmp_path, NODE, "--repair_interval=0.3"):

            async def run(name: str, agent: str, port: int, asked: str) -> str:
                found = discovery(port, asked, network_scope="host")
                return await cluster.master.run_task(cluster.framework, agent, name, discovery=found)

            near = await run("near", cluster.agent, 31000, "/web:80")

            def only(who: str) -> None:
                assert {greet(cluster.node, vip, 80)[0] for _ in range(12)} == {who}

            await eventually(lambda: only("near"))
            with cluster.node.connect(vip, 80) as live, cluster.container.connect(vip, 80) as routed:

                def alive() -> None:
                    for one in (live, routed):
                        one.sendall(b"still here")
                        assert one.recv(100).endswith(b"still here")

                for one in (live, routed):
                    assert one.recv(100).startswith(b"near")
                alive()
                await run("far", cluster.other_agent, 31001, "/web:80")
                others = [await run("other", cluster.other_agent, 31001, f"/other-{n}:80") for n in range(20)]
                await eventually(lambda: greet(cluster.node, vip_address("other-19.marathon"), 80))
                alive()
                await cluster.master.update(near, "TASK_KILLING")
                await eventually(lambda: only("far"))
                alive()
                for task in others:
                    await cluster.master.update(task, "TASK_KILLED")
                cluster.node.run("nft", "flush map ip dcos_l4lb vips")  # and the whole table made again
                await eventually(lambda: only("far"))
                alive()
                # gone for the master; while the process lives its connections do
                await cluster.master.update(near, "TASK_KILLED")
                await asyncio.sleep(0.3)
                alive()


async def test_connecting_clients_are_led_away_from_a_node_that_does_not_answer(
    cluster: Cluster, tmp_path: Path
) -> None:
    """The very connection that met the silent node comes through once that is found out.

    On one cable the kernel itself gives up after 3 s without an answer to ARP; so here the node answers that and nothing else.
    """
    vip = vip_address("web.marathon")
    with greeting(cluster.node.listen(NODE, 31000), "near"), netns.namespaces("third") as (third,):
        netns.join(cluster.node, "10.79.0.1/24", third, "10.79.0.2/24", name="third")
        third_agent = cluster.master.add_agent("10.79.0.2")
        with greeting(cluster.other.listen(OTHER, 31001), "far"):
            async with dcos_net(cluster.node, tmp_path, NODE):
                for agent, port, asked in (
                    (cluster.agent, 31000, "/web:80"),
                    (cluster.other_agent, 31001, "/web:80"),
                    (third_agent, 1, "/third:80"),
                ):
                    found = discovery(port, asked, network_scope="host")
                    await cluster.master.run_task(cluster.framework, agent, "web", discovery=found)

                def both() -> None:
                    assert {greet(cluster.node, vip, 80, 0.5)[0] for _ in range(16)} == {"near", "far"}

                await eventually(both)
                await asyncio.sleep(1)  # it has answered
                cluster.other.run("nft", partition())
                answers = await asyncio.gather(
                    *(asyncio.to_thread(greet, cluster.node, vip, 80, 30.0) for _ in range(8)), return_exceptions=True
                )
                assert [one[0] for one in answers if not isinstance(one, BaseException)] == ["near"] * 8, answers


async def test_a_port_that_was_reset_by_the_dying_is_led_to_the_living(cluster: Cluster, tmp_path: Path) -> None:
    """Clients come again from the same port sooner than the kernel forgets where it sent them."""
    vip = vip_address("web.marathon")

    def connect() -> socket.socket:
        return socket.create_connection((vip, 80), 2, source_address=("", 40001))

    async with dcos_net(cluster.node, tmp_path, NODE):
        found = discovery(31001, "/web:80", network_scope="host")
        dying = await cluster.master.run_task(cluster.framework, cluster.other_agent, "dying", discovery=found)
        await eventually(lambda: targets_of(cluster, vip, OTHER))
        server = cluster.other.listen(OTHER, 31001)
        with cluster.node.inside(connect) as client:
            server.close()  # before it took the connection: reset
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        died_at = time.monotonic()
        with greeting(cluster.node.listen(NODE, 31000), "near"):
            living = discovery(31000, "/web:80", network_scope="host")
            await cluster.master.run_task(cluster.framework, cluster.agent, "near", discovery=living)
            await cluster.master.update(dying, "TASK_FAILED")
            await eventually(lambda: targets_of(cluster, vip, NODE))

            def answered() -> float:
                with cluster.node.inside(connect) as client:
                    assert client.recv(100).startswith(b"near")
                return time.monotonic()

            if await eventually(answered) - died_at > 9:
                pytest.skip("so slow that the kernel forgot it by itself")


def targets_of(cluster: Cluster, vip: str, ip: str) -> None:
    """The virtual IP has that target alone."""
    shown = cluster.node.run("nft", "list", "map", "ip", "dcos_l4lb", "targets")
    found = [line for line in shown.replace("elements = {", "\n").splitlines() if vip in line]
    assert len(found) == 1, found
    assert ip in found[0], found


async def test_a_vip_may_have_the_port_of_a_mapping(cluster: Cluster, tmp_path: Path) -> None:
    vip = vip_address("web.marathon")
    with (
        greeting(cluster.container.listen(INSIDE, 8080), "inside"),
        greeting(cluster.other.listen(OTHER, 31001), "far"),
    ):
        await PortMapper(Nft(namespace=cluster.node.name)).open(
            INSIDE, [NetworkInfoPortMapping(host_port=80, container_port=8080)]
        )
        async with dcos_net(cluster.node, tmp_path, NODE):
            found = discovery(31001, "/web:80", network_scope="host")
            await cluster.master.run_task(cluster.framework, cluster.other_agent, "web", discovery=found)
            for space in (cluster.node, cluster.container):
                assert (await eventually(lambda s=space: greet(s, vip, 80)))[0] == "far"
            for space in (cluster.node, cluster.other):
                assert greet(space, NODE, 80)[0] == "inside"


def counted(cluster: Cluster) -> dict[str, int]:
    """What the node's dcos-net tells of its one virtual IP."""
    text = cluster.node.run("curl", "-sf", "http://127.0.0.1:62080/v1/metrics/l4lb")
    lines = [one.rsplit(" ", 1) for one in text.splitlines() if one.startswith("l4lb_vip_")]
    return {name.replace('vip="web.marathon:80",protocol="tcp"', ""): int(value) for name, value in lines}


@pytest.mark.parametrize("version", [4, 6])
async def test_the_kernel_counts_every_byte_once(cluster: Cluster, tmp_path: Path, version: int) -> None:
    """From a process of the node and from a container; to a backend behind a bridge of the node and to one elsewhere."""
    vip, size = vip_address("web.marathon", version), 200_000
    inside, far = (INSIDE, OTHER) if version == 4 else (INSIDE6, OTHER6)
    with greeting(cluster.container.listen(inside, 8080), "x"), greeting(cluster.other.listen(far, 8080), "x"):
        async with dcos_net(cluster.node, tmp_path, NODE):
            for clients, agent, ip in (
                ((cluster.node,), cluster.agent, inside),
                ((cluster.node, cluster.container), cluster.other_agent, far),
            ):
                found = discovery(8080, "/web:80")
                task = await cluster.master.run_task(
                    cluster.framework, agent, "web", discovery=found, container_ips=[ip]
                )
                await eventually(lambda: greet(cluster.node, vip, 80))
                before = await asyncio.to_thread(counted, cluster)
                for space in clients:
                    await asyncio.to_thread(echo, space, vip, size)
                after = await asyncio.to_thread(counted, cluster)
                added = {name: value - before.get(name, 0) for name, value in after.items()}
                assert added["l4lb_vip_connections_total{}"] == len(clients)
                assert added["l4lb_vip_refused_total{}"] == 0
                for way in ("in", "out"):
                    moved = added[f'l4lb_vip_bytes_total{{,direction="{way}"}}'] / len(clients)
                    assert size < moved < 1.2 * size, way
                await cluster.master.update(task, "TASK_KILLING")
                await eventually(lambda: nobody(cluster.node, vip))
                refused = (await asyncio.to_thread(counted, cluster))["l4lb_vip_refused_total{}"]
                assert refused > after["l4lb_vip_refused_total{}"]
                await cluster.master.update(task, "TASK_KILLED")


def nobody(space: Namespace, ip: str) -> None:
    with contextlib.suppress(ConnectionRefusedError):
        space.connect(ip, 80).close()
        raise AssertionError("connected")


def echo(space: Namespace, ip: str, size: int) -> None:
    """Send that many bytes, get them back."""
    with space.connect(ip, 80) as client:
        client.recv(100)
        for _ in range(size // 1000):
            client.sendall(bytes(1000))
            wanted = 1000
            while wanted:
                wanted -= len(client.recv(wanted))
