"""``/api/v1/scheduler``: calls become events; SUBSCRIBE holds its answer open.

Source: order of checks, codes and texts of Mesos 1.11 (recorded answers in tests/golden).
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

from aiohttp import web

from dcos.master.api import Api, Realm, forms
from dcos.master.core.call_validation import call_problem
from dcos.master.core.events import SchedulerCall, StreamClosed, Subscribe
from dcos.master.streams import Stream
from dcos.master.writer import Writer
from dcos.model.v1.scheduler import Call, CallType, Event, EventType
from dcos.runtime.mesos_http import answer_codec, body_codec, decoded, text_response

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
        codec = body_codec(request)
        if isinstance(codec, web.Response):
            return codec
        call = await decoded(request, codec, Call, "Call")
        if isinstance(call, web.Response):
            return call
        wrong = call_problem(call)
        if wrong is not None:
            return text_response(400, f"Failed to validate scheduler::Call: {wrong}")
        if call.type is CallType.SUBSCRIBE:
            return await self._subscribe(request, call)
        number, answer = self._writer.request()
        stream = request.headers.get("Mesos-Stream-Id")
        self._writer.put(SchedulerCall(self._writer.now(), number, stream, call))
        done = await answer
        return text_response(done.status, done.text)

    async def _subscribe(self, request: web.Request, call: Call) -> web.StreamResponse:
        codec = answer_codec(request)
        if isinstance(codec, web.Response):
            return codec
        if "Mesos-Stream-Id" in request.headers:
            return text_response(400, "Subscribe calls should not include the 'Mesos-Stream-Id' header")
        stream = Stream(str(uuid.uuid4()), codec)
        with subscribed(self._writer, stream, call):
            return await stream.answer(
                request,
                codec.content_type,
                headers={"Mesos-Stream-Id": stream.id},
                heartbeat=codec.encode(_HEARTBEAT, Event),
            )


@contextlib.contextmanager
def subscribed(writer: Writer, stream: Stream, call: Call) -> Iterator[None]:
    """``stream`` carries the answer to a SUBSCRIBE while this is held."""
    writer.schedulers[stream.id] = stream
    writer.put(Subscribe(writer.now(), stream.id, call))
    try:
        yield
    finally:
        stream.close()
        del writer.schedulers[stream.id]
        writer.put(StreamClosed(writer.now(), stream.id))
