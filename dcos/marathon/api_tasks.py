"""/v2/tasks, /v2/deployments, /v2/queue."""

from __future__ import annotations

from typing import Literal

import msgspec
from aiohttp import web

from dcos.marathon import views, waiting
from dcos.marathon.api import SEEN, body_of, deployed, flag, leader_of, state_of
from dcos.marathon.core import events
from dcos.model.marathon_state import Condition
from dcos.runtime.http import json_response
from dcos.scheduling import ids
from dcos.wire import marathon as wire


class TaskIds(msgspec.Struct, frozen=True, kw_only=True):
    ids: tuple[str, ...]


class Steering(msgspec.Struct, frozen=True, kw_only=True):
    action: Literal["continue", "pause", "promote", "abort"]


_STATUS = {
    "running": frozenset({Condition.RUNNING}),
    "staging": frozenset({Condition.PROVISIONED, Condition.STAGING, Condition.STARTING}),
}


def add_routes(app: web.Application) -> None:
    app.router.add_get("/v2/tasks", _tasks)
    app.router.add_post("/v2/tasks/delete", _delete)
    app.router.add_get("/v2/deployments", _deployments)
    app.router.add_delete("/v2/deployments/{id}", _cancel)
    app.router.add_put("/v2/deployments/{id}", _steer)
    app.router.add_get("/v2/queue", _queue)
    app.router.add_delete("/v2/queue/{rest:.+}", _reset_delay)


async def _tasks(request: web.Request) -> web.StreamResponse:
    state = state_of(request)
    words = [*request.query.getall("status", []), *request.query.getall("status[]", [])]
    wanted = [_STATUS[word] for word in words if word in _STATUS]
    found = [
        one
        for one in state.instances.values()
        if not wanted or any(one.condition in conditions for conditions in wanted)
    ]
    return json_response({"tasks": views.tasks_json(state, found)})


async def _delete(request: web.Request) -> web.StreamResponse:
    state = state_of(request)
    task_ids = wire.read(await body_of(request), TaskIds).ids
    instances = []
    for task_id in task_ids:
        instance_id = ids.instance_of(task_id)
        if instance_id is None:
            raise wire.ApiError(400, {"message": f"Invalid task id '{task_id}'. [{ids.TASK_ID_RULE}]"})
        if instance_id in state.instances:
            instances.append(state.instances[instance_id])
    shown = views.tasks_json(state, instances)
    scale = flag(request, "scale")
    event = events.KillInstances(
        tuple(one.id for one in instances), scale=scale, wipe=flag(request, "wipe"), force=flag(request, "force")
    )
    result = await leader_of(request).ask(event)
    return deployed(result) if scale else json_response({"tasks": shown})


async def _deployments(request: web.Request) -> web.StreamResponse:
    state = state_of(request)
    asked, extensions = waiting.asked(request), "extensions" in request.query.getall("embed", [])
    found = [
        {
            **views.deployment_json(state, one, waits=asked),
            **(waiting.rollouts_of(leader_of(request), one) if asked or extensions else {}),
            **(waiting.of_deployment(leader_of(request), one) if asked else {}),
        }
        for one in state.deployments.values()
    ]
    return json_response(found)


async def _cancel(request: web.Request) -> web.StreamResponse:
    force = flag(request, "force")
    result = await leader_of(request).ask(events.CancelDeployment(request.match_info["id"], force))
    return web.Response(status=202) if force else deployed(result)


async def _steer(request: web.Request) -> web.StreamResponse:
    """An extension: ``{"action": "continue" | "pause" | "promote" | "abort"}``; to abort is to roll back."""
    action = wire.read(await body_of(request), Steering).action
    deployment_id = request.match_info["id"]
    if action == "abort":
        return deployed(await leader_of(request).ask(events.CancelDeployment(deployment_id)))
    return deployed(await leader_of(request).ask(events.SteerDeployment(deployment_id, action)))


async def _queue(request: web.Request) -> web.StreamResponse:
    leader = leader_of(request)
    state = leader.state
    may_read = request.get(SEEN)
    embed = request.query.getall("embed", [])
    offers, extensions = "lastUnusedOffers" in embed, "extensions" in embed
    found = [
        {
            **views.queue_json(state, entry, leader.now(), offers=offers, extensions=extensions),
            **(waiting.of_spec(leader, entry.spec.id) if waiting.asked(request) else {}),
        }
        for entry in state.queue.values()
        if may_read is None or may_read(entry.spec.id)
    ]
    return json_response({"queue": found})


async def _reset_delay(request: web.Request) -> web.StreamResponse:
    parts = ids.segments(request.match_info["rest"])
    if len(parts) < 2 or parts[-1] != "delay":
        raise web.HTTPNotFound
    await leader_of(request).ask(events.ResetDelay("/" + "/".join(parts[:-1])))
    return web.Response(status=204)
