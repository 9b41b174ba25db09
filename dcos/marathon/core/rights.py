"""Which permissions a request to the API needs, and what somebody with some rights sees of the state.

Apps, pods and groups are one tree: ``dcos:service:marathon:marathon:services:/<id>`` with create, read, update, delete. The
instance itself is ``dcos:service:marathon:marathon:admin:`` config, events and leader. Lists show what may be read; a resource
that is named needs its right. What no row knows needs a superuser.   Source: DC/OS permission reference.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from dcos.marathon.core.state import State
from dcos.model.permissions import FULL, SUPERUSER, Permission
from dcos.scheduling import ids

_MARATHON = "dcos:service:marathon:marathon"
_OPEN = frozenset({"/", "/ping"})
_DESCRIPTION = "/public/"
"""Says nothing of this cluster."""
_LISTS = frozenset({"/v2/apps", "/v2/pods", "/v2/groups", "/v2/tasks", "/v2/deployments", "/v2/queue"})
_ADMIN = {
    "/v2/leader": "leader",
    "/v2/events": "events",
    "/v2/info": "config",
    "/v2/plugins": "config",
    "/logging": "config",
    "/config": "config",
    "/metrics": "config",
    "/metrics/prometheus": "config",
}
_BELOW_APPS = ("tasks", "versions", "restart", "instances", "status", "autoscaling", "delay")


def on(spec_id: str, action: str) -> Permission:
    """The right to do ``action`` to an app, pod or group."""
    return Permission(f"{_MARATHON}:services:{spec_id}", action)


def needed(method: str, path: str, body: Any, state: State) -> list[Permission]:
    """``path``: unescaped; ``body``: parsed, None where there is none or it cannot be read."""
    reading = method in ("GET", "HEAD")
    plain = "/" + path.strip("/")
    if plain in _OPEN or (reading and (plain in _LISTS or plain.startswith(_DESCRIPTION))):
        return []
    if plain in _ADMIN:
        return [Permission(f"{_MARATHON}:admin:{_ADMIN[plain]}", "read" if reading else "update")]
    parts = ids.segments(plain)
    if parts[:1] != ["v2"] or len(parts) < 2:
        return [Permission(SUPERUSER)]
    # as handlers do that take "..": others refuse it
    kind, rest = parts[1], ids.segments(ids.canonical(_path(parts[2:])))
    match kind:
        case "apps" | "pods" if not rest:
            return [_put(state, one) if method != "POST" else on(one, "create") for one in _ids_in(body)]
        case "apps" | "pods":
            return [_of_spec(method, rest, state)]
        case "groups":
            return list(_of_group(method, rest, body))
        case "tasks" if rest == ["delete"]:
            return [on(one, "update") for one in _apps_of_tasks(body, state)]
        case "deployments" if len(rest) == 1:
            found = state.deployments.get(rest[0])
            return [on(one, "update") for one in sorted(found.affected)] if found is not None else []
        case "queue" if rest[-1:] == ["delay"]:
            return [on(_path(rest[:-1]), "update")]
        case _:
            return [Permission(SUPERUSER)]


def _path(parts: list[str]) -> str:
    return "/" + "/".join(parts)


def _put(state: State, spec_id: str) -> Permission:
    return on(spec_id, "update" if spec_id in state.apps or spec_id in state.pods else "create")


def _of_spec(method: str, rest: list[str], state: State) -> Permission:
    """One app or pod, or what lies below it: a longer path than its own needs no more than its own."""
    below = next((place for place, word in enumerate(rest) if place and word in _BELOW_APPS), len(rest))
    whole, own = _path(rest), _path([one for one in rest[:below] if one != "*"])
    spec_id = whole if whole in state.apps or whole in state.pods else own.partition("::")[0]
    if method in ("GET", "HEAD"):
        return on(spec_id, "read")
    if spec_id != whole or method == "POST":
        return on(spec_id, "update")
    return on(spec_id, "delete") if method == "DELETE" else _put(state, spec_id)


def _of_group(method: str, rest: list[str], body: Any) -> Iterator[Permission]:
    base = _path(rest)
    if method in ("GET", "HEAD"):
        return  # what may not be read is not shown
    if method == "DELETE":
        yield on(base, "delete")
        return
    actions = (FULL,) if method == "POST" else ("create", "update", "delete")
    named = _named(body, base)
    touched = {named if method == "POST" and not rest else base, named}
    switched = body.get("switchTo") if isinstance(body, dict) else None
    if isinstance(switched, str):
        touched.add(ids.canonical(switched, ids.parent(base)))
        touched.add(ids.canonical(switched, base))
    for group_id in sorted(touched):
        for action in actions:
            yield on(group_id, action)
    for one in _below(body, named):
        for action in actions:
            yield on(one, action)


def _named(body: Any, base: str) -> str:
    """The group that a body is about; the base where it does not say."""
    name = body.get("id") if isinstance(body, dict) else None
    return ids.canonical(name, base) if isinstance(name, str) and name else base


def _below(body: Any, base: str) -> Iterator[str]:
    """Ids of all that a group's body holds: none lies elsewhere, but that is for others to check."""
    for kind in ("apps", "pods", "groups"):
        members = body.get(kind) if isinstance(body, dict) else None
        for one in members if isinstance(members, list) else ():
            own = _named(one, base)
            yield own
            if kind == "groups":
                yield from _below(one, own)


def _ids_in(body: Any) -> list[str]:
    """Ids in a definition or a list of them; the root where one has none, which nobody is granted by chance."""
    rows = body if isinstance(body, list) else [body]
    return [_named(one, ids.ROOT) for one in rows] or [ids.ROOT]


def _apps_of_tasks(body: Any, state: State) -> list[str]:
    named = body.get("ids") if isinstance(body, dict) else None
    found = set()
    for task_id in named if isinstance(named, list) else ():
        instance = state.instances.get(ids.instance_of(task_id) or "") if isinstance(task_id, str) else None
        if instance is not None:
            found.add(instance.app_id)
    return sorted(found)


def narrowed(state: State, may_read: Callable[[str], bool]) -> State:
    """What is left of ``state`` for somebody; groups above something visible are seen, too. For reading only."""
    apps = {key: one for key, one in state.apps.items() if may_read(key)}
    pods = {key: one for key, one in state.pods.items() if may_read(key)}
    above = {group for key in (*apps, *pods) for group in ids.ancestors(key)} | {ids.ROOT}
    groups = {key: one for key, one in state.groups.items() if key in above or may_read(key)}
    above |= {group for key in groups for group in ids.ancestors(key)}
    return dataclasses.replace(
        state,
        apps=apps,
        pods=pods,
        groups={key: one for key, one in state.groups.items() if key in groups or key in above},
        instances={key: one for key, one in state.instances.items() if may_read(one.app_id)},
        deployments={
            key: one for key, one in state.deployments.items() if all(may_read(spec_id) for spec_id in one.affected)
        },
    )
