"""Two nodes and a thousand agents: one that dies is known everywhere, though most nodes ask it rarely.

Prints how long it took and what the nodes' dcos-net needed while nothing happened (``pytest -s``).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dcos.net.core.liveness import NEAR
from dcos.net.core.ring import next_ones
from dcos.store.base import Store
from dcos.store.zookeeper import connect
from dcos.testing import netns
from dcos.testing.fake_master import FakeMaster
from dcos.testing.netns import Namespace
from dcos.testing.zookeeper import ensemble, why_not

from .nodes import NODE, OTHER, dcos_net, eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not())),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]

AGENTS = [f"10.90.{number >> 8}.{number & 255}" for number in range(1, 1001)]
MEASURED_S = 5.0


@contextlib.asynccontextmanager
async def reached(space: Namespace, ip: str, port: int, to: int) -> AsyncIterator[None]:
    """Who connects to ``ip:port`` inside is connected to our own ``127.0.0.1:to``."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", to)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(join, sock=space.listen(ip, port))
    try:
        yield
    finally:
        server.close()


@contextlib.asynccontextmanager
async def opened(hosts: str) -> AsyncIterator[Store]:
    store = await connect(hosts)
    try:
        yield store
    finally:
        await store.close()


def silent(space: Namespace) -> int:
    text = space.run("curl", "-sf", "http://127.0.0.1:62080/v1/metrics/default")
    (line,) = (one for one in text.splitlines() if one.startswith("l4lb_silent_agents "))
    return int(line.split()[-1])


def seconds_of(child: asyncio.subprocess.Process) -> float:
    """CPU time of the program that ``ip netns exec`` became."""
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_one_of_a_thousand_dies(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("node", "other")]
    with ensemble(tmp_path) as zk, netns.namespaces("node", "other", "farm") as (node, other, farm):
        netns.join(node, f"{NODE}/24", other, f"{OTHER}/24")
        for space, number in ((node, 1), (other, 2)):
            netns.join(space, f"10.91.{number}.1/24", farm, f"10.91.{number}.2/24", name=f"farm{number}")
            space.ip("route", "add", "10.90.0.0/16", "via", f"10.91.{number}.2")
        farm.run("sh", "-c", "".join(f"ip addr add {ip}/32 dev lo\n" for ip in AGENTS))
        async with (
            opened(zk.hosts) as store,
            FakeMaster(sock=node.listen(NODE, 5050)) as master,
            reached(node, NODE, 2181, zk[0].port),
        ):
            leader = {"id": "M", "ip": 0, "port": 5050, "address": {"ip": NODE, "port": 5050}}
            await store.create(
                "/mesos/json.info_", json.dumps(leader).encode(), ephemeral=True, sequence=True, parents=True
            )
            framework = master.add_framework("marathon")
            for ip in AGENTS:
                master.hold_task(framework, master.add_agent(ip), "web", "/web:80", 31000)
            near = {ip: next_ones(ip, AGENTS, NEAR) for ip in (NODE, OTHER)}
            dead = sorted(near[OTHER] - near[NODE])[0]
            zk_flag = f"--zk=zk://{NODE}:2181/mesos"
            async with (
                dcos_net(node, folders[0], NODE, zk_flag) as first,
                dcos_net(other, folders[1], OTHER, zk_flag) as second,
            ):
                both = (node, other)

                def all_have(count: int) -> None:
                    assert [silent(space) for space in both] == [count, count]

                await eventually(lambda: all_have(0))
                await asyncio.sleep(12)  # the first round
                before = [seconds_of(one) for one in (first, second)]
                await asyncio.sleep(MEASURED_S)
                used = [seconds_of(one) - then for one, then in zip((first, second), before, strict=True)]
                print("\nof a core, idle:", *(f"{100 * one / MEASURED_S:.2f} %" for one in used))
                all_have(0)
                began = time.monotonic()
                farm.ip("addr", "del", f"{dead}/32", "dev", "lo")
                await eventually(lambda: all_have(1))
                print(f"known to both after {time.monotonic() - began:.2f} s")
                assert await store.children("/dcos-net/silent") == (dead,)
                farm.ip("addr", "add", f"{dead}/32", "dev", "lo")
                await eventually(lambda: all_have(0))

                async def nobody_is_named() -> bool:
                    return await store.children("/dcos-net/silent") == ()

                async with asyncio.timeout(30):
                    while not await nobody_is_named():
                        await asyncio.sleep(0.05)
