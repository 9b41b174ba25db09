"""Collections of a process with a big heap."""

from __future__ import annotations

import gc

import pytest

from dcos.runtime import heap


@pytest.mark.parametrize(("callbacks", "times"), [([], 0), ([heap._freeze], 1)])
def test_the_young_are_collected_only_where_the_old_are_frozen(
    callbacks: list[object], times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected: list[int] = []
    monkeypatch.setattr(gc, "callbacks", callbacks)
    monkeypatch.setattr(gc, "collect", lambda: collected.append(1))
    heap.collect_young()
    assert len(collected) == times


def test_survivors_are_frozen_after_full_collections_only(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen: list[int] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(1))
    for phase, generation in (("start", 2), ("stop", 0), ("stop", 1)):
        heap._freeze(phase, {"generation": generation})
    assert frozen == []
    heap._freeze("stop", {"generation": 2})
    assert frozen == [1]
