"""Questions a second of our DNS server beside the obvious one (asyncio; dnslib parses and builds each time), in the same run.

python bench/dns.py [--seconds 2] [--rounds 3]

Servers run on one core as processes of their own, the load generator on another (where there is one); rounds are interleaved and
medians printed. The ratio is the result; absolute numbers depend on the machine and its other load.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import select
import socket
import statistics
import time
from collections.abc import Callable, Iterator

import dnslib
import uvloop

from dcos.dns.core.zone import Naming, ZoneMaker
from dcos.model.cluster import ClusterAgent, ClusterFramework, ClusterState, Leader, RunningTask
from dcos.model.v1.types import TaskState
from dcos.model.zone import Zone
from dcos.runtime import dns as sockets
from dcos.testing.ports import free_port
from dcos.wire import dns

HOST = "127.0.0.1"
WINDOW = 64
"""Questions under way."""


def make_state(agents: int, tasks: int) -> ClusterState:
    made = {
        f"a-S{n}": ClusterAgent(id=f"a-S{n}", hostname="", ip=f"10.{n >> 8}.{n & 255}.1", port=5051)
        for n in range(agents)
    }
    running = [
        RunningTask(
            id=f"app-{n // 5}.{n}",
            framework_id="F",
            agent_id=f"a-S{n % agents}",
            name=f"app-{n // 5}",
            state=TaskState.TASK_RUNNING,
            host_ports=(31000 + n % 1000,),
        )
        for n in range(tasks)
    ]
    return ClusterState(
        revision=1,
        leader=Leader(ip="10.0.0.1", port=5050),
        agents=made,
        frameworks={"F": ClusterFramework(id="F", name="marathon", hostname="10.0.0.1")},
        tasks={("F", task.id): task for task in running},
    )


def ours(zone: Zone) -> sockets.Handler:
    answers = dns.ReadyAnswers(lambda name: (zone, name) if name.endswith(".mesos") else None)
    return lambda data, peer, tcp: answers.answer(data, udp=not tcp)


async def serve_ours(zone: Zone, port: int) -> None:
    async with sockets.serve(ours(zone), HOST, port):
        await asyncio.Event().wait()


async def serve_plain(zone: Zone, port: int) -> None:
    """What one writes first: a datagram protocol, dnslib for both directions."""

    class Protocol(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, peer: object) -> None:
            question = dnslib.DNSRecord.parse(data)
            reply = question.reply()
            name = str(question.q.qname).rstrip(".").lower()
            if question.q.qtype == dns.A:
                for ip in zone.a.get(name, ()):
                    reply.add_answer(dnslib.RR(question.q.qname, dns.A, rdata=dnslib.A(ip), ttl=60))
            for srv in zone.srv.get(name, ()) if question.q.qtype == dns.SRV else ():
                target = dnslib.SRV(0, 0, srv.port, srv.target)
                reply.add_answer(dnslib.RR(question.q.qname, dns.SRV, rdata=target, ttl=60))
                for ip in zone.a.get(srv.target, ()):
                    reply.add_ar(dnslib.RR(srv.target, dns.A, rdata=dnslib.A(ip), ttl=60))
            self.transport.sendto(bytes(reply.pack()), peer)  # type: ignore[attr-defined]

    await asyncio.get_running_loop().create_datagram_endpoint(Protocol, local_addr=(HOST, port))
    await asyncio.Event().wait()


def _process(serve: Callable[[Zone, int], object], zone: Zone, port: int) -> None:
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {0})
    uvloop.run(serve(zone, port))  # type: ignore[arg-type]


@contextlib.contextmanager
def running(serve: Callable[[Zone, int], object], zone: Zone) -> Iterator[int]:
    port = free_port()
    child = multiprocessing.get_context("fork").Process(target=_process, args=(serve, zone, port))
    child.start()
    try:
        yield port
    finally:
        child.terminate()
        child.join()


def rate(port: int, names: list[str], qtype: int, seconds: float) -> float:
    """Answers a second with ``WINDOW`` questions under way."""
    questions = [dns.make_query(n & 0xFFFF, name, qtype) for n, name in enumerate(names)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((HOST, port))
        sock.setblocking(False)
        _first_answer(sock, questions[0])
        sent = got = flying = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while flying < WINDOW:
                sock.send(questions[sent % len(questions)])
                sent += 1
                flying += 1
            if not select.select([sock], [], [], 0.2)[0]:
                flying = 0  # lost on the way
            while True:
                try:
                    sock.recv(4096)
                except BlockingIOError:
                    break
                got += 1
                flying -= 1
        return got / seconds


def _first_answer(sock: socket.socket, question: bytes) -> None:
    for _ in range(200):
        with contextlib.suppress(ConnectionRefusedError, BlockingIOError):
            sock.send(question)
            if select.select([sock], [], [], 0.1)[0]:
                sock.recv(4096)
                return
        time.sleep(0.05)
    raise SystemExit("the server does not answer")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=20_000)
    options = parser.parse_args()
    state = make_state(options.agents, options.tasks)
    maker = ZoneMaker(Naming())
    before = time.perf_counter()
    zone = maker.make(state, serial=1)
    first = time.perf_counter() - before
    before = time.perf_counter()
    maker.make(state, serial=2)
    again = time.perf_counter() - before
    print(f"{len(state.tasks)} tasks, {len(zone.a) + len(zone.srv)} names: zone {first:.2f} s, again {again:.2f} s")
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    apps = [f"app-{n}" for n in range(min(1000, options.tasks // 5))]
    cases = {
        "A, 5 addresses": ([f"{app}.marathon.mesos" for app in apps], dns.A),
        "SRV, 5 targets": ([f"_{app}._tcp.marathon.mesos" for app in apps], dns.SRV),
        "A, 1 address": (["leader.mesos"], dns.A),
    }
    with running(serve_ours, zone) as our_port, running(serve_plain, zone) as plain_port:
        print(f"{'':16} {'ours /s':>10} {'plain /s':>10} {'ratio':>7}")
        for title, (names, qtype) in cases.items():
            found: dict[int, list[float]] = {our_port: [], plain_port: []}
            for _ in range(options.rounds):
                for port, rates in found.items():
                    rates.append(rate(port, names, qtype, options.seconds))
            mine, plain = (statistics.median(found[port]) for port in (our_port, plain_port))
            print(f"{title:16} {mine:10.0f} {plain:10.0f} {mine / plain:7.1f}")


if __name__ == "__main__":
    main()
