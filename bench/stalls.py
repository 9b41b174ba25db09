"""Asks a server for ``/health`` again and again; for each line on stdin, prints the slowest answer since the last (seconds).

A process of its own (see ``bench.kernel.Stalls``), so that a busy simulation does not count as a slow server.
"""

from __future__ import annotations

import select
import socket
import sys
import time

EVERY_S = 0.01


def main(host: str, port: int) -> None:
    slowest = 0.0
    link = socket.create_connection((host, port))
    while True:
        begin = time.perf_counter()
        link.sendall(b"GET /health HTTP/1.1\r\nHost: bench\r\n\r\n")
        if not link.recv(65536):
            return
        slowest = max(slowest, time.perf_counter() - begin)
        asked, _, _ = select.select([sys.stdin], [], [], EVERY_S)
        if asked:
            if not sys.stdin.readline():
                return
            print(slowest, flush=True)
            slowest = 0.0


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
