"""Answers put together from fragments that are ready, and joined only while they are sent: a hundred megabytes cost a list.

Fragments are values, so what was put together stays as it was whatever changes meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

_AT_ONCE: Final = 256
"""Fragments in one slice."""


class Spliced:
    __slots__ = ("__weakref__", "_added", "_parts", "size")

    def __init__(self, *texts: bytes) -> None:
        self._parts: list[tuple[bytes, Sequence[bytes]]] = []
        """Separator and fragments."""
        self.size = 0
        """Bytes."""
        self._added: list[Spliced] = []
        """They live as long as this: whoever shares them finds them by weak references."""
        for text in texts:
            self.text(text)

    def text(self, text: bytes) -> None:
        self._parts.append((b"", (text,)))
        self.size += len(text)

    def run(self, fragments: Sequence[bytes], separator: bytes = b",") -> None:
        """Fragments one after the other, which nobody changes after this."""
        if fragments:
            self._parts.append((separator, fragments))
            self.size += sum(map(len, fragments)) + len(separator) * (len(fragments) - 1)

    def add(self, other: Spliced) -> None:
        """All of another, as it is now."""
        self._added.append(other)
        self._parts += other._parts
        self.size += other.size

    def slices(self) -> Iterator[bytes]:
        """All of it in its order, in joined slices."""
        waiting: list[bytes] = []
        count = 0
        for separator, fragments in self._parts:
            if len(fragments) <= _AT_ONCE:
                waiting.append(separator.join(fragments))
                count += len(fragments)
                if count >= _AT_ONCE:
                    yield b"".join(waiting)
                    waiting.clear()
                    count = 0
                continue
            for start in range(0, len(fragments), _AT_ONCE):
                waiting.append(separator.join(fragments[start : start + _AT_ONCE]))
                if start + _AT_ONCE < len(fragments):
                    waiting.append(separator)
                yield b"".join(waiting)
                waiting.clear()
        if waiting:
            yield b"".join(waiting)

    def joined(self) -> bytes:
        return b"".join(self.slices())
