"""Answers of other servers, kept for as long as they say.

Kept are good answers and denials (RFC 2308) to plain questions; each comes back with what is left of its times to live.
"""

from __future__ import annotations

from typing import NamedTuple

from dcos.wire import dns, dns_message
from dcos.wire.dns_message import Message
from dcos.wire.errors import WireError

MAX_TTL_S = 3600
_TC, _AA = 0x02, 0x04


class _Kept(NamedTuple):
    answer: bytes
    """Without its id."""
    message: Message
    at: float
    until: float


class Cache:
    """``size``: how many answers; the one kept first goes first. Times are monotonic seconds."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[bytes, _Kept] = {}
        self.hits = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, question: bytes, now: float) -> bytes | None:
        """The answer to the same question, byte by byte but for the id."""
        kept = self._kept.get(question[2:])
        if kept is None:
            return None
        if now >= kept.until:
            del self._kept[question[2:]]
            return None
        self.hits += 1
        return question[:2] + dns_message.aged(kept.answer, kept.message, int(now - kept.at))[2:]

    def put(self, question: bytes, answer: bytes, now: float) -> None:
        """Keep ``answer`` if it may be kept."""
        if self._size <= 0 or answer[2] & _TC or dns.rcode_of(answer) not in (dns.NOERROR, dns.NXDOMAIN):
            return
        try:
            if not dns.parse_query(question).plain:
                return
            message = dns_message.layout(answer)
            ttl = min(MAX_TTL_S, dns_message.least_ttl_s(answer, message))
        except WireError:
            return
        if ttl <= 0:
            return
        key = question[2:]
        self._kept.pop(key, None)
        while len(self._kept) >= self._size:
            del self._kept[next(iter(self._kept))]
        without_authority = answer[:2] + bytes((answer[2] & ~_AA,)) + answer[3:]
        self._kept[key] = _Kept(without_authority, message, now, now + ttl)


class LastGood:
    """The last answer with records to each question, for when nobody answers any more.

    Source: RFC 8767 (serving stale data), which also gives the short time to live that such an answer gets.
    """

    TTL_S = 5

    def __init__(self, size: int, longest_s: float) -> None:
        self._size = size if longest_s > 0 else 0
        self._longest_s = longest_s
        self._kept: dict[bytes, tuple[bytes, float]] = {}

    def put(self, question: bytes, answer: bytes, now: float) -> None:
        """Keep it if it is whole and has records; one that says that there is nothing ends what was kept."""
        if not self._size or answer[2] & _TC or dns.rcode_of(answer) not in (dns.NOERROR, dns.NXDOMAIN):
            return
        key = question[2:]
        self._kept.pop(key, None)
        if answer[6:8] == b"\0\0":
            return
        if len(self._kept) >= self._size:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = answer, now

    def has(self, question: bytes, now: float) -> bool:
        kept = self._kept.get(question[2:])
        return kept is not None and now - kept[1] <= self._longest_s

    def get(self, question: bytes, now: float) -> bytes | None:
        if not self.has(question, now):
            return None
        answer, _ = self._kept[question[2:]]
        try:
            message = dns_message.layout(answer)
        except WireError:
            return None
        return question[:2] + dns_message.short_lived(answer, message, self.TTL_S)[2:]
