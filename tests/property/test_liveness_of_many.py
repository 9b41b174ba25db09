"""A cluster of nodes that probe each other and tell each other whom they find silent, on a clock that is only told."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from dcos.net.core.liveness import MOST_A_SECOND, NEAR, Liveness
from dcos.net.core.ring import next_ones

LOOK_S = 0.1
NEWS_S = 0.1
"""So long news take from one node to all others."""


class Cluster:
    """Each node looks ten times a second, at a moment of its own. ``lost``: part of the answers that do not come."""

    def __init__(self, rng: random.Random, count: int, lost: float) -> None:
        self.ips = [f"10.{number >> 8}.{number & 255}.7" for number in range(count)]
        self.nodes = {ip: Liveness() for ip in self.ips}
        self.phase = {ip: rng.uniform(0, LOOK_S) for ip in self.ips}
        self.dead: set[str] = set()
        self.now = 0.0
        self.asked = 0
        self._rng, self._lost = rng, lost
        self._said: dict[str, float] = {}
        """Who is said to be silent, and since when that is known to all."""
        for ip, node in self.nodes.items():
            node.watch(set(self.ips) - {ip}, 0.0, next_ones(ip, self.ips, NEAR))

    def play(self, seconds: float) -> None:
        for _ in range(round(seconds / LOOK_S)):
            news = [ip for ip, at in self._said.items() if self.now - LOOK_S < at <= self.now]
            found: set[str] = set()
            for ip, node in self.nodes.items():
                if ip in self.dead:
                    continue
                now = self.now + self.phase[ip]
                node.suspect(news, now)
                for other in node.due(now):
                    self.asked += 1
                    if other not in self.dead and self._rng.random() >= self._lost:
                        node.answer(other)
                found |= node.silent(now)
            for one in found:
                self._said.setdefault(one, self.now + LOOK_S + NEWS_S)
            self._said = {one: at for one, at in self._said.items() if one in found}
            self.now += LOOK_S

    def judged(self) -> dict[str, frozenset[str]]:
        return {ip: node.silent(self.now + self.phase[ip]) for ip, node in self.nodes.items() if ip not in self.dead}


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(60, 160), share=st.sampled_from([0.0, 0.05, 0.15]))
def test_all_find_the_dead_within_two_seconds_and_nobody_else(seed: int, count: int, share: float) -> None:
    rng = random.Random(seed)
    cluster = Cluster(rng, count, lost=0.01)
    cluster.play(6.0)
    assert set(cluster.judged().values()) == {frozenset()}
    before = cluster.asked
    cluster.play(2.0)
    assert (cluster.asked - before) / 2.0 / count <= MOST_A_SECOND * 1.2
    cluster.dead = set(rng.sample(cluster.ips, max(1, round(share * count))))
    cluster.play(2.0)
    assert set(cluster.judged().values()) == {frozenset(cluster.dead)}
    cluster.dead = set()
    cluster.play(2.5)
    assert set(cluster.judged().values()) == {frozenset()}
