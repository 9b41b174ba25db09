"""Containers whose network does not reach the node balance virtual IPs inside it, as ``/var/run/dcos/cni/l4lb`` says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcos.testing import netns
from dcos.testing.netns import Namespace

from .nodes import NODE, Cluster, dcos_net, discovery, eventually, greet, greeting, vip_address

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not())),
]

CLIENT, BACKENDS = "10.88.0.2", ("10.88.0.3", "10.88.0.4")


@pytest.fixture
def boxes() -> Iterator[tuple[Namespace, ...]]:
    """A client and two backends on a switch of their own, without a route to anywhere else."""
    with netns.namespaces("switch", "client", "one", "two") as (switch, *ends):
        switch.ip("link", "add", "br0", "type", "bridge")
        switch.ip("link", "set", "br0", "up")
        for number, (end, address) in enumerate(zip(ends, (CLIENT, *BACKENDS), strict=True)):
            netns.join(switch, f"169.254.{number}.1/30", end, f"{address}/24", name=f"p{number}")
            switch.ip("addr", "flush", "dev", f"p{number}")
            switch.ip("link", "set", f"p{number}", "master", "br0")
        yield tuple(ends)


def plug(space: Namespace) -> None:
    """What the plugin makes in the container's network."""
    space.ip("link", "add", "minuteman", "type", "bridge")
    space.ip("link", "set", "minuteman", "up")


def path(space: Namespace) -> str:
    return f"/run/netns/{space.name}"


def tables(space: Namespace) -> list[str]:
    return [line for line in space.run("nft", "list", "tables").splitlines() if "dcos_l4lb" in line]


def refuses(space: Namespace, vip: str) -> None:
    """Nothing leads there."""
    try:
        greet(space, vip, 80, 0.5)
    except OSError:
        return
    raise AssertionError(vip)


async def test_a_container_that_does_not_reach_its_node(
    cluster: Cluster, tmp_path: Path, boxes: tuple[Namespace, ...]
) -> None:
    client, one, two = boxes
    folder, vip = tmp_path / "l4lb", vip_address("web.marathon")
    with greeting(one.listen(BACKENDS[0], 8080), "one"), greeting(two.listen(BACKENDS[1], 8080), "two"):
        async with dcos_net(cluster.node, tmp_path, NODE, f"--l4lb_cni_dir={folder}"):

            async def run(ip: str) -> str:
                found = discovery(8080, "/web:80")
                return await cluster.master.run_task(
                    cluster.framework, cluster.agent, "web", discovery=found, container_ips=[ip]
                )

            await run(BACKENDS[0])
            refuses(client, vip)
            # as upstream's plugin does it: first the file, then the device
            folder.mkdir()
            (folder / "container-1").write_text(path(client))
            (folder / "of-the-node").write_text(path(cluster.node))
            (folder / ".hidden").write_text(path(one))
            plug(client)
            assert (await eventually(lambda: greet(client, vip, 80)))[0] == "one"

            second = await run(BACKENDS[1])

            def both() -> None:
                assert {greet(client, vip, 80)[0] for _ in range(24)} == {"one", "two"}

            await eventually(both)
            await cluster.master.update(second, "TASK_FAILED")

            def first_alone() -> None:
                assert {greet(client, vip, 80)[0] for _ in range(24)} == {"one"}

            await eventually(first_alone)
            told = cluster.node.run("curl", "-sf", "http://127.0.0.1:62080/v1/metrics/l4lb")
            assert "\nl4lb_namespaces 1\n" in told
            assert tables(cluster.node), "its own is not a container's"
            assert not tables(one)
            # somebody else's change is put right there as well
            client.run("nft", "flush", "map", "ip", "dcos_l4lb", "targets")
            await eventually(first_alone)
            # the end of the container's part in it
            (folder / "container-1").unlink()

            def gone() -> None:
                assert not tables(client)
                assert "11.0.0.0" not in client.ip("route")

            await eventually(gone)
            assert "minuteman" in client.ip("link"), "the plugin's to remove"


async def test_what_is_there_at_the_start_and_after_the_end(
    cluster: Cluster, tmp_path: Path, boxes: tuple[Namespace, ...]
) -> None:
    """Two containers in one network; a namespace that is gone; the service's end leaves all as it is, cleanup nothing."""
    client, one, _ = boxes
    folder, vip = tmp_path / "l4lb", vip_address("web.marathon")
    folder.mkdir()
    plug(client)
    for name in ("a", "b"):
        (folder / name).write_text(f"{path(client)}\n")
    (folder / "c").write_text("/run/netns/nobody")
    (folder / "d").write_text("")
    flags = (f"--l4lb_cni_dir={folder}",)
    with greeting(one.listen(BACKENDS[0], 8080), "one"):
        async with dcos_net(cluster.node, tmp_path, NODE, *flags):
            found = discovery(8080, "/web:80")
            await cluster.master.run_task(
                cluster.framework, cluster.agent, "web", discovery=found, container_ips=[BACKENDS[0]]
            )
            assert (await eventually(lambda: greet(client, vip, 80)))[0] == "one"
            (folder / "a").unlink()
            (folder / "e").write_text(path(one))  # something to see that the folder was read
            plug(one)

            def is_balanced() -> None:
                assert tables(one)

            await eventually(is_balanced)
            assert greet(client, vip, 80)[0] == "one"
        assert greet(client, vip, 80)[0] == "one"
        cleanup = "import sys; from dcos.net.service import main; sys.argv[1:1] = ['cleanup']; sys.exit(main())"
        words = (sys.executable, "-c", cleanup, *flags, f"--ip={NODE}")
        cluster.node.run("env", f"DCOS_ROOT={tmp_path}", *words)
        assert not tables(client)
        assert not tables(one)
        refuses(client, vip)
