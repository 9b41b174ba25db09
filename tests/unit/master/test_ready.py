"""Texts that lie ready: made ahead and again after a change, for those who see all and for those who do not."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from dcos.master import ahead, kept
from dcos.master.ahead import make_ahead
from dcos.master.core.state import State
from dcos.master.core.viewer import ALL, Viewer
from dcos.master.kept import Kept
from dcos.master.v0 import summary as v0_summary
from dcos.master.v0.agents import SHARED, AgentTexts, texts_for
from dcos.master.v0.frameworks import frameworks
from dcos.master.v0.state import whole
from dcos.master.v0.summary import Roll, summary
from dcos.model.acls import Acl, Acls, Action, Entity, Kind
from dcos.model.resources import Resources
from dcos.model.v1.types import TaskState
from dcos.testing.patience import PATIENCE_S
from tests.unit.master.stage import Stage
from tests.unit.master.test_snapshots import filled, registration, writer_of

BOB = Entity(values=frozenset({"bob"}))


def bob(*objects: str, action: Action = Action.VIEW_ROLE) -> Viewer:
    """He sees these only, and all that other actions show."""
    seen = (Acl(BOB, Entity(values=frozenset(objects))), Acl(BOB, Entity(Kind.NONE)))
    return Viewer(Acls(acls={action: seen}), "bob")


def missing(state: State) -> int:
    return sum(kept.state_making(state))


async def test_all_is_written_ahead_and_what_changes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_SOON_S", 0.001)
    monkeypatch.setattr(ahead, "_RARELY", 0)
    stage = filled()
    writer = writer_of(stage)
    going = asyncio.create_task(make_ahead(writer))

    async def ready() -> None:
        async with asyncio.timeout(PATIENCE_S):
            while any(
                one.ready is None for group in (stage.state.agents, stage.state.offers) for one in group.values()
            ):
                await asyncio.sleep(0)

    await ready()
    stage.say("link-1000", registration(1000))
    writer.revision += 1
    await ready()
    going.cancel()
    assert missing(stage.state) == 0


async def test_it_waits_for_the_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_SLICE_S", -1)
    monkeypatch.setattr(ahead, "_GAP_BUSY_S", 3600)
    stage = filled(100)
    writer = writer_of(stage)
    monkeypatch.setattr(type(writer), "busy", True)
    going = asyncio.create_task(make_ahead(writer))
    for _ in range(100):
        await asyncio.sleep(0)
    assert 0 < sum(one.ready is not None for one in stage.state.agents.values()) < 100
    going.cancel()


def test_only_hundreds_with_a_change_are_joined_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v0_summary, "_TOGETHER", 10)
    stage, roll = filled(), Roll()
    state = stage.state
    before: list[bytes] = []

    def changed() -> list[int]:
        """Which parts are others than before."""
        nonlocal before
        last, before = before, roll.joined(state)
        assert summary(state, "c", roll).joined() == summary(state, "c", Roll()).joined()
        assert len(msgspec.json.decode(summary(state, "c", roll).joined())["slaves"]) == len(state.agents)
        return [number for number, one in enumerate(before) if number >= len(last) or one is not last[number]]

    assert changed() == [0, 1, 2, 3]
    assert changed() == []
    stage.cut("link-35")
    assert changed() == [3]
    stage.say("link-1000", registration(1000))
    assert changed() == [4]
    framework = next(iter(state.frameworks))
    stage.update(framework, "t0", TaskState.TASK_FINISHED)
    place = list(state.agents).index(next(iter(state.frameworks[framework].completed)).agent)
    assert changed() == [place // 10]
    del state.agents[list(state.agents)[15]]
    assert changed() == [1, 2, 3]


def test_who_may_not_see_a_role_has_texts_of_his_own() -> None:
    stage = Stage()
    stage.agent("cpus(a):2;cpus(b):1;mem:64")
    record = next(iter(stage.state.agents.values()))
    own = texts_for(bob("b"))
    assert (texts_for(ALL), own is SHARED) == (SHARED, False)
    all_of_it, his = (msgspec.json.decode(texts.short(record)) for texts in (SHARED, own))
    assert (set(all_of_it["reserved_resources"]), set(his["reserved_resources"])) == ({"a", "b"}, {"b"})
    full = msgspec.json.decode(own.full(record))
    assert set(full["reserved_resources_full"]) == {"b"}
    assert own.short(record) is own.short(record)
    record.total += Resources.parse("cpus(b):1")
    assert msgspec.json.decode(own.short(record))["reserved_resources"]["b"]["cpus"] == 2.0
    assert AgentTexts(bob("b")).short(record) == own.short(record)


@pytest.mark.parametrize("user", ["root", "alice"])
def test_tasks_of_other_users_are_left_out(user: str) -> None:
    stage = filled()
    viewer = bob(user, action=Action.VIEW_TASK)
    shown = msgspec.json.decode(frameworks(stage.state, {}, viewer).joined())["frameworks"][0]["tasks"]
    each = [viewer.task(one.message, framework.info) for framework in stage.state.frameworks.values()
            for one in framework.tasks.values()]  # fmt: skip
    assert len(shown) == sum(each)
    assert len(shown) == (20 if user == "root" else 0)


async def test_what_one_alone_sees_is_parted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "SLICE_S", -1)
    stage = filled(1000)
    texts = AgentTexts(bob())
    answers = Kept(writer_of(stage))
    asked = asyncio.create_task(
        answers.body(None, lambda: whole(stage.state, {}, None, texts), lambda now: kept.state_making(now, texts))
    )
    turns = 0
    while not asked.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 30
    assert (await asked).joined() == whole(stage.state, {}, None, AgentTexts(bob())).joined()
