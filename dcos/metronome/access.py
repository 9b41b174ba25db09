"""Who may do what with Metronome, where permissions are checked: ``dcos:service:metronome:metronome:jobs:<job>``, dots as colons.

A right on ``jobs:dev`` holds for ``dev`` and all jobs below it, ``dev.nightly`` (``jobs:dev:nightly``, or with its dot); one on
``jobs`` for all. Lists show what may be read. Runs and schedules are parts of their job: who changes them updates it.
Source: DC/OS permission reference.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from dcos.client.authority import AuthorityAway
from dcos.client.gate import Gate
from dcos.metronome.api import SEEN, SERVICE, BadRequest, body_of
from dcos.model.permissions import Grants, Permission
from dcos.runtime.http import json_response
from dcos.wire.jwt import TokenError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_JOBS = "dcos:service:metronome:metronome:jobs"
_OPEN = frozenset({"/ping"})
_ANYBODY = frozenset({"/info", "/leader", "/v1/metrics"})
"""For whoever is logged in."""


def allows(grants: Grants, job_id: str, action: str) -> bool:
    """Whether a right on the job or on something above it was granted."""
    parts = job_id.split(".") if job_id else []
    dotted = [f"{_JOBS}:{'.'.join(parts[:count])}" for count in range(1, len(parts) + 1)]
    return any(grants.allow(Permission(rid, action)) for rid in (rid_of(job_id), *dotted))


def rid_of(job_id: str) -> str:
    """What is granted on a job; with no id, on all."""
    return ":".join([_JOBS, *job_id.split(".")]) if job_id else _JOBS


async def _wanted(request: web.Request) -> tuple[str, str]:
    """(job, action). A body that cannot be read names no job, which needs the right to all."""
    job_id = request.match_info.get("job")
    if job_id is None:
        try:
            body = await body_of(request)
        except BadRequest:
            body = None
        named = body.get("id") if isinstance(body, dict) else None
        return (named if isinstance(named, str) else ""), "create"
    if request.method in ("GET", "HEAD"):
        return job_id, "read"
    leader = request.app[SERVICE].leader
    known = leader is not None and job_id in leader.state.jobs
    whole = request.path.rstrip("/").endswith(f"/{job_id}")
    if request.method == "DELETE" and whole:
        return job_id, "delete"
    return job_id, "create" if request.method == "PUT" and whole and not known else "update"


def guarded(gate: Gate) -> Any:
    """The middleware behind the one that proxies to the leader."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in _OPEN:
            return await handler(request)
        try:
            uid, grants = await gate.who(request.headers)
        except TokenError as error:
            return json_response({"message": f"Invalid authentication token: {error.reason}"}, status=401)
        except AuthorityAway as error:
            return json_response({"message": str(error)}, status=503)
        if request.path in _ANYBODY:
            return await handler(request)
        if not allows(grants, "", "read"):
            request[SEEN] = lambda job_id: allows(grants, job_id, "read")
        if request.method in ("GET", "HEAD") and "job" not in request.match_info:
            return await handler(request)
        job_id, action = await _wanted(request)
        allowed = allows(grants, job_id, action)
        wanted = Permission(rid_of(job_id), action)
        if not allowed or request.method not in ("GET", "HEAD"):
            gate.audit(request.headers, request.remote, uid, wanted, allowed=allowed)
        if not allowed:
            text = f"Not authorized: {uid} needs the permission {wanted.rid} with action {wanted.action}"
            return json_response({"message": text}, status=403)
        return await handler(request)

    return check
