"""Other network namespaces, by the path of one (``/run/netns/x``, ``/proc/<pid>/ns/net``).

A socket belongs to the namespace it was made in, wherever it is used later: the thread steps into the namespace, makes the
socket, and steps back, without a moment for anything else to run in it between. Needs CAP_SYS_ADMIN.   Errors: OSError.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct

_CLONE_NEWNET = 0x40000000
_SIOCGIFINDEX = 0x8933
_libc = ctypes.CDLL(None, use_errno=True)


def identity(path: str) -> tuple[int, int]:
    """Equal for paths of the same namespace."""
    found = os.stat(path)
    return found.st_dev, found.st_ino


def socket_at(path: str, family: int, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
    """Blocking, not connected."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(there)
            try:
                return socket.socket(family, kind, protocol)
            finally:
                try:
                    _enter(home)
                except OSError as error:
                    # nothing of this process may go on in another network
                    raise SystemExit(f"cannot leave the network {path}: {error}") from error
        finally:
            os.close(there)
    finally:
        os.close(home)


def has_device(path: str, name: str) -> bool:
    """Whether the namespace has a device of that name."""
    request = struct.pack("16si12x", name.encode(), 0)
    with socket_at(path, socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            fcntl.ioctl(sock, _SIOCGIFINDEX, request)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return False
            raise
    return True


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
