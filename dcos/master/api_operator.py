"""``/api/v1``: the operators' calls and their event stream.

``CALLS`` is the table of them all; calls that are not in it answer 501 by name.

Source: Mesos operator API.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from aiohttp import web

from dcos.master import api_admin, api_operations, guards, rights
from dcos.master.api import Api, forms, posting
from dcos.master.calls import Asked, Json, Row, change, decided, refusal, reply
from dcos.master.core import quota, views
from dcos.master.core.events import MarkGone, Teardown
from dcos.master.core.roles import known
from dcos.master.core.state import State
from dcos.master.core.viewer import ALL, Viewer
from dcos.master.reads import READS
from dcos.master.streams import Stream
from dcos.master.version import VERSION_INFO
from dcos.model.resource_kinds import Kind
from dcos.model.v1.master import Call, CallTeardown, CallType, Event, EventSubscribed, EventType, Response
from dcos.model.v1.types import FrameworkID, Resource, ValueScalar, ValueType
from dcos.runtime.attached import FileRefused
from dcos.runtime.http_access import changes, principal_of
from dcos.runtime.mesos_http import answer_codec, form_of, posted, spliced_body, text_response
from dcos.wire.spliced import Spliced

HEARTBEAT_S = 15.0
_HEARTBEAT = Event(type=EventType.HEARTBEAT)

# ---- reads -----------------------------------------------------------------------------------------------------------


def get_roles(state: State, viewer: Viewer = ALL) -> Json:
    """What is held counts for every role above its own too."""
    held: dict[str, dict[str, int]] = {}
    members: dict[str, list[Json]] = {}
    for framework in state.frameworks.values():
        for role in framework.roles:
            members.setdefault(role, []).append({"value": framework.id})
        for offered in (False, True):
            for role, resources in views.held_by_role(framework, offered=offered).items():
                quota.count(held, role, resources.filter(_is_scalar))
    roles: list[Json] = []
    for role in filter(viewer.role, known(state)):
        scalars = [
            Resource(name=name, type=ValueType.SCALAR, scalar=ValueScalar(value=amount / 1000))
            for name, amount in held.get(role, {}).items()
        ]
        one: Json = {"name": role, "weight": state.allocator.weights.get(role, 1.0)}
        if role in members:
            one["frameworks"] = members[role]
        if scalars:
            one["resources"] = scalars
        roles.append(one)
    return {"roles": roles} if roles else {}


def _is_scalar(kind: Kind) -> bool:
    return kind.type is ValueType.SCALAR


def get_weights(state: State, viewer: Viewer = ALL) -> Json:
    weights = sorted(state.allocator.weights.items())
    known = [{"weight": weight, "role": role} for role, weight in weights if viewer.role(role)]
    return {"weight_infos": known} if known else {}


def get_master(state: State, _: Viewer = ALL) -> Json:
    return {"master_info": state.info, "start_time": state.started, "elected_time": state.elected}


async def get_metrics(asked: Asked) -> web.StreamResponse:
    found = [{"name": name, "value": value} for name, value in asked.api.metrics_now().items()]
    return await reply(asked, {"metrics": found})


async def get_flags(asked: Asked) -> web.StreamResponse:
    return await reply(asked, {"flags": [{"name": name, "value": value} for name, value in asked.api.flags.items()]})


async def get_logging_level(asked: Asked) -> web.StreamResponse:
    return await reply(asked, {"level": asked.api.verbosity.level})


async def set_logging_level(asked: Asked) -> web.StreamResponse:
    wanted = asked.call.set_logging_level
    assert wanted is not None
    asked.api.verbosity.set(wanted.level, wanted.duration.nanoseconds / 1e9)
    return text_response(200)


async def list_files(asked: Asked) -> web.StreamResponse:
    wanted = asked.call.list_files
    assert wanted is not None
    try:
        infos = await asyncio.to_thread(asked.api.files.list, wanted.path, asked.principal)
    except FileRefused as refused:
        return refused.response()
    return await reply(asked, {"file_infos": infos} if infos else {})


async def read_file(asked: Asked) -> web.StreamResponse:
    wanted = asked.call.read_file
    assert wanted is not None
    try:
        size, data = await asyncio.to_thread(
            asked.api.files.read, wanted.path, wanted.offset, wanted.length, asked.principal
        )
    except FileRefused as refused:
        return refused.response()
    return await reply(asked, {"size": size, "data": data})


def big_reading(kind: CallType) -> Row:
    """A call that shows what there may be a hundred thousand of."""

    async def handle(asked: Asked) -> web.StreamResponse:
        given: list[Spliced] = []
        await asked.api.snapshots.give(kind, asked.codec, asked.viewer, given.append)
        members = {"type": kind, kind.lower(): given[0]}
        return await spliced_body(asked.request, asked.codec.compose(Response, members), asked.codec)

    return Row(handle)


def reading(body: Callable[[State, Viewer], Json]) -> Row:
    """A call that shows a part of the state."""

    async def handle(asked: Asked) -> web.StreamResponse:
        return await reply(asked, body(asked.api.state, asked.viewer))

    return Row(handle)


# ---- the event stream ------------------------------------------------------------------------------------------------


async def subscribe(asked: Asked) -> web.StreamResponse:
    """The state as it is at one moment, and everything from that moment on."""
    writer, codec = asked.api.writer, asked.codec
    stream = Stream(str(uuid.uuid4()), codec, asked.api.snapshots.turns)
    if asked.viewer.limited:
        stream.viewer = asked.viewer
    rights.note(stream, asked.api.acls, asked.principal)
    stream.extensions = asked.request.query.get("extensions") == "true"
    heartbeat = codec.encode(_HEARTBEAT, Event)

    def begin(snapshot: Spliced) -> None:
        members = {"get_state": snapshot, "heartbeat_interval_seconds": HEARTBEAT_S}
        subscribed = codec.compose(EventSubscribed, members)
        stream.send_spliced(codec.compose(Event, {"type": EventType.SUBSCRIBED, "subscribed": subscribed}))
        stream.send(heartbeat)
        writer.subscribe(stream)

    try:
        await asked.api.snapshots.give(CallType.GET_STATE, codec, asked.viewer, begin)
        return await stream.answer(asked.request, codec.content_type, heartbeat=heartbeat, every_s=HEARTBEAT_S)
    finally:
        stream.close()
        writer.unsubscribe(stream)


# ---- changes ---------------------------------------------------------------------------------------------------------


async def teardown(asked: Asked) -> web.StreamResponse:
    assert asked.call.teardown is not None
    framework = asked.call.teardown.framework_id.value
    return await change(asked, lambda now, request: Teardown(now, request, framework))


async def mark_agent_gone(asked: Asked) -> web.StreamResponse:
    assert asked.call.mark_agent_gone is not None
    agent = asked.call.mark_agent_gone.agent_id.value
    return await change(asked, lambda now, request: MarkGone(now, request, agent))


CALLS: dict[CallType, Row] = {
    CallType.GET_HEALTH: reading(lambda _state, _viewer: {"healthy": True}),
    CallType.GET_VERSION: reading(lambda _state, _viewer: {"version_info": VERSION_INFO}),
    CallType.GET_FLAGS: Row(get_flags),
    CallType.GET_METRICS: Row(get_metrics, "get_metrics"),
    **{kind: big_reading(kind) for kind in READS},
    CallType.GET_ROLES: reading(get_roles),
    CallType.GET_WEIGHTS: reading(get_weights),
    CallType.GET_MASTER: reading(get_master),
    **api_admin.CALLS,
    CallType.SUBSCRIBE: Row(subscribe),
    CallType.GET_LOGGING_LEVEL: Row(get_logging_level),
    CallType.SET_LOGGING_LEVEL: Row(set_logging_level, "set_logging_level"),
    CallType.LIST_FILES: Row(list_files, "list_files"),
    CallType.READ_FILE: Row(read_file, "read_file"),
    CallType.TEARDOWN: Row(teardown, "teardown"),
    CallType.MARK_AGENT_GONE: Row(mark_agent_gone, "mark_agent_gone"),
    **api_operations.CALLS,
}
"""Rows of other files are put in here: ``**api_quota.CALLS``."""


_HIDDEN: dict[CallType, Json] = {
    CallType.GET_MAINTENANCE_SCHEDULE: {"schedule": {}},
    CallType.GET_MAINTENANCE_STATUS: {"status": {}},
}
"""What is shown to those who may not see: nothing, rather than a refusal."""


class OperatorApi:
    def __init__(self, api: Api) -> None:
        self._api = api

    def routes(self) -> list[web.RouteDef]:
        """Any unknown path below ``/api/v1`` is this one too, as upstream's routing by prefix has it."""
        v1 = [
            web.route("*", prefix + path, self._api.gated(self.handle))
            for prefix in ("", "/master")
            for path in ("/api/v1", "/api/v1/{rest:.*}")
        ]
        teardown = self._api.gated(posting(self.teardown, "POST"))
        return [*v1, *(web.route("*", form, teardown) for form in forms("/teardown"))]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        call = await posted(request, Call, "Call")
        if isinstance(call, web.Response):
            return call
        if call.type is None:
            return text_response(400, "Failed to validate master::Call: Expecting 'type' to be present")
        row = CALLS.get(call.type)
        if row is not None and row.member is not None and getattr(call, row.member) is None:
            return text_response(400, f"Failed to validate master::Call: Expecting '{row.member}' to be present")
        problem = api_operations.call_problem(call)
        if problem is not None:
            return text_response(400, f"Failed to validate master::Call: {problem}")
        codec = answer_codec(request)
        if isinstance(codec, web.Response):
            return codec
        if row is None:
            return text_response(501, f"{call.type} is not supported by this master")
        asked = Asked(self._api, request, call, codec, principal_of(request))
        refused = refusal(self._api, asked.principal, call)
        if refused is None:
            if guards.changes(call.type):
                changes(request, call.type)
            return await row.handle(asked)
        return await reply(asked, _HIDDEN[call.type]) if call.type in _HIDDEN else refused

    async def teardown(self, request: web.Request) -> web.StreamResponse:
        """``/teardown``: TEARDOWN with the id in a form."""
        framework = (await form_of(request)).get("frameworkId")
        if not framework:
            return text_response(400, "Missing 'frameworkId' query parameter in the request body")
        call = Call(type=CallType.TEARDOWN, teardown=CallTeardown(framework_id=FrameworkID(value=framework)))
        refused = refusal(self._api, principal_of(request), call)
        if refused is not None:
            return refused
        changes(request, f"TEARDOWN {framework}")
        return await decided(self._api, lambda now, number: Teardown(now, number, framework))
