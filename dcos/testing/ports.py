"""Free ports on loopback for tests."""

from __future__ import annotations

import contextlib
import os
import random
import socket

_LOW, _HIGH = 20_000, 32_000  # below the range from which the kernel takes outgoing connections' ports
_rng = random.SystemRandom()
_given: set[int] = set()
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Test processes that run side by side take each their own ports."""


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Distinct ports that nobody uses now, TCP and UDP, and that this process was not given before."""
    ports: list[int] = []
    while len(ports) < count:
        port = _rng.randrange(_LOW + _WORKER, _HIGH, _WORKERS)
        if port not in _given and _is_free(host, port):
            _given.add(port)
            ports.append(port)
    return ports


def free_port(host: str = "127.0.0.1") -> int:
    return free_ports(1, host)[0]


def _is_free(host: str, port: int) -> bool:
    with contextlib.ExitStack() as stack:
        for address in {host, "0.0.0.0"}:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    stack.enter_context(probe)
                    try:
                        probe.bind((address, port))
                    except OSError:
                        return False
    return True
