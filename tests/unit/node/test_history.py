"""Slots, the files of samples, the API over them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from dcos.node.core.slots import HOUR, MINUTE, Window
from dcos.node.history.api import application
from dcos.node.history.store import Store
from dcos.testing.leading import HandClock

NOON = 1_800_000_000.0


@given(st.sampled_from([MINUTE, HOUR]), st.floats(min_value=0, max_value=4e9))
def test_files_name_their_slot(window: Window, now: float) -> None:
    slot = window.slot(now)
    assert window.slot_of(window.file(slot)) == slot
    assert 0 < window.until_next(now) <= window.step_s
    assert len(window.slots(slot)) == window.count
    assert window.slots(slot)[-1] == slot


@pytest.mark.parametrize("name", ["", "x.state-summary.json", "2026-01-01T00:00:01Z.state-summary.json", ".a"])
def test_other_files_are_none_of_ours(name: str) -> None:
    assert MINUTE.slot_of(name) is None
    assert MINUTE.over([name], 5) == []


def windows(store: Store, now: float) -> tuple[list[object], list[object]]:
    minute, hour = ([json.loads(one) for one in store.read(window, now)] for window in (MINUTE, HOUR))
    return minute, hour


def test_windows_slide_and_files_stay_few(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.open()
    assert windows(store, NOON) == ([{}] * 30, [{}] * 60)
    for number in range(1900):  # more than an hour
        store.put(b'{"n": %d}' % number, NOON + 2 * number)
    minute, hour = windows(store, NOON)
    assert minute == [{"n": number} for number in range(1870, 1900)]
    assert hour == [{"n": number} for number in range(1890 - 59 * 30, 1900, 30)]
    assert json.loads(store.last) == {"n": 1899}
    assert [len(list((tmp_path / name).iterdir())) for name in ("minute", "hour")] == [30, 60]


def test_a_gap_is_where_nobody_answered_or_the_service_did_not_run(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.open()
    store.put(b'{"a": 1}', NOON)
    store.put(None, NOON + 2)
    assert store.last == b"{}"
    again = Store(tmp_path)
    again.open()
    assert windows(again, NOON + 6)[0][-4:] == [{"a": 1}, {}, {}, {}]
    again.put(b'{"b": 1}', NOON + 6)
    minute, hour = windows(again, NOON + 6.5)
    assert minute[-4:] == [{"a": 1}, {}, {}, {"b": 1}]
    assert hour[-1] == {"a": 1}
    again.put(b'{"c": 1}', NOON - 7200)  # the clock was put back: what is of the future goes
    assert windows(again, NOON - 7200)[0] == [{}] * 29 + [{"c": 1}]


async def test_the_api(tmp_path: Path) -> None:
    store, clock = Store(tmp_path), HandClock(NOON)
    store.open()
    store.put(b'{"hostname":  "m"}', NOON)
    async with TestClient(TestServer(application(store, clock))) as client:
        async with client.get("/history/last") as answer:
            assert await answer.read() == b'{"hostname":  "m"}', "as it was told"
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert answer.content_type == "application/json"
            assert answer.headers["Content-Encoding"] in ("gzip", "deflate")
        for name, count in (("minute", 30), ("hour", 60)):
            async with client.get(f"/history/{name}") as answer:
                assert (answer.status, answer.content_type) == (200, "application/json")
                assert await answer.json() == [{}] * (count - 1) + [{"hostname": "m"}]
        async with client.get("/ping") as answer:
            assert await answer.text() == "pong"
        async with client.get("/") as answer:
            assert "/history/minute" in await answer.text()
