"""``/api/v1``: the operators' calls and their event stream.

``CALLS`` is the table of them all; calls that are not in it answer 501 by name.

Source: Mesos operator API; arrays of GET_STATE and its parts are written even when empty.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from aiohttp import web

from dcos.master import metrics
from dcos.master.api import Api
from dcos.master.calls import Asked, Json, Row, change, reply
from dcos.master.core import views
from dcos.master.core.events import MarkGone, Teardown
from dcos.master.core.state import State
from dcos.master.streams import Stream
from dcos.master.version import VERSION_INFO
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1.master import Call, CallType, Event, EventType
from dcos.model.v1.scheduler import OfferConstraints
from dcos.runtime.mesos_http import answer_codec, body_codec, decoded, text_response

HEARTBEAT_S = 15.0
_HEARTBEAT = Event(type=EventType.HEARTBEAT)

# ---- reads -----------------------------------------------------------------------------------------------------------


def get_tasks(state: State) -> Json:
    frameworks = (*state.frameworks.values(), *state.completed.values())
    return {
        "tasks": [task.message for one in frameworks for task in one.tasks.values()],
        "unreachable_tasks": [task.message for one in frameworks for task in one.unreachable.values()],
        "completed_tasks": [task.message for one in frameworks for task in one.completed],
    }


def get_executors(state: State) -> Json:
    return {
        "executors": [
            {"executor_info": executor.info, "agent_id": {"value": executor.agent}}
            for framework in state.frameworks.values()
            for executor in framework.executors.values()
        ]
    }


def get_frameworks(state: State) -> Json:
    def shown(given: Any) -> list[Json]:
        return [
            {**_members(views.framework_view(one)), "offer_constraints": one.constraints or OfferConstraints()}
            for one in given
        ]

    return {"frameworks": shown(state.frameworks.values()), "completed_frameworks": shown(state.completed.values())}


def _members(view: Any) -> Json:
    """Of a message, what its JSON has."""
    return {
        name: value for name in view.__struct_fields__ if (value := getattr(view, name)) is not None and value != ()
    }


def get_agents(state: State) -> Json:
    return {
        "agents": [views.agent_view(one) for one in state.agents.values()],
        "recovered_agents": [entry.info for entry in state.recovered.values()],
    }


def get_state(state: State) -> Json:
    return {
        "get_tasks": get_tasks(state),
        "get_executors": get_executors(state),
        "get_frameworks": get_frameworks(state),
        "get_agents": get_agents(state),
    }


def get_roles(state: State) -> Json:
    held: dict[str, Resources] = {}
    members: dict[str, list[Json]] = {}
    for framework in state.frameworks.values():
        for role in framework.roles:
            members.setdefault(role, []).append({"value": framework.id})
        for offered in (False, True):
            for role, resources in views.held_by_role(framework, offered=offered).items():
                held[role] = held.get(role, EMPTY) + resources
    roles: list[Json] = []
    for role in sorted({*held, *members, *state.allocator.weights}):
        scalars = Resources.scalars(
            **{name: amount / 1000 for name, amount in held.get(role, EMPTY).scalar_quantities().items()}
        )
        one: Json = {"name": role, "weight": state.allocator.weights.get(role, 1.0)}
        if role in members:
            one["frameworks"] = members[role]
        if scalars:
            one["resources"] = scalars.messages()
        roles.append(one)
    return {"roles": roles} if roles else {}


def get_weights(state: State) -> Json:
    known = [{"weight": weight, "role": role} for role, weight in sorted(state.allocator.weights.items())]
    return {"weight_infos": known} if known else {}


def get_master(state: State) -> Json:
    return {"master_info": state.info, "start_time": state.started, "elected_time": state.elected}


async def get_metrics(asked: Asked) -> web.StreamResponse:
    found = [{"name": name, "value": value} for name, value in metrics.snapshot(asked.api.writer).items()]
    return await reply(asked, {"metrics": found})


async def get_flags(asked: Asked) -> web.StreamResponse:
    return await reply(asked, {"flags": [{"name": name, "value": value} for name, value in asked.api.flags.items()]})


def reading(body: Callable[[State], Json]) -> Row:
    """A call that shows a part of the state."""

    async def handle(asked: Asked) -> web.StreamResponse:
        return await reply(asked, body(asked.api.state))

    return Row(handle)


# ---- the event stream ------------------------------------------------------------------------------------------------


async def subscribe(asked: Asked) -> web.StreamResponse:
    writer, codec = asked.api.writer, asked.codec
    stream = Stream(str(uuid.uuid4()), codec)
    heartbeat = codec.encode(_HEARTBEAT, Event)
    first = {"get_state": get_state(asked.api.state), "heartbeat_interval_seconds": HEARTBEAT_S}
    stream.send(codec.encode({"type": EventType.SUBSCRIBED, "subscribed": first}, Event))
    stream.send(heartbeat)
    writer.subscribe(stream)
    try:
        return await stream.answer(asked.request, codec.content_type, heartbeat=heartbeat, every_s=HEARTBEAT_S)
    finally:
        stream.close()
        writer.subscribers.pop(stream.id, None)


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
    CallType.GET_HEALTH: reading(lambda _: {"healthy": True}),
    CallType.GET_VERSION: reading(lambda _: {"version_info": VERSION_INFO}),
    CallType.GET_FLAGS: Row(get_flags),
    CallType.GET_METRICS: Row(get_metrics),
    CallType.GET_STATE: reading(get_state),
    CallType.GET_AGENTS: reading(get_agents),
    CallType.GET_FRAMEWORKS: reading(get_frameworks),
    CallType.GET_TASKS: reading(get_tasks),
    CallType.GET_EXECUTORS: reading(get_executors),
    CallType.GET_ROLES: reading(get_roles),
    CallType.GET_WEIGHTS: reading(get_weights),
    CallType.GET_MASTER: reading(get_master),
    CallType.GET_OPERATIONS: reading(lambda _: {}),
    # Nothing of these can be set here, so there is none:
    CallType.GET_QUOTA: reading(lambda _: {"status": {}}),
    CallType.GET_MAINTENANCE_SCHEDULE: reading(lambda _: {"schedule": {}}),
    CallType.GET_MAINTENANCE_STATUS: reading(lambda _: {"status": {}}),
    CallType.SUBSCRIBE: Row(subscribe),
    CallType.TEARDOWN: Row(teardown, "teardown"),
    CallType.MARK_AGENT_GONE: Row(mark_agent_gone, "mark_agent_gone"),
}
"""Rows of other files are put in here: ``**api_quota.CALLS``."""


class OperatorApi:
    def __init__(self, api: Api) -> None:
        self._api = api

    def routes(self) -> list[web.RouteDef]:
        """Any unknown path below ``/api/v1`` is this one too, as upstream's routing by prefix has it."""
        return [
            web.route("*", prefix + path, self._api.gated(self.handle))
            for prefix in ("", "/master")
            for path in ("/api/v1", "/api/v1/{rest:.*}")
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        codec = body_codec(request)
        if isinstance(codec, web.Response):
            return codec
        call = await decoded(request, codec, Call, "Call")
        if isinstance(call, web.Response):
            return call
        if call.type is None:
            return text_response(400, "Failed to validate master::Call: Expecting 'type' to be present")
        row = CALLS.get(call.type)
        if row is not None and row.member is not None and getattr(call, row.member) is None:
            return text_response(400, f"Failed to validate master::Call: Expecting '{row.member}' to be present")
        codec = answer_codec(request)
        if isinstance(codec, web.Response):
            return codec
        if row is None:
            return text_response(501, f"{call.type} is not supported by this master")
        return await row.handle(Asked(self._api, request, call, codec, None))
