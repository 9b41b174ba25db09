"""HTTP's chunked transfer coding of a body that never ends: bytes in, the body's bytes out, as they come.

Source: RFC 9112 section 7.1; extensions are passed over, and so is what follows the last chunk.
"""

from __future__ import annotations

from typing import Final

from dcos.wire.errors import WireError

END: Final = b"0\r\n\r\n"
_MAX_LINE: Final = 256
_MAX_DIGITS: Final = 16


def chunk(data: bytes) -> bytes:
    """One chunk; ``data`` must not be empty, for that would be the end."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Dechunker:
    """Errors: WireError, after which it is unusable."""

    def __init__(self) -> None:
        self._rest = b""
        """The begin of a line that is not complete."""
        self._left = 0
        """Bytes of the chunk that are still to come."""
        self._after = False
        """Whether a chunk's own line end comes next."""
        self.ended = False

    def feed(self, data: bytes) -> bytes:
        """What of the body is in ``data``."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        out: list[bytes] = []
        at = 0
        while at < len(data) and not self.ended:
            if self._left:
                taken = data[at : at + self._left]
                out.append(taken)
                at += len(taken)
                self._left -= len(taken)
                self._after = not self._left
                continue
            end = data.find(b"\r\n", at, at + _MAX_LINE)
            if end < 0:
                if len(data) - at >= _MAX_LINE:
                    raise WireError("chunk", f"no line end within {_MAX_LINE} bytes")
                self._rest = data[at:]
                break
            line = data[at:end]
            at = end + 2
            if self._after:
                if line:
                    raise WireError("chunk", "longer than it said")
                self._after = False
                continue
            self._left = _size(line)
            self.ended = not self._left
        return b"".join(out)


def _size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or len(digits) > _MAX_DIGITS or any(one not in b"0123456789abcdefABCDEF" for one in digits):
        raise WireError("chunk", f"not a size in hexadecimal digits: {digits[:32]!r}")
    return int(digits, 16)
