"""Snapshots of the operators' API: one moment each, shared by many, followed by every event and none twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
import pytest

from dcos.master import kept
from dcos.master.api import Api
from dcos.master.core.events import AgentSaid
from dcos.master.core.viewer import ALL
from dcos.master.reads import READS, Fragments
from dcos.master.snapshots import Snapshots
from dcos.master.writer import Writer
from dcos.model.resources import Resources
from dcos.model.v1.master import CallType, EventType, Response, ResponseGetState
from dcos.model.v1.types import AgentInfo
from dcos.runtime import mesos_http
from dcos.runtime.clock import SystemClock
from dcos.testing.fake_agent import CAPABILITIES
from dcos.testing.patience import PATIENCE_S
from dcos.wire import agent_link
from dcos.wire.mesos_codec import JSON, PROTOBUF, Codec
from dcos.wire.spliced import Spliced
from tests.unit.master.served import serving
from tests.unit.master.stage import Stage, launch, task
from tests.unit.master.test_access import stream

RESOURCES = Resources.parse("cpus:1;mem:64").messages()


def registration(number: int) -> agent_link.Register:
    info = AgentInfo(hostname=f"h{number}", resources=RESOURCES)
    return agent_link.Register(
        agent=info, pid=f"slave(1)@10.0.{number >> 8}.{number & 255}:5051", version="1.11.0", capabilities=CAPABILITIES
    )


def filled(agents: int = 40) -> Stage:
    """With an agent, an offer or a task of every kind."""
    stage = Stage()
    for number in range(agents):
        stage.say(f"link-{number}", registration(number))
    framework, connection = stage.subscribe()
    for number, offer in enumerate(stage.offers(connection)[: agents // 2]):
        stage.accept(framework, [offer], [launch(task(f"t{number}", offer.agent_id.value))], refuse_s=1000)
    stage.clear()
    return stage


def shown(stage: Stage, made: Fragments) -> ResponseGetState:
    return made.codec.decode(READS[CallType.GET_STATE].body(stage.state, made).joined(), ResponseGetState)


@pytest.mark.parametrize("codec", [JSON, PROTOBUF])
def test_what_is_kept_is_what_would_be_made_anew(codec: Codec) -> None:
    stage = filled()
    made = Fragments(codec)
    before = shown(stage, made)
    assert before.get_tasks is not None
    assert before.get_frameworks is not None
    assert (len(before.get_tasks.tasks), len(before.get_frameworks.frameworks[0].offers)) == (20, 20)
    count = made.made
    assert shown(stage, made) == before
    assert made.made == count
    stage.cut("link-0")
    framework = next(iter(stage.state.frameworks.values()))
    framework_task = next(iter(framework.tasks.values()))
    framework_task.message = msgspec.structs.replace(framework_task.message, name="renamed")
    after = shown(stage, made)
    assert after != before
    assert after == shown(stage, Fragments(codec))


def writer_of(stage: Stage) -> Writer:
    return Writer(stage.state, SystemClock(), store_timeout_s=5, max_subscribers=100)


async def test_those_who_wait_together_share_one() -> None:
    given: list[Spliced] = []
    shared = Snapshots(writer_of(filled()))
    takers: list[Callable[[Spliced], None]] = [lambda body: given.append(body) for _ in range(20)]
    await asyncio.gather(*(shared.give(CallType.GET_STATE, JSON, ALL, taker) for taker in takers))
    assert len(given) == 20
    assert len({id(one) for one in given}) == 1
    await shared.give(CallType.GET_STATE, JSON, ALL, given.append)
    assert given[-1] is given[0], "nothing has changed"
    shared._writer.revision += 1
    await shared.give(CallType.GET_STATE, JSON, ALL, given.append)
    assert given[-1] is not given[0]


async def test_it_shows_one_moment_whatever_changes_while_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "SLICE_S", -1)
    stage = filled(100)
    writer = writer_of(stage)
    shared, number = Snapshots(writer), 1000

    async def change() -> None:
        nonlocal number
        while True:
            number += 1
            stage.say(f"link-{number}", registration(number))
            stage.clear()
            writer.revision += 1
            await asyncio.sleep(0)

    changing = asyncio.create_task(change())
    expected: list[ResponseGetState] = []
    given: list[Spliced] = []

    def then(body: Spliced) -> None:
        given.append(body)
        expected.append(shown(stage, Fragments(JSON)))

    await shared.give(CallType.GET_STATE, JSON, ALL, then)
    changing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await changing
    assert number > 1001, "others ran meanwhile"
    assert JSON.decode(given[0].joined(), ResponseGetState) == expected[0]


async def test_one_who_leaves_while_he_waits_gets_nothing() -> None:
    shared = Snapshots(writer_of(filled()))
    given: list[Spliced] = []
    first = asyncio.create_task(shared.give(CallType.GET_STATE, JSON, ALL, given.append))
    second = asyncio.create_task(shared.give(CallType.GET_STATE, JSON, ALL, lambda _: pytest.fail("he is gone")))
    second.cancel()
    await first
    with contextlib.suppress(asyncio.CancelledError):
        await second
    assert len(given) == 1


async def test_subscribers_miss_nothing_and_hear_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "SLICE_S", -1)
    async with serving(given=filled(50).state) as master, contextlib.AsyncExitStack() as stack:
        writer = master.api.writer
        writer.max_subscribers = 20

        async def come() -> None:
            for number in range(200, 300):
                writer.put(AgentSaid(writer.now(), f"l{number}", registration(number)))
                await asyncio.sleep(0)

        coming = asyncio.create_task(come())
        queues = []
        for _ in range(6):
            _, queue = await stack.enter_async_context(stream(master, "/api/v1", {"type": "SUBSCRIBE"}))
            queues.append(queue)
        await coming
        for queue in queues:
            heard: list[str] = []
            async with asyncio.timeout(PATIENCE_S):
                first = await queue.get()
                state = first["subscribed"]["get_state"]
                heard += [one["agent_info"]["id"]["value"] for one in state["get_agents"]["agents"]]
                while len(heard) < 150:
                    event = await queue.get()
                    if event["type"] == EventType.AGENT_ADDED:
                        heard.append(event["agent_added"]["agent"]["agent_info"]["id"]["value"])
            assert sorted(heard) == sorted(master.api.state.agents)


async def test_a_big_one_comes_whole_in_both_encodings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesos_http, "_SLICED_FROM", 1000)
    async with serving(given=filled(200).state) as master:
        for codec in (JSON, PROTOBUF):
            headers = {"Accept": codec.content_type}
            sent = {"Content-Type": JSON.content_type, **headers}
            async with master.session.post(
                master.url + "/api/v1", data=b'{"type":"GET_STATE"}', headers=sent
            ) as answer:
                body = await answer.read()
            made = codec.decode(body, Response)
            assert made.get_state is not None
            assert made.get_state == shown_of(master.api, codec)


def shown_of(api: Api, codec: Codec) -> ResponseGetState:
    return codec.decode(READS[CallType.GET_STATE].body(api.state, Fragments(codec)).joined(), ResponseGetState)


async def test_big_answers_of_old_come_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesos_http, "_SLICED_FROM", 1000)
    monkeypatch.setattr(kept, "SLICE_S", -1)
    async with serving(given=filled(100).state) as master:
        slaves = (await master.get("/slaves")).json
        assert sorted(one["id"] for one in slaves["slaves"]) == sorted(master.api.state.agents)
        assert slaves["recovered_slaves"] == []
        (framework,) = (await master.get("/frameworks")).json["frameworks"]
        assert (await master.get(f"/frameworks?framework_id={framework['id']}")).json["frameworks"] == [framework]
        by_id = {one["id"]: one for one in framework["tasks"]}
        assert len(by_id) == 50
        for query, count in (("", 50), ("?limit=7", 7), ("?offset=48", 2), ("?limit=-1&order=asc", 50)):
            shown = (await master.get("/tasks" + query)).json["tasks"]
            assert len(shown) == count
            assert all(one == by_id[one["id"]] for one in shown)
