"""A small cluster in network namespaces: two nodes on a cable, a container behind the first, a master that tests direct."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from dcos.net.core import vips
from dcos.testing import netns
from dcos.testing.fake_master import FakeMaster
from dcos.testing.netns import Namespace
from dcos.testing.patience import PATIENCE_S

NODE, OTHER, INSIDE, BRIDGE = "10.77.0.1", "10.77.0.2", "172.20.0.2", "172.20.0.1"
MAIN = "import sys; from dcos.net.service import main; sys.exit(main())"
NODE6, OTHER6, INSIDE6, BRIDGE6 = "fd77::1", "fd77::2", "fd20::2", "fd20::1"


def vip_address(name: str, version: int = 4) -> str:
    ranges = vips.Ranges()
    ends = (ranges.min4, ranges.max4) if version == 4 else (ranges.min6, ranges.max6)
    return vips.assign([name], *ends)[name]


def discovery(port: int, vip: str, protocol: str = "tcp", **labels: str) -> dict[str, Any]:
    pairs = [{"key": "VIP_0", "value": vip}, *({"key": k.replace("_", "-"), "value": v} for k, v in labels.items())]
    return {"name": "web", "ports": {"ports": [{"number": port, "protocol": protocol, "labels": {"labels": pairs}}]}}


@contextlib.contextmanager
def greeting(sock: socket.socket, text: str) -> Iterator[None]:
    """Says ``text`` (empty: the address they came out at) and who the client is to everyone who connects, then echoes."""

    def serve() -> None:
        while True:
            try:
                client, peer = sock.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(client, peer[0]), daemon=True).start()

    def talk(client: socket.socket, peer: str) -> None:
        with client, contextlib.suppress(OSError):
            client.sendall(f"{text or client.getsockname()[0]} {peer}\n".encode())
            while data := client.recv(1024):
                client.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        sock.shutdown(socket.SHUT_RDWR)
        sock.close()
        thread.join()


def greet(space: Namespace, ip: str, port: int, timeout_s: float = 2.0, *, source: str = "") -> list[str]:
    with space.connect(ip, port, timeout_s, source=source) as client:
        return client.recv(100).decode().split()


async def eventually(what: Callable[[], Any], *, within_s: float = PATIENCE_S) -> Any:
    deadline = time.monotonic() + within_s
    while True:
        try:
            return await asyncio.to_thread(what)
        except (OSError, AssertionError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)


def partition(table: str = "cut") -> str:
    """Commands for ``nft`` of a node that nobody reaches any more; it goes on answering ARP."""
    drop = "".join(
        f"add chain inet {table} {hook} {{ type filter hook {hook} priority -300 ; policy drop ; }}; "
        for hook in ("input", "output", "forward")
    )
    return f"add table inet {table}; {drop}"


@contextlib.asynccontextmanager
async def dcos_net(
    space: Namespace, root: Path, ip: str, *flags: str, master: str = NODE
) -> AsyncIterator[asyncio.subprocess.Process]:
    words = space.command(sys.executable, "-c", MAIN, f"--ip={ip}", f"--master_list={master}", *flags)
    child = await asyncio.create_subprocess_exec(*words, env={**os.environ, "DCOS_ROOT": str(root)})
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        await asyncio.wait_for(child.wait(), PATIENCE_S)


class Cluster:
    """Two nodes on a cable, a container behind a bridge of the first, a master on the first."""

    def __init__(self, node: Namespace, other: Namespace, container: Namespace, master: FakeMaster) -> None:
        self.node, self.other, self.container, self.master = node, other, container, master
        self.agent = master.add_agent(NODE)
        self.other_agent = master.add_agent(OTHER)
        self.framework = master.add_framework("marathon")


@contextlib.asynccontextmanager
async def small_cluster() -> AsyncIterator[Cluster]:
    with netns.namespaces("node", "other", "inside") as (node, other, inside):
        netns.join(node, f"{NODE}/24", other, f"{OTHER}/24")
        netns.join(node, f"{BRIDGE}/24", inside, f"{INSIDE}/24", name="cni0")
        for space, device, address in (
            (node, "eth0", NODE6),
            (other, "eth0", OTHER6),
            (node, "cni0", BRIDGE6),
            (inside, "cni0", INSIDE6),
        ):
            space.ip("addr", "add", f"{address}/64", "dev", device, "nodad")
        inside.ip("route", "add", "default", "via", BRIDGE)
        inside.ip("-6", "route", "add", "default", "via", BRIDGE6)
        other.ip("-6", "route", "add", "fd20::/64", "via", NODE6)
        async with FakeMaster(sock=node.listen(NODE, 5050)) as master:
            yield Cluster(node, other, inside, master)
