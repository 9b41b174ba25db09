from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcos.exhibitor.core.monitor import (
    MAX_DELAY_S,
    Action,
    Asked,
    Checked,
    Event,
    Exited,
    InstanceState,
    Started,
    Switched,
    Watch,
    state_from,
    step,
)

PATIENCE_S = 40.0
DOWN, NOT_SERVING, SERVING = InstanceState.DOWN, InstanceState.NOT_SERVING, InstanceState.SERVING


def actions(*events: Event) -> list[Action]:
    """What is done along ``events``; every start that is decided happens."""
    watch, done = Watch(), []
    for event in events:
        watch, action = step(watch, event, PATIENCE_S)
        done.append(action)
    return done


def look(state: InstanceState, now: float) -> Checked:
    return Checked(state, False, now)


NO, START, RESTART, STOP = Action.NOTHING, Action.START, Action.RESTART, Action.STOP


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([Started(0), look(DOWN, 1), look(SERVING, 2), look(SERVING, 99)], [NO] * 4, id="a healthy life"),
        pytest.param([look(DOWN, 0)], [START], id="none runs"),
        pytest.param([Started(0), look(SERVING, 2), look(DOWN, 50)], [NO, NO, RESTART], id="fallen: at once"),
        pytest.param(
            [Started(0), look(NOT_SERVING, 2), look(DOWN, 9)], [NO, NO, RESTART], id="fallen from not serving"
        ),
        pytest.param([Started(0), look(DOWN, 40), look(DOWN, 41)], [NO, NO, RESTART], id="never came up"),
        pytest.param(
            [Started(0), look(NOT_SERVING, 5), look(NOT_SERVING, 45), look(NOT_SERVING, 46)],
            [NO, NO, NO, RESTART],
            id="no quorum for the patience",
        ),
        pytest.param(
            [Started(0), look(NOT_SERVING, 5), look(NOT_SERVING, 46), look(NOT_SERVING, 50), look(NOT_SERVING, 90)],
            [NO, NO, RESTART, NO, RESTART],
            id="patience begins anew",
        ),
        pytest.param([Started(0), look(SERVING, 2), Exited(60)], [NO, NO, START], id="exited: at once"),
        pytest.param(
            [Started(0), Exited(1), Started(1), Exited(2), look(DOWN, 2.1), look(DOWN, 2.6)],
            [NO, START, NO, NO, NO, START],
            id="dies at once: waits",
        ),
        pytest.param(
            [Started(0), look(SERVING, 1), Switched(False), Exited(60), look(DOWN, 99)], [NO] * 5, id="hands off"
        ),
        pytest.param(
            [Started(0), look(SERVING, 1), Switched(False), look(DOWN, 60)], [NO] * 4, id="hands off a hung one"
        ),
        pytest.param(
            [Switched(False), Started(0), look(SERVING, 1), Exited(9), Switched(True), look(DOWN, 99)],
            [NO, NO, NO, NO, NO, START],
            id="hands on again",
        ),
        pytest.param(
            [Started(0), Asked(STOP, 5), Exited(6, wanted=True), look(DOWN, 7)],
            [NO, STOP, NO, START],
            id="asked to stop",
        ),
        pytest.param([Started(0), Asked(START, 5)], [NO, NO], id="asked to start a running one"),
        pytest.param([Switched(False), Asked(START, 5)], [NO, START], id="asked to start"),
        pytest.param([Started(0), Asked(RESTART, 5)], [NO, RESTART], id="asked to restart"),
    ],
)
def test_when_it_is_started(events: list[Event], expected: list[Action]) -> None:
    assert actions(*events) == expected


def test_leadership_is_remembered_until_it_ends() -> None:
    watch, _ = step(Watch(running=True), Checked(SERVING, True, 1), PATIENCE_S)
    assert watch.is_leader
    watch, _ = step(watch, Checked(SERVING, False, 2), PATIENCE_S)
    assert not watch.is_leader
    watch, _ = step(watch, Checked(SERVING, True, 3), PATIENCE_S)
    watch, _ = step(watch, Exited(4), PATIENCE_S)
    assert not watch.is_leader


@pytest.mark.parametrize(
    ("ruok", "srvr", "expected"),
    [
        ("", "", (DOWN, False)),
        ("ruok is not executed because it is not in the whitelist.", "", (DOWN, False)),
        ("imok", "", (NOT_SERVING, False)),
        ("imok", "This ZooKeeper instance is not currently serving requests\n", (NOT_SERVING, False)),
        ("imok\n", "Zookeeper version: 3.8.0\nMode: follower\nNode count: 4\n", (SERVING, False)),
        ("imok", "Mode: leader\n", (SERVING, True)),
        ("imok", "Mode: standalone\n", (SERVING, True)),
        ("imok", "Mode: observer\n", (SERVING, False)),
    ],
)
def test_states(ruok: str, srvr: str, expected: tuple[InstanceState, bool]) -> None:
    assert state_from(ruok, srvr) == expected


def test_descriptions_are_exhibitors() -> None:
    assert [state.description for state in InstanceState] == ["latent", "down", "not serving", "serving"]


@given(st.lists(st.sampled_from(["look", "die"]), min_size=30, max_size=60), st.floats(0.01, 3.0))
def test_one_that_keeps_dying_is_started_again_but_not_in_a_hurry(steps: list[str], each_s: float) -> None:
    """Progress: once nothing happens but looks, a start comes within the longest delay. Safety: never two at once."""
    watch, now = Watch(), 0.0
    for what in [*steps, *["look"] * int(MAX_DELAY_S / each_s + 2)]:
        now += each_s
        if what == "die" and not watch.running:
            continue
        event: Event = Exited(now) if what == "die" else look(DOWN, now)
        was_running = watch.running
        watch, action = step(watch, event, PATIENCE_S)
        if action == START:
            assert not was_running or what == "die"
            watch, _ = step(watch, Started(now), PATIENCE_S)
    assert watch.running
