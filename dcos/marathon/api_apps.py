"""/v2/apps: list, create, update, delete, restart, versions, and the tasks of an app."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from dcos.marathon import selector, stream, views, waiting
from dcos.marathon.api import body_of, deployed, flag, leader_of, published, state_of
from dcos.marathon.core import autoscaling, events, everywhere, root
from dcos.marathon.core.errors import app_unknown
from dcos.marathon.core.state import State
from dcos.model.marathon import App
from dcos.model.marathon_state import Instance
from dcos.model.pods import Pod
from dcos.runtime.http import json_response
from dcos.scheduling import ids
from dcos.wire import marathon as wire

_REMOVABLE = ("autoscaling", "rebalance")
"""Extensions that ``null`` removes (of upstream's members it means: as it was)."""
ALWAYS = frozenset({"counts", "deployments"})
ALWAYS_ONE = frozenset({"counts", "deployments", "tasks", "lastTaskFailure"})


def add_routes(app: web.Application) -> None:
    for path in ("/v2/apps", "/v2/apps/"):
        app.router.add_get(path, _list)
        app.router.add_post(path, _create)
        app.router.add_put(path, _put_many)
        app.router.add_patch(path, _patch_many)
    app.router.add_get("/v2/apps/{rest:.+}", _get)
    app.router.add_put("/v2/apps/{rest:.+}", _put)
    app.router.add_patch("/v2/apps/{rest:.+}", _patch)
    app.router.add_post("/v2/apps/{rest:.+}", _post)
    app.router.add_delete("/v2/apps/{rest:.+}", _delete)


def split(rest: str) -> tuple[str, str, str | None]:
    """(id, resource below it or "", the member of that resource)."""
    parts = ids.segments(rest)
    if len(parts) >= 2 and parts[-1] in ("restart", "tasks", "versions"):
        return "/" + "/".join(parts[:-1]), parts[-1], None
    if len(parts) >= 3 and parts[-2] in ("tasks", "versions"):
        return "/" + "/".join(parts[:-2]), parts[-2], parts[-1]
    return "/" + "/".join(parts), "", None


def fields_of(body: Any, path: str = "", app_id: str | None = None) -> dict[str, Any]:
    """Members of an app in a request body, of the right shape.   Errors: ApiError."""
    if isinstance(body, dict) and app_id is not None:
        body = {**body, "id": app_id}
    made: dict[str, Any] = wire.fit(_with_mode(body), App, path)
    if isinstance(body, dict):
        made |= {name: None for name in _REMOVABLE if name in body and body[name] is None}
        strategy = body.get("upgradeStrategy")
        if isinstance(strategy, dict) and "promotion" in strategy and strategy["promotion"] is None:
            made["upgradeStrategy"]["promotion"] = None
    if "version" in made:
        others = {name for name, value in body.items() if value is not None} - {"id", "version"}
        if others:
            raise wire.refused("The 'version' field may only be combined with the 'id' field.")
    return made


def _with_mode(body: Any) -> Any:
    """``"instances": "all"`` as the mode that it is."""
    if isinstance(body, dict) and body.get("instances") == "all":
        return {**body, "instances": 1, "instancesMode": "all"}
    return body


async def update_of(request: web.Request, app_id: str, fields: dict[str, Any]) -> tuple[str, dict[str, Any] | App]:
    """What ``PutApps`` takes: the members, or the stored version to go back to."""
    if "version" not in fields:
        return app_id, fields
    version = wire.version_of(str(fields["version"]))
    stored = await leader_of(request).repository.app_version(app_id, version)
    if stored is None:
        raise wire.app_unknown(app_id, version)
    return app_id, stored


def known(state: State, app_id: str) -> App:
    app = state.apps.get(app_id)
    if app is None:
        raise app_unknown(app_id)
    return app


def _keep_number(request: web.Request, app_id: str, fields: dict[str, Any]) -> None:
    """What a client reads and sends back changes nothing: the number of instances on all agents, too."""
    state = state_of(request)
    app = state.apps.get(app_id)
    follows = app is not None and app.instances_mode is not None and "instancesMode" not in fields
    if app is not None and follows and fields.get("instances") == everywhere.shown(state, app):
        del fields["instances"]


def _tell(request: web.Request, app_id: str) -> None:
    """That somebody asked for an app as it is now."""
    state = leader_of(request).state
    shown = views.app_info(state, known(state, app_id), {"extensions"})
    published(request, "api_post_event", **{stream.APP: shown})


def embed_of(request: web.Request) -> frozenset[str]:
    return views.embeds(request.query.getall("embed", []))


# ---- all apps --------------------------------------------------------------------------------------------------------


async def _list(request: web.Request) -> web.StreamResponse:
    state = state_of(request)
    query = request.query
    try:
        has_labels = selector.parse(query["label"]) if query.get("label") else None
    except selector.BadSelector as error:
        raise wire.refused(str(error)) from error
    command, part = query.get("cmd", "").lower(), query.get("id", "").lower()
    embed = ALWAYS | embed_of(request)
    found = [
        app
        for app in state.apps.values()
        if (not command or command in (app.cmd or "").lower())
        and (not part or part in app.id.lower())
        and (has_labels is None or has_labels(app.labels))
    ]
    return json_response({"apps": [views.app_info(state, app, embed) for app in found]})


async def _create(request: web.Request) -> web.StreamResponse:
    fields = fields_of(await body_of(request))
    fields.pop("version", None)
    leader = leader_of(request)
    result = await leader.ask(events.CreateApp(fields, flag(request, "force")))
    app = known(leader.state, ids.canonical(fields["id"]))
    extensions = wire.names_extensions(fields) or "extensions" in embed_of(request)
    made = {
        **wire.app_json(app, extensions=extensions),
        "tasksStaged": 0,
        "tasksRunning": 0,
        "tasksHealthy": 0,
        "tasksUnhealthy": 0,
        "deployments": [{"id": getattr(result, "id", "")}],
    }
    _tell(request, app.id)
    answer = json_response(made, status=201)
    answer.headers["Location"] = f"{request.url.origin()}/v2/apps{app.id}"
    answer.headers["Marathon-Deployment-Id"] = getattr(result, "id", "")
    return answer


async def _many(request: web.Request, *, partial: bool, must_exist: bool) -> web.StreamResponse:
    body = await body_of(request)
    if not isinstance(body, list):
        raise wire.wrong_shape([("", "error.expected.jsarray")])
    updates = []
    for index, one in enumerate(body):
        fields = fields_of(one, f"({index})")
        _keep_number(request, ids.canonical(fields["id"]), fields)
        updates.append(await update_of(request, ids.canonical(fields["id"]), fields))
    event = events.PutApps(tuple(updates), partial=partial, must_exist=must_exist, force=flag(request, "force"))
    result = await leader_of(request).ask(event)
    for app_id, _ in updates:
        _tell(request, app_id)
    return deployed(result)


async def _put_many(request: web.Request) -> web.StreamResponse:
    return await _many(request, partial=flag(request, "partialUpdate", True), must_exist=False)


async def _patch_many(request: web.Request) -> web.StreamResponse:
    return await _many(request, partial=True, must_exist=True)


# ---- one app ---------------------------------------------------------------------------------------------------------


async def _get(request: web.Request) -> web.StreamResponse:
    app_id, resource, member = split(request.match_info["rest"])
    state = state_of(request)
    if resource == "tasks" and member is None:
        return json_response({"tasks": views.tasks_json(state, _instances(state, app_id))})
    if resource == "versions":
        return await _versions(request, app_id, member)
    if resource:
        raise web.HTTPNotFound
    if app_id not in state.apps and ids.segments(app_id)[-1:] == ["autoscaling"] and ids.parent(app_id) in state.apps:
        return json_response(autoscaling.answer(state, known(state, ids.parent(app_id))))
    embed = ALWAYS_ONE | embed_of(request)
    if ids.segments(app_id)[-1:] == ["*"]:
        group = ids.parent(app_id)
        if group not in state.groups:
            raise wire.group_unknown(group)
        below = [app for app in state.apps.values() if ids.is_below(app.id, group)]
        return json_response({"*": [views.app_info(state, app, embed) for app in below]})
    shown = views.app_info(state, known(state, app_id), embed)
    if waiting.asked(request):
        shown |= waiting.of_spec(leader_of(request), app_id)
    return json_response({"app": shown})


async def _versions(request: web.Request, app_id: str, version: str | None) -> web.StreamResponse:
    known(state_of(request), app_id)
    if version is None:
        return json_response({"versions": state_of(request).versions.get(app_id, [])[::-1]})
    version = wire.version_of(version)
    app = await leader_of(request).repository.app_version(app_id, version)
    if app is None:
        raise wire.app_unknown(app_id, version)
    return json_response(wire.app_json(app, extensions="extensions" in embed_of(request)))


async def _update(request: web.Request, *, partial: bool, must_exist: bool) -> web.StreamResponse:
    app_id, resource, _ = split(request.match_info["rest"])
    if resource:
        raise web.HTTPMethodNotAllowed(request.method, ["GET"])
    existed = app_id in state_of(request).apps
    fields = fields_of(await body_of(request), app_id=app_id)
    _keep_number(request, app_id, fields)
    updates = (await update_of(request, app_id, fields),)
    event = events.PutApps(updates, partial=partial, must_exist=must_exist, force=flag(request, "force"))
    result = await leader_of(request).ask(event)
    _tell(request, app_id)
    return deployed(result, status=200 if existed else 201)


async def _put(request: web.Request) -> web.StreamResponse:
    return await _update(request, partial=flag(request, "partialUpdate", True), must_exist=False)


async def _patch(request: web.Request) -> web.StreamResponse:
    return await _update(request, partial=True, must_exist=True)


async def _post(request: web.Request) -> web.StreamResponse:
    app_id, resource, _ = split(request.match_info["rest"])
    if resource != "restart":
        raise web.HTTPMethodNotAllowed(request.method, ["GET", "PUT", "PATCH", "DELETE"])
    return deployed(await leader_of(request).ask(events.RestartApp(app_id, flag(request, "force"))))


async def _delete(request: web.Request) -> web.StreamResponse:
    app_id, resource, member = split(request.match_info["rest"])
    if resource == "tasks":
        return await _kill(request, app_id, member)
    if resource:
        raise web.HTTPMethodNotAllowed(request.method, ["GET"])
    return deployed(await leader_of(request).ask(events.DeleteApp(app_id, flag(request, "force", True))))


# ---- an app's tasks --------------------------------------------------------------------------------------------------


def _instances(state: State, app_id: str) -> list[Instance]:
    if ids.segments(app_id)[-1:] == ["*"]:
        group = ids.parent(app_id)
        if group not in state.groups:
            raise wire.group_unknown(group)
        below = [one for one in state.instances.values() if ids.is_below(one.app_id, group)]
        return [one for one in below if not isinstance(state.spec_of(one), Pod)]
    known(state, app_id)
    return state.instances_of(app_id)


async def _kill(request: web.Request, app_id: str, task_id: str | None) -> web.StreamResponse:
    state = state_of(request)
    scale, wipe, force = flag(request, "scale"), flag(request, "wipe"), flag(request, "force")
    root.check_exclusive(scale=scale, wipe=wipe)
    instances = state.instances_of(app_id)
    if scale and not (app_id in state.apps and (instances or app_id in state.queue)):
        raise wire.not_found(f"Path '{app_id}' does not exist")  # sic, as upstream: also of an app without instances
    known(state, app_id)
    if task_id is not None:
        instance_id = ids.instance_of(task_id)
        instances = [one for one in instances if one.id == instance_id]
        if not instances and not scale:  # sic: to scale by a task that is not there changes nothing
            raise wire.not_found(f"Task '{task_id}' does not exist")
    else:
        host = request.query.get("host")
        instances = [one for one in instances if host in (None, "*", one.agent.host)]
    shown = views.tasks_json(state, instances)
    event = events.KillInstances(tuple(one.id for one in instances), scale=scale, wipe=wipe, force=force)
    result = await leader_of(request).ask(event)
    if scale:
        return deployed(result)
    return json_response({"tasks": shown} if task_id is None else {"task": shown[0]})
