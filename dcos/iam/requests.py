"""The manners of Bouncer's HTTP: JSON shown with two spaces, strict bodies, errors with a title, a text and a code."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from dcos.iam.core.errors import IamError
from dcos.runtime import log
from dcos.store.base import StoreError

_log = log.get_logger("dcos-bouncer")
_JSON = "application/json"
_PATIENCE_S = 10.0
"""For one request: the store waits for its connection as long as it is let."""
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def shown(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer as Bouncer writes it."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
    return web.Response(
        body=text, status=status, headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    )


def source_of(request: web.Request) -> str:
    """Where a request came from: as Admin Router saw it, who is the only one that can reach this port."""
    return request.headers.get("X-Real-IP") or request.remote or "unknown"


def audit(action: str, uid: str | None, source: str, result: str, reason: str, *, what: str = "-") -> None:
    """One line of the audit log. ``uid``: who did it (at logins: who wanted to be let in)."""
    _log.info(
        "audit",
        type="audit",
        component="bouncer",
        action=action,
        uid=uid if uid is not None else "-",
        object=what,
        srcip=source,
        result=result,
        reason=reason,
    )


def done(request: web.Request, status: int, action: str, what: str) -> web.Response:
    """The empty answer to a change, which the audit log then has."""
    audit(action, request.headers.get("X-Dcos-Uid"), source_of(request), "allow", "changed", what=what)
    return empty(status)


def empty(status: int) -> web.Response:
    return web.Response(status=status)


async def json_object(request: web.Request) -> dict[str, Any]:
    """The body, which must be a JSON object.   Errors: IamError."""
    raw = await request.read()
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not raw or not kind or kind in _FORMS:
        raise IamError(400, "Request has bad Content-Type or lacks JSON data")
    if kind != _JSON:
        raise IamError(415, f"Content-Type must be {_JSON}.")
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IamError(400, f"Bad JSON: {error}") from error
    if not isinstance(body, dict):
        raise IamError(400, "Unexpected JSON input. Hint: must be an object")
    return body


def accepts_json(accept: str | None) -> bool:
    """Whether an ``Accept`` header lets JSON through."""
    if not accept or not accept.strip():
        return True
    for part in accept.split(","):
        kind, _, parameters = part.partition(";")
        refused = any(
            name.strip() == "q" and value.strip() in ("0", "0.0", "0.00", "0.000")
            for name, _, value in (piece.partition("=") for piece in parameters.split(";"))
        )
        if kind.strip().lower() in ("*/*", "application/*", _JSON) and not refused:
            return True
    return False


@web.middleware
async def manners(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns refusals into Bouncer's bodies, and a store that cannot be reached into 503."""
    try:
        if not accepts_json(request.headers.get("Accept")):
            raise IamError(406, f"The response is {_JSON}, which the Accept header does not allow.")
        async with asyncio.timeout(_PATIENCE_S):
            return await handler(request)
    except IamError as error:
        return shown(error.body(), status=error.status, headers=error.headers)
    except web.HTTPMethodNotAllowed as error:
        allowed = ",".join(sorted(error.allowed_methods))
        return shown(IamError(405, "Method not allowed here.").body(), status=405, headers={"Allow": allowed})
    except web.HTTPNotFound:
        return shown(IamError(404, "No such endpoint.").body(), status=404)
    except web.HTTPRequestEntityTooLarge:
        return shown(IamError(413, "The body is too long.").body(), status=413)
    except (StoreError, TimeoutError) as error:
        _log.warning("store_unavailable", path=request.path, error=repr(error))
        return web.Response(status=503, text="The data store cannot be reached.\n", headers={"Retry-After": "2"})
