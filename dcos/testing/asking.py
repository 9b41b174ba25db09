"""Somebody who asks for a name without a pause, while tests break things."""

from __future__ import annotations

import socket
import threading
import time
from typing import Self

from dcos.testing.netns import Namespace
from dcos.wire import dns


class Asking:
    """Asks for a name again and again, from a thread. ``turns`` are the moments (Unix seconds) when it came and went; ``lost``
    are questions without an answer, or answered with failure, and when. ``space``: asked from there."""

    def __init__(
        self, name: str, at: tuple[str, int], *, every_s: float = 0.005, space: Namespace | None = None
    ) -> None:
        self.turns: list[float] = []
        self.lost: list[tuple[float, str]] = []
        self.asked = 0
        self.longest_s = 0.0
        self._question = dns.make_query(7, name, dns.A)
        self._at = at
        self._every_s = every_s
        self._space = space
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __str__(self) -> str:
        """What to print of it."""
        return f"{self.asked} questions, {len(self.lost)} lost, longest wait {self.longest_s:.3f} s"

    @property
    def there(self) -> bool:
        return len(self.turns) % 2 == 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _socket(self) -> socket.socket:
        return socket.socket(socket.AF_INET6 if ":" in self._at[0] else socket.AF_INET, socket.SOCK_DGRAM)

    def _run(self) -> None:
        with self._space.inside(self._socket) if self._space else self._socket() as sock:
            sock.settimeout(15)
            sock.connect(self._at)
            while not self._end.wait(self._every_s):
                before = time.time()
                try:
                    sock.send(self._question)
                    reply = sock.recv(4096)
                except OSError as error:
                    self.lost.append((before, str(error)))
                    continue
                now = time.time()
                self.asked += 1
                self.longest_s = max(self.longest_s, now - before)
                if dns.rcode_of(reply) not in (dns.NOERROR, dns.NXDOMAIN):
                    self.lost.append((before, f"code {dns.rcode_of(reply)}"))
                elif (reply[6:8] != b"\0\0") != self.there:
                    self.turns.append(now)
