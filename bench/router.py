"""The front door beside a plain nginx: ``python -m bench.router [load|rate|first|losses|checks ...]``.

A real Admin Router (supervisor, nginx with one worker, decision service) and a plain ``proxy_pass`` with kept connections and
a buffer of 16 KB (Admin Router's is twice that) lead to the same nginx behind; ``wrk`` (Debian) loads them in turn, over
loopback only. With two cores or more, what is measured has core 0 and everything else core 1. Ratios are medians of pairs;
CPU is that of nginx's worker and of the decision service. ``losses`` counts requests that got no 200 while leaders, apps,
configuration and the decision service change under load.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from dcos.testing.ports import free_port
from dcos.wire import jwt
from tests.integration.adminrouter import front_door
from tests.integration.adminrouter.front_door import AUTH, FrontDoor, World

PAIRS = 7
SECONDS = 2
CONNECTIONS = 64
RATE = 5_000
SIZES = {"1 KB": "/1k", "100 KB": "/100k"}
NGINX = """
daemon off; pid {folder}/{name}.pid; error_log /dev/null crit; worker_processes 1; worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; sendfile on; tcp_nodelay on;
    {body}
}}
"""
BEHIND = "server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}/files; default_type text/plain; }}"
PLAIN = """
    upstream behind {{ server 127.0.0.1:{behind}; keepalive 64; }}
    server {{ listen 127.0.0.1:{port} backlog=4096; location / {{
        proxy_buffering off; proxy_buffer_size 16k; proxy_buffers 8 16k;
        proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
        proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
    }} }}
"""


def say(what: str, value: str, aim: str = "") -> None:
    print(f"{what:66} {value:>26}  {aim}", flush=True)


def pin(pids: list[int], core: int) -> None:
    if (os.cpu_count() or 1) > 1:
        for pid in pids:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(pid, {core})


def cpu_s(pids: list[int]) -> float:
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


@dataclass
class Stage:
    """Both doors and what is behind them."""

    door: FrontDoor
    world: World
    zk: str
    plain_port: int
    plain_pids: list[int]
    behind: list[int]
    """Ports of the services behind."""

    @property
    def door_pids(self) -> list[int]:
        """nginx's worker and the decision service."""
        assert self.door.process is not None
        children = psutil.Process(self.door.process.pid).children(recursive=True)
        return [one.pid for one in children if "nginx: worker" in " ".join(one.cmdline()) or _decides(one)]


def _decides(one: psutil.Process) -> bool:
    return "dcos.adminrouter.decisions" in one.cmdline()


@contextlib.contextmanager
def nginx(folder: Path, name: str, body: str, core: int) -> Iterator[list[int]]:
    (folder / f"{name}.conf").write_text(NGINX.format(folder=folder, name=name, body=body))
    child = subprocess.Popen(["nginx", "-p", f"{folder}/", "-c", str(folder / f"{name}.conf")])
    try:
        time.sleep(0.5)
        workers = [one.pid for one in psutil.Process(child.pid).children()]
        pin([child.pid, *workers], core)
        yield workers
    finally:
        child.terminate()
        child.wait(20)


@contextlib.contextmanager
def stage(*flags: str) -> Iterator[Stage]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-router-")))
        folder.chmod(0o755)
        (folder / "files").mkdir()
        for name, size in (("1k", 1024), ("100k", 102_400)):
            (folder / "files" / name).write_bytes(b"x" * size)
        behind, plain = [free_port(), free_port()], free_port()
        os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})
        for number, port in enumerate(behind):
            stack.enter_context(nginx(folder, f"behind{number}", BEHIND.format(port=port, folder=folder), 1))
        pids = stack.enter_context(nginx(folder, "plain", PLAIN.format(behind=behind[0], port=plain), 0))
        world, zk = stack.enter_context(front_door.cluster(folder / "zk"))
        world.state.marathon_leader = f"127.0.0.1:{world.ports['dcos-marathon']}"
        world.state.apps = [front_door.app("bench", behind[0])]
        opened = stack.enter_context(front_door.open_folder())
        door = stack.enter_context(front_door.opened(FrontDoor(opened / "a", world, zk, "--workers=1", *flags)))
        door.wait("/service/bench/1k", AUTH)
        made = Stage(door, world, zk, plain, pids, behind)
        assert door.process is not None
        pin([door.process.pid, *(one.pid for one in psutil.Process(door.process.pid).children(recursive=True))], 0)
        yield made


# ---- requests a second -----------------------------------------------------------------------------------------------


@dataclass
class Wrk:
    rate: float
    errors: int
    cpu_us: float
    p99_ms: float


def wrk(port: int, path: str, pids: list[int], headers: list[str]) -> Wrk:
    argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", *headers, f"http://127.0.0.1:{port}{path}"]
    before = cpu_s(pids)
    text = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
    used = cpu_s(pids) - before
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    total = int(re.search(r"(\d+) requests in", text)[1])
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    socket_errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    errors = int(bad[1]) if bad else 0
    errors += sum(int(one) for one in socket_errors.groups()) if socket_errors else 0
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    return Wrk(rate, errors, used / total * 1e6, float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit])


def load(made: Stage) -> None:
    headers = ["-H", f"Authorization: {AUTH['Authorization']}"]
    for size, path in SIZES.items():
        pairs = []
        for _ in range(PAIRS):
            plain = wrk(made.plain_port, path, made.plain_pids, [])
            door = wrk(made.door.port, f"/service/bench{path}", made.door_pids, headers)
            pairs.append((plain, door))
        errors = sum(door.errors for _, door in pairs)
        rates = [door.rate / plain.rate for plain, door in pairs]
        costs = [door.cpu_us / plain.cpu_us for plain, door in pairs]
        of_plain, of_door = (statistics.median(one[index].rate for one in pairs) for index in (0, 1))
        say(f"{size}: requests/s, plain nginx", f"{of_plain:,.0f}")
        say(f"{size}: requests/s, Admin Router ({errors} errors)", f"{of_door:,.0f}")
        aim = "0.90" if size == "1 KB" else "0.95"
        say(f"{size}: ratio (median of {PAIRS} pairs)", f"{statistics.median(rates):.2f}", f"aim {aim}")
        say(f"{size}: spread of the ratio", f"{min(rates):.2f} to {max(rates):.2f}")
        say(f"{size}: CPU a request, ratio", f"{statistics.median(costs):.2f}", "aim 1.20")
        say(f"{size}: CPU a request, plain and Admin Router", " ".join(_median_cpu(pairs, at) for at in (0, 1)))


def _median_cpu(pairs: list[tuple[Wrk, Wrk]], at: int) -> str:
    return f"{statistics.median(one[at].cpu_us for one in pairs):.1f} us"


# ---- latency at a steady rate ----------------------------------------------------------------------------------------


class Steady(asyncio.Protocol):
    """One connection that sends a request at fixed times and notes how long each took from when it was due."""

    def __init__(self, request: bytes, took: list[float]) -> None:
        self._request = request
        self._took = took
        self._due = 0.0
        self._left = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self, due: float) -> None:
        if self._due or self.transport is None:
            return  # the last one is still under way: it counts, late as it is
        self._due = due
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._left == 0:
            head, _, body = data.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = re.search(rb"(?i)content-length: (\d+)", head)
            self._left = int(length[1]) if length else 0
            self._left -= len(body)
        else:
            self._left -= len(data)
        if self._left <= 0:
            self._left = 0
            self._took.append(time.perf_counter() - self._due)
            self._due = 0.0


async def steady(port: int, path: str, seconds: float) -> float:
    """The 99th percentile in ms."""
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {AUTH['Authorization']}\r\n\r\n".encode()
    took: list[float] = []
    loop = asyncio.get_running_loop()
    links = [
        (await loop.create_connection(lambda: Steady(request, took), "127.0.0.1", port))[1] for _ in range(CONNECTIONS)
    ]
    begin = time.perf_counter()
    for number in range(int(RATE * seconds)):
        due = begin + number / RATE
        pause = due - time.perf_counter()
        if pause > 0.0005:
            await asyncio.sleep(pause)
        elif number % 16 == 0:
            await asyncio.sleep(0)
        links[number % CONNECTIONS].send(due)
    await asyncio.sleep(0.2)
    for link in links:
        assert link.transport is not None
        link.transport.close()
    return sorted(took)[int(len(took) * 0.99)] * 1e3


async def rate(made: Stage) -> None:
    pairs = []
    for _ in range(PAIRS):
        plain = await steady(made.plain_port, "/1k", SECONDS)
        pairs.append((plain, await steady(made.door.port, "/service/bench/1k", SECONDS)))
    say(f"p99 at {RATE:,} requests/s, plain nginx", f"{statistics.median(plain for plain, _ in pairs):.2f} ms")
    say(f"p99 at {RATE:,} requests/s, Admin Router", f"{statistics.median(door for _, door in pairs):.2f} ms")
    say("ratio (median of pairs)", f"{statistics.median(door / plain for plain, door in pairs):.2f}", "aim 1.20")


# ---- the first request of a token ------------------------------------------------------------------------------------


def first(made: Stage) -> None:
    """Over one connection: the first request of a token, and its second; plain nginx beside."""
    import http.client

    firsts, seconds, plain = [], [], []
    tokens = [jwt.sign(f"user{number}", int(time.time()) + 3600, front_door.KEY) for number in range(100)]
    door = http.client.HTTPConnection("127.0.0.1", made.door.port, timeout=30)
    beside = http.client.HTTPConnection("127.0.0.1", made.plain_port, timeout=30)

    def took(link: http.client.HTTPConnection, path: str, token: str) -> float:
        begin = time.perf_counter()
        link.request("GET", path, headers={"Authorization": f"token={token}"})
        reply = link.getresponse()
        reply.read()
        assert reply.status == 200
        return (time.perf_counter() - begin) * 1e3

    for token in tokens:
        firsts.append(took(door, "/service/bench/1k", token))
        seconds.append(took(door, "/service/bench/1k", token))
        plain.append(took(beside, "/1k", token))
    added = [one - two for one, two in zip(firsts, seconds, strict=True)]
    say("a token's first request, added (median)", f"{statistics.median(added):.2f} ms", "aim 15 ms")
    say("a token's first request, added (99 of 100)", f"{sorted(added)[98]:.2f} ms", "aim 15 ms")
    say("a token's second request; plain nginx", f"{statistics.median(seconds):.2f}, {statistics.median(plain):.2f} ms")


# ---- nothing lost ----------------------------------------------------------------------------------------------------


@dataclass
class Load:
    """Keep-alive clients that send a request again on a new connection when the kept one was closed before an answer."""

    port: int
    path: str
    clients: int = 8
    done: int = 0
    again: int = 0
    lost: list[str] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._threads = [threading.Thread(target=self._client) for _ in range(self.clients)]
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for one in self._threads:
            one.join(60)

    def _client(self) -> None:
        import http.client

        link, used = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60), False
        while not self._end.is_set():
            try:
                link.request("GET", self.path, headers=AUTH)
                reply = link.getresponse()
                reply.read()
            except (http.client.RemoteDisconnected, ConnectionError) as error:
                link.close()
                if used:
                    self.again += 1
                else:
                    self.lost.append(type(error).__name__)
                used = False
                continue
            except Exception as error:
                self.lost.append(type(error).__name__)
                link.close()
                used = False
                continue
            used = True
            self.done += 1
            if reply.status != 200:
                self.lost.append(str(reply.status))
            time.sleep(0.002)
        link.close()


def losses(made: Stage) -> None:
    _lost(made, "/mesos/x", "100 changes of the leading master", lambda: _leaders(made, 100))
    _lost(made, "/service/bench/1k", "1,000 changes of an app's place", lambda: _apps(made, 1_000))
    _lost(made, "/service/bench/1k", "20 reloads of the configuration", lambda: _reloads(made, 20))
    _lost(made, "/service/bench/1k", "5 ends of the decision service (SIGKILL)", lambda: _ends(made, 5))


def _lost(made: Stage, path: str, what: str, change: Callable[[], str]) -> None:
    with Load(made.door.port, path) as under:
        note = change()
    say(f"lost in {what}", f"{len(under.lost)} of {under.done:,}", "aim 0")
    told = f"{under.again} sent again on a new connection" + (f"; {note}" if note else "")
    say("", told)
    if under.lost:
        say("", ", ".join(sorted(set(under.lost))))


def _leaders(made: Stage, count: int) -> str:
    ports = [made.world.ports["master"], made.world.ports["agent"]]
    client = front_door.KazooClient(hosts=made.zk)
    client.start()
    seen = []
    try:
        for number in range(count):
            begin = time.perf_counter()
            old = client.get_children("/mesos")
            front_door.announce_master(made.zk, ports[(number + 1) % 2])
            for name in old:
                client.delete(f"/mesos/{name}")
            wanted = ("agent", "master")[number % 2]
            while made.door.ask("/mesos/x", headers=AUTH).seen["upstream"] != wanted:
                time.sleep(0.005)
            seen.append(time.perf_counter() - begin)
    finally:
        client.stop()
        client.close()
    return f"seen after {statistics.median(seen) * 1e3:.0f} ms, at most {max(seen) * 1e3:.0f}"


def _apps(made: Stage, count: int) -> str:
    """Both places go on serving, as in a rolling restart; each change is waited for every tenth time."""
    seen = []
    for number in range(count):
        place = made.behind[(number + 1) % 2]
        made.world.state.apps = [front_door.app("bench", place), front_door.app(f"other{number}", place)]
        made.world.event()
        if number % 10 == 9:
            begin = time.perf_counter()
            while made.door.ask(f"/service/other{number}/1k", headers=AUTH).status != 200:
                time.sleep(0.005)
            seen.append(time.perf_counter() - begin)
        else:
            time.sleep(0.01)
    made.world.state.apps = [front_door.app("bench", made.behind[0])]
    made.world.event()
    return f"a new one seen after {statistics.median(seen) * 1e3:.0f} ms, at most {max(seen) * 1e3:.0f}"


def _reloads(made: Stage, count: int) -> str:
    assert made.door.process is not None
    for _ in range(count):
        before = _workers(made)
        made.door.process.send_signal(signal.SIGHUP)
        _until(lambda before=before: bool(_workers(made) - before))
        time.sleep(0.2)
    return ""


def _workers(made: Stage) -> set[int]:
    found = psutil.Process(made.door.nginx_pid()).children()
    return {one.pid for one in found if _is_worker(one)}


def _is_worker(one: psutil.Process) -> bool:
    try:
        return "worker process" in " ".join(one.cmdline()) and "shutting" not in " ".join(one.cmdline())
    except psutil.NoSuchProcess:
        return False


def _ends(made: Stage, count: int) -> str:
    took = []
    for _ in range(count):
        assert made.door.process is not None
        old = next(one for one in psutil.Process(made.door.process.pid).children() if _decides(one))
        begin = time.perf_counter()
        old.kill()
        fresh = jwt.sign(f"fresh-{time.monotonic_ns()}", None, front_door.KEY)
        reply = made.door.ask("/service/bench/1k", headers={"Authorization": f"token={fresh}"})
        took.append(time.perf_counter() - begin)
        if reply.status != 200:
            return f"a new token got {reply.status}"
        time.sleep(1.0)
    return f"a new token waited {statistics.median(took):.1f} s, at most {max(took):.1f}"


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


# ---- logins and token checks -----------------------------------------------------------------------------------------


def checks(made: Stage) -> None:
    """Questions to the decision service over its socket as nginx asks them: wrk does not speak to unix sockets, so by HTTP
    through nginx with its memory passed over by ever new subjects is what can be had from outside; CPU time counts."""
    script = made.door.folder / "new.lua"
    script.write_text(
        "local n = 0\nrequest = function() n = n + 1\n"
        "return wrk.format('GET', '/service/none' .. n .. 'x' .. math.random(1e9) .. '/') end\n"
    )
    argv = ["wrk", "-t1", "-c16", f"-d{SECONDS}s", "-s", str(script)]
    argv += ["-H", f"Authorization: {AUTH['Authorization']}", f"http://127.0.0.1:{made.door.port}/"]
    assert made.door.process is not None
    pids = [one.pid for one in psutil.Process(made.door.process.pid).children() if _decides(one)]
    before, begin = cpu_s(pids), made.door.ask("/nginx/metrics").body
    subprocess.run(argv, capture_output=True, check=True, timeout=60)
    used, end = cpu_s(pids) - before, made.door.ask("/nginx/metrics").body
    first, last = (int(re.search(rb"adminrouter_decisions_total (\d+)", one)[1]) for one in (begin, end))
    count = last - first
    say("decisions a second of one core (token checked, service looked up)", f"{count / used:,.0f}", "aim 5,000")


def main(wanted: list[str]) -> int:
    missing = [name for name in ("nginx", "wrk") if shutil.which(name) is None]
    if missing or front_door.why_not():
        print(f"needs {', '.join(missing) or front_door.why_not()}", file=sys.stderr)
        return 2
    parts: dict[str, Callable[[Stage], object]] = {
        "load": load,
        "rate": lambda made: asyncio.run(rate(made)),
        "first": first,
        "losses": losses,
        "checks": checks,
    }
    print(json.dumps({"cores": os.cpu_count(), "load": os.getloadavg()}))
    with stage() as made:
        for name in wanted or parts:
            parts[name](made)
    print(json.dumps({"load": os.getloadavg()}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
