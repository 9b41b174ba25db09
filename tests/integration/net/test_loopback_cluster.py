"""The dcos-net of nodes that are loopback addresses of one machine: one table a cluster, one writer at a time."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from dcos.net.core import vips
from dcos.testing import netns
from dcos.testing.fake_master import FakeMaster
from dcos.testing.netns import Namespace

from .nodes import MAIN, dcos_net, eventually, greet, greeting

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not())),
]


def node(
    space: Namespace, root: Path, number: int, last: int
) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    """The dcos-net of one node, with the settings that the process driver gives it."""
    ip = f"127.0.{number}.{last}"
    return dcos_net(
        space, root, ip, f"--loopback_cluster={number}", "--no-manage_network", "--no-enable_ipv6", f"--dns_bind={ip}:10053",
        f"--rest_bind={ip}", f"--min_named_ip=11.{number}.0.0", f"--max_named_ip=11.{number}.255.255", "--repair_interval=0.5",
        master=f"127.0.{number}.11",
    )  # fmt: skip


async def run_web(master: FakeMaster, number: int, *agents: int, vip: str = "/web:80") -> None:
    framework = master.add_framework("marathon")
    for last in agents:
        pairs = [{"key": "VIP_0", "value": vip}, {"key": "network-scope", "value": "host"}]
        ports = [{"number": 21000, "protocol": "tcp", "labels": {"labels": pairs}}]
        agent = master.add_agent(f"127.0.{number}.{last}")
        await master.run_task(framework, agent, "web", discovery={"name": "web", "ports": {"ports": ports}})


def vip_of(number: int) -> str:
    return vips.assign(["web.marathon"], f"11.{number}.0.0", f"11.{number}.255.255")["web.marathon"]


async def test_loopback_nodes_reach_virtual_ips_and_clusters_do_not_meet(tmp_path: Path) -> None:
    with netns.namespaces("loop") as (space,), contextlib.ExitStack() as servers:
        for ip in ("127.0.78.21", "127.0.78.22", "127.0.79.21"):
            servers.enter_context(greeting(space.listen(ip, 21000), ""))
        async with (
            FakeMaster(sock=space.listen("127.0.78.11", 5050)) as one,
            FakeMaster(sock=space.listen("127.0.79.11", 5050)) as other,
            node(space, tmp_path / "1", 78, 11) as first,
            node(space, tmp_path / "2", 79, 11),
        ):
            await run_web(one, 78, 21, 22)
            await run_web(one, 78, 21, vip="1.2.3.4:5000")
            await run_web(other, 79, 21)

            def spread() -> None:
                seen = {tuple(greet(space, vip_of(78), 80)) for _ in range(24)}
                assert seen == {("127.0.78.21", "127.0.78.11"), ("127.0.78.22", "127.0.78.11")}

            await eventually(spread)
            assert await eventually(lambda: greet(space, vip_of(79), 80)) == ["127.0.79.21", "127.0.79.11"]
            # a client that is bound to a node's own address, and a number without any other route
            assert greet(space, vip_of(78), 80, source="127.0.78.121")[1] == "127.0.78.121"
            assert await eventually(lambda: greet(space, "1.2.3.4", 5000)) == ["127.0.78.21", "127.0.78.11"]

            async with node(space, tmp_path / "3", 78, 21):
                first.kill()
                await first.wait()
                space.run("nft", "delete table ip dcos_l4lb_78")
                await eventually(spread)  # the other's turn: it writes the table again

        tables = space.run("nft", "list", "tables").split("\n")
        assert sorted(filter(None, tables)) == ["table ip dcos_l4lb_78", "table ip dcos_l4lb_79"]
        flags = (sys.executable, "-c", MAIN, "cleanup", "--loopback_cluster=78")
        await asyncio.to_thread(space.run, *flags)
        assert space.run("nft", "list", "tables").split() == ["table", "ip", "dcos_l4lb_79"]
        assert space.ip("route", "show", "proto", "78") == ""
        assert "11.79.0.0/16" in space.ip("route", "show", "proto", "79")
        assert "minuteman" not in space.ip("link")
