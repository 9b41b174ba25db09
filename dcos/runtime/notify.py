"""What a service tells systemd: ready, status, stopping.   Source: sd_notify(3)."""

from __future__ import annotations

import os
import socket
from typing import Final

_PATIENCE_S: Final = 2.0
"""A manager that reads nothing keeps no service from stopping."""


def notify(state: str) -> bool:
    """Send ``state`` (``READY=1``, ``STATUS=...``) to the manager; False where there is none, or none that reads."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.settimeout(_PATIENCE_S)
        try:
            channel.sendto(state.encode(), address)
        except OSError:
            return False
    return True
