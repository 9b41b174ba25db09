"""Virtual IPs beside the direct way, and what 10,000 of them cost to load, to change and to follow.

python bench/l4.py [--vips 10000] [--seconds 1] [--pairs 6] [--idle 20]   (root; makes network namespaces of its own)

A client and its balancer are one namespace, the server another behind a cable. Direct and by VIP take turns; printed are
medians of the pairs' ratios, in connections (or bytes) a second and in CPU time of the client's process, in which the
kernel does its part of the work: that ratio is the one to trust on a machine that has other things to do. Aims: 0.4 s to load,
1 ms for a change, 1 % of a core and 120 MB to be idle; the far side's part of the echo requests counts here as well.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import select
import signal
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import psutil

from dcos.client.cluster import Cluster
from dcos.model.cluster import ClusterAgent, ClusterFramework, DiscoveryPort, RunningTask
from dcos.model.v1.types import TaskState
from dcos.net.balancer import Balancer
from dcos.net.core.following import Following
from dcos.net.core.vips import Ranges
from dcos.runtime.nft import Nft
from dcos.testing import netns
from dcos.testing.fake_master import FakeMaster
from dcos.wire.mesos_state import Everything, StateEvent, TaskChanged, TaskSeen

CLIENT, SERVER, PORT, SINK = "10.77.0.1", "10.77.0.2", 31000, 31001
BACKENDS = 3
TIMES = 21


def make_task(app: int, number: int) -> RunningTask:
    """Of an app with a VIP; the first app, and the second for throughput, are served by ``SERVER``."""
    port = (PORT, SINK)[app] if app < 2 else 31000 + app % 1000
    labels = (("VIP_0", f"/app-{app}:80"), ("network-scope", "host"))
    return RunningTask(
        id=f"app-{app}.{number}",
        framework_id="F",
        agent_id="here" if app < 2 else f"S{(app * 3 + number) % 1000}",
        name=f"app-{app}",
        state=TaskState.TASK_RUNNING,
        discovery_ports=(DiscoveryPort(number=port, name="web", protocol="tcp", labels=labels),),
    )


def make_cluster(vips: int) -> Cluster:
    """Apps of three tasks on a thousand agents."""
    agents = [ClusterAgent(id=f"S{n}", hostname="", ip=f"10.{n >> 8}.{n & 255}.1", port=5051) for n in range(1000)]
    agents.append(ClusterAgent(id="here", hostname="", ip=SERVER, port=5051))
    tasks = [make_task(app, number) for app in range(vips) for number in range(1 if app < 2 else BACKENDS)]
    cluster = Cluster()
    framework = ClusterFramework(id="F", name="marathon")
    cluster.apply(Everything(agents=tuple(agents), frameworks=(framework,), tasks=tuple(tasks)))
    return cluster


def enter(space: netns.Namespace) -> None:
    """This process and all of its threads to come live in ``space`` from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"/run/netns/{space.name}", os.O_RDONLY)
    if libc.setns(descriptor, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(descriptor)


def serve(space: netns.Namespace) -> int:
    """A process that takes connections and ends them, and one port that swallows bytes; its pid."""
    pid = os.fork()
    if pid:
        return pid
    enter(space)
    accepting, sinking = (socket.create_server((SERVER, port), backlog=4096) for port in (PORT, SINK))
    sinks: list[socket.socket] = []
    while True:
        for ready in select.select([accepting, sinking, *sinks], [], [])[0]:
            if ready is accepting:
                ready.accept()[0].close()
            elif ready is sinking:
                sinks.append(ready.accept()[0])
            elif not ready.recv(1 << 20):
                sinks.remove(ready)
                ready.close()


def connect(ip: str, port: int, seconds: float) -> tuple[float, float]:
    """Connections a second, and microseconds of CPU for each."""
    count, cpu, end = 0, time.process_time(), time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.create_connection((ip, port), timeout=5) as one:
            one.recv(1)
        count += 1
    return count / seconds, (time.process_time() - cpu) / count * 1e6


def push(ip: str, port: int, seconds: float) -> tuple[float, float]:
    """Gbit a second, and milliseconds of CPU for each Gbit."""
    block, sent = bytes(1 << 18), 0
    with socket.create_connection((ip, port), timeout=5) as one:
        cpu, end = time.process_time(), time.monotonic() + seconds
        while time.monotonic() < end:
            sent += one.send(block)
        cpu = time.process_time() - cpu
    gbit = sent * 8 / 1e9
    return gbit / seconds, cpu / gbit * 1e3


def pairs(
    what: str, unit: str, run: Callable[[str, int], tuple[float, float]], port: int, vip: str, count: int
) -> None:
    both = [(run(SERVER, port), run(vip, 80)) for _ in range(count)]
    if not both:
        return
    rate = statistics.median(by_vip[0] / direct[0] for direct, by_vip in both)
    cpu = statistics.median(by_vip[1] / direct[1] for direct, by_vip in both)
    best = max(direct[0] for direct, _ in both), max(by_vip[0] for _, by_vip in both)
    print(f"{what:<28}{rate:>7.2f} x direct (best {best[1]:,.1f} of {best[0]:,.1f} {unit}), CPU {cpu:.2f} x direct")


class Clock:
    """Wall and CPU seconds between two looks."""

    def __init__(self) -> None:
        self.look()

    def look(self) -> tuple[float, float]:
        now = time.monotonic(), time.process_time() + sum(os.times()[2:4])
        before = getattr(self, "at", now)
        self.at = now
        return now[0] - before[0], now[1] - before[1]


async def costs(vips: int) -> tuple[str, str]:
    """Loads ``vips`` virtual IPs and changes tasks; the addresses of the first two."""
    cluster = make_cluster(vips)
    following, balancer = Following(Ranges(), CLIENT), Balancer(Nft(), Ranges(), node_ip=CLIENT, versions=(4,))
    clock = Clock()

    def say(what: str, aim_ms: float = 0.0) -> None:
        wall, cpu = clock.look()
        ratio = f"  {cpu * 1e3 / aim_ms:.2f} x the aim" if aim_ms else ""
        print(f"{what:<52}{cpu * 1e3:>9.1f} ms CPU {wall * 1e3:>9.1f} ms{ratio}", flush=True)

    made = following.take(cluster.state)
    say(f"{vips} VIPs x {BACKENDS}: decide, the first time")
    await balancer.want(made.services, (), made.changed)
    say("   load into the kernel, with routes", aim_ms=400)

    async def median_of(what: str, events: Iterable[StateEvent]) -> None:
        """From the event to the kernel."""
        costs = []
        for event in events:
            cluster.apply(event)
            clock.look()
            made = following.take(cluster.state)
            decided = clock.look()
            await balancer.want(made.services, (), made.changed)
            costs.append((decided[1], *clock.look()))
        decide, wall, cpu = (statistics.median(column) * 1e3 for column in zip(*costs, strict=True))
        kernel = f"{cpu:.2f} ms CPU ({wall:.2f} ms) in the kernel"
        print(f"{what:<52}{decide:>9.2f} ms CPU to decide, {kernel}  {decide + cpu:.2f} x the aim", flush=True)

    half = make_task(vips // 2, 1)

    def told(state: TaskState) -> TaskChanged:
        return TaskChanged(
            framework_id="F", task_id=half.id, state=state, healthy=None, container_ips=(), mapped_ports=(), at=0.0
        )

    turns = (told(TaskState.TASK_KILLING), told(TaskState.TASK_RUNNING))
    changed = [turns[turn % 2] for turn in range(TIMES)]
    await median_of("one backend goes or comes, of 3", changed)
    agents = ("S7", "S8")
    moved = [TaskSeen(msgspec.structs.replace(half, agent_id=agents[turn % 2])) for turn in range(TIMES)]
    await median_of("one backend is replaced by another", moved)
    await median_of("a new VIP", [TaskSeen(make_task(vips + turn, 0)) for turn in range(TIMES)])
    clock.look()
    await balancer.repair()
    say("compare with the kernel, nobody touched it")
    await Nft().apply("add table ip somebody_else\n")
    clock.look()
    await balancer.repair()
    say("compare with the kernel, somebody did")
    made = following.take(cluster.state)
    return tuple(made.addresses.v4[f"app-{number}.marathon"] for number in (0, 1))  # type: ignore[return-value]


async def idle(client: netns.Namespace, server: netns.Namespace, vips: int, seconds: float) -> None:
    """What a whole dcos-net costs that has nothing to do but to know ``vips`` virtual IPs and ask their agents for echoes."""
    client.ip("route", "add", "10.0.0.0/8", "via", SERVER)
    server.ip("route", "add", "local", "10.0.0.0/8", "dev", "lo")
    server.ip("route", "add", f"{CLIENT}/32", "dev", "eth0")
    with tempfile.TemporaryDirectory() as root:
        async with FakeMaster(sock=client.listen(CLIENT, 5050)) as master:
            framework = master.add_framework("marathon")
            agents = [master.add_agent(f"10.{n >> 8}.{n & 255}.1") for n in range(1000)]
            for app in range(vips):
                for number in range(BACKENDS):
                    master.hold_task(
                        framework, agents[(app * 3 + number) % 1000], f"app-{app}", f"/app-{app}:80", 31000 + app % 1000
                    )
            code = "import sys; from dcos.net.service import main; sys.exit(main())"
            words = client.command(sys.executable, "-c", code, f"--ip={CLIENT}", f"--master_list={CLIENT}")
            child = await asyncio.create_subprocess_exec(
                *words, env={**os.environ, "DCOS_ROOT": root}, stderr=asyncio.subprocess.DEVNULL
            )
            try:
                while await vips_told(client) < vips:  # noqa: ASYNC110 (another process)
                    await asyncio.sleep(1)
                await asyncio.sleep(5)
                before, began, asked = on_cpu_s(child.pid), time.monotonic(), echoes(server)
                await asyncio.sleep(seconds)
                used = (on_cpu_s(child.pid) - before) / (time.monotonic() - began)
                memory = psutil.Process(child.pid).memory_info().rss
                asked = (echoes(server) - asked) / (time.monotonic() - began)
                print(
                    f"idle, {vips} VIPs, 1,000 agents: {used * 100:.2f} % of a core with {asked:.0f} echo requests a second, "
                    f"{memory / 1e6:.0f} MB  {used * 100:.2f} and {memory / 120e6:.2f} x the aims"
                )
            finally:
                child.terminate()
                await child.wait()


def echoes(space: netns.Namespace) -> float:
    """Echo requests that came in."""
    names, values = (
        line.split()[1:] for line in space.run("cat", "/proc/net/snmp").splitlines() if line.startswith("Icmp:")
    )
    return float(dict(zip(names, values, strict=True))["InEchos"])


def on_cpu_s(pid: int) -> float:
    """Seconds that its threads were on a processor, by the scheduler: ticks miss what takes less than one."""
    files = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


async def vips_told(client: netns.Namespace) -> int:
    try:
        text = await asyncio.to_thread(client.run, "curl", "-sf", "http://127.0.0.1:62080/v1/metrics/default")
    except AssertionError:
        return 0
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("l4lb_vips "))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vips", type=int, default=10000)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--idle", type=float, default=20.0, help="seconds to watch an idle dcos-net; 0: not")
    given = parser.parse_args()
    trouble = netns.why_not()
    if trouble:
        sys.exit(trouble)
    with netns.namespaces("client", "server") as (client, server):
        netns.join(client, f"{CLIENT}/24", server, f"{SERVER}/24")
        server.run("sysctl", "-qw", "net.ipv4.tcp_max_tw_buckets=0")
        client.run("sysctl", "-qw", "net.ipv4.tcp_max_tw_buckets=0")
        backend = serve(server)
        try:
            back = os.open("/proc/self/ns/net", os.O_RDONLY)
            enter(client)
            web, sink = asyncio.run(costs(given.vips))
            pairs("connections", "a second", lambda ip, port: connect(ip, port, given.seconds), PORT, web, given.pairs)
            pairs("throughput", "Gbit/s", lambda ip, port: push(ip, port, given.seconds), SINK, sink, given.pairs)
            ctypes.CDLL(None).setns(back, 0x40000000)
        finally:
            os.kill(backend, signal.SIGKILL)
            os.waitpid(backend, 0)
        if given.idle:
            asyncio.run(idle(client, server, given.vips, given.idle))


if __name__ == "__main__":
    main()
