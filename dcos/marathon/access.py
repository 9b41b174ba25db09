"""Who may do what with Marathon: tokens and permissions of the cluster's identity service, where they are asked for.

Refusals name what is missing. Source of the message: Marathon's plugin for DC/OS.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from dcos.client.authority import AuthorityAway
from dcos.client.gate import Gate
from dcos.marathon.api import SEEN, SERVICE, body_of
from dcos.marathon.core import rights
from dcos.marathon.core.state import State
from dcos.model.permissions import Grants
from dcos.wire import marathon as wire
from dcos.wire.jwt import TokenError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_OPEN = frozenset({"/", "/ping"})


class Guard:
    """Checks each request before its handler."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def admit(self, request: web.Request) -> None:
        """Errors: ApiError."""
        if request.path in _OPEN:
            return
        uid, grants = await self._who(request)
        leader = request.app[SERVICE].leader
        state = leader.state if leader is not None else State()
        for wanted in rights.needed(request.method, request.path, await _body(request), state):
            if not grants.allow(wanted):
                self._gate.audit(request.headers, request.remote, uid, wanted, allowed=False)
                raise wire.ApiError(
                    403,
                    {
                        "message": "Not Authorized to perform this action!",
                        "details": f"{uid} needs the permission {wanted.rid} with action {wanted.action}",
                    },
                )
            if request.method not in ("GET", "HEAD"):
                self._gate.audit(request.headers, request.remote, uid, wanted, allowed=True)

        def may_read(spec_id: str) -> bool:
            return grants.allow(rights.on(spec_id, "read"))

        if not may_read("/"):
            request[SEEN] = may_read

    async def _who(self, request: web.Request) -> tuple[str, Grants]:
        """Errors: ApiError."""
        try:
            return await self._gate.who(request.headers)
        except TokenError as error:
            raise wire.ApiError(401, {"message": f"Invalid authentication token: {error.reason}"}) from error
        except AuthorityAway as error:
            raise wire.ApiError(503, {"message": str(error)}) from error


async def _body(request: web.Request) -> Any:
    """None where there is none, or none that the handler will take."""
    if request.method in ("GET", "HEAD", "DELETE") or not request.can_read_body:
        return None
    try:
        return await body_of(request)
    except wire.ApiError:
        return None


def guarded(guard: Guard) -> Any:
    """The middleware behind the one that proxies to the leader."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        await guard.admit(request)
        return await handler(request)

    return check
