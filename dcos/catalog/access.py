"""The catalog's own door, where permissions are checked: a good token and ``dcos:adminrouter:package``, as at Admin Router.

What an account may do with apps is Marathon's to say. Refusals have Cosmos's form and name what is missing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from dcos.catalog.api import BUILTIN_PATH, CALLER
from dcos.catalog.core.caller import PACKAGES, Caller
from dcos.catalog.core.errors import token_refused, unavailable
from dcos.client.authority import AuthorityAway
from dcos.client.gate import Gate
from dcos.wire.jwt import TokenError

_OPEN = frozenset({"/capabilities", BUILTIN_PATH})
"""The same for everybody: the health check asks the one, other clusters' catalogs the other. Neither has a token."""
_CHANGES = frozenset(
    {
        "/package/install",
        "/package/uninstall",
        "/package/repository/add",
        "/package/repository/delete",
        "/service/update",
    }
)


def guarded(gate: Gate) -> Any:
    """The middleware behind the one that puts errors into Cosmos's form."""

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path in _OPEN:
            return await handler(request)
        try:
            uid, grants = await gate.who(request.headers)
        except TokenError as error:
            raise token_refused(error.reason) from None
        except AuthorityAway:
            raise unavailable("bouncer") from None
        allowed = grants.allow(PACKAGES)
        if not allowed or request.path in _CHANGES:
            gate.audit(request.headers, request.remote, uid, PACKAGES, allowed=allowed)
        caller = Caller(request.headers["Authorization"], uid, grants)
        caller.need(PACKAGES)
        request[CALLER] = caller
        return await handler(request)

    return check
