"""Who may call an endpoint: the firewall, the realm's authentication, and the principal found on the way.

The order is upstream's: a disabled endpoint is refused to everybody, then the caller names himself, and only then anything
else of the request is looked at.   Source: Mesos 1.11 (libprocess authentication, endpoint firewall).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from aiohttp import web

from dcos.runtime.http_auth import Basic, Unauthorized
from dcos.runtime.mesos_http import MISSING, text_response

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_PRINCIPAL: Final = web.RequestKey("principal", str)


def principal_of(request: web.Request) -> str | None:
    """Who asks; None where nobody has to say."""
    found: str | None = request.get(_PRINCIPAL)
    return found


_CHANGES: Final = web.RequestKey("changes", str)


def changes(request: web.Request, what: str) -> None:
    """Note that ``request`` is to change something, which an audit log wants to hear of when it did."""
    request[_CHANGES] = what


class Away(Exception):
    """Who asks cannot be found out now."""


class Namer(Protocol):
    """Names callers by what they bring beside a name and a secret: a token, a certificate."""

    required: bool
    """Whether nobody comes in unnamed."""

    async def name(self, request: web.Request) -> str | None:
        """Who asks; None: it brings nothing of that kind.   Errors: Unauthorized, Away."""
        ...

    async def by_token(self, request: web.Request) -> str | None:
        """The same by a token alone."""
        ...

    async def meet(self, principal: str) -> None:
        """Learn what somebody may do who named himself otherwise.   Errors: Away."""
        ...

    def refused(self, request: web.Request, principal: str | None, missing: str) -> None:
        """Hear that somebody was refused for want of a permission."""
        ...

    def changed(self, request: web.Request, principal: str | None, what: str) -> None:
        """Hear that somebody changed something."""
        ...


class Access:
    """``realms``: those where callers have to name themselves. ``namer``: where callers may prove themselves otherwise, too."""

    def __init__(
        self, realms: Mapping[str, Basic], disabled: frozenset[str] = frozenset(), namer: Namer | None = None
    ) -> None:
        self._realms = realms
        self._disabled = disabled
        self._namer = namer

    async def refusal(self, request: web.Request, realm: str | None) -> web.Response | None:
        """403, 401 or 503, or None: go on."""
        if self.disables(request.path):
            return text_response(403, f"Endpoint '{request.path}' is disabled")
        if realm is None:
            return None
        basic = self._realms.get(realm)
        try:
            found = await self._namer.name(request) if self._namer is not None else None
            if found is None and basic is not None:
                found = basic.principal(request.headers.get("Authorization"))
                if self._namer is not None:
                    await self._namer.meet(found)
        except Unauthorized:
            return basic.refusal() if basic is not None else unnamed()
        except Away:
            return text_response(503, "The identity service does not answer")
        if found is not None:
            request[_PRINCIPAL] = found
        elif self._namer is not None and self._namer.required:
            return unnamed()
        return None

    def disables(self, path: str) -> bool:
        return bool(self._disabled) and path.rstrip("/") in self._disabled

    def guarded(self, handler: Handler, realm: str | None) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            refused = await self.refusal(request, realm)
            if refused is not None:
                return refused
            answer = await handler(request)
            if self._namer is not None and (missing := answer.headers.get(MISSING)) is not None:
                self._namer.refused(request, principal_of(request), missing)
            elif self._namer is not None and (what := request.get(_CHANGES)) is not None and answer.status < 300:
                self._namer.changed(request, principal_of(request), what)
            return answer

        return handle


def needing(namer: Namer | None) -> Callable[[web.Request], Awaitable[web.Response | None]] | None:
    """What is asked of each request to a port where nobody comes in unnamed, whatever it asks for; None: of none."""
    if namer is None or not namer.required:
        return None

    async def named(request: web.Request) -> web.Response | None:
        try:
            return unnamed() if await namer.by_token(request) is None else None
        except Unauthorized:
            return unnamed()
        except Away:
            return text_response(503, "The identity service does not answer")

    return named


def unnamed() -> web.Response:
    """To who brings no good token."""
    return web.Response(status=401, headers={"WWW-Authenticate": "acsjwt"})
