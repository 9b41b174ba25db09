"""Who is silent, on a clock that is only told."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from dcos.net.core.liveness import EVERY_S, MOST_A_SECOND, SILENT_S, Liveness
from dcos.net.probes import checksum

PEERS = [f"10.0.0.{number}" for number in range(1, 5)]


def play(liveness: Liveness, begin: float, seconds: float, answering: list[str]) -> float:
    """Asks and answers, 20 times a second; the time at the end."""
    for tick in range(int(seconds * 20) + 1):
        now = begin + tick / 20
        for ip in liveness.due(now):
            if ip in answering:
                liveness.answer(ip)
    return begin + seconds


def test_who_stops_answering_is_silent_soon_and_back_at_once() -> None:
    liveness = Liveness()
    liveness.watch(PEERS, 0)
    now = play(liveness, 0, 3, PEERS)
    assert liveness.silent(now) == frozenset()
    now = play(liveness, now, SILENT_S + EVERY_S + 0.1, PEERS[1:])
    assert liveness.silent(now) == {PEERS[0]}
    liveness.answer(PEERS[0])
    assert liveness.silent(now) == frozenset()


def test_who_never_answered_is_not_judged() -> None:
    liveness = Liveness()
    liveness.watch(PEERS, 0)
    assert liveness.silent(play(liveness, 0, 10, PEERS[1:])) == frozenset()


def test_most_of_them_at_once_is_trouble_of_our_own() -> None:
    liveness = Liveness()
    liveness.watch(PEERS, 0)
    now = play(liveness, 0, 3, PEERS)
    assert liveness.silent(play(liveness, now, 5, PEERS[3:])) == frozenset()
    assert liveness.silent(play(liveness, now + 5, 5, PEERS[2:])) == set(PEERS[:2])


def test_a_clock_that_jumps_makes_nobody_silent() -> None:
    """After a pause of this process the first question goes out again before anybody is judged."""
    liveness = Liveness()
    liveness.watch(PEERS, 0)
    play(liveness, 0, 3, PEERS)
    assert liveness.silent(100) == frozenset()


def test_probes_come_more_slowly_to_many() -> None:
    liveness = Liveness()
    liveness.watch([f"10.1.{number >> 8}.{number & 255}" for number in range(10 * MOST_A_SECOND)], 0)
    play(liveness, 0, 1, [])
    asked = sum(len(liveness.due(1 + tick / 20)) for tick in range(1, 201))
    assert asked <= 10 * MOST_A_SECOND * 1.1
    liveness.watch(PEERS, 20)
    assert set(liveness.due(25)) == set(PEERS)


def test_checksum() -> None:
    """RFC 1071's own example."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF & ~0xDDF2


def test_lost_packets_make_nobody_silent_however_many_there_are() -> None:
    """Every 29th answer is lost, of a thousand agents."""
    liveness = Liveness()
    many = [f"10.1.{number >> 8}.{number & 255}" for number in range(1000)]
    liveness.watch(many, 0)
    count = 0
    for tick in range(20 * 30):
        now = tick / 20
        for ip in liveness.due(now):
            count += 1
            if count % 29:
                liveness.answer(ip)
        assert liveness.silent(now) == frozenset()
    assert count < 30 * MOST_A_SECOND * 1.2


@pytest.mark.parametrize(("count", "within_s"), [(200, 1.0), (1000, 2.0)])
def test_one_that_dies_is_found_soon_however_many_there_are(count: int, within_s: float) -> None:
    """Whenever it dies; ten looks a second."""
    many = [f"10.1.{number >> 8}.{number & 255}" for number in range(count)]
    for delay in range(0, 40, 3):
        liveness = Liveness()
        liveness.watch(many, 0)
        dead, now = many[count // 2], 0.0
        ticks = itertools.count()

        def look(answering: set[str], liveness: Liveness = liveness, ticks: Iterator[int] = ticks) -> float:
            now = next(ticks) / 10
            for ip in liveness.due(now):
                if ip in answering:
                    liveness.answer(ip)
            return now

        while now < 5 + delay / 10:
            now = look(set(many))
        began = now
        while liveness.silent(now) != {dead}:
            now = look(set(many) - {dead})
            assert now - began <= within_s
