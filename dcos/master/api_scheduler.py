"""``/api/v1/scheduler``: calls become events; SUBSCRIBE holds its answer open.

Source: order of checks, codes and texts of Mesos 1.11 (recorded answers in tests/golden).
"""

from __future__ import annotations

import re
import uuid
from typing import TypeVar

import msgspec
from aiohttp import web

from dcos.master.api import Api, forms, text_response
from dcos.master.core.call_validation import call_problem
from dcos.master.core.events import SchedulerCall, StreamClosed, Subscribe
from dcos.master.streams import Stream
from dcos.model.v1.scheduler import Call, CallType, Event, EventType
from dcos.wire.errors import WireError
from dcos.wire.mesos_codec import JSON, PROTOBUF, Codec, accepted, by_content_type

M = TypeVar("M", bound=msgspec.Struct)

_HEARTBEAT = Event(type=EventType.HEARTBEAT)
_EITHER = f"{JSON.content_type} or {PROTOBUF.content_type}"


def body_codec(request: web.Request) -> Codec | web.Response:
    """What the body is in, or 405, 400 or 415: what is wrong before it is looked at."""
    if request.method != "POST":
        return text_response(405, f"Expecting one of {{ 'POST' }}, but received '{request.method}'", Allow="POST")
    content_type = request.headers.get("Content-Type")
    if content_type is None:
        return text_response(400, "Expecting 'Content-Type' to be present")
    return by_content_type(content_type) or text_response(415, f"Expecting 'Content-Type' of {_EITHER}")


def answer_codec(request: web.Request) -> Codec | web.Response:
    """What to answer in, or 406 where the client takes neither."""
    return accepted(request.headers.get("Accept")) or text_response(406, f"Expecting 'Accept' to allow {_EITHER}")


async def decoded(request: web.Request, codec: Codec, kind: type[M], name: str) -> M | web.Response:
    """The body as a message, or 400 in upstream's words."""
    raw = await request.read()
    try:
        return codec.decode(raw, kind)
    except WireError as error:
        if codec is PROTOBUF:
            return text_response(400, f"Failed to parse body into {name} protobuf: {error}")
        if error.path or "not valid JSON" not in error.rule:
            return text_response(400, f"Failed to convert JSON into {name} protobuf: {error}")
        found = re.search(r"\(byte (\d+)\)", error.rule)
        at = int(found[1]) if found else len(raw)
        near = raw[at : at + 20].decode(errors="replace")
        line = raw.count(b"\n", 0, at) + 1
        return text_response(400, f"Failed to parse body into JSON: syntax error at line {line} near: {near}")


class SchedulerApi:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._writer = api.writer

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", form, self._api.gated(self.handle)) for form in forms("/api/v1/scheduler")]

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
        self._writer.schedulers[stream.id] = stream
        self._writer.put(Subscribe(self._writer.now(), stream.id, call))
        try:
            return await stream.answer(
                request,
                codec.content_type,
                headers={"Mesos-Stream-Id": stream.id},
                heartbeat=codec.encode(_HEARTBEAT, Event),
            )
        finally:
            stream.close()
            del self._writer.schedulers[stream.id]
            self._writer.put(StreamClosed(self._writer.now(), stream.id))
