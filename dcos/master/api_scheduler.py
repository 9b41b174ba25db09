"""``/api/v1/scheduler``: calls become events; SUBSCRIBE holds its answer open.

Source: order of checks, codes and texts of Mesos 1.11 (recorded answers in tests/golden).
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

import msgspec
from aiohttp import web

from dcos.master.api import Api, Realm, forms
from dcos.master.core.call_validation import call_problem
from dcos.master.core.events import SchedulerCall, StreamClosed, Subscribe
from dcos.master.streams import Stream
from dcos.master.writer import Writer
from dcos.model.v1.scheduler import Call, CallType, Event, EventType
from dcos.runtime.http_access import principal_of
from dcos.runtime.mesos_http import answer_codec, posted, text_response

_HEARTBEAT = Event(type=EventType.HEARTBEAT)


class SchedulerApi:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._writer = api.writer

    def routes(self) -> list[web.RouteDef]:
        return [
            web.route("*", form, self._api.gated(self.handle, Realm.SCHEDULER)) for form in forms("/api/v1/scheduler")
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        call = await posted(request, Call, "Call")
        if isinstance(call, web.Response):
            return call
        principal = principal_of(request)
        wrong = call_problem(call) or _stranger(call, principal)
        if wrong is not None:
            return text_response(400, f"Failed to validate scheduler::Call: {wrong}")
        if call.type is CallType.SUBSCRIBE:
            return await self._subscribe(request, _named(call, principal), principal)
        if call.type is CallType.RECONCILE_OPERATIONS and isinstance(refused := answer_codec(request), web.Response):
            return refused
        framework = self._api.state.frameworks.get(call.framework_id.value) if call.framework_id is not None else None
        if framework is not None and principal is not None and framework.info.principal != principal:
            return text_response(400, _mismatch(principal, framework.info.principal or ""))
        number, answer = self._writer.request()
        stream = request.headers.get("Mesos-Stream-Id")
        self._writer.put(SchedulerCall(self._writer.now(), number, stream, call))
        done = await answer
        return text_response(done.status, done.text)

    async def _subscribe(self, request: web.Request, call: Call, principal: str | None) -> web.StreamResponse:
        codec = answer_codec(request)
        if isinstance(codec, web.Response):
            return codec
        if "Mesos-Stream-Id" in request.headers:
            return text_response(400, "Subscribe calls should not include the 'Mesos-Stream-Id' header")
        stream = Stream(str(uuid.uuid4()), codec)
        with subscribed(self._writer, stream, call, principal):
            return await stream.answer(
                request,
                codec.content_type,
                headers={"Mesos-Stream-Id": stream.id},
                heartbeat=codec.encode(_HEARTBEAT, Event),
            )


@contextlib.contextmanager
def subscribed(writer: Writer, stream: Stream, call: Call, principal: str | None = None) -> Iterator[None]:
    """``stream`` carries the answer to a SUBSCRIBE while this is held. ``principal``: who the scheduler proved to be."""
    writer.schedulers[stream.id] = stream
    writer.put(Subscribe(writer.now(), stream.id, call, principal))
    try:
        yield
    finally:
        stream.close()
        framework = writer.state.frameworks.get(writer.state.streams.get(stream.id, ""))
        if framework is not None:
            framework.counts["events/HEARTBEAT"] += stream.beats
        del writer.schedulers[stream.id]
        writer.put(StreamClosed(writer.now(), stream.id))


def _mismatch(principal: str, named: str) -> str:
    return f"Authenticated principal '{principal}' does not match principal '{named}' set in `FrameworkInfo`"


def _stranger(call: Call, principal: str | None) -> str | None:
    """A scheduler that names itself another than it proved to be."""
    if principal is None or call.type is not CallType.SUBSCRIBE or call.subscribe is None:
        return None
    named = call.subscribe.framework_info.principal
    return None if named in (None, principal) else _mismatch(principal, named or "")


def _named(call: Call, principal: str | None) -> Call:
    """A SUBSCRIBE that says whose it is, as far as that was proved."""
    if principal is None or call.subscribe is None or call.subscribe.framework_info.principal is not None:
        return call
    info = msgspec.structs.replace(call.subscribe.framework_info, principal=principal)
    return msgspec.structs.replace(call, subscribe=msgspec.structs.replace(call.subscribe, framework_info=info))
