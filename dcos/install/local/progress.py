"""Steps on the screen: what is being done, for how long, and how it ended. Plain lines where there is no terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class Progress:
    """Prints ``[ 12.3 s] step`` lines; on a terminal the running step shows its own seconds."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.began = time.monotonic()
        self.timings: list[tuple[str, float]] = []
        self._interactive = stream.isatty()
        self._detail = ""

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.began

    def say(self, text: str) -> None:
        """A line of its own."""
        self._line(text)

    def detail(self, text: str) -> None:
        """What the running step is at just now; printed as a line only where it cannot be shown in place."""
        if text != self._detail:
            self._detail = text
            if not self._interactive and text:
                self._line(f"  {text}")

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """One step; its time is kept in ``timings``."""
        began = time.monotonic()
        done = threading.Event()
        self._detail = ""
        ticker = threading.Thread(target=self._tick, args=(text, began, done), daemon=True)
        if self._interactive:
            ticker.start()
        try:
            yield
        except BaseException:
            self._end(done, ticker)
            self._line(f"FAILED: {text} after {time.monotonic() - began:.1f} s")
            raise
        self._end(done, ticker)
        self.timings.append((text, time.monotonic() - began))
        self._line(f"{text} ({time.monotonic() - began:.1f} s)")

    def _end(self, done: threading.Event, ticker: threading.Thread) -> None:
        done.set()
        if ticker.is_alive():
            ticker.join()
            self.stream.write("\r\x1b[K")

    def _tick(self, text: str, began: float, done: threading.Event) -> None:
        while not done.wait(0.1):
            detail = f": {self._detail}" if self._detail else ""
            shown = f"[{self.elapsed_s:6.1f} s] {text} {time.monotonic() - began:.0f} s{detail}"
            self.stream.write(f"\r\x1b[K{shown[:118]}")
            self.stream.flush()

    def _line(self, text: str) -> None:
        self.stream.write(f"[{self.elapsed_s:6.1f} s] {text}\n")
        self.stream.flush()
