"""Mesos-DNS with 20,000 tasks: questions a second, latency, memory, and what a change costs; beside peers in the same run.

python bench/dns.py [--seconds 1] [--rounds 3] [--tasks 20000]

Ours is ``dcos-mesos-dns`` as a process that follows a master's event stream. Peers, as far as they are on PATH (or in /usr/sbin):
nsd and unbound with the same records in their files, and what one writes first, asyncio with dnslib that parses and builds each
time. Servers run on one core, the load generator on another (where there is one), which sends batches made beforehand. Servers
take turns; printed are medians. Answers a second *of the server's CPU time* is the figure to trust on a machine that has other
things to do; a second by the clock is printed beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import getpass
import os
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import dnslib
import msgspec

from dcos.client.cluster import Cluster
from dcos.dns.core.zone import Naming, ZoneMaker
from dcos.model.cluster import ClusterAgent, ClusterFramework, ClusterState, Leader, RunningTask
from dcos.model.v1.types import TaskState
from dcos.model.zone import Zone
from dcos.testing.fake_master import FakeMaster
from dcos.testing.ports import free_port
from dcos.wire import dns
from dcos.wire.mesos_state import Everything, TaskSeen

HOST = "127.0.0.1"
BATCH = 64
"""Questions by one system call, and under way."""
TURN_S = 0.25
"""Seconds that one server is asked before the next, for latencies."""
INSTANCES = 5
"""Of every second app; the others have one."""


# ---- the cluster ---------------------------------------------------------------------------------------------------------


def app_of(task: int) -> str:
    return f"app-{task // (2 * INSTANCES)}" if task // INSTANCES % 2 else f"solo-{task}"


def fill(master: FakeMaster, agents: int, tasks: int) -> tuple[str, list[str]]:
    """Framework and agents."""
    ids = [master.add_agent(f"10.{n >> 8}.{n & 255}.1") for n in range(agents)]
    framework = master.add_framework("marathon")
    for n in range(tasks):
        task_id = f"{app_of(n)}.{n}"
        port = 31000 + n % 1000
        master.tasks[task_id] = {
            "name": app_of(n),
            "task_id": {"value": task_id},
            "framework_id": {"value": framework},
            "agent_id": {"value": ids[n % agents]},
            "state": "TASK_RUNNING",
            "resources": [
                {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}},
                {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": port, "end": port}]}},
            ],
            "statuses": [{"task_id": {"value": task_id}, "state": "TASK_RUNNING", "timestamp": 1.7e9}],
        }
    return framework, ids


def state_of(agents: int, tasks: int) -> ClusterState:
    """The same cluster, for peers that are told by a file."""
    made = {
        f"a-S{n}": ClusterAgent(id=f"a-S{n}", hostname="", ip=f"10.{n >> 8}.{n & 255}.1", port=5051)
        for n in range(agents)
    }
    running = [
        RunningTask(
            id=f"{app_of(n)}.{n}",
            framework_id="F",
            agent_id=f"a-S{n % agents}",
            name=app_of(n),
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


# ---- servers ---------------------------------------------------------------------------------------------------------------


def on_core(words: Sequence[str], number: int, **more: object) -> subprocess.Popen[bytes]:
    pinned = [*(("taskset", "-c", str(number)) if (os.cpu_count() or 1) > 1 else ()), *words]
    return subprocess.Popen(pinned, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)  # type: ignore[call-overload, no-any-return]


@contextlib.contextmanager
def ended(child: subprocess.Popen[bytes]) -> Iterator[int]:
    try:
        yield child.pid
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait()


def start_ours(root: str, master_port: int, port: int) -> subprocess.Popen[bytes]:
    code = "import sys; from dcos.dns.service import main; sys.exit(main())"
    flags = (f"--ip={HOST}", f"--masters={HOST}:{master_port}", f"--dns_port={port}", "--no-httpon")
    return on_core([sys.executable, "-c", code, *flags], 0, env={**os.environ, "DCOS_ROOT": root})


def start_forwarder(root: str, mesos_dns_port: int, port: int) -> subprocess.Popen[bytes]:
    code = "import sys; from dcos.net.service import main; sys.exit(main())"
    flags = (
        f"--ip={HOST}",
        f"--master_list={HOST}:9",
        f"--mesos_dns_port={mesos_dns_port}",
        f"--dns_bind={HOST}:{port}",
    )
    more = ("--rest_port=0", "--no-manage_network", "--no-enable_lb")
    return on_core([sys.executable, "-c", code, *flags, *more], 0, env={**os.environ, "DCOS_ROOT": root})


def start_plain(agents: int, tasks: int, port: int) -> subprocess.Popen[bytes]:
    return on_core([sys.executable, __file__, f"--plain={port}", f"--agents={agents}", f"--tasks={tasks}"], 0)


def find(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def start_nsd(root: str, zone: Zone, port: int) -> subprocess.Popen[bytes]:
    folder = Path(root)
    with (folder / "mesos.zone").open("w") as out:
        out.write(
            "$ORIGIN mesos.\n$TTL 60\n@ IN SOA ns1.mesos. root.ns1.mesos. 1 60 600 86400 60\n@ IN NS ns1.mesos.\n"
        )
        out.writelines(_lines(zone))
    settings = {
        "server-count": 1,
        "ip-address": HOST,
        "port": port,
        "username": getpass.getuser(),
        "zonesdir": folder,
        "pidfile": folder / "pid",
        "database": '""',
        "zonelistfile": folder / "zones",
        "xfrdfile": folder / "xfrd",
        "logfile": folder / "log",
        "rrl-ratelimit": 0,
        "minimal-responses": "no",
    }
    lines = [f" {key}: {value}" for key, value in settings.items()]
    lines += ["remote-control:", " control-enable: no", "zone:", " name: mesos", " zonefile: mesos.zone"]
    (folder / "nsd.conf").write_text("\n".join(["server:", *lines, ""]))
    return on_core([find("nsd") or "", "-d", "-c", f"{folder}/nsd.conf"], 0)


def start_unbound(root: str, zone: Zone, port: int) -> subprocess.Popen[bytes]:
    folder = Path(root)
    with (folder / "unbound.conf").open("w") as out:
        out.write(f'server:\n interface: {HOST}\n port: {port}\n username: ""\n chroot: ""\n directory: "{folder}"\n')
        out.write(
            ' pidfile: ""\n use-syslog: no\n num-threads: 1\n do-not-query-localhost: no\n module-config: "iterator"\n'
        )
        out.write(' local-zone: "mesos." static\n')
        out.writelines(f' local-data: "{line.strip()}"\n' for line in _lines(zone))
    return on_core([find("unbound") or "", "-d", "-c", f"{folder}/unbound.conf"], 0)


def _lines(zone: Zone) -> Iterator[str]:
    for record in zone.records():
        target, _, number = record.data.rpartition(":")
        data = f"0 1 {number} {target}." if record.rtype == "SRV" else record.data
        yield f"{record.name}. 60 IN {record.rtype} {data}\n"


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


# ---- asking ----------------------------------------------------------------------------------------------------------------


class Blast:
    """Batches of questions, ready for ``sendmmsg``, to a server on ``port``; answers are counted and thrown away."""

    def __init__(self, port: int, questions: Sequence[bytes]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.connect((HOST, port))
        self.sock.setblocking(False)
        self._keep = [ctypes.create_string_buffer(question, len(question)) for question in questions]
        sizes = list(map(len, questions))
        self._out, self._batches = self._headers([ctypes.addressof(one) for one in self._keep], sizes)
        self._room = ctypes.create_string_buffer(BATCH * 4096)
        start = ctypes.addressof(self._room)
        self._into, _ = self._headers([start + n * 4096 for n in range(BATCH)], [4096] * BATCH)

    def _headers(self, addresses: Sequence[int], sizes: Sequence[int]) -> tuple[ctypes.Array[ctypes.c_char], int]:
        vectors = ctypes.create_string_buffer(16 * len(sizes))
        headers = ctypes.create_string_buffer(64 * len(sizes))
        for n, (address, size) in enumerate(zip(addresses, sizes, strict=True)):
            struct.pack_into("=QQ", vectors, n * 16, address, size)
            struct.pack_into("=QQQQ", headers, n * 64, 0, 0, ctypes.addressof(vectors) + n * 16, 1)
        self._keep.append(vectors)
        return headers, len(sizes) // BATCH

    def answers(self, seconds: float) -> int:
        """Answers got with up to ``2 * BATCH`` questions under way."""
        got = flying = turn = 0
        out, into = ctypes.addressof(self._out), ctypes.addressof(self._into)
        number, waiting = self.sock.fileno(), select.poll()
        waiting.register(number, select.POLLIN)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while flying <= BATCH:
                sent = self._libc.sendmmsg(number, ctypes.c_void_p(out + turn * BATCH * 64), BATCH, 0x40)
                flying += max(0, sent)
                turn = (turn + 1) % self._batches
            if not waiting.poll(100):
                flying = 0  # lost on the way
                continue
            count = self._libc.recvmmsg(number, ctypes.c_void_p(into), BATCH, 0x40, None)
            if count > 0:
                got += count
                flying -= count
        return got

    def warm(self, count: int) -> None:
        """Until so many answers came, or for ten seconds."""
        end = time.monotonic() + 10
        while count > 0 and time.monotonic() < end:
            count -= self.answers(0.1)

    def close(self) -> None:
        self.sock.close()


def cpu_s(pid: int) -> float:
    """CPU time that the process and its children have used."""
    total = 0.0
    for one in (pid, *_children(pid)):
        for task in Path(f"/proc/{one}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0]) / 1e9
    return total


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_children(int(child))]
    return found


def memory_mb(pid: int) -> float:
    return sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in (pid, *_children(pid))) * 4096 / 1e6


def ask(sock: socket.socket, question: bytes) -> bytes:
    sock.send(question)
    return sock.recv(4096) if select.select([sock], [], [], 2.0)[0] else b""


def wait_for(port: int, question: bytes, wanted: Callable[[bytes], bool], within_s: float) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((HOST, port))
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            with contextlib.suppress(ConnectionRefusedError):
                if wanted(ask(sock, question)):
                    return
            time.sleep(0.05)
    raise SystemExit("the server does not answer")


def latencies_us(port: int, questions: Sequence[bytes], seconds: float, rate: int) -> list[float]:
    """One question after another at even distances."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((HOST, port))
        start = time.monotonic()
        for n in range(int(seconds * rate)):
            delay = start + n / rate - time.monotonic()
            if delay > 0:
                time.sleep(delay)
            before = time.perf_counter()
            if ask(sock, questions[n % len(questions)]):
                found.append((time.perf_counter() - before) * 1e6)
    return sorted(found)


# ---- what is measured ------------------------------------------------------------------------------------------------------


def known(answer: bytes) -> bool:
    return len(answer) > 8 and dns.rcode_of(answer) == dns.NOERROR and answer[6:8] != b"\0\0"


async def changes(master: FakeMaster, framework: str, agent: str, port: int, pid: int, tries: int) -> None:
    """One task comes and goes."""
    there, gone = [], []
    before = cpu_s(pid)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((HOST, port))
        for n in range(tries):
            question = dns.make_query(n, f"new-{n}.marathon.mesos", dns.A)
            task = await master.run_task(framework, agent, f"new-{n}", host_ports=[31000])
            there.append(await _until(sock, question, True))
            await master.update(task, "TASK_FINISHED")
            gone.append(await _until(sock, question, False))
    asked_cpu = (cpu_s(pid) - before) / (tries * 2)
    before = cpu_s(pid)
    for n in range(tries):
        task = await master.run_task(framework, agent, f"new-{n}", host_ports=[31000])
        await asyncio.sleep(0.1)
        await master.update(task, "TASK_FINISHED")
        await asyncio.sleep(0.1)
    each = (cpu_s(pid) - before) / (tries * 2)
    print(f"a name is there after TASK_RUNNING: median {statistics.median(there):.1f} ms, longest {max(there):.1f}")
    print(f"a name is gone after its end:       median {statistics.median(gone):.1f} ms, longest {max(gone):.1f}")
    print(
        f"CPU of the server for one change: {each * 1e3:.2f} ms ({asked_cpu * 1e3:.1f} with the questions that waited for it)"
    )


async def _until(sock: socket.socket, question: bytes, wanted: bool) -> float:
    start = time.perf_counter()
    for _ in range(5000):
        if known(ask(sock, question)) == wanted:
            break
        await asyncio.sleep(0.002)
    return (time.perf_counter() - start) * 1e3


def one_change_ms(agents: int, tasks: int) -> float:
    """CPU from the event to the changed zone: median of coming and going."""
    state = state_of(agents, tasks)
    cluster, maker = Cluster(), ZoneMaker(Naming())
    cluster.apply(
        Everything(
            agents=tuple(state.agents.values()),
            frameworks=tuple(state.frameworks.values()),
            tasks=tuple(state.tasks.values()),
        ),
        state.leader,
    )
    maker.make(cluster.state, serial=1)
    task = state.tasks["F", f"{app_of(0)}.0"]
    costs = []
    for serial in range(2, 42):
        ended = msgspec.structs.replace(task, state=TaskState.TASK_FINISHED) if serial % 2 == 0 else task
        before = time.process_time()
        cluster.apply(TaskSeen(ended))
        maker.make(cluster.state, serial=serial).touched()
        costs.append(time.process_time() - before)
    return statistics.median(costs) * 1e3


async def main_async(options: argparse.Namespace) -> None:
    agents, tasks = options.agents, options.tasks
    before = time.process_time()
    zone = ZoneMaker(Naming()).make(state_of(agents, tasks), serial=1)
    print(
        f"{tasks} tasks, {len(zone.a) + len(zone.srv)} names: zone made in {time.process_time() - before:.2f} s of CPU"
    )
    print(f"one task comes or goes: {one_change_ms(agents, tasks):.2f} ms of CPU from the event to the zone")
    solo = [app_of(n) for n in range(0, tasks, 7) if app_of(n).startswith("solo")][:1024]
    five = [app_of(n) for n in range(INSTANCES, tasks, 2 * INSTANCES)][:1024]
    cases = {
        "A, 1 address": [f"{app}.marathon.mesos" for app in solo],
        "A, with a cookie": [f"{app}.marathon.mesos" for app in solo],
        "SRV, 1 target": [f"_{app}._tcp.marathon.mesos" for app in solo],
        "A, 5 addresses": [f"{app}.marathon.mesos" for app in five],
        "SRV, 5 targets": [f"_{app}._tcp.marathon.mesos" for app in five],
    }
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    async with contextlib.AsyncExitStack() as stack:
        master = await stack.enter_async_context(FakeMaster())
        framework, ids = fill(master, agents, tasks)
        servers: dict[str, tuple[int, int]] = {}

        def start(name: str, make: Callable[[str, int], subprocess.Popen[bytes]]) -> None:
            root, port = stack.enter_context(tempfile.TemporaryDirectory(prefix="dns-bench-")), free_port()
            servers[name] = (port, stack.enter_context(ended(make(root, port))))

        start("ours", lambda root, port: start_ours(root, master.port, port))
        start("dnslib", lambda _, port: start_plain(agents, tasks, port))
        if find("nsd"):
            start("nsd", lambda root, port: start_nsd(root, zone, port))
        if find("unbound"):
            start("unbound", lambda root, port: start_unbound(root, zone, port))
        for port, _ in servers.values():
            question = dns.make_query(1, cases["A, 1 address"][0], dns.A)
            await asyncio.to_thread(wait_for, port, question, known, 60)
        print("memory, MB: " + ", ".join(f"{name} {memory_mb(pid):.0f}" for name, (_, pid) in servers.items()))
        if not options.forwarder_only:
            await asyncio.to_thread(_throughput, servers, cases, options)  # the master goes on with its heartbeats
        questions = [dns.make_query(n, name, dns.A) for n, name in enumerate(cases["A, 1 address"])]
        root, port = stack.enter_context(tempfile.TemporaryDirectory(prefix="dns-bench-")), free_port()
        pid = stack.enter_context(ended(start_forwarder(root, servers["ours"][0], port)))
        await asyncio.to_thread(wait_for, port, dns.make_query(1, "ready.spartan", dns.A), known, 60)
        await asyncio.to_thread(_forwarding, port, pid, questions, options)
        if options.forwarder_only:
            return
        await asyncio.to_thread(_latencies, servers, questions, options)
        await changes(master, framework, ids[0], *servers["ours"], options.tries)
        print(f"memory of ours at the end: {memory_mb(servers['ours'][1]):.0f} MB; load {os.getloadavg()[0]:.1f}")


def _latencies(servers: dict[str, tuple[int, int]], questions: Sequence[bytes], options: argparse.Namespace) -> None:
    """In short turns, so that what else the machine does falls on all of them alike."""
    found: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(max(1, round(min(options.seconds * 2, 5) / TURN_S)) * options.rounds):
        for name, (port, _) in servers.items():
            found[name] += latencies_us(port, questions, TURN_S, 2000)
    parts = (50, 99)
    figures = {
        name: {part: sorted(all_of_it)[len(all_of_it) * part // 100] for part in parts}
        for name, all_of_it in found.items()
    }
    print(f"latency at 2,000 questions a second, us, load {os.getloadavg()[0]:.1f}: p50, p99, ours to others")
    for name, figure in figures.items():
        values = "".join(f"{figure[part]:8.0f}" for part in parts)
        ratios = "".join(f"{figures['ours'][part] / figure[part]:8.2f}" for part in parts)
        print(f"  {name:10}{values}{'' if name == 'ours' else ratios}")


def _forwarding(port: int, pid: int, questions: Sequence[bytes], options: argparse.Namespace) -> None:
    """What dcos-net's forwarder spends on a question."""
    own = [dns.make_query(n, "ready.spartan", dns.A) for n in range(BATCH)]
    for title, asked in (("answered itself", own), ("asked of Mesos-DNS", questions)):
        blast = Blast(port, asked)
        blast.warm(2 * len(asked))
        before = cpu_s(pid)
        got = blast.answers(options.seconds)
        print(f"forwarder, {title}: {got / (cpu_s(pid) - before):.0f} answers /CPU s")
        blast.close()


def with_cookie(question: bytes) -> bytes:
    """As ``dig`` asks: EDNS with another cookie each time."""
    opt = b"\0" + struct.pack("!HHIH", dns.OPT, 1232, 0, 12) + struct.pack("!HH", 10, 8) + os.urandom(8)
    return question[:11] + b"\1" + question[12:] + opt


def _throughput(servers: dict[str, tuple[int, int]], cases: dict[str, list[str]], options: argparse.Namespace) -> None:
    print(
        f"{'answers a second':18}"
        + "".join(f"{name + ' /CPU s':>15}{'/s':>9}" for name in servers)
        + "   ours to others"
    )
    for title, names in cases.items():
        qtype = dns.SRV if title.startswith("SRV") else dns.A
        questions = [dns.make_query(n, name, qtype) for n, name in enumerate(names)]
        if "cookie" in title:
            questions = list(map(with_cookie, questions))
        blasts = {name: Blast(port, questions) for name, (port, _) in servers.items()}
        for name, (port, _) in servers.items():
            reply = dns.make_query(0, names[0], qtype)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.connect((HOST, port))
                assert known(ask(sock, reply)), f"{name} does not know {names[0]}"
            blasts[name].warm(2 * INSTANCES * len(names))
        by_cpu: dict[str, list[float]] = {name: [] for name in servers}
        by_clock: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(options.rounds):
            for name, (_, pid) in servers.items():
                before, start = cpu_s(pid), time.monotonic()
                got = blasts[name].answers(options.seconds)
                by_cpu[name].append(got / (cpu_s(pid) - before))
                by_clock[name].append(got / (time.monotonic() - start))
        for blast in blasts.values():
            blast.close()
        cpu = {name: statistics.median(found) for name, found in by_cpu.items()}
        line = "".join(f"{cpu[name]:15.0f}{statistics.median(by_clock[name]):9.0f}" for name in servers)
        ratios = ", ".join(f"{name} {cpu['ours'] / cpu[name]:.2f}" for name in servers if name != "ours")
        print(f"{title:18}{line}   {ratios}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--forwarder-only", action="store_true", help="only what dcos-net's forwarder spends")
    parser.add_argument("--plain", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        zone = ZoneMaker(Naming()).make(state_of(options.agents, options.tasks), serial=1)
        asyncio.run(serve_plain(zone, options.plain))
    else:
        asyncio.run(main_async(options))


if __name__ == "__main__":
    main()
