"""/v2/pods: list, create, update, delete; below a pod ``::status``, ``::versions``, ``::instances``, ``::autoscaling``."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from aiohttp import web

from dcos.marathon import pod_views, waiting
from dcos.marathon.api import body_of, flag, leader_of, published, state_of
from dcos.marathon.core import autoscaling, events
from dcos.marathon.core.errors import pod_unknown
from dcos.marathon.core.scheduler import Result
from dcos.marathon.core.state import State
from dcos.model.marathon_state import Deployment, Instance
from dcos.model.pods import Pod
from dcos.runtime.http import json_response
from dcos.scheduling import ids
from dcos.wire import marathon as wire

_PATH = re.compile(r"^(?P<id>.*?)(?:::(?P<resource>status|versions|instances|autoscaling)(?:/(?P<member>[^/]+))?)?$")
_INSTANCE_TEXT = r"^(.+)\.(instance-|marathon-)([^.]+)$"
_INSTANCE = re.compile(_INSTANCE_TEXT)


def add_routes(app: web.Application) -> None:
    for path in ("/v2/pods", "/v2/pods/"):
        app.router.add_route("HEAD", path, _capability)
        app.router.add_get(path, _list, allow_head=False)
        app.router.add_post(path, _create)
    app.router.add_get("/v2/pods/{rest:.+}", _get, allow_head=False)
    app.router.add_put("/v2/pods/{rest:.+}", _put)
    app.router.add_delete("/v2/pods/{rest:.+}", _delete)


def split(rest: str) -> tuple[str, str, str | None]:
    """(id, resource below it or "", the member of that resource)."""
    found = _PATH.match(rest)
    assert found is not None  # the expression takes anything
    return ids.canonical("/" + found["id"]), found["resource"] or "", found["member"]


def known(state: State, pod_id: str) -> Pod:
    pod = state.pods.get(pod_id)
    if pod is None:
        raise pod_unknown(pod_id)
    return pod


def _known_or_leaving(state: State, pod_id: str) -> Pod:
    """Also one that was removed while instances of it are still there."""
    for instance in state.instances_of(pod_id):
        spec = state.spec_of(instance)
        if isinstance(spec, Pod):
            return state.pods.get(pod_id, spec)
    return known(state, pod_id)


async def _wanted(request: web.Request, *, create: bool) -> events.PutPod:
    """What the body asks for.   Errors: ApiError."""
    body = await body_of(request)
    named = False
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if name not in ("version", "versionInfo")}
        scaling = body.get("scaling")
        named = isinstance(scaling, dict) and scaling.get("instances") is not None
    return events.PutPod(wire.read(body, Pod), create, flag(request, "force"), keep_number=not named)


def _deployed(request: web.Request, pod_id: str, result: Result, *, status: int) -> web.Response:
    """The stored pod; a header names the deployment."""
    assert isinstance(result, Deployment)
    state = state_of(request)
    answer = json_response(pod_views.shown(state, known(state, pod_id)), status=status)
    answer.headers["Marathon-Deployment-Id"] = result.id
    answer.headers["Location"] = f"{request.url.origin()}/v2/pods{pod_id}"
    return answer


# ---- all pods --------------------------------------------------------------------------------------------------------


async def _capability(request: web.Request) -> web.StreamResponse:
    return web.Response()


async def _list(request: web.Request) -> web.StreamResponse:
    state = state_of(request)
    return json_response([pod_views.shown(state, pod) for pod in state.pods.values()])


async def _create(request: web.Request) -> web.StreamResponse:
    wanted = await _wanted(request, create=True)
    result = await leader_of(request).ask(wanted)
    published(request, "pod_created_event")
    return _deployed(request, ids.canonical(wanted.pod.id), result, status=201)


# ---- one pod ---------------------------------------------------------------------------------------------------------


async def _get(request: web.Request) -> web.StreamResponse:
    pod_id, resource, member = split(request.match_info["rest"])
    leader, state = leader_of(request), state_of(request)
    if resource == "instances" or (resource in ("status", "autoscaling") and member is not None):
        raise web.HTTPMethodNotAllowed(request.method, ["DELETE"])
    if resource == "autoscaling":
        return json_response(autoscaling.answer(state, known(state, pod_id)))
    if resource == "status" and pod_id == ids.ROOT:
        return json_response([pod_views.pod_status(state, one, leader.now()) for one in state.pods.values()])
    if resource == "status":
        shown = pod_views.pod_status(state, _known_or_leaving(state, pod_id), leader.now())
        return json_response({**shown, **(waiting.of_spec(leader, pod_id) if waiting.asked(request) else {})})
    if resource == "versions":
        return await _versions(request, pod_id, member)
    return json_response(pod_views.shown(state, known(state, pod_id)))


async def _versions(request: web.Request, pod_id: str, version: str | None) -> web.StreamResponse:
    state = state_of(request)
    known(state, pod_id)
    if version is None:
        return json_response(state.versions.get(pod_id, [])[::-1])
    version = wire.version_of(version)
    pod = await leader_of(request).repository.pod_version(pod_id, version)
    if pod is None:
        raise wire.pod_unknown(pod_id, version)
    return json_response(wire.pod_json(pod))


async def _put(request: web.Request) -> web.StreamResponse:
    pod_id, resource, _ = split(request.match_info["rest"])
    if resource:
        raise web.HTTPMethodNotAllowed(request.method, ["GET"])
    wanted = await _wanted(request, create=False)
    if ids.canonical(wanted.pod.id) != pod_id:
        raise wire.ApiError(400, {"message": f"'{pod_id}' does not match definition's id ('{wanted.pod.id}')"})
    result = await leader_of(request).ask(wanted)
    published(request, "pod_updated_event")
    return _deployed(request, pod_id, result, status=200)


async def _delete(request: web.Request) -> web.StreamResponse:
    pod_id, resource, member = split(request.match_info["rest"])
    if resource == "instances":
        return await _kill(request, pod_id, member)
    if resource:
        raise web.HTTPMethodNotAllowed(request.method, ["GET"])
    result = await leader_of(request).ask(events.DeletePod(pod_id, flag(request, "force")))
    assert isinstance(result, Deployment)
    published(request, "pod_deleted_event")
    return web.Response(status=202, headers={"Marathon-Deployment-Id": result.id, "Location": result.id})


# ---- instances -------------------------------------------------------------------------------------------------------


async def _kill(request: web.Request, pod_id: str, instance_id: str | None) -> web.StreamResponse:
    """One by its id in the path, or those that the body lists; others than the pod's own are passed over."""
    state = state_of(request)
    wanted: tuple[str, ...]
    if instance_id is not None:
        wanted = (instance_id,)
        faults = [("/", _bad_id())] if not _INSTANCE.match(instance_id) else []
    else:
        wanted = wire.read(await body_of(request), tuple[str, ...])
        faults = [(f"/({index})", _bad_id()) for index, one in enumerate(wanted) if not _INSTANCE.match(one)]
    if faults:
        raise wire.invalid(faults)
    known(state, pod_id)
    found = {one.id: _shown(state, one) for one in state.instances_of(pod_id) if one.id in wanted}
    entry = state.queue.get(pod_id)
    if entry is not None:
        found |= {one: pod_views.waiting_json(entry, one) for one in entry.waiting_ids if one in wanted}
    if instance_id is not None and not found:
        raise wire.not_found(f"Task '{instance_id}' does not exist")
    shown = list(found.values())
    event = events.KillInstances(tuple(found), wipe=flag(request, "wipe"))
    await leader_of(request).ask(event)
    return json_response(shown[0] if instance_id is not None else shown)


def _bad_id() -> str:
    return f"must fully match regular expression '{_INSTANCE_TEXT}'"


def _shown(state: State, instance: Instance) -> Any:
    return msgspec.to_builtins(pod_views.instance_json(state, instance))
