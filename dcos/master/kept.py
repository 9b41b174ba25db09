"""Answers that pollers ask for far more often than they change: encoded once, kept until something changes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from dcos.master.writer import Writer

_MOST = 16 * 1024 * 1024
"""Bytes: bigger ones are not worth their memory."""
_encode = msgspec.json.Encoder().encode


class Kept:
    """By name; only of what everybody may see."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._bodies: dict[str, tuple[int, bytes]] = {}

    def body(self, name: str, make: Callable[[], object]) -> msgspec.Raw:
        """JSON of what ``make`` returns now, or returned when nothing has changed since."""
        revision, body = self._bodies.get(name, (-1, b""))
        if revision != self._writer.revision:
            body = _encode(make())
            self._bodies.pop(name, None)
            if len(body) <= _MOST:
                self._bodies[name] = self._writer.revision, body
        return msgspec.Raw(body)
