"""The scheduler client against a small master that follows a script."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from dcos.client.scheduler import CallRefused, FrameworkError, NotSubscribed, SchedulerClient
from dcos.model.v1.scheduler import EventType
from dcos.model.v1.types import Address, FrameworkInfo, MasterInfo
from dcos.runtime import http
from dcos.testing.patience import PATIENCE_S
from dcos.wire import recordio

SUBSCRIBED = {"type": "SUBSCRIBED", "subscribed": {"framework_id": {"value": "f-1"}, "heartbeat_interval_seconds": 0.1}}
HEARTBEAT = {"type": "HEARTBEAT"}
ERROR = {"type": "ERROR", "error": {"message": "Framework has been removed"}}


class Script:
    """A master: each subscription gets its own list of events; then it stays silent or ends."""

    def __init__(self, *streams: list[dict[str, Any]], ends: bool = True) -> None:
        self.streams = list(streams)
        self.ends = ends
        self.subscribes: list[dict[str, Any]] = []
        self.calls: list[tuple[str | None, dict[str, Any]]] = []
        self.answer = 202

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["type"] != "SUBSCRIBE":
            self.calls.append((request.headers.get("Mesos-Stream-Id"), body))
            return web.Response(status=self.answer, text="no" if self.answer >= 400 else "")
        self.subscribes.append(body)
        response = web.StreamResponse(headers={"Mesos-Stream-Id": f"stream-{len(self.subscribes)}"})
        await response.prepare(request)
        for event in self.streams.pop(0) if self.streams else [SUBSCRIBED]:
            await response.write(recordio.frame(json.dumps(event).encode()))
        if not self.ends or not self.streams:
            await asyncio.sleep(30)
        return response


async def leader(port: int) -> AsyncIterator[MasterInfo | None]:
    yield None
    yield MasterInfo(id="m", ip=0, port=port, address=Address(ip="127.0.0.1", port=port))
    await asyncio.sleep(60)


@pytest.fixture
async def play() -> AsyncIterator[Any]:
    """Start a script; returns the client for it."""
    stack = contextlib.AsyncExitStack()

    async def start(script: Script) -> SchedulerClient:
        application = http.application()
        application.router.add_post("/api/v1/scheduler", script.handle)
        _, port = await stack.enter_async_context(
            http.listen(application, host="127.0.0.1", port=0, cancel_on_disconnect=True)
        )
        info = FrameworkInfo(user="root", name="f")
        return await stack.enter_async_context(SchedulerClient(leader(port), info, backoff_s=(0.01, 0.05)))

    async with stack:
        yield start


async def test_it_comes_back_with_the_same_id(play: Any) -> None:
    script = Script([SUBSCRIBED, HEARTBEAT], [SUBSCRIBED])
    client: SchedulerClient = await play(script)
    with pytest.raises(NotSubscribed):
        await client.revive()
    events = client.events()
    for _ in range(2):
        event = await asyncio.wait_for(anext(events), PATIENCE_S)
        assert event.type is EventType.SUBSCRIBED
    assert "framework_id" not in script.subscribes[0]
    assert script.subscribes[1]["framework_id"] == {"value": "f-1"}
    assert script.subscribes[1]["subscribe"]["framework_info"]["id"] == {"value": "f-1"}
    assert client.subscribed
    await client.revive(["r"])
    assert script.calls == [
        ("stream-2", {"type": "REVIVE", "framework_id": {"value": "f-1"}, "revive": {"roles": ["r"]}})
    ]
    script.answer = 400
    with pytest.raises(CallRefused, match="400: no"):
        await client.suppress()


async def test_five_missed_heartbeats_end_a_stream(play: Any) -> None:
    script = Script([SUBSCRIBED], [SUBSCRIBED], ends=False)
    client: SchedulerClient = await play(script)
    events = client.events()
    await asyncio.wait_for(anext(events), PATIENCE_S)
    await asyncio.wait_for(anext(events), PATIENCE_S)
    assert len(script.subscribes) == 2


async def test_an_error_is_final(play: Any) -> None:
    script = Script([SUBSCRIBED, ERROR], [SUBSCRIBED])
    client: SchedulerClient = await play(script)
    events = client.events()
    assert [str((await asyncio.wait_for(anext(events), PATIENCE_S)).type) for _ in range(2)] == ["SUBSCRIBED", "ERROR"]
    with pytest.raises(FrameworkError, match="has been removed"):
        await asyncio.wait_for(anext(events), PATIENCE_S)
    await asyncio.sleep(0.2)
    assert len(script.subscribes) == 1
    assert not client.subscribed
