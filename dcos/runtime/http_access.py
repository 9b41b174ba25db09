"""Who may call an endpoint: the firewall, the realm's authentication, and the principal found on the way.

The order is upstream's: a disabled endpoint is refused to everybody, then the caller names himself, and only then anything
else of the request is looked at.   Source: Mesos 1.11 (libprocess authentication, endpoint firewall).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from dcos.runtime.http_auth import Basic, Unauthorized
from dcos.runtime.mesos_http import text_response

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_PRINCIPAL: Final = web.RequestKey("principal", str)


def principal_of(request: web.Request) -> str | None:
    """Who asks; None where nobody has to say."""
    found: str | None = request.get(_PRINCIPAL)
    return found


class Access:
    """``realms``: those where callers have to name themselves."""

    def __init__(self, realms: Mapping[str, Basic], disabled: frozenset[str] = frozenset()) -> None:
        self._realms = realms
        self._disabled = disabled

    def refusal(self, request: web.Request, realm: str | None) -> web.Response | None:
        """403 or 401, or None: go on."""
        if self.disables(request.path):
            return text_response(403, f"Endpoint '{request.path}' is disabled")
        basic = self._realms.get(realm) if realm is not None else None
        if basic is not None:
            try:
                request[_PRINCIPAL] = basic.principal(request.headers.get("Authorization"))
            except Unauthorized:
                return basic.refusal()
        return None

    def disables(self, path: str) -> bool:
        return bool(self._disabled) and path.rstrip("/") in self._disabled

    def guarded(self, handler: Handler, realm: str | None) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            refused = self.refusal(request, realm)
            return refused if refused is not None else await handler(request)

        return handle
