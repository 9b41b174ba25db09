"""What is there now, of the things that documents name."""

from __future__ import annotations

from typing import Any

from dcos.cli.applying.documents import Document
from dcos.cli.context import Context
from dcos.client.adminrouter.failures import NotFound, Refused

Json = dict[str, Any]


def present(context: Context, document: Document) -> Json | None:
    """In the document's form; None where there is none.   Errors: ClientError."""
    try:
        match document.kind:
            case "app":
                return context.marathon.app(document.name)
            case "pod":
                return _bare(context.marathon.pod_spec(document.name))
            case "group":
                return context.marathon.group(document.name)
            case "job":
                return _job(context.metronome.job(document.name, "schedules"))
            case _:
                return permission(context, document.name)
    except NotFound:
        return None


def _bare(pod: Json) -> Json:
    return {key: value for key, value in pod.items() if key != "version"}


def _job(job: Json) -> Json:
    schedules = [{key: value for key, value in one.items() if key != "nextRunAt"} for one in job.get("schedules", [])]
    return job | {"schedules": schedules}


def permission(context: Context, resource: str) -> Json | None:
    """``{resource, users: {uid: [actions]}, groups: {gid: [actions]}}``"""
    try:
        found = context.security.holders(resource)
    except Refused as error:
        if error.status in (400, 404):
            return None  # the identity service says 400 for a list that it does not have
        raise
    return {
        "resource": resource,
        "users": {str(one["uid"]): _actions(one) for one in found.get("users", [])},
        "groups": {str(one["gid"]): _actions(one) for one in found.get("groups", [])},
    }


def _actions(holder: Json) -> list[str]:
    return sorted(str(one["name"]) for one in holder.get("actions", []))
