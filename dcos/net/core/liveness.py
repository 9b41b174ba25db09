"""Which agents are silent: judged by this node from answers to its own probes, long before the master gives an agent up.

Nobody is believed but the agents themselves, and nobody is judged who never answered: a network without echo replies makes
nobody dead. When half of those who used to answer are silent at once the trouble is near this node, and nobody is judged either.
Probes are spread evenly and never more than ``MOST_A_SECOND``; so with more agents than that they come more slowly.

Times are seconds of a monotonic clock.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

EVERY_S = 0.4
MOST_A_SECOND = 500
SILENT_S = 1.2
"""So long without an answer to what was asked: silent."""


@dataclass(slots=True)
class _Peer:
    next_at: float
    asked: bool = False
    """Since the last answer."""
    asked_first: float = 0.0
    """When the first of the questions without an answer was put."""
    asked_times: int = 0
    answered: bool = False
    """Ever."""


class Liveness:
    def __init__(self) -> None:
        self._peers: dict[str, _Peer] = {}

    @property
    def every_s(self) -> float:
        """Time between two probes of one agent."""
        return max(EVERY_S, len(self._peers) / MOST_A_SECOND)

    def watch(self, ips: Collection[str], now: float) -> None:
        """From now on these; what is known of those that stay is kept."""
        wanted = set(ips)
        fresh = sorted(wanted - self._peers.keys())
        self._peers = {ip: peer for ip, peer in self._peers.items() if ip in wanted}
        for number, ip in enumerate(fresh):
            self._peers[ip] = _Peer(now + EVERY_S * number / len(fresh))

    def due(self, now: float) -> list[str]:
        """Whom to ask now; they count as asked."""
        every = self.every_s
        found = []
        for ip, peer in self._peers.items():
            if peer.next_at <= now:
                found.append(ip)
                peer.next_at = max(peer.next_at + every, now + every / 2)
                if not peer.asked:
                    peer.asked, peer.asked_first, peer.asked_times = True, now, 0
                peer.asked_times += 1
        return found

    def answer(self, ip: str) -> None:
        """It is there."""
        peer = self._peers.get(ip)
        if peer is not None:
            peer.answered, peer.asked = True, False

    def silent(self, now: float) -> frozenset[str]:
        """Those that answered once and no longer do: asked twice at least, the first time ``SILENT_S`` ago."""
        known = [(ip, peer) for ip, peer in self._peers.items() if peer.answered]
        found = [ip for ip, peer in known if peer.asked and peer.asked_times > 1 and now - peer.asked_first >= SILENT_S]
        return frozenset(found) if 2 * len(found) <= len(known) else frozenset()
