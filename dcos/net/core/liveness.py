"""Which agents are silent: judged by this node from answers to its own probes, long before the master gives an agent up.

Nobody is believed but the agents themselves, and nobody is judged who never answered: a network without echo replies makes
nobody dead. When more than half of the near ones that used to answer are silent at once the trouble is near this node, and
nobody is judged at all. A lost packet or two are nothing: who does not answer is asked again and again at once, and judged by the
first of the questions without an answer, after the last of ``LEAST`` had its time.

With few agents all are near: asked every ``EVERY_S``. With more, each node asks ``NEAR`` of them so often (``ring``), the
others in turn, never more than ``MOST_A_SECOND`` together, and tells which of them are silent. Whoever hears that somebody is
said to be silent asks at once. So one that dies is found by its near ones within ``EVERY_S + SILENT_S``, and by everybody else
``SUSPECT_S`` later, however many there are; where the news do not come, and for a path that is broken for this node alone,
within ``every_s + SILENT_S``. Times are seconds of a monotonic clock; two looks lie between.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection
from dataclasses import dataclass

EVERY_S = 0.25
AGAIN_S = 0.1
"""After a question without an answer, of somebody who used to answer, until there were ``LEAST``; then ``EVERY_S``."""
MOST_A_SECOND = 200
"""Of the questions that come in turn."""
NEAR = 24
FIRST_A_SECOND = 800
"""First questions to agents that are new: until then nothing can be said of them."""
MOST_AT_ONCE = 400
"""Their answers come together, and have to find room."""
SILENT_S = 0.6
"""So long without an answer to what was asked: silent. Longer than any way there and back."""
SUSPECT_S = 0.5
"""The same where another node found it silent, too."""
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
    phase: float
    """Where in a round its turn is, from 0 to 1."""
    near: bool = False
    suspect: bool = False
    """Another node says that it is silent."""
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
        """Those who owe an answer; who was asked last comes last."""
        self._near = 0

    @property
    def every_s(self) -> float:
        """Time between two probes of one agent that answers and is not near."""
        rest = max(1.0, MOST_A_SECOND - self._near / EVERY_S)
        return max(EVERY_S, (len(self._peers) - self._near) / rest)

    def watch(self, ips: Collection[str], now: float, near: Collection[str] | None = None) -> None:
        """From now on these; what is known of those that stay is kept. ``near`` None: all of them are."""
        wanted = set(ips)
        close = wanted if near is None else wanted & set(near)
        fresh = sorted(wanted - self._peers.keys())
        self._peers = {ip: peer for ip, peer in self._peers.items() if ip in wanted}
        self._waiting = {ip: None for ip in self._waiting if ip in wanted}
        round_s = max(EVERY_S, len(fresh) / FIRST_A_SECOND)
        for number, ip in enumerate(fresh):
            phase = number / len(fresh)
            self._peers[ip] = _Peer(now + round_s * phase, phase)
            heapq.heappush(self._queue, (now + round_s * phase, ip))
        self._near = len(close)
        for ip, peer in self._peers.items():
            came, peer.near = ip in close and not peer.near, ip in close
            if came and not peer.times and peer.next_at > now + EVERY_S:
                self._plan(ip, peer, now + EVERY_S * peer.phase)

    def suspect(self, ips: Collection[str], now: float) -> None:
        """Others say that these are silent: ask them."""
        for ip in ips:
            peer = self._peers.get(ip)
            if peer is None:
                continue
            peer.suspect = True
            if not peer.times and peer.next_at > now:
                self._plan(ip, peer, now)

    def _plan(self, ip: str, peer: _Peer, at: float) -> None:
        peer.next_at = at
        heapq.heappush(self._queue, (at, ip))

    def due(self, now: float) -> list[str]:
        """Whom to ask now; they count as asked. The rest waits for the next time."""
        room = MOST_AT_ONCE // (2 if self._queue and self._queue[0][0] <= now else 1)
        found = [ip for ip in self._waiting if self._is_due_again(self._peers[ip], now)][:room]
        while self._queue and self._queue[0][0] <= now and len(found) < MOST_AT_ONCE:
            at, ip = heapq.heappop(self._queue)
            peer = self._peers.get(ip)
            if peer is not None and peer.next_at == at and not peer.times and ip not in self._waiting:
                self._waiting[ip] = None
                found.append(ip)
        for ip in found:
            peer = self._peers[ip]
            peer.times, peer.asked_at = peer.times + 1, now
            del self._waiting[ip]
            self._waiting[ip] = None
            if peer.times == 1:
                peer.first_at = now
            elif peer.times == LEAST:
                peer.enough_at = now
        return found

    def _is_due_again(self, peer: _Peer, now: float) -> bool:
        if not peer.answered or peer.times >= _HOPELESS:
            pause_s = max(1.0, self.every_s)
        else:
            pause_s = AGAIN_S if peer.times < LEAST else EVERY_S
        return now - peer.asked_at >= pause_s - 1e-6

    def answer(self, ip: str) -> None:
        """It is there."""
        peer = self._peers.get(ip)
        if peer is None or not peer.times:
            return
        every_s = EVERY_S if peer.near else self.every_s
        # those that came together take their turns apart
        self._plan(ip, peer, peer.asked_at + (every_s if peer.answered or peer.near else every_s * peer.phase))
        peer.answered, peer.suspect, peer.times = True, False, 0
        del self._waiting[ip]

    def silent(self, now: float) -> frozenset[str]:
        """Those that answered once and no longer do."""
        found = [ip for ip in self._waiting if self._is_silent(self._peers[ip], now)]
        if not found:
            return frozenset()
        near = sum(self._peers[ip].near for ip in found)
        known = sum(peer.near and peer.answered for peer in self._peers.values())
        return frozenset(found) if 2 * near <= known else frozenset()

    def _is_silent(self, peer: _Peer, now: float) -> bool:
        return (
            peer.answered
            and peer.times >= LEAST
            and now - peer.first_at >= (SUSPECT_S if peer.suspect else SILENT_S) - 1e-6
            and now - peer.enough_at >= ANSWER_S - 1e-6
        )
