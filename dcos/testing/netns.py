"""Network namespaces for tests: made, wired and removed; sockets inside them without a process inside them.

with namespaces("a", "b") as (a, b):
    join(a, "10.77.0.1/24", b, "10.77.0.2/24")
    server = a.listen("10.77.0.1", 80)          # a socket of namespace a, used from here
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from dcos.testing.patience import PATIENCE_S

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def why_not() -> str | None:
    """Why there can be no namespaces here, None if there can."""
    if os.geteuid() != 0:
        return "namespaces need root"
    if shutil.which("ip") is None or shutil.which("nft") is None:
        return "no ip or nft on PATH (iproute2, nftables)"
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        return "the kernel refuses network namespaces"
    return None


class Namespace:
    """One namespace, with loopback up."""

    def __init__(self, name: str) -> None:
        self.name = f"dcos-{name}-{secrets.token_hex(3)}"
        _ip("netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    @classmethod
    def named(cls, name: str) -> Namespace:
        """One that somebody else made."""
        found = cls.__new__(cls)
        found.name = name
        return found

    def ip(self, *words: str) -> str:
        """``ip`` inside."""
        return _ip("-n", self.name, *words)

    def command(self, *words: str) -> list[str]:
        """Arguments that run ``words`` inside."""
        return ["ip", "netns", "exec", self.name, *words]

    def run(self, *words: str) -> str:
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr.strip()}"
        return done.stdout

    def inside(self, make: Callable[[], T]) -> T:
        """What ``make`` returns when called by a thread that is inside."""
        result: list[T] = []
        trouble: list[BaseException] = []

        def enter() -> None:
            try:
                descriptor = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
                try:
                    if _libc.setns(descriptor, _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                finally:
                    os.close(descriptor)
                result.append(make())
            except BaseException as error:
                trouble.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if trouble:
            raise trouble[0]
        return result[0]

    def listen(self, ip: str, port: int) -> socket.socket:
        """A listening TCP socket inside."""
        return self.inside(
            lambda: socket.create_server(
                (ip, port), family=socket.AF_INET6 if ":" in ip else socket.AF_INET, backlog=128
            )
        )

    def connect(self, ip: str, port: int, timeout_s: float = 3.0, *, source: str = "") -> socket.socket:
        """A TCP connection from inside; ``source``: from that address."""
        address = (source, 0) if source else None
        return self.inside(lambda: socket.create_connection((ip, port), timeout=timeout_s, source_address=address))

    def remove(self) -> None:
        _ip("netns", "del", self.name)


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr.strip()}"
    return done.stdout


@contextlib.contextmanager
def namespaces(*names: str) -> Iterator[tuple[Namespace, ...]]:
    """Namespaces for the block."""
    made: list[Namespace] = []
    try:
        for name in names:
            made.append(Namespace(name))
        yield tuple(made)
    finally:
        for one in made:
            one.remove()


def join(left: Namespace, left_address: str, right: Namespace, right_address: str, *, name: str = "eth0") -> None:
    """A cable between two namespaces; addresses are ``ip/length``."""
    ends = [f"v{secrets.token_hex(4)}" for _ in range(2)]
    _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
    for end, space, address in zip(ends, (left, right), (left_address, right_address), strict=True):
        _ip("link", "set", end, "netns", space.name, "name", name)
        space.ip("addr", "add", address, "dev", name)
        space.ip("link", "set", name, "up")
