"""Somebody who asks for a page behind a virtual IP without a pause, on new connections, while tests break things.

Run on a node by its system's own Python (``source``): nothing of ours is needed there. It says when it has begun, and prints what
it saw when its input ends.
"""

from __future__ import annotations

import subprocess
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Self

import msgspec

TIMEOUT_S = 1.0
"""Of each connection."""
source = textwrap.dedent(
    """
    import json, socket, sys, threading, time
    host, (port, clients, least), timeout = sys.argv[1], map(int, sys.argv[2:5]), float(sys.argv[5])
    tries, ended = [], threading.Event()
    def connect():
        while not ended.wait(0.01):
            began, answer, trouble = time.time(), "", "closed"
            try:
                with socket.create_connection((host, port), timeout=timeout) as one:
                    one.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
                    answer = one.makefile("rb").read(1000).decode().partition("\\r\\n\\r\\n")[2].strip()
            except OSError as error:
                trouble = str(error)
            tries.append((began, time.time() - began, answer, "" if answer else trouble))
    threads = [threading.Thread(target=connect) for _ in range(clients)]
    for one in threads:
        one.start()
    while not tries:
        time.sleep(0.01)
    print("begun", flush=True)
    sys.stdin.read()
    while len(tries) < least:
        time.sleep(0.05)
    ended.set()
    for one in threads:
        one.join()
    print(json.dumps(tries))
    """
)


class Try(NamedTuple):
    """One connection. ``began``: Unix seconds; ``answer``: what the page says, empty if nobody answered."""

    began: float
    took: float
    answer: str
    trouble: str


class VipLoad:
    """``command``: runs the words that follow it on the node; ``least``: so many connections before it ends."""

    def __init__(self, command: Sequence[str], host: str, port: int = 80, *, clients: int = 4, least: int = 0) -> None:
        words = ["python3", "-c", source, host, str(port), str(clients), str(least), str(TIMEOUT_S)]
        self.tries: list[Try] = []
        self._child = subprocess.Popen([*command, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        """It has begun then."""
        assert self._child.stdout is not None
        self._child.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Once more changes nothing."""
        if self._child.poll() is None:
            text, _ = self._child.communicate("", timeout=120)
            self.tries = msgspec.json.decode(text, type=list[Try])

    def failed(self, since: float = 0.0) -> list[Try]:
        return [one for one in self.tries if not one.answer and one.began >= since]

    def report(self, what: str, fault_at: float) -> str:
        """What to print of it."""
        seen = [one for one in self.tries if one.began >= fault_at]
        failed = self.failed(fault_at)
        last = max(failed, key=lambda one: one.began, default=Try(fault_at, 0.0, "", "none"))
        when = f"{last.began - fault_at:.2f} s after the fault, ended after {last.took:.2f} s: {last.trouble}"
        troubles = ", ".join(f"{count} {what}" for what, count in Counter(one.trouble for one in failed).items())
        said = f"{len(failed)} of {len(seen)} connections failed, the last begun {when}"
        return f"{what}: {said} ({troubles or 'none'})"
