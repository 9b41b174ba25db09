"""What the ``kernel_*`` programs share: a ZooKeeper, masters and agents as processes on loopback, and a lean scheduler.

The scheduler speaks HTTP by hand, so that on a machine with few cores the figures are the master's and not its client's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType, Event, EventType
from dcos.model.v1.types import FrameworkID, FrameworkInfo, FrameworkInfoCapability, FrameworkInfoCapabilityType
from dcos.testing import zookeeper
from dcos.testing.processes import Processes
from dcos.wire import mesos_json
from dcos.wire.recordio import Decoder

CAPABILITIES = tuple(
    FrameworkInfoCapability(type=kind)
    for kind in (FrameworkInfoCapabilityType.MULTI_ROLE, FrameworkInfoCapabilityType.RESERVATION_REFINEMENT)
)


def say(
    what: str, ours: float, unit: str, reference: float | None = None, note: str = "", *, cpu: float | None = None
) -> None:
    """One line: our figure, the CPU seconds it took (on a busy machine they tell more), the reference's, ours divided by it."""
    used = f"CPU {cpu:>6,.2f} s" if cpu is not None else " " * 12
    beside = f"reference {reference:>6,.4g} {unit:<9} ratio {ours / reference:6.2f}" if reference else " " * 39
    print(f"{what:<64} {ours:>8,.4g} {unit:<9} {used}  {beside}  {note}".rstrip(), flush=True)


def memory_mb(pid: int) -> float:
    """Resident memory of one process."""
    return psutil.Process(pid).memory_info().rss / 2**20


def cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def world() -> Iterator[Processes]:
    """A ZooKeeper (it does not wait for the disk; heap as dcos-exhibitor gives it), and nothing else yet."""
    with (
        tempfile.TemporaryDirectory(prefix="dcos-bench-", dir="/var/tmp") as name,
        zookeeper.ensemble(Path(name) / "zk", heap_mb=256) as zk,
        Processes(Path(name), f"zk://{zk.hosts}") as services,
    ):
        try:
            yield services
        except BaseException:
            print(services.logs())
            raise


def start_master(services: Processes, name: str = "master", *flags: str, leads: bool = True) -> int:
    """Start one and wait until it answers and, unless another does, leads.   Returns its process id."""
    services.start(
        name, "dcos.master", f"--zk={services.zk}/mesos", "--ip=127.0.0.1", f"--port={services.port(name)}",
        f"--work_dir={services.folder / name}", "--hostname=127.0.0.1", "--cluster=bench", *flags,
    )  # fmt: skip
    services.eventually(f"{name} answers", lambda: services.get(name, "/version"))
    if leads:
        services.eventually(f"{name} leads", lambda: services.get(name, "/metrics/snapshot")["master/elected"])
    return services.pid(name)


class Scheduler:
    """One framework: its event stream, and one more connection for calls."""

    def __init__(self, port: int, role: str, *, identity: str = "", host: str = "127.0.0.1") -> None:
        self.role = role
        self.id = identity
        self.stream_id = ""
        self._where = (host, port)
        self._decoder = Decoder()
        self._links: list[asyncio.StreamWriter] = []

    async def subscribe(self) -> None:
        """Returns once SUBSCRIBED came; what follows comes from ``events``."""
        info = FrameworkInfo(
            user="root", name=f"bench-{self.role}", roles=(self.role,), capabilities=CAPABILITIES, failover_timeout=600.0,
            id=FrameworkID(value=self.id) if self.id else None,
        )  # fmt: skip
        subscribe = Call(
            type=CallType.SUBSCRIBE, framework_id=info.id, subscribe=scheduler.CallSubscribe(framework_info=info)
        )
        self._reader, writer = await asyncio.open_connection(*self._where, limit=2**24)
        self._links.append(writer)
        writer.write(request("/api/v1/scheduler", mesos_json.encode(subscribe)))
        head = await self._reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        for line in head.decode().splitlines():
            if line.lower().startswith("mesos-stream-id:"):
                self.stream_id = line.partition(":")[2].strip()
        self._events = self._read()
        first = await anext(self._events)
        assert first.subscribed is not None
        self.id = first.subscribed.framework_id.value
        self.calls, link = await asyncio.open_connection(*self._where, limit=2**24)
        self._links.append(link)
        self._call_writer = link

    async def _read(self) -> AsyncIterator[Event]:
        while True:
            size = int((await self._reader.readline()).strip(), 16)
            chunk = (await self._reader.readexactly(size + 2))[:-2]
            for record in self._decoder.feed(chunk):
                event = mesos_json.decode(record, Event)
                if event.type is not EventType.HEARTBEAT:
                    yield event

    async def event(self) -> Event:
        """The next one that is no heartbeat."""
        return await anext(self._events)

    def call(self, **members: Any) -> bytes:
        """A call as bytes to send."""
        made = Call(framework_id=FrameworkID(value=self.id), **members)
        return request("/api/v1/scheduler", mesos_json.encode(made), f"Mesos-Stream-Id: {self.stream_id}\r\n")

    async def send(self, *calls: bytes) -> None:
        """Send them at once on one connection; returns when each was answered by 202."""
        self._call_writer.write(b"".join(calls))
        for _ in calls:
            head = await self.calls.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 202"):
                raise RuntimeError(head.decode())

    def close(self) -> None:
        for link in self._links:
            link.close()


def request(path: str, body: bytes, headers: str = "") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
        f"{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def get(host: str, port: int, path: str) -> tuple[float, bytes]:
    """Seconds until the whole answer was here, and its body."""
    begin = time.perf_counter()
    reader, writer = await asyncio.open_connection(host, port, limit=2**20)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        body = await reader.read()
    finally:
        writer.close()
    return time.perf_counter() - begin, body


class Stalls:
    """Asks for ``/health`` all the time, from another process: the slowest answer tells how long the loop did something else."""

    def __init__(self, host: str, port: int) -> None:
        self._where = (host, str(port))

    async def __aenter__(self) -> Stalls:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.stalls", *self._where, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.kill()
        await self._process.wait()

    async def take(self) -> float:
        """The longest since the last time, in ms."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        return float(await self._process.stdout.readline()) * 1e3


async def until(what: str, probe: Callable[[], bool], within_s: float = 120.0) -> None:
    deadline = time.monotonic() + within_s
    while not probe():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        await asyncio.sleep(0.005)


def about_machine() -> str:
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
