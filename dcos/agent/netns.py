"""Sockets in a task's network, for checks that look from inside."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from dcos.runtime import netns


def is_elsewhere(pid: int | None) -> bool:
    """Whether process ``pid`` has a network of its own. One that is gone has none."""
    if not pid:
        return False
    try:
        return os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")
    except OSError:
        return False


def socket_in(pid: int, family: int, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
    """Not blocking, not connected.   Errors: OSError."""
    made = netns.socket_at(f"/proc/{pid}/ns/net", family, kind, protocol)
    made.setblocking(False)
    return made


def factory(pid: int) -> Callable[[Any], socket.socket]:
    """As aiohttp's connector wants it."""

    def make(address: Any) -> socket.socket:
        family, kind, protocol, _, _ = address
        return socket_in(pid, family, kind, protocol)

    return make
