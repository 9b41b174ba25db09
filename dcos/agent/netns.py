"""Sockets in a task's network, for checks that look from inside.

A socket belongs to the network namespace it was made in, wherever it is used later: the thread steps into the namespace,
makes the socket, and steps back, without a moment for anything else to run in it between.
"""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Callable
from typing import Any

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


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
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(there)
            try:
                made = socket.socket(family, kind, protocol)
            finally:
                try:
                    _enter(home)
                except OSError as error:
                    # nothing of this process may go on in a task's network
                    raise SystemExit(f"cannot leave the network of process {pid}: {error}") from error
        finally:
            os.close(there)
    finally:
        os.close(home)
    made.setblocking(False)
    return made


def factory(pid: int) -> Callable[[Any], socket.socket]:
    """As aiohttp's connector wants it."""

    def make(address: Any) -> socket.socket:
        family, kind, protocol, _, _ = address
        return socket_in(pid, family, kind, protocol)

    return make


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
