"""Operators' settings over HTTP: quota, weights, maintenance, draining; the v1 rows and the endpoints of old.

Each endpoint of old makes the v1 call that it stands for, so that both are judged alike.

Source: Mesos 1.11 quota, weights and maintenance handlers (texts of parsing, paths).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from dcos.master.api import Api, Realm, forms, posting
from dcos.master.calls import Asked, Json, Row, change, decided, refusal, reply
from dcos.master.core import machines, quota
from dcos.master.core.events import OperatorCall, RemoveQuota
from dcos.master.core.state import State
from dcos.master.core.viewer import ALL, Viewer
from dcos.model.acls import Action
from dcos.model.v1 import maintenance, master
from dcos.model.v1.master import Call, CallType
from dcos.model.v1.quota import QuotaRequest, QuotaStatus
from dcos.model.v1.types import MachineID, WeightInfo
from dcos.runtime.http_access import Handler, changes, principal_of
from dcos.runtime.mesos_http import json_body, text_of, text_response
from dcos.wire import mesos_json
from dcos.wire.errors import WireError

M = TypeVar("M", bound=msgspec.Struct)


# ---- v1 --------------------------------------------------------------------------------------------------------------


def quota_seen(state: State, viewer: Viewer = ALL) -> QuotaStatus:
    whole = quota.status(state)
    return QuotaStatus(
        infos=tuple(one for one in whole.infos if viewer.may(Action.GET_QUOTA, one.role)),
        configs=tuple(one for one in whole.configs if viewer.may(Action.GET_QUOTA, one.role)),
    )


async def get_quota(asked: Asked) -> web.StreamResponse:
    return await reply(asked, {"status": quota_seen(asked.api.state, asked.viewer)})


async def get_maintenance_schedule(asked: Asked) -> web.StreamResponse:
    return await reply(asked, {"schedule": machines.schedule(asked.api.state)})


async def get_maintenance_status(asked: Asked) -> web.StreamResponse:
    return await reply(asked, {"status": machines.status(asked.api.state)})


async def set_it(asked: Asked) -> web.StreamResponse:
    """Whatever the core decides of the call is the answer."""
    return await change(asked, lambda now, request: OperatorCall(now, request, asked.call, asked.principal))


_SETTING = (
    CallType.UPDATE_QUOTA,
    CallType.SET_QUOTA,
    CallType.REMOVE_QUOTA,
    CallType.UPDATE_WEIGHTS,
    CallType.UPDATE_MAINTENANCE_SCHEDULE,
    CallType.START_MAINTENANCE,
    CallType.STOP_MAINTENANCE,
    CallType.DRAIN_AGENT,
    CallType.DEACTIVATE_AGENT,
    CallType.REACTIVATE_AGENT,
)

CALLS: dict[CallType, Row] = {
    CallType.GET_QUOTA: Row(get_quota),
    CallType.GET_MAINTENANCE_SCHEDULE: Row(get_maintenance_schedule),
    CallType.GET_MAINTENANCE_STATUS: Row(get_maintenance_status),
    **{kind: Row(set_it, kind.lower()) for kind in _SETTING},
}


# ---- the endpoints of old --------------------------------------------------------------------------------------------


class AdminApi:
    def __init__(self, api: Api) -> None:
        self._api = api

    def routes(self) -> list[web.RouteDef]:
        by_path: dict[str, dict[str, Handler]] = {
            "/weights": {"GET": self.weights, "PUT": self.set_weights},
            "/quota": {"GET": self.quota, "POST": self.set_quota, "DELETE": self.remove_quota},
            "/quota/{role:.+}": {"DELETE": self.remove_quota},
            "/maintenance/schedule": {"GET": self.schedule, "POST": self.set_schedule},
            "/maintenance/status": {"GET": self.status},
            "/machine/down": {"POST": self.machine_down},
            "/machine/up": {"POST": self.machine_up},
        }
        out = []
        for path, methods in by_path.items():
            handle = self._by_method(methods)
            out += [web.route("*", form, handle) for form in forms(path)]
        return out

    def _by_method(self, methods: dict[str, Handler]) -> Handler:
        """Reads and changes have realms of their own."""
        gated = {
            method: self._api.gated(handler, Realm.READONLY if method == "GET" else Realm.READWRITE)
            for method, handler in methods.items()
        }

        async def handle(request: web.Request) -> web.StreamResponse:
            return await gated[request.method](request)

        return posting(handle, *methods)

    async def _put(self, request: web.Request, call: Call) -> web.StreamResponse:
        principal = principal_of(request)
        refused = refusal(self._api, principal, call)
        if refused is not None:
            return refused
        changes(request, str(call.type))
        return await decided(self._api, lambda now, number: OperatorCall(now, number, call, principal))

    def _hidden(self, request: web.Request, kind: CallType) -> bool:
        return refusal(self._api, principal_of(request), Call(type=kind)) is not None

    # ---- weights -----------------------------------------------------------------------------------------------------

    async def weights(self, request: web.Request) -> web.StreamResponse:
        viewer = self._api.viewer(request)
        known = sorted(self._api.state.allocator.weights.items())
        return json_body(request, [{"role": role, "weight": weight} for role, weight in known if viewer.role(role)])

    async def set_weights(self, request: web.Request) -> web.StreamResponse:
        body = await text_of(request)
        try:
            parsed = _array(body)
        except ValueError as error:
            return text_response(400, f"Failed to parse update weights request JSON '{body}': {error}")
        try:
            infos = tuple(_message(one, WeightInfo) for one in parsed)
        except WireError as error:
            return text_response(400, f"Failed to convert weights JSON array to protobuf '{body}': {error}")
        call = master.CallUpdateWeights(weight_infos=infos)
        return await self._put(request, Call(type=CallType.UPDATE_WEIGHTS, update_weights=call))

    # ---- quota -------------------------------------------------------------------------------------------------------

    async def quota(self, request: web.Request) -> web.StreamResponse:
        return json_body(request, quota_seen(self._api.state, self._api.viewer(request)))

    async def set_quota(self, request: web.Request) -> web.StreamResponse:
        body = await text_of(request)
        try:
            parsed = _object(body)
        except ValueError as error:
            return text_response(400, f"Failed to parse set quota request JSON '{body}': {error}")
        try:
            asked = _message(parsed, QuotaRequest)
        except WireError as error:
            return text_response(400, f"Failed to validate set quota request JSON '{body}': {error}")
        call = master.CallSetQuota(quota_request=asked)
        return await self._put(request, Call(type=CallType.SET_QUOTA, set_quota=call))

    async def remove_quota(self, request: web.Request) -> web.StreamResponse:
        role = request.match_info.get("role", "").strip("/")
        if not role:
            count = len([part for part in request.path.split("/") if part])
            text = f"Failed to parse remove quota request for path '{request.path}': expected 3 tokens, found {count}"
            return text_response(400, f"{text} tokens")
        call = Call(type=CallType.REMOVE_QUOTA, remove_quota=master.CallRemoveQuota(role=role))
        refused = refusal(self._api, principal_of(request), call)
        if refused is not None:
            return refused
        changes(request, str(call.type))
        return await decided(self._api, lambda now, number: RemoveQuota(now, number, role, request.path))

    # ---- maintenance -------------------------------------------------------------------------------------------------

    async def schedule(self, request: web.Request) -> web.StreamResponse:
        hidden = self._hidden(request, CallType.GET_MAINTENANCE_SCHEDULE)
        return json_body(request, {} if hidden else machines.schedule(self._api.state))

    async def status(self, request: web.Request) -> web.StreamResponse:
        hidden = self._hidden(request, CallType.GET_MAINTENANCE_STATUS)
        return json_body(request, {} if hidden else machines.status(self._api.state))

    async def set_schedule(self, request: web.Request) -> web.StreamResponse:
        try:
            schedule = _message(_object(await text_of(request)), maintenance.Schedule)
        except (ValueError, WireError) as error:
            return text_response(400, str(error))
        call = master.CallUpdateMaintenanceSchedule(schedule=schedule)
        return await self._put(
            request, Call(type=CallType.UPDATE_MAINTENANCE_SCHEDULE, update_maintenance_schedule=call)
        )

    async def machine_down(self, request: web.Request) -> web.StreamResponse:
        def call(machines: tuple[MachineID, ...]) -> Call:
            started = master.CallStartMaintenance(machines=machines)
            return Call(type=CallType.START_MAINTENANCE, start_maintenance=started)

        return await self._put_machines(request, call)

    async def machine_up(self, request: web.Request) -> web.StreamResponse:
        def call(machines: tuple[MachineID, ...]) -> Call:
            stopped = master.CallStopMaintenance(machines=machines)
            return Call(type=CallType.STOP_MAINTENANCE, stop_maintenance=stopped)

        return await self._put_machines(request, call)

    async def _put_machines(
        self, request: web.Request, call: Callable[[tuple[MachineID, ...]], Call]
    ) -> web.StreamResponse:
        try:
            found = _machines(await text_of(request))
        except (ValueError, WireError) as error:
            return text_response(400, str(error))
        return await self._put(request, call(found))


def _json(text: str) -> Any:
    """Errors: ValueError."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error) or "nested too deeply") from error


def _array(text: str) -> list[Any]:
    value = _json(text)
    if not isinstance(value, list):
        raise ValueError("expecting an array")
    return value


def _object(text: str) -> Json:
    value = _json(text)
    if not isinstance(value, dict):
        raise ValueError("expecting an object")
    return value


def _message(value: object, kind: type[M]) -> M:
    """Errors: WireError."""
    return mesos_json.decode(msgspec.json.encode(value), kind)


def _machines(text: str) -> tuple[MachineID, ...]:
    """Errors: ValueError; WireError."""
    return tuple(_message(one, MachineID) for one in _array(text))
