"""How long nginx keeps what it was told, and where: the file of one decision, and how such a file is made to be over.

nginx names a file by the MD5 of its key and reads from its head until when it is good, at each use. A decision that holds no
longer is taken back by writing there that it is over: nginx asks again at the next request, without a reload.
Source: nginx's ``ngx_http_file_cache_header_t`` (version 5, since 1.11.10): version, then ``valid_sec``, 8 bytes each.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

KEY = r"$dcos_authorization\n$dcos_came_forwarded\n$dcos_need/$dcos_subject"
"""The key in nginx's language; ``file_of`` makes the same of its values."""


@dataclass(frozen=True, slots=True)
class Good:
    """Seconds that a decision is good; then that it may be used while one request asks anew; and while nobody answers.

    nginx counts whole seconds by the clock's: all may last one longer.
    """

    fresh_s: int = 5
    while_asking_s: int = 1
    while_away_s: int = 60

    def until(self, left_s: float) -> Good:
        """Not beyond ``left_s``, when the token is over: nothing is kept then that nginx's rounding would lengthen."""
        left = max(0, int(left_s) - 1)
        fresh = min(self.fresh_s, left)
        return Good(fresh, min(self.while_asking_s, left - fresh), min(self.while_away_s, left - fresh))

    def while_allowed(self) -> Good:
        """A permission can be taken away at any moment."""
        return replace(self, fresh_s=min(self.fresh_s, 1))

    @property
    def longest_s(self) -> int:
        return self.fresh_s + max(self.while_asking_s, self.while_away_s) + 1

    def header(self) -> str:
        """``Cache-Control`` as nginx reads it."""
        return (
            f"max-age={self.fresh_s}, stale-while-revalidate={self.while_asking_s}, stale-if-error={self.while_away_s}"
        )


REFUSED = Good(1, 0, 0)

LEVELS = 1
VERSION = (5).to_bytes(8, "little")
OVER = bytes(8)


def file_of(folder: Path, authorization: str, forwarded: str, asked: str) -> Path:
    """The file of a decision. ``asked``: need and subject, as they stand in the path that was asked for."""
    key = "\n".join((authorization, forwarded, asked))
    digest = hashlib.md5(key.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    return folder / digest[-LEVELS:] / digest
