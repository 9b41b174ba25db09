"""What happened, in order, for a person to read; and what must never happen, noted at once."""

from __future__ import annotations

import hashlib
from asyncio import BaseEventLoop
from typing import Any


class Trace:
    """Lines of ``seconds who what``. Kept whole only where asked; the digest tells two runs apart either way."""

    def __init__(self, loop: BaseEventLoop, *, keep: bool) -> None:
        self._loop = loop
        self._keep = keep
        self._digest = hashlib.blake2b(digest_size=8)
        self.lines: list[str] = []
        self.violations: list[str] = []

    def __call__(self, who: str, what: str, *about: Any) -> None:
        line = f"{self._loop.time():10.3f} {who:<12} {what} {' '.join(map(str, about))}".rstrip()
        self._digest.update(line.encode())
        if self._keep:
            self.lines.append(line)

    def violation(self, who: str, what: str) -> None:
        """Something that must never be, whatever the faults."""
        self(who, "VIOLATION", what)
        self.violations.append(f"at {self._loop.time():.3f} s: {who}: {what}")

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()
