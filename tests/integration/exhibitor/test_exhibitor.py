"""dcos-exhibitor as a process, with real ZooKeepers below it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dcos.exhibitor.fourletter import ask
from dcos.exhibitor.relay import relay
from dcos.store.zookeeper import connect
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port, free_ports
from dcos.testing.zookeeper import ensemble as zookeepers
from dcos.testing.zookeeper import why_not

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(why_not() is not None, reason=why_not() or ""),
]

START = "import sys; from dcos.exhibitor.service import main; sys.exit(main())"
T = TypeVar("T")


class Exhibitor:
    """One dcos-exhibitor with a root folder of its own, and a socket in systemd's place."""

    def __init__(self, folder: Path, ip: str, ports: list[int], *flags: str) -> None:
        self.root = folder / ip
        self.root.mkdir(parents=True)
        self.ip = ip
        self.port, self.client, self.quorum, self.election = ports
        self.flags = flags
        self.log = self.root / "log"
        self.variables: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.settimeout(PATIENCE_S)
        self.notified.bind(str(self.root / "notify"))

    def start(self, *more: str) -> None:
        argv = [
            f"--ip={self.ip}",
            f"--port={self.port}",
            f"--zk_client_port={self.client}",
            f"--zk_connect_port={self.quorum}",
            f"--zk_election_port={self.election}",
            "--check_period=500ms",
            "--check_timeout=2secs",
            *self.flags,
            *more,
        ]
        environ = {**os.environ, "DCOS_ROOT": str(self.root), "NOTIFY_SOCKET": str(self.root / "notify")}
        environ |= self.variables
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-c", START, *argv], env=environ, stderr=log)

    def wait_ready(self) -> str:
        while True:
            text = self.notified.recv(4096).decode()
            if "READY=1" in text:
                return text

    @property
    def state_folder(self) -> Path:
        return self.root / "var/lib/dcos/exhibitor"

    @property
    def zookeeper(self) -> int:
        return int(json.loads((self.state_folder / "zookeeper.pid").read_bytes())["pid"])

    def get(self, path: str, **headers: str) -> Any:
        request = urllib.request.Request(f"http://{self.ip}:{self.port}/exhibitor/v1/{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.loads(answer.read())

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def clean_up(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.end()
        self.notified.close()
        with contextlib.suppress(FileNotFoundError):
            pid = self.zookeeper
            if alive(pid) and str(self.root).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Exhibitor]:
    made = Exhibitor(tmp_path, "127.0.0.1", free_ports(4))
    try:
        yield made
    finally:
        made.clean_up()


SERVING = {"code": 3, "description": "serving", "hostname": "127.0.0.1", "isLeader": True}


def test_a_master_alone(alone: Exhibitor) -> None:
    alone.start()
    alone.wait_ready()
    assert alone.get("cluster/status") == [SERVING]
    state = {
        "switches": {"restarts": True, "cleanup": True, "backups": True},
        "state": 3,
        "description": "serving",
        "isLeader": True,
    }
    assert alone.get("cluster/state") == state
    assert alone.get("cluster/state/127.0.0.1") == {"response": state, "errorMessage": "", "success": True}
    assert alone.get("cluster/state/10.9.9.9")["success"] is False
    assert alone.get("cluster/list") == {"servers": ["127.0.0.1"], "port": alone.client}
    assert alone.get("cluster/4ltr/ruok") == "imok"
    assert alone.get("cluster/4ltr/ruok/127.0.0.1")["response"] == "imok"
    assert alone.get("cluster/4ltr/kill") == "* unknown *"
    assert "ZooKeeper is serving" in alone.get("cluster/log")
    whole = alone.get("config/get-state")
    assert whole["running"] is True
    assert whole["standaloneMode"] is True
    assert whole["config"]["serverId"] == 1
    assert whole["config"]["serversSpec"] == "S:1:127.0.0.1"
    for folder in ("", "conf", "zookeeper", "zookeeper/snapshot", "zookeeper/transactions"):
        assert (alone.state_folder / folder).stat().st_mode & 0o777 == 0o700
    zookeeper = alone.zookeeper
    assert alone.end() == 0
    assert not alive(zookeeper)


def test_the_list_as_a_form_and_the_etag(alone: Exhibitor) -> None:
    alone.start()
    alone.wait_ready()
    base = f"http://127.0.0.1:{alone.port}/exhibitor/v1"
    form = urllib.request.Request(f"{base}/cluster/list", headers={"Accept": "application/x-www-form-urlencoded"})
    with urllib.request.urlopen(form, timeout=PATIENCE_S) as answer:
        assert answer.read().decode() == f"count=1&server0=127.0.0.1&port={alone.client}"
    with urllib.request.urlopen(f"{base}/config/get-state", timeout=PATIENCE_S) as answer:
        etag = answer.headers["ETag"]
    again = urllib.request.Request(f"{base}/config/get-state", headers={"If-None-Match": etag})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(again, timeout=PATIENCE_S)
    caught.value.close()
    assert caught.value.code == 304


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_or_hung_zookeeper_is_replaced_and_nothing_is_lost(alone: Exhibitor, number: int) -> None:
    alone.start()
    alone.wait_ready()
    address = f"127.0.0.1:{alone.client}"
    aside(write(address, "/kept", b"yes"))
    before = alone.zookeeper
    os.kill(before, number)
    eventually(lambda: alone.zookeeper != before and alone.get("cluster/status") == [SERVING])
    assert not alive(before)
    assert aside(read(address, "/kept")) == b"yes"


def aside(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` in a thread with a loop of its own: the main thread's belongs to pytest-asyncio."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def write(address: str, path: str, data: bytes) -> None:
    store = await connect(address)
    await store.create(path, data)
    await store.close()


async def read(address: str, path: str) -> bytes | None:
    store = await connect(address)
    node = await store.get(path)
    await store.close()
    return node.data if node else None


@pytest.mark.parametrize("size", [0, 5, 65536])
def test_a_log_that_was_only_begun_does_not_keep_it_from_starting(alone: Exhibitor, size: int) -> None:
    """ZooKeeper dies of it, for good, when it is killed in that moment."""
    alone.start()
    alone.wait_ready()
    address = f"127.0.0.1:{alone.client}"
    aside(write(address, "/kept", b"yes"))
    alone.end()
    log = alone.state_folder / "zookeeper/transactions/version-2/log.ffff"
    log.write_bytes(bytes(size))
    alone.start()
    alone.wait_ready()
    assert not log.exists()
    assert "never written to" in alone.get("cluster/log")
    assert aside(read(address, "/kept")) == b"yes"


def test_the_explorer(alone: Exhibitor) -> None:
    alone.start()
    alone.wait_ready()

    def change(method: str, path: str, body: bytes = b"") -> Any:
        url = f"http://127.0.0.1:{alone.port}/exhibitor/v1/explorer/znode/{path}"
        headers = {"Content-Type": "application/json", "netflix-reason": "trial"}
        request = urllib.request.Request(url, method=method, data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.loads(answer.read())

    assert change("PUT", "a/b", b"6f 6b") == {"message": "OK", "succeeded": True}
    assert alone.get("explorer/node?key=/a") == [{"title": "b", "key": "/a/b", "isLazy": True, "expand": False}]
    found = alone.get("explorer/node-data?key=/a/b")
    assert (found["bytes"], found["str"]) == ("6f 6b ", "ok")
    assert "czxid: " in found["stat"]
    assert "ephemeralOwner: 0" in found["stat"]
    assert change("PUT", "a/b", b"not hex")["succeeded"] is False
    assert change("DELETE", "a") == {"message": "OK", "succeeded": True}
    assert alone.get("explorer/node-data?key=/a/b") == {"bytes": "", "str": "", "stat": "* not found * "}
    assert alone.get("explorer/node?key=/a")[0]["title"] == "* Exception *"
    assert change("DELETE", "zookeeper")["succeeded"] is False
    assert "trial" in alone.get("cluster/log")
    alone.end()
    alone.start("--node_modification=false")
    alone.wait_ready()
    assert alone.get("config/get-state")["nodeMutationsAllowed"] is False
    with pytest.raises(urllib.error.HTTPError) as caught:
        change("DELETE", "zookeeper")
    caught.value.close()
    assert caught.value.code == 403


def test_people_stop_start_and_restart_it(alone: Exhibitor) -> None:
    alone.start()
    alone.wait_ready()
    first = alone.zookeeper
    assert alone.get("cluster/restart") == {"message": "OK", "succeeded": True}
    eventually(lambda: alone.zookeeper != first and alone.get("cluster/status") == [SERVING])
    second = alone.zookeeper
    assert alone.get("cluster/set/restarts/false")["succeeded"] is True
    assert alone.get("cluster/set/moods/false") == {"message": "Not found", "succeeded": False}
    alone.get("cluster/stop/127.0.0.1")
    eventually(lambda: not alive(second))
    time.sleep(1.5)
    assert alone.get("cluster/status")[0]["description"] == "down"
    alone.get("cluster/start")
    eventually(lambda: alone.get("cluster/status") == [SERVING])
    assert alone.get("cluster/state")["switches"]["restarts"] is False


def test_after_our_own_death_a_zookeeper_with_the_same_settings_is_taken_over(alone: Exhibitor) -> None:
    alone.start()
    alone.wait_ready()
    zookeeper = alone.zookeeper
    alone.end(signal.SIGKILL)
    assert alive(zookeeper)
    alone.start()
    alone.wait_ready()
    assert alone.zookeeper == zookeeper
    assert "taken over" in alone.get("cluster/log")
    os.kill(zookeeper, signal.SIGKILL)
    eventually(lambda: alone.zookeeper != zookeeper and alone.get("cluster/status") == [SERVING])
    second = alone.zookeeper
    assert alone.end() == 0
    assert not alive(second)


@pytest.mark.parametrize(("flag", "hang"), [("--zk_tick_time=1secs", False), ("--ip=127.0.0.1", True)])
def test_after_our_own_death_any_other_zookeeper_is_ended(alone: Exhibitor, flag: str, hang: bool) -> None:
    alone.start("--stop_timeout=1secs")
    alone.wait_ready()
    zookeeper = alone.zookeeper
    alone.end(signal.SIGKILL)
    if hang:
        os.kill(zookeeper, signal.SIGSTOP)
    alone.start("--stop_timeout=1secs", flag)
    alone.wait_ready()
    assert not alive(zookeeper)
    assert alone.zookeeper != zookeeper
    assert alone.get("cluster/status") == [SERVING]


def test_a_second_one_on_the_same_folder_ends(alone: Exhibitor) -> None:
    alone.start()
    alone.wait_ready()
    first = alone.process
    alone.start(f"--port={free_port()}")
    assert alone.process is not None
    try:
        assert alone.process.wait(PATIENCE_S) == 3
    finally:
        alone.process = first


def test_one_outside_the_ensemble_ends(alone: Exhibitor) -> None:
    alone.start("--static_ensemble=1:10.0.0.1,2:10.0.0.2,3:10.0.0.3")
    assert alone.process is not None
    assert alone.process.wait(PATIENCE_S) == 4
    assert not (alone.state_folder / "zookeeper.pid").exists()


def test_java_that_cannot_be_started_is_tried_again(alone: Exhibitor) -> None:
    alone.start("--java=/no/such/java")
    eventually(lambda: "cannot be started" in alone.log.read_text())
    eventually(lambda: alone.get("cluster/status")[0]["description"] == "down")
    assert alone.process is not None
    assert alone.process.poll() is None


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Exhibitor]]:
    ports = free_ports(4)
    ips = ["127.0.41.1", "127.0.41.2", "127.0.41.3"]
    list_of_all = json.dumps(ips[::-1])
    made = [
        Exhibitor(tmp_path, ip, ports, f"--master_list={list_of_all}", "--zk_tick_time=500ms", "--join_patience=1secs")
        for ip in ips
    ]
    try:
        yield made
    finally:
        for one in made:
            one.clean_up()


def codes(one: Exhibitor) -> list[tuple[str, bool]]:
    return [(server["description"], server["isLeader"]) for server in one.get("cluster/status")]


def test_three_masters(three: list[Exhibitor]) -> None:
    first, second, third = three
    first.start()
    assert "asks the other masters" in first.wait_ready()
    eventually(lambda: codes(first)[0] == ("not serving", False))
    assert codes(first) == [("not serving", False), ("down", False), ("down", False)]
    second.start()
    second.wait_ready()
    eventually(lambda: sorted(codes(first)) == [("down", False), ("serving", False), ("serving", True)])
    third.start()
    eventually(lambda: sorted(codes(first)) == [("serving", False), ("serving", False), ("serving", True)])
    assert codes(first) == codes(second) == codes(third)
    assert third.get(f"cluster/4ltr/ruok/{first.ip}") == {"response": "imok", "errorMessage": "", "success": True}
    assert "Mode: " in third.get(f"cluster/4ltr/srvr/{second.ip}")["response"]
    hosts = ",".join(f"{one.ip}:{one.client}" for one in three)
    aside(write(hosts, "/kept", b"yes"))
    leader = three[next(n for n, (_, leads) in enumerate(codes(first)) if leads)]
    others = [one for one in three if one is not leader]
    leader.end(signal.SIGTERM)
    eventually(lambda: sorted(codes(others[0])) == [("down", False), ("serving", False), ("serving", True)])
    assert aside(read(hosts, "/kept")) == b"yes"
    leader.start()
    eventually(lambda: sorted(codes(others[1])) == [("serving", False), ("serving", False), ("serving", True)])
    assert others[0].get(f"cluster/restart/{leader.ip}")["response"] == {"message": "OK", "succeeded": True}
    eventually(lambda: "asked" in leader.get("cluster/log") or "restarting" in leader.get("cluster/log"))


@pytest.fixture
async def relayed(tmp_path: Path) -> AsyncIterator[tuple[int, Any]]:
    with zookeepers(tmp_path) as zk:
        port = free_port()
        async with relay("127.0.0.1", port, "127.0.0.1", zk[0].port):
            yield port, zk


async def test_the_relay_passes_sessions_and_words(relayed: tuple[int, Any]) -> None:
    port, zk = relayed
    assert await ask("127.0.0.1", port, "ruok", timeout_s=PATIENCE_S) == "imok"
    store = await connect(f"127.0.0.1:{port}")
    await store.create("/big", b"x" * 900_000)
    node = await store.get("/big")
    assert node is not None
    assert len(node.data) == 900_000
    await store.close()
    zk[0].stop()
    assert await ask("127.0.0.1", port, "ruok", timeout_s=PATIENCE_S) == ""
