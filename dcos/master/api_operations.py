"""Operators' reservations and volumes: v1 calls and the forms of old.

202 means that the agent has been told; 400 that the request makes no sense, 403 that the asker may not, 409 that the agent
has not got it free. The core finds out in this order.

Source: Mesos operator API (docs/reservation.md, docs/persistent-volume.md).
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from dcos.master.api import Api, forms, posting
from dcos.master.calls import Asked, Row, decided
from dcos.master.core.events import Operate
from dcos.model.conversions import resources_of
from dcos.model.resource_rules import named_problem
from dcos.model.v1 import master
from dcos.model.v1.master import Call, CallType
from dcos.model.v1.types import (
    AgentID,
    OfferOperation,
    OfferOperationCreate,
    OfferOperationDestroy,
    OfferOperationGrowVolume,
    OfferOperationReserve,
    OfferOperationShrinkVolume,
    OfferOperationType,
    OfferOperationUnreserve,
    Resource,
)
from dcos.runtime.http_access import changes, principal_of
from dcos.runtime.mesos_http import form_of, text_response
from dcos.wire import mesos_json
from dcos.wire.errors import WireError

# ---- changes ---------------------------------------------------------------------------------------------------------


def operation_of(call: Call) -> tuple[AgentID | None, OfferOperation] | None:
    """What a call asks of which agent; None for a call that is none of these."""
    kinds = OfferOperationType
    if (reserve := call.reserve_resources) is not None and call.type is CallType.RESERVE_RESOURCES:
        given = OfferOperationReserve(source=reserve.source, resources=reserve.resources)
        return reserve.agent_id, OfferOperation(type=kinds.RESERVE, reserve=given)
    if (unreserve := call.unreserve_resources) is not None and call.type is CallType.UNRESERVE_RESOURCES:
        back = OfferOperationUnreserve(resources=unreserve.resources)
        return unreserve.agent_id, OfferOperation(type=kinds.UNRESERVE, unreserve=back)
    if (create := call.create_volumes) is not None and call.type is CallType.CREATE_VOLUMES:
        made = OfferOperationCreate(volumes=create.volumes)
        return create.agent_id, OfferOperation(type=kinds.CREATE, create=made)
    if (destroy := call.destroy_volumes) is not None and call.type is CallType.DESTROY_VOLUMES:
        gone = OfferOperationDestroy(volumes=destroy.volumes)
        return destroy.agent_id, OfferOperation(type=kinds.DESTROY, destroy=gone)
    if (grow := call.grow_volume) is not None and call.type is CallType.GROW_VOLUME:
        more = OfferOperationGrowVolume(volume=grow.volume, addition=grow.addition)
        return grow.agent_id, OfferOperation(type=kinds.GROW_VOLUME, grow_volume=more)
    if (shrink := call.shrink_volume) is not None and call.type is CallType.SHRINK_VOLUME:
        less = OfferOperationShrinkVolume(volume=shrink.volume, subtract=shrink.subtract)
        return shrink.agent_id, OfferOperation(type=kinds.SHRINK_VOLUME, shrink_volume=less)
    return None


def call_problem(call: Call) -> str | None:
    """What upstream finds in a call before it looks for the agent."""
    found = operation_of(call)
    if found is None:
        return None
    agent, operation = found
    if agent is None:
        return "Expecting 'agent_id' to be present; only agent default resources are supported right now"
    if operation.type in _LOOKED_AT:
        return next((text for one in resources_of(operation) if (text := named_problem(one)) is not None), None)
    return None


_LOOKED_AT = (OfferOperationType.RESERVE, OfferOperationType.UNRESERVE)


async def operate(api: Api, call: Call, principal: str | None) -> web.StreamResponse:
    """Whether the caller may is asked by the core."""
    found = operation_of(call)
    assert found is not None
    agent, operation = found
    assert agent is not None
    return await decided(api, lambda now, number: Operate(now, number, agent.value, operation, principal))


async def _operate(asked: Asked) -> web.StreamResponse:
    return await operate(asked.api, asked.call, asked.principal)


CALLS: dict[CallType, Row] = {
    CallType.RESERVE_RESOURCES: Row(_operate, "reserve_resources"),
    CallType.UNRESERVE_RESOURCES: Row(_operate, "unreserve_resources"),
    CallType.CREATE_VOLUMES: Row(_operate, "create_volumes"),
    CallType.DESTROY_VOLUMES: Row(_operate, "destroy_volumes"),
    CallType.GROW_VOLUME: Row(_operate, "grow_volume"),
    CallType.SHRINK_VOLUME: Row(_operate, "shrink_volume"),
}


# ---- forms -----------------------------------------------------------------------------------------------------------


class BadForm(ValueError):
    """A field of the form is missing or makes no sense: says which."""


def _resources(fields: dict[str, str], name: str, *, required: bool = True) -> tuple[Resource, ...]:
    """A JSON array.   Errors: BadForm."""
    text = fields.get(name)
    if text is None:
        if required:
            raise BadForm(f"Missing '{name}' query parameter in the request body")
        return ()
    try:
        items = msgspec.json.decode(text.encode(), type=list[msgspec.Raw])
        return tuple(mesos_json.decode(bytes(one), Resource) for one in items)
    except (msgspec.MsgspecError, WireError, UnicodeError) as error:
        raise BadForm(f"Error in parsing '{name}' query parameter in the request body: {error}") from None


def call_of(path: str, fields: dict[str, str]) -> Call:
    """A form as the v1 call that says the same.   Errors: BadForm."""
    agent = fields.get("slaveId")
    if not agent:
        raise BadForm("Missing 'slaveId' query parameter in the request body")
    agent_id = AgentID(value=agent)
    match path:
        case "/reserve":
            resources = _resources(fields, "resources")
            source = _resources(fields, "source", required=False)
            reserve = master.CallReserveResources(agent_id=agent_id, source=source, resources=resources)
            return Call(type=CallType.RESERVE_RESOURCES, reserve_resources=reserve)
        case "/unreserve":
            resources = _resources(fields, "resources")
            unreserve = master.CallUnreserveResources(agent_id=agent_id, resources=resources)
            return Call(type=CallType.UNRESERVE_RESOURCES, unreserve_resources=unreserve)
        case "/create-volumes":
            create = master.CallCreateVolumes(agent_id=agent_id, volumes=_resources(fields, "volumes"))
            return Call(type=CallType.CREATE_VOLUMES, create_volumes=create)
        case _:
            destroy = master.CallDestroyVolumes(agent_id=agent_id, volumes=_resources(fields, "volumes"))
            return Call(type=CallType.DESTROY_VOLUMES, destroy_volumes=destroy)


class OperationForms:
    """``POST`` of ``application/x-www-form-urlencoded`` to /reserve, /unreserve, /create-volumes, /destroy-volumes."""

    PATHS = ("/reserve", "/unreserve", "/create-volumes", "/destroy-volumes")

    def __init__(self, api: Api) -> None:
        self._api = api

    def routes(self) -> list[web.RouteDef]:
        handler = self._api.gated(posting(self.handle, "POST"))
        return [web.route("*", form, handler) for path in self.PATHS for form in forms(path)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/").removeprefix("/master")
        try:
            call = call_of(path, dict(await form_of(request)))
        except BadForm as error:
            return text_response(400, str(error))
        changes(request, str(call.type))
        return await operate(self._api, call, principal_of(request))
