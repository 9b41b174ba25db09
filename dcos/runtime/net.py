"""Which address a node calls its own."""

from __future__ import annotations

import ipaddress
import socket
import subprocess
from pathlib import Path


class AddressError(Exception):
    """No usable address: says what was tried."""


def detect_ip(ip: str | None, command: str | Path | None) -> str:
    """``ip`` if given, else what the ip-detect ``command`` prints, else the address of the default route.

    Run at start, before any request: it blocks.   Errors: AddressError.
    """
    if ip:
        return _checked(ip, "--ip")
    if command and Path(command).exists():
        try:
            done = subprocess.run([str(command)], capture_output=True, text=True, timeout=30, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise AddressError(f"{command}: {error}") from error
        return _checked(done.stdout.strip(), str(command))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # no packet leaves: it only asks the routing table
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def _checked(text: str, source: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise AddressError(f"{source}: {text!r} is not an IP address") from None
