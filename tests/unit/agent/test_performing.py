"""What the daemon does about effects that do not come off at once."""

from __future__ import annotations

import asyncio

import pytest

from dcos.agent import performing
from dcos.agent.performing import Performer
from dcos.runtime.app import Exit


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


async def test_what_is_nested_ends_before_the_agent_leaves() -> None:
    """Found by seed 1717 of the simulation: a debugging container whose task had ended while the agent was away."""
    said: list[str] = []

    class Nested:
        async def destroy_all(self) -> None:
            said.append("nested ended")

    class Checkpoints:
        def forget_agent(self) -> None:
            said.append("forgotten")

    daemon = object.__new__(Performer)
    daemon._cleanups = {}
    daemon.nested = Nested()  # type: ignore[assignment]
    daemon._checkpoints = Checkpoints()  # type: ignore[assignment]
    with pytest.raises(Exit):
        await daemon._leave("gone")
    assert said == ["nested ended", "forgotten"]
