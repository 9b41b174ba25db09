"""``/api/v1``: the operators' calls and their event stream.

Calls that this master has no means for (quota, maintenance, drain, reservations by operators) answer 501 by name.

Source: Mesos operator API; arrays of GET_STATE and its parts are written even when empty.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

from aiohttp import web

from dcos.master import metrics
from dcos.master.api import Api, compressed, json_body, text_response
from dcos.master.api_scheduler import answer_codec, body_codec, decoded
from dcos.master.core import views
from dcos.master.core.events import MarkGone, Teardown
from dcos.master.core.state import State
from dcos.master.streams import Stream
from dcos.master.version import VERSION_INFO
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1.master import Call, CallType, Event, EventType, Response
from dcos.model.v1.scheduler import OfferConstraints
from dcos.wire.mesos_codec import JSON, Codec

HEARTBEAT_S = 15.0
_HEARTBEAT = Event(type=EventType.HEARTBEAT)

Json = dict[str, Any]


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


_READS: dict[CallType, Callable[[State], Json]] = {
    CallType.GET_HEALTH: lambda _: {"healthy": True},
    CallType.GET_VERSION: lambda _: {"version_info": VERSION_INFO},
    CallType.GET_STATE: get_state,
    CallType.GET_AGENTS: get_agents,
    CallType.GET_FRAMEWORKS: get_frameworks,
    CallType.GET_TASKS: get_tasks,
    CallType.GET_EXECUTORS: get_executors,
    CallType.GET_ROLES: get_roles,
    CallType.GET_WEIGHTS: get_weights,
    CallType.GET_MASTER: get_master,
    CallType.GET_OPERATIONS: lambda _: {},
    # Nothing of these can be set here, so there is none:
    CallType.GET_QUOTA: lambda _: {"status": {}},
    CallType.GET_MAINTENANCE_SCHEDULE: lambda _: {"schedule": {}},
    CallType.GET_MAINTENANCE_STATUS: lambda _: {"status": {}},
}


class OperatorApi:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._writer = api.writer

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
        codec = answer_codec(request)
        if isinstance(codec, web.Response):
            return codec
        if call.type is CallType.SUBSCRIBE:
            return await self._subscribe(request, codec)
        if call.type is CallType.GET_METRICS:
            found = [{"name": name, "value": value} for name, value in metrics.snapshot(self._writer).items()]
            return await self._reply(request, codec, call.type, {"metrics": found})
        if call.type is CallType.GET_FLAGS:
            flags = [{"name": name, "value": value} for name, value in self._api.flags.items()]
            return await self._reply(request, codec, call.type, {"flags": flags})
        if call.type in _READS:
            return await self._reply(request, codec, call.type, _READS[call.type](self._api.state))
        return await self._change(call)

    @staticmethod
    async def _reply(request: web.Request, codec: Codec, kind: CallType, body: Json) -> web.Response:
        answer = {"type": kind, kind.lower(): body}
        if codec is JSON:
            return json_body(request, answer)
        # Messages never change, so that another thread may take its time with them while the writer goes on.
        raw = await asyncio.to_thread(codec.encode, answer, Response)
        return compressed(request, raw, codec.content_type)

    async def _change(self, call: Call) -> web.Response:
        number, answer = self._writer.request()
        now = self._writer.now()
        match call.type:
            case CallType.TEARDOWN if call.teardown is not None:
                self._writer.put(Teardown(now, number, call.teardown.framework_id.value))
            case CallType.MARK_AGENT_GONE if call.mark_agent_gone is not None:
                self._writer.put(MarkGone(now, number, call.mark_agent_gone.agent_id.value))
            case CallType.TEARDOWN | CallType.MARK_AGENT_GONE:
                answer.cancel()
                member = call.type.lower()
                return text_response(400, f"Failed to validate master::Call: Expecting '{member}' to be present")
            case _:
                answer.cancel()
                return text_response(501, f"{call.type} is not supported by this master")
        done = await answer
        return text_response(done.status, done.text)

    async def _subscribe(self, request: web.Request, codec: Codec) -> web.StreamResponse:
        stream = Stream(str(uuid.uuid4()), codec)
        heartbeat = codec.encode(_HEARTBEAT, Event)
        first = {"get_state": get_state(self._api.state), "heartbeat_interval_seconds": HEARTBEAT_S}
        stream.send(codec.encode({"type": EventType.SUBSCRIBED, "subscribed": first}, Event))
        stream.send(heartbeat)
        self._writer.subscribe(stream)
        try:
            return await stream.answer(request, codec.content_type, heartbeat=heartbeat, every_s=HEARTBEAT_S)
        finally:
            stream.close()
            self._writer.subscribers.pop(stream.id, None)
