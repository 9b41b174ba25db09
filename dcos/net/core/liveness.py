"""Which agents are silent: judged by this node from answers to its own probes, long before the master gives an agent up.

Nobody is believed but the agents themselves, and nobody is judged who never answered: a network without echo replies makes
nobody dead. When more than half of those who used to answer are silent at once the trouble is near this node, and nobody is
judged either. A lost packet or two are nothing: who does not answer is asked again and again at once, and judged by the first of
the questions without an answer, after the last of ``LEAST`` had its time.

Probes are spread evenly and never more than ``MOST_A_SECOND``; so with more agents than that they come more slowly: one that dies
is found within ``every_s + SILENT_S`` and the time between two looks. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection
from dataclasses import dataclass

EVERY_S = 0.25
AGAIN_S = 0.1
"""After a question without an answer, of somebody who used to answer."""
MOST_A_SECOND = 800
MOST_AT_ONCE = 200
"""Their answers come together, and have to find room."""
SILENT_S = 0.6
"""So long without an answer to what was asked: silent. Longer than any way there and back."""
LEAST = 4
"""Questions without an answer before anybody is judged."""
ANSWER_S = 0.2
"""Time to answer the last of these."""
_HOPELESS = 20
"""Questions without an answer after which there is no hurry."""


@dataclass(slots=True)
class _Peer:
    next_at: float
    """When it is to be asked, unless it owes an answer."""
    asked_at: float = 0.0
    answered: bool = False
    """Ever."""
    times: int = 0
    """Asked since the last answer."""
    first_at: float = 0.0
    enough_at: float = 0.0
    """When the first, and the last of ``LEAST``, of those questions were put."""


class Liveness:
    def __init__(self) -> None:
        self._peers: dict[str, _Peer] = {}
        self._queue: list[tuple[float, str]] = []
        """Who is to be asked when; entries of another time than the peer's own are old ones."""
        self._waiting: dict[str, None] = {}
        """Those who owe an answer."""
        self._answered = 0
        """Peers that ever did."""

    @property
    def every_s(self) -> float:
        """Time between two probes of one agent that answers."""
        return max(EVERY_S, len(self._peers) / MOST_A_SECOND)

    def watch(self, ips: Collection[str], now: float) -> None:
        """From now on these; what is known of those that stay is kept."""
        wanted = set(ips)
        fresh = sorted(wanted - self._peers.keys())
        self._peers = {ip: peer for ip, peer in self._peers.items() if ip in wanted}
        self._waiting = {ip: None for ip in self._waiting if ip in wanted}
        self._answered = sum(peer.answered for peer in self._peers.values())
        every = max(EVERY_S, len(wanted) / MOST_A_SECOND)
        for number, ip in enumerate(fresh):
            self._peers[ip] = peer = _Peer(now + every * number / len(fresh))
            heapq.heappush(self._queue, (peer.next_at, ip))

    def due(self, now: float) -> list[str]:
        """Whom to ask now; they count as asked. The rest waits for the next time."""
        found = [ip for ip in self._waiting if self._is_due_again(self._peers[ip], now)][:MOST_AT_ONCE]
        while self._queue and self._queue[0][0] <= now and len(found) < MOST_AT_ONCE:
            at, ip = heapq.heappop(self._queue)
            peer = self._peers.get(ip)
            if peer is not None and peer.next_at == at and not peer.times:
                found.append(ip)
        for ip in found:
            peer = self._peers[ip]
            peer.times, peer.asked_at = peer.times + 1, now
            if peer.times == 1:
                peer.first_at = now
                self._waiting[ip] = None
            elif peer.times == LEAST:
                peer.enough_at = now
        return found

    def _is_due_again(self, peer: _Peer, now: float) -> bool:
        hurried = peer.answered and peer.times < _HOPELESS
        return now - peer.asked_at >= (AGAIN_S if hurried else max(1.0, self.every_s)) - 1e-6

    def answer(self, ip: str) -> None:
        """It is there."""
        peer = self._peers.get(ip)
        if peer is None or not peer.times:
            return
        self._answered += not peer.answered
        peer.answered, peer.times = True, 0
        del self._waiting[ip]
        peer.next_at = peer.asked_at + self.every_s
        heapq.heappush(self._queue, (peer.next_at, ip))

    def silent(self, now: float) -> frozenset[str]:
        """Those that answered once and no longer do."""
        found = [ip for ip in self._waiting if self._is_silent(self._peers[ip], now)]
        return frozenset(found) if found and 2 * len(found) <= self._answered else frozenset()

    def _is_silent(self, peer: _Peer, now: float) -> bool:
        return (
            peer.answered
            and peer.times >= LEAST
            and now - peer.first_at >= SILENT_S
            and now - peer.enough_at >= ANSWER_S
        )
