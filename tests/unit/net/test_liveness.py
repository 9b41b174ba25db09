"""Who is silent, on a clock that is only told."""

from __future__ import annotations

import pytest

from dcos.net.core.liveness import EVERY_S, FIRST_A_SECOND, MOST_A_SECOND, NEAR, SILENT_S, SUSPECT_S, Liveness
from dcos.net.core.ring import next_ones
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


def test_first_questions_to_many_come_in_turn() -> None:
    liveness = Liveness()
    liveness.watch(addresses(10 * FIRST_A_SECOND), 0, [])
    asked = sum(len(liveness.due(tick / 20)) for tick in range(20))
    assert asked <= FIRST_A_SECOND * 1.1
    liveness.watch(PEERS, 20)
    assert set(liveness.due(25)) == set(PEERS)


def test_checksum() -> None:
    """RFC 1071's own example."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF & ~0xDDF2


def addresses(count: int) -> list[str]:
    return [f"10.1.{number >> 8}.{number & 255}" for number in range(count)]


def test_lost_packets_make_nobody_silent_however_many_there_are() -> None:
    """Every 29th answer is lost, of a thousand agents, and questions in turn stay within their limit."""
    liveness = Liveness()
    many = addresses(1000)
    liveness.watch(many, 0, many[:NEAR])
    count = asked = 0
    for tick in range(20 * 30):
        now = tick / 20
        for ip in liveness.due(now):
            count += 1
            asked += now >= 10
            if count % 29:
                liveness.answer(ip)
        assert liveness.silent(now) == frozenset()
    assert asked < 20 * MOST_A_SECOND * 1.2


def look(liveness: Liveness, now: float, answering: set[str]) -> None:
    for ip in liveness.due(now):
        if ip in answering:
            liveness.answer(ip)


@pytest.mark.parametrize(
    ("count", "near", "suspected", "within_s"),
    [
        (40, True, False, EVERY_S + SILENT_S + 0.2),
        (1000, True, False, EVERY_S + SILENT_S + 0.2),
        (1000, False, True, SUSPECT_S + 0.2),
        (1000, False, False, 1000 / (MOST_A_SECOND - NEAR / EVERY_S) + SILENT_S + 0.2),
    ],
    ids=["few", "near", "told by others", "told by nobody"],
)
def test_one_that_dies_is_found_soon(count: int, near: bool, suspected: bool, within_s: float) -> None:
    """Whenever it dies; ten looks a second."""
    many = addresses(count)
    dead, others = many[count // 2], set(many) - {many[count // 2]}
    close = [dead, *many[: NEAR - 1]] if near else many[:NEAR]
    for delay in range(0, 40, 3):
        liveness = Liveness()
        liveness.watch(many, 0, close if count > 50 else None)
        for tick in range(150 + delay):
            look(liveness, tick / 10, set(many))
        began = now = (150 + delay) / 10
        if suspected:
            liveness.suspect([dead], now)
        while liveness.silent(now) != {dead}:
            look(liveness, now, others)
            assert now - began <= within_s
            now += 0.1


def test_who_is_said_to_be_silent_and_answers_is_not() -> None:
    liveness = Liveness()
    liveness.watch(PEERS, 0)
    play(liveness, 0, 3, PEERS)
    for tick in range(20):
        liveness.suspect([*PEERS, "10.9.9.9"], 3 + tick / 10)
        look(liveness, 3 + tick / 10, set(PEERS))
        assert liveness.silent(3 + tick / 10) == frozenset()


def test_many_that_die_at_once_all_have_their_turn() -> None:
    """More than may be asked at once."""
    many = addresses(1000)
    dead = set(many[100:500])
    liveness = Liveness()
    liveness.watch(many, 0, many[:NEAR])
    for tick in range(150):
        look(liveness, tick / 10, set(many))
    liveness.suspect(dead, 15.0)
    for tick in range(150, 165):
        look(liveness, tick / 10, set(many) - dead)
    assert liveness.silent(16.4) == dead


def test_when_most_of_the_near_ones_are_silent_nobody_is_judged() -> None:
    many = addresses(1000)
    liveness = Liveness()
    liveness.watch(many, 0, many[:NEAR])
    for tick in range(150):
        look(liveness, tick / 10, set(many))
    for tick in range(150, 180):
        look(liveness, tick / 10, set(many[13:]))
    assert liveness.silent(18.0) == frozenset()


class TestRing:
    def test_everybody_is_watched_by_as_many_as_watch(self) -> None:
        many = addresses(200)
        watched = [ip for own in many for ip in next_ones(own, many, NEAR)]
        assert {watched.count(ip) for ip in many} == {NEAR}
        assert all(own not in next_ones(own, many, NEAR) for own in many)

    def test_who_is_not_on_it_watches_all_the_same(self) -> None:
        many = addresses(200)
        assert len(next_ones("10.0.0.1", many, NEAR)) == NEAR
        assert next_ones("10.0.0.1", many[:3], NEAR) == set(many[:3])

    def test_one_that_comes_changes_little(self) -> None:
        many = addresses(200)
        assert all(len(next_ones(own, many, 24) - next_ones(own, many[:-1], 24)) <= 1 for own in many[:-1])
