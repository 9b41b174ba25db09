"""/v2/groups: the tree of groups."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from dcos.marathon import pod_views, views
from dcos.marathon.api import body_of, deployed, flag, leader_of, state_of
from dcos.marathon.api_apps import fields_of
from dcos.marathon.core import deployments, events, past
from dcos.marathon.core.past import Past
from dcos.marathon.core.state import State
from dcos.marathon.group_views import GroupTree
from dcos.model.marathon import App
from dcos.model.marathon_state import Deployment
from dcos.model.pods import Pod
from dcos.model.run_spec import RunSpec
from dcos.runtime.http import json_response
from dcos.scheduling import ids
from dcos.wire import marathon as wire

_LISTS = ("groups", "apps", "pods")
_MEMBERS: dict[str, Any] = {
    "id": str,
    "dependencies": tuple[str, ...],
    "scaleBy": float,
    "switchTo": str,
    "version": str,
    "enforceRole": bool,
}


def add_routes(app: web.Application) -> None:
    for path in ("/v2/groups", "/v2/groups/", "/v2/groups/{rest:.+}"):
        app.router.add_get(path, _get)
        app.router.add_post(path, _post)
        app.router.add_put(path, _put)
        app.router.add_patch(path, _patch)
        app.router.add_delete(path, _delete)


def group_fields(body: Any, path: str = "") -> dict[str, Any]:
    """A GroupUpdate of the right shape; its apps are app members.   Errors: ApiError."""
    if not isinstance(body, dict):
        raise wire.wrong_shape([(path, "error.expected.jsobject")])
    made = {
        name: wire.fit(body[name], kind, f"{path}/{name}")
        for name, kind in _MEMBERS.items()
        if body.get(name) is not None
    }
    for name, reader in (("apps", fields_of), ("groups", group_fields)):
        members = body.get(name)
        if members is None:
            continue
        if not isinstance(members, list):
            raise wire.wrong_shape([(f"{path}/{name}", "error.expected.jsarray")])
        made[name] = [reader(member, f"{path}/{name}({index})") for index, member in enumerate(members)]
    return made


def _group_of(request: web.Request) -> str:
    return ids.canonical("/" + request.match_info.get("rest", ""))


def _tree(state: State) -> GroupTree:
    return GroupTree(state.groups, state.apps.values(), state.pods.values())


async def _get(request: web.Request) -> web.StreamResponse:
    state = state_of(request)
    group_id = _group_of(request)
    words = request.query.getall("embed", [])
    lists = [name for name in _LISTS if f"group.{name}" in words] or list(_LISTS)
    embed = views.embeds(word for word in words if word == "extensions" or word.startswith("group.apps."))
    if group_id not in state.groups:
        group, resource, member = _below(group_id)
        if group not in state.groups or resource is None:
            raise wire.group_unknown(group_id)
        if resource == "apps":
            below = [app for app in state.apps.values() if ids.is_below(app.id, group)]
            return json_response([views.app_info(state, app, embed | {"counts", "deployments"}) for app in below])
        if member is None:
            return json_response(past.versions(state, group))
        return json_response(await _at(request, group, member, lists))
    now = leader_of(request).now()
    shown = _tree(state).info(
        group_id,
        lists,
        lambda app: views.app_info(state, app, embed),
        lambda pod: pod_views.pod_status(state, pod, now),
    )
    return json_response(shown)


def _below(path: str) -> tuple[str, str | None, str | None]:
    """(group, ``apps`` or ``versions``, the version), as far as ``path`` ends in them."""
    parts = ids.segments(path)
    if parts[-1:] in (["apps"], ["versions"]):
        return ids.parent(path), parts[-1], None
    if parts[-2:-1] == ["versions"]:
        return ids.parent(ids.parent(path)), "versions", parts[-1]
    return path, None, None


async def _earlier(request: web.Request, group_id: str, version: str) -> tuple[Past, dict[str, RunSpec]]:
    """The root of that version and the definitions that were in the group.   Errors: ApiError."""
    leader = leader_of(request)
    version = wire.version_of(version)
    root = past.at(leader.state, version)
    if root is None or group_id not in root.groups:
        raise wire.group_unknown(group_id, version)
    specs: dict[str, RunSpec] = {}
    stored: dict[str, str] = {}
    for spec_id, found in past.inside(root, group_id).items():
        if isinstance(found, str):
            stored[spec_id] = found
        else:
            specs[spec_id] = found
    specs |= await leader.repository.specs(stored, leader.state.pods)
    if len(specs) < len(past.inside(root, group_id)):
        raise wire.group_unknown(group_id, version)
    return root, specs


async def _at(request: web.Request, group_id: str, version: str, lists: list[str]) -> dict[str, Any]:
    root, specs = await _earlier(request, group_id, version)
    apps = [one for one in specs.values() if isinstance(one, App)]
    pods = [one for one in specs.values() if isinstance(one, Pod)]
    embed = views.embeds(request.query.getall("embed", []))

    def shown(app: App) -> dict[str, Any]:
        return wire.app_json(app, extensions="extensions" in embed)

    return GroupTree(root.groups, apps, pods).info(group_id, lists, shown, wire.pod_json)


async def _change(request: web.Request, *, create: bool) -> web.StreamResponse:
    fields = group_fields(await body_of(request))
    base = _group_of(request)
    group_id = ids.canonical(str(fields.get("id", "")), base) if create else base
    if not create and base == ids.ROOT and "id" in fields:
        group_id = ids.canonical(str(fields["id"]), base)
    dry_run = not create and flag(request, "dryRun")
    if set(fields) - {"id"} == {"version"} and not create and not dry_run:
        root, specs = await _earlier(request, group_id, fields["version"])
        back = events.RollBackGroup(group_id, root, specs, force=flag(request, "force"))
        return deployed(await leader_of(request).ask(back))
    event = events.PutGroup(group_id, fields, create=create, force=flag(request, "force"), dry_run=dry_run)
    result = await leader_of(request).ask(event)
    if dry_run:
        assert isinstance(result, Deployment)
        return json_response({"steps": [deployments.step_json(step) for step in result.steps]})
    return deployed(result, status=201 if create else 200)


async def _post(request: web.Request) -> web.StreamResponse:
    return await _change(request, create=True)


async def _put(request: web.Request) -> web.StreamResponse:
    return await _change(request, create=False)


async def _patch(request: web.Request) -> web.StreamResponse:
    fields = group_fields(await body_of(request))
    if "enforceRole" not in fields:
        raise wire.wrong_shape([("/enforceRole", wire.MISSING)])
    await leader_of(request).ask(events.SetEnforceRole(_group_of(request), bool(fields["enforceRole"])))
    return json_response({})


async def _delete(request: web.Request) -> web.StreamResponse:
    return deployed(await leader_of(request).ask(events.DeleteGroup(_group_of(request), flag(request, "force"))))
