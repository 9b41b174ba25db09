"""Answers put together from fragments that are ready, and joined only while they are sent: a hundred megabytes cost a list.

Fragments are values, so what was put together stays as it was whatever changes meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

_AT_ONCE: Final = 256
"""Fragments in one slice, at most."""
_SLICE_BYTES: Final = 256 * 1024
"""About so many bytes in one slice, where fragments are not longer than that."""


class Spliced:
    __slots__ = ("__weakref__", "_added", "_parts", "size")

    def __init__(self, *texts: bytes) -> None:
        self._parts: list[tuple[bytes, Sequence[bytes], int]] = []
        """Separator, fragments, and how many of them make a slice."""
        self.size = 0
        """Bytes."""
        self._added: list[Spliced] = []
        """They live as long as this: whoever shares them finds them by weak references."""
        for text in texts:
            self.text(text)

    def text(self, text: bytes) -> None:
        self._parts.append((b"", (text,), 1))
        self.size += len(text)

    def run(self, fragments: Sequence[bytes], separator: bytes = b",") -> None:
        """Fragments one after the other, which nobody changes after this."""
        if fragments:
            size = sum(map(len, fragments)) + len(separator) * (len(fragments) - 1)
            at_once = max(1, min(_AT_ONCE, _SLICE_BYTES * len(fragments) // (size or 1)))
            self._parts.append((separator, fragments, at_once))
            self.size += size

    def add(self, other: Spliced) -> None:
        """All of another, as it is now."""
        self._added.append(other)
        self._parts += other._parts
        self.size += other.size

    def slices(self) -> Iterator[bytes]:
        """All of it in its order, in joined slices."""
        waiting: list[bytes] = []
        count = size = 0
        for separator, fragments, at_once in self._parts:
            for start in range(0, len(fragments), at_once):
                some = fragments[start : start + at_once]
                joined = separator.join(some)
                waiting.append(joined)
                if start + at_once < len(fragments):
                    waiting.append(separator)
                count += len(some)
                size += len(joined)
                if count >= _AT_ONCE or size >= _SLICE_BYTES:
                    yield b"".join(waiting)
                    waiting.clear()
                    count = size = 0
        if waiting:
            yield b"".join(waiting)

    def joined(self) -> bytes:
        return b"".join(self.slices())
