"""What the daemon does about effects that do not come off at once."""

from __future__ import annotations

import asyncio

import pytest

from dcos.agent import performing
from dcos.agent.performing import Performer


class Refusing:
    """Containers of a Docker Engine that is away for the first tries."""

    def __init__(self, away: int) -> None:
        self.away = away
        self.asked = 0

    async def kill(self, container_id: str) -> bool:
        self.asked += 1
        return self.asked > self.away


@pytest.mark.parametrize(("known", "asked"), [(True, 4), (False, 0)], ids=["until it is done", "gone by itself"])
async def test_a_kill_is_said_again_while_the_engine_is_away(
    known: bool, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performing, "_KILL_AGAIN_S", 0.0)
    containers = Refusing(3)
    daemon = object.__new__(Performer)
    daemon._containerizer = containers  # type: ignore[assignment]
    daemon._containers = {"c": asyncio.create_task(asyncio.sleep(0))} if known else {}
    await daemon._kill("c")
    assert containers.asked == asked
