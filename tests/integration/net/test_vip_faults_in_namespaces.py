"""A virtual IP with three backends on three nodes while one of them is killed, drained, frozen or cut off.

Prints what clients saw of it (``pytest -s``). Timings are judged loosely: the machine may have other things to do.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from dcos.testing import netns
from dcos.testing.fake_master import FakeMaster
from dcos.testing.netns import Namespace

from .nodes import dcos_net, discovery, eventually, greet, partition, vip_address

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not())),
]

NODE, PORT, CLIENTS, TIMEOUT_S = "10.77.0.1", 31000, 4, 2.0
ENOUGH = 40
SERVER = """
import socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=256)
while True:
    client = server.accept()[0]
    client.sendall(sys.argv[3].encode())
    client.close()
"""


class Try(NamedTuple):
    began: float
    took: float
    answer: str
    """Who answered; empty: nobody did."""
    trouble: str


class Load:
    """Clients in ``space`` that connect to a virtual IP one after another."""

    def __init__(self, space: Namespace, ip: str) -> None:
        self.tries: list[Try] = []
        self._ip = ip
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=space.inside, args=(self._connect,)) for _ in range(CLIENTS)]
        for one in self._threads:
            one.start()

    def _connect(self) -> None:
        while not self._ended.wait(0.01):
            began, answer, trouble = time.monotonic(), "", "closed"
            try:
                with socket.create_connection((self._ip, 80), timeout=TIMEOUT_S) as client:
                    answer = client.recv(100).decode()
            except OSError as error:
                trouble = str(error)
            self.tries.append(Try(began, time.monotonic() - began, answer, "" if answer else trouble))

    def end(self) -> None:
        self._ended.set()
        for one in self._threads:
            one.join()

    def since(self, moment: float) -> list[Try]:
        return [one for one in self.tries if one.began >= moment]

    def report(self, what: str, fault_at: float, told_at: float | None = None) -> None:
        seen = self.since(fault_at)
        failed = [one for one in seen if not one.answer]
        last = max((one.began - fault_at for one in failed), default=0.0)
        after = f", {max(0.0, last - (told_at - fault_at)):.2f} s after the master told it" if told_at else ""
        print(
            f"\n{what}: {len(failed)} of {len(seen)} connections failed, the last begun {last:.2f} s after the fault{after}; "
            f"the slowest of the others took {max((one.took for one in seen if one.answer), default=0.0):.2f} s"
        )


class Backend:
    """One node with a server of its own."""

    def __init__(self, client: Namespace, space: Namespace, number: int) -> None:
        self.space, self.ip, self.name = space, f"10.81.{number}.2", f"b{number}"
        netns.join(client, f"10.81.{number}.1/24", space, f"{self.ip}/24", name=f"to{number}")
        space.ip("route", "add", "default", "via", f"10.81.{number}.1")
        self.server = subprocess.Popen(space.command(sys.executable, "-c", SERVER, self.ip, str(PORT), self.name))
        self.task = ""

    def signal(self, number: int) -> None:
        os.kill(self.server.pid, number)

    def end(self) -> None:
        self.server.kill()
        self.server.wait()


@dataclass
class Cluster:
    node: Namespace
    master: FakeMaster
    backends: list[Backend]
    vip: str
    first_after_s: float


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    with netns.namespaces("node", "b1", "b2", "b3") as (node, *spaces):
        node.ip("addr", "add", f"{NODE}/32", "dev", "lo")
        node.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        backends = [Backend(node, space, number) for number, space in enumerate(spaces, 1)]
        try:
            async with FakeMaster(sock=node.listen(NODE, 5050)) as master, dcos_net(node, tmp_path, NODE):
                yield await started(node, master, backends)
        finally:
            for one in backends:
                one.end()


async def started(node: Namespace, master: FakeMaster, backends: list[Backend]) -> Cluster:
    framework, vip = master.add_framework("marathon"), vip_address("web.marathon")
    agents = [master.add_agent(one.ip) for one in backends]
    idle = discovery(1, "/idle:80", network_scope="host")
    await master.run_task(framework, agents[0], "idle", discovery=idle)

    def is_refused() -> None:
        with pytest.raises(ConnectionRefusedError):
            node.connect(vip_address("idle.marathon"), 80)

    await eventually(is_refused)
    for one in backends:
        await eventually(lambda b=one: greet(node, b.ip, PORT))
    began = time.monotonic()
    for one, agent in zip(backends, agents, strict=True):
        found = discovery(PORT, "/web:80", network_scope="host")
        one.task = await master.run_task(framework, agent, "web", discovery=found, health_checked=True, healthy=True)
    await eventually(lambda: greet(node, vip, 80, 0.05))
    first = time.monotonic() - began

    def all_three() -> None:
        assert {greet(node, vip, 80)[0] for _ in range(24)} == {one.name for one in backends}

    await eventually(all_three)
    await asyncio.sleep(1)  # all have answered echo requests
    return Cluster(node, master, backends, vip, first)


async def without(load: Load, name: str, moment: float) -> None:
    """Wait until clients have met only others, and no fault, for a second, and for as many times as tell something.

    Not before those who met a fault at ``moment`` have had the time to say so.
    """

    def clean() -> None:
        assert time.monotonic() - moment > 1.0 + TIMEOUT_S
        recent = load.since(max(moment, time.monotonic() - 1.0 - TIMEOUT_S))
        if len(recent) < ENOUGH:
            recent = load.since(moment)[-ENOUGH:]
        assert len(recent) >= ENOUGH, len(recent)
        assert not {one.answer for one in recent} & {"", name}

    await eventually(clean)


def kill(one: Backend) -> None:
    one.end()


def freeze(one: Backend) -> None:
    one.signal(signal.SIGSTOP)


def cut(one: Backend) -> None:
    one.space.run("nft", partition())


@pytest.mark.parametrize(
    ("what", "fault", "told"),
    [
        ("killed", kill, ("TASK_FAILED", None)),
        ("frozen, found by its health check", freeze, ("TASK_RUNNING", False)),
        ("cut off, or a dead node", cut, None),
    ],
    ids=["killed", "frozen", "cut-off"],
)
async def test_one_of_three_fails(
    cluster: Cluster, what: str, fault: Callable[[Backend], None], told: tuple[str, bool | None] | None
) -> None:
    victim = cluster.backends[1]
    load = Load(cluster.node, cluster.vip)
    try:
        await asyncio.sleep(0.5)
        fault_at = time.monotonic()
        await asyncio.to_thread(fault, victim)
        told_at = None
        if told is not None:
            await asyncio.sleep(0.3)
            told_at = time.monotonic()
            await cluster.master.update(victim.task, told[0], healthy=told[1])
        await without(load, victim.name, fault_at)
    finally:
        load.end()
        if fault is freeze:
            victim.signal(signal.SIGCONT)
    load.report(what, fault_at, told_at)
    print(f"running to first connection: {cluster.first_after_s * 1e3:.0f} ms")
    failed = [one for one in load.since(fault_at) if not one.answer]
    assert not [one for one in load.tries if not one.answer and one.began + one.took < fault_at]
    # never more than meet the one that failed
    during = [one for one in load.since(fault_at) if one.began <= max((f.began for f in failed), default=fault_at)]
    served = Counter(one.answer for one in during)
    assert {one.name for one in cluster.backends if one is not victim} <= served.keys() or len(during) < 8


async def test_one_of_three_is_drained(cluster: Cluster) -> None:
    """Being killed, it takes no new connections; when it is gone nobody notices."""
    victim = cluster.backends[1]
    load = Load(cluster.node, cluster.vip)
    try:
        await asyncio.sleep(0.5)
        fault_at = time.monotonic()
        await cluster.master.update(victim.task, "TASK_KILLING")
        await without(load, victim.name, fault_at)
        await asyncio.to_thread(kill, victim)
        await cluster.master.update(victim.task, "TASK_KILLED")
        await asyncio.sleep(0.5)
    finally:
        load.end()
    load.report("drained", fault_at)
    assert not [one for one in load.tries if not one.answer]
