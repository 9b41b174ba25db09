"""RecordIO framing: decimal byte length, newline, payload.

Source: Mesos docs/recordio.md; a record may be split over or share reads, a length is never 0.
"""

from __future__ import annotations

from dcos.wire.errors import WireError

MAX_RECORD = 64 * 1024 * 1024
"""Bytes; a longer record is an error, so that a hostile length cannot make us hold memory."""
_MAX_DIGITS = 20


def frame(payload: bytes) -> bytes:
    """One record."""
    return head(len(payload)) + payload


def head(size: int) -> bytes:
    """What stands before a record of so many bytes."""
    return b"%d\n" % size


class Decoder:
    """Bytes in, whole payloads out; keeps what is unfinished.   Errors: WireError, after which it is unusable."""

    def __init__(self, max_record: int = MAX_RECORD) -> None:
        self._max = max_record
        self._buffer = bytearray()
        self._need: int | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Add ``data``; return the payloads that it completed, in order."""
        self._buffer += data
        done: list[bytes] = []
        start = 0
        while True:
            if self._need is None:
                end = self._buffer.find(b"\n", start)
                if end < 0:
                    if len(self._buffer) - start > _MAX_DIGITS:
                        raise WireError("record length", "no newline within 20 bytes")
                    break
                digits = bytes(self._buffer[start:end])
                if not digits.isdigit() or len(digits) > _MAX_DIGITS:
                    raise WireError("record length", f"not a decimal number: {digits[:_MAX_DIGITS]!r}")
                self._need = int(digits)
                if not 0 < self._need <= self._max:
                    raise WireError("record length", f"{self._need} is not within 1..{self._max}")
                start = end + 1
            if len(self._buffer) - start < self._need:
                break
            done.append(bytes(self._buffer[start : start + self._need]))
            start += self._need
            self._need = None
        del self._buffer[:start]
        return done
