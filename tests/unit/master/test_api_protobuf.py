"""The same APIs spoken in protobuf, over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TypeVar

import aiohttp
import msgspec
import pytest

from dcos.model.v1 import master, scheduler
from dcos.model.v1.types import (
    AgentID,
    FrameworkID,
    FrameworkInfo,
    FrameworkInfoCapability,
    FrameworkInfoCapabilityType,
)
from dcos.testing.fake_agent import FakeAgent
from dcos.testing.patience import PATIENCE_S
from dcos.wire import mesos_json, mesos_proto, recordio
from tests.unit.master.test_api import Served, serving

M = TypeVar("M", bound=msgspec.Struct)

TYPE = "application/x-protobuf"
PROTOBUF = {"Content-Type": TYPE, "Accept": TYPE}
SUBSCRIBE = scheduler.Call(
    type=scheduler.CallType.SUBSCRIBE,
    subscribe=scheduler.CallSubscribe(
        framework_info=FrameworkInfo(
            user="root",
            name="f",
            roles=("r",),
            capabilities=(FrameworkInfoCapability(type=FrameworkInfoCapabilityType.MULTI_ROLE),),
        )
    ),
)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as made:
        yield made


async def post(served: Served, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
    async with served.session.post(served.url + path, data=body, headers=headers) as answer:
        return answer.status, answer.headers["Content-Type"], await answer.read()


async def ask(served: Served, kind: master.CallType) -> master.Response:
    wanted = {"get_metrics": master.CallGetMetrics()} if kind is master.CallType.GET_METRICS else {}
    raw = mesos_proto.encode(master.Call(type=kind, **wanted))
    status, content_type, body = await post(served, "/master/api/v1", raw, PROTOBUF)
    assert (status, content_type) == (200, TYPE)
    return mesos_proto.decode(body, master.Response)


async def records(answer: aiohttp.ClientResponse, count: int, kind: type[M]) -> list[M]:
    decoder = recordio.Decoder()
    out: list[M] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(out) < count:
            out += [mesos_proto.decode(record, kind) for record in decoder.feed(await answer.content.readany())]
    return out


@pytest.mark.parametrize("path", ["/api/v1/scheduler", "/api/v1"])
@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (b"\x78", {"Content-Type": TYPE}, 400, "Failed to parse body into Call protobuf: "),
        (b"{}", {"Content-Type": TYPE}, 400, "Failed to parse body into Call protobuf: "),
        (b"", {"Content-Type": TYPE}, 400, "Expecting 'type' to be present"),
        (b"", {"Content-Type": "application/protobuf"}, 415, "application/json or application/x-protobuf"),
    ],
)
async def test_bad_bodies(
    served: Served, path: str, body: bytes, headers: dict[str, str], status: int, says: str
) -> None:
    got, _, text = await post(served, path, body, headers)
    assert (got, says in text.decode()) == (status, True)


@pytest.mark.parametrize("kind", [SUBSCRIBE, master.Call(type=master.CallType.GET_HEALTH)])
async def test_neither_encoding_accepted(served: Served, kind: scheduler.Call | master.Call) -> None:
    path = "/api/v1/scheduler" if isinstance(kind, scheduler.Call) else "/api/v1"
    status, _, text = await post(served, path, mesos_proto.encode(kind), PROTOBUF | {"Accept": "text/html"})
    assert (status, text) == (406, b"Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'")


@pytest.mark.parametrize(
    ("body_type", "accept", "answer"),
    [
        (TYPE, "*/*", "application/json"),
        (TYPE, f"{TYPE}, application/json", "application/json"),
        (TYPE, TYPE, TYPE),
        ("application/json", TYPE, TYPE),
    ],
)
async def test_json_is_preferred(served: Served, body_type: str, accept: str, answer: str) -> None:
    call = master.Call(type=master.CallType.GET_HEALTH)
    raw = mesos_proto.encode(call) if body_type == TYPE else mesos_json.encode(call)
    status, content_type, body = await post(served, "/api/v1", raw, {"Content-Type": body_type, "Accept": accept})
    assert (status, content_type.partition(";")[0]) == (200, answer)
    decode = mesos_proto.decode if answer == TYPE else mesos_json.decode
    assert decode(body, master.Response) == master.Response(
        type=master.ResponseType.GET_HEALTH, get_health=master.ResponseGetHealth(healthy=True)
    )


READS = [one for one in master.CallType if one.startswith("GET_") and one.value in master.ResponseType.__members__]
UNSUPPORTED = {"GET_LOGGING_LEVEL"}


@pytest.mark.parametrize("kind", [one for one in READS if one not in UNSUPPORTED])
async def test_operator_reads_are_those_of_json(served: Served, kind: master.CallType) -> None:
    async with FakeAgent(served.url.removeprefix("http://")):
        while not served.api.state.agents:
            await asyncio.sleep(0.01)
        binary = await ask(served, kind)
        _, text = await served.post("/api/v1", {"type": kind, kind.lower(): {}})
    if kind is not master.CallType.GET_METRICS:
        assert binary == mesos_json.decode(text.encode(), master.Response)
    assert binary.type is not None
    assert getattr(binary, kind.lower()) is not None


async def test_the_scheduler_stream(served: Served) -> None:
    path = served.url + "/api/v1/scheduler"
    async with (
        FakeAgent(served.url.removeprefix("http://")),
        served.session.post(path, data=mesos_proto.encode(SUBSCRIBE), headers=PROTOBUF) as answer,
    ):
        assert (answer.status, answer.headers["Content-Type"]) == (200, TYPE)
        subscribed, beat, offers = await records(answer, 3, scheduler.Event)
        assert subscribed.subscribed is not None
        assert beat == scheduler.Event(type=scheduler.EventType.HEARTBEAT)
        assert offers.offers is not None
        framework = subscribed.subscribed.framework_id
        stream = {"Mesos-Stream-Id": answer.headers["Mesos-Stream-Id"]}
        decline = scheduler.CallDecline(offer_ids=tuple(offer.id for offer in offers.offers.offers))
        call = scheduler.Call(type=scheduler.CallType.DECLINE, framework_id=framework, decline=decline)
        assert await served.post(
            "/api/v1/scheduler", json.loads(mesos_json.encode(call)), {"Content-Type": "application/json", **stream}
        ) == (202, "")
        revive = scheduler.Call(type=scheduler.CallType.REVIVE, framework_id=framework)
        status, _, body = await post(served, "/api/v1/scheduler", mesos_proto.encode(revive), PROTOBUF | stream)
        assert (status, body) == (202, b"")
        (again,) = await records(answer, 1, scheduler.Event)
        assert again.type is scheduler.EventType.OFFERS


async def test_operators_hear_in_what_they_asked_for(served: Served) -> None:
    call = mesos_proto.encode(master.Call(type=master.CallType.SUBSCRIBE))
    url = served.url + "/api/v1?subscribe"
    async with (
        served.session.post(url, data=call, headers=PROTOBUF) as binary,
        served.session.post(url, data=call, headers=PROTOBUF | {"Accept": "application/json"}) as text,
    ):
        first, second = await records(binary, 2, master.Event)
        assert first.subscribed is not None
        assert first.subscribed.get_state is not None
        assert second == master.Event(type=master.EventType.HEARTBEAT)
        decoder = recordio.Decoder()
        heard: list[bytes] = []
        async with FakeAgent(served.url.removeprefix("http://")), asyncio.timeout(PATIENCE_S):
            (added,) = await records(binary, 1, master.Event)
            while len(heard) < 3:
                heard += decoder.feed(await text.content.readany())
        assert added.agent_added is not None
        assert mesos_json.decode(heard[2], master.Event) == added


async def test_a_change(served: Served) -> None:
    gone = master.CallMarkAgentGone(agent_id=AgentID(value="x"))
    call = master.Call(type=master.CallType.MARK_AGENT_GONE, mark_agent_gone=gone)
    assert (await post(served, "/api/v1", mesos_proto.encode(call), PROTOBUF))[0] == 404
    teardown = master.CallTeardown(framework_id=FrameworkID(value="x"))
    call = master.Call(type=master.CallType.TEARDOWN, teardown=teardown)
    assert (await post(served, "/api/v1", mesos_proto.encode(call), PROTOBUF))[0] == 400


async def test_a_reader_whose_encoding_cannot_hold_an_event_is_cut_off(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = mesos_proto.encode(master.Call(type=master.CallType.SUBSCRIBE))
    async with served.session.post(served.url + "/api/v1", data=call, headers=PROTOBUF) as answer:
        await records(answer, 2, master.Event)

        def too_deep(_: object) -> bytes:
            raise mesos_proto.WireError("", "nested too deep")

        monkeypatch.setattr(mesos_proto, "encode", too_deep)
        async with FakeAgent(served.url.removeprefix("http://")):
            assert await asyncio.wait_for(answer.content.read(), PATIENCE_S) == b""
    assert (await served.get("/health"))[0] == 200
