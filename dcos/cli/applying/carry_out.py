"""Making the changes of a plan. What is begun here and not finished is told: the error names what it was about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from dcos.cli.applying.documents import KINDS
from dcos.cli.applying.plan import MISSING, Action, Change
from dcos.cli.context import Context
from dcos.cli.hints import explained, hint
from dcos.cli.output import fail
from dcos.client.adminrouter.failures import ClientError

Json = dict[str, Any]
Done = Callable[[Change, str], None]
"""Told of each change that is made, and the deployment that it began, if any."""


def carry_out(context: Context, changes: Sequence[Change], done: Done, *, force: bool) -> None:
    """Groups, then all apps in one deployment, pods, jobs, permissions; removals at the end, the other way round."""
    made = [one for one in changes if one.action in (Action.CREATE, Action.CHANGE)]
    for kind in KINDS:
        some = [one for one in made if one.kind == kind]
        if kind == "app":
            _apps(context, some, done, force=force)
            continue
        for one in some:
            done(one, _told(one, lambda one=one: _MAKERS[one.kind](context, one, force)))  # type: ignore[misc]
    gone = [one for one in changes if one.action is Action.DELETE]
    for one in sorted(gone, key=lambda one: (-KINDS.index(one.kind), -one.name.count("/"), one.name)):
        done(one, _told(one, lambda one=one: _REMOVERS[one.kind](context, one, force)))  # type: ignore[misc]


def _told(one: Change, act: Callable[[], str]) -> str:
    try:
        return act()
    except ClientError as error:
        fail(f"{one.kind} {one.name} ({one.where}): {explained(error)}", hint(error))


def _apps(context: Context, some: Sequence[Change], done: Done, *, force: bool) -> None:
    """One request: either all are taken or none."""
    if not some:
        return
    bodies = [one.body for one in some]
    try:
        deployment = context.marathon.put_apps(bodies, force=force)
    except ClientError as error:
        names = ", ".join(one.name for one in some)
        fail(f"app{'s' if len(some) > 1 else ''} {names}: {explained(error)}", hint(error))
    for one in some:
        done(one, deployment)


def _group(context: Context, one: Change, force: bool) -> str:
    if one.action is Action.CREATE:
        return context.marathon.create_group(one.body)
    own = {key: value for key, value in one.body.items() if key != "id"}
    return context.marathon.update_group(one.name, own, force=force)


def _pod(context: Context, one: Change, force: bool) -> str:
    if one.action is Action.CREATE:
        return context.marathon.create_pod(one.body)
    return context.marathon.update_pod(one.name, one.body, force=force)


def _job(context: Context, one: Change, _: bool) -> str:
    body = {key: value for key, value in one.body.items() if key != "schedules"}
    metronome = context.metronome
    if one.action is Action.CREATE:
        metronome.create_job(body)
    else:
        metronome.update_job(one.name, body)
    if "schedules" not in one.body:
        return ""
    wanted = {str(schedule["id"]): schedule for schedule in one.body["schedules"] or []}
    there = {str(schedule["id"]) for schedule in metronome.schedules(one.name)}
    for schedule_id, schedule in wanted.items():
        change = metronome.update_schedule if schedule_id in there else metronome.add_schedule
        change(one.name, schedule)
    for schedule_id in sorted(there - set(wanted)):
        metronome.remove_schedule(one.name, schedule_id)
    return ""


def _permission(context: Context, one: Change, _: bool) -> str:
    for difference in one.differences:
        holders, rest = difference.path.split(".", 1)
        who, action = rest.rsplit(".", 1)
        if difference.after is MISSING:
            context.security.revoke(holders, who, one.name, action)
        else:
            context.security.grant(holders, who, one.name, action, one.body.get("description"))
    return ""


def _remove_job(context: Context, one: Change, force: bool) -> str:
    context.metronome.remove_job(one.name, stop_runs=force)
    return ""


_Step = Callable[[Context, Change, bool], str]
_MAKERS: Final[dict[str, _Step]] = {"group": _group, "pod": _pod, "job": _job, "permission": _permission}
_REMOVERS: Final[dict[str, _Step]] = {
    "app": lambda context, one, force: context.marathon.remove_app(one.name, force=force),
    "pod": lambda context, one, force: context.marathon.remove_pod(one.name, force=force),
    "group": lambda context, one, force: context.marathon.remove_group(one.name, force=force),
    "job": _remove_job,
    "permission": _permission,
}
