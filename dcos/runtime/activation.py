"""Sockets that systemd listens at for us: they are there before we are, and stay while we restart.   Source: sd_listen_fds(3)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

_FIRST = 3


def inherited(environ: Mapping[str, str]) -> tuple[socket.socket, ...]:
    """Those that this process was given, listening, in the order of the socket unit; none where nobody gave any."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return ()
    doors = tuple(
        socket.socket(fileno=number) for number in range(_FIRST, _FIRST + int(environ.get("LISTEN_FDS", "0")))
    )
    for door in doors:
        door.setblocking(False)
        door.set_inheritable(False)
    return doors
