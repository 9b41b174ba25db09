"""Who asks a master or an agent, and what it may do, where permissions are checked: a token, or a service's certificate.

A token counts for more than the certificate: Admin Router shows its own and passes on whose request it is. What an account may
do is asked for as its request comes, and remembered as of ``dcos.client.authority``; services of the cluster are known.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Final

from aiohttp import web

from dcos.client.authority import AuthorityAway, audit_fields
from dcos.client.service_rights import RIGHTS, principal_of
from dcos.model.mesos_permissions import NEEDS, ON_AGENTS, Granted
from dcos.model.permissions import Grants
from dcos.runtime.http_access import Away
from dcos.runtime.http_auth import Unauthorized
from dcos.runtime.log import Logger
from dcos.runtime.tls import caller
from dcos.wire.authorization import token_in

Rights = Callable[[str], Awaitable[tuple[str, Grants]]]
"""(account, what it may do) of a token.   Errors: Unauthorized, AuthorityAway."""
PERMISSIVE: Final = "permissive"


def granted(security: str, *, agent: bool = False) -> Granted:
    """Who decides in this mode, permissive or strict."""
    return Granted(ON_AGENTS if agent else NEEDS, services=RIGHTS, anonymous=security == PERMISSIVE)


class Names:
    """A ``Namer``. ``of_token``: asks for the rights of a token's account; ``of_name``: of an account by its name, where
    there is a way to ask so. ``authorizer``: what the audit log calls us."""

    def __init__(
        self,
        known: Granted,
        of_token: Rights,
        of_name: Callable[[str], Awaitable[Grants]] | None = None,
        *,
        required: bool,
        log: Logger,
        authorizer: str = "mesos_master",
    ) -> None:
        self._log = log
        self._authorizer = authorizer
        self._known = known
        self._of_token = of_token
        self._of_name = of_name
        self.required = required

    async def name(self, request: web.Request) -> str | None:
        """Errors: Unauthorized, Away."""
        account = await self.by_token(request)
        if account is not None:
            return account
        who = caller(request.transport)
        return principal_of(who.service) if who is not None else None

    async def by_token(self, request: web.Request) -> str | None:
        """Errors: Unauthorized, Away."""
        token = token_in(request.headers.get("Authorization", ""))
        return None if token is None else await self._account(token)

    async def _account(self, token: str) -> str:
        try:
            uid, grants = await self._of_token(token)
        except AuthorityAway as error:
            raise Away from error
        if not uid:
            raise Unauthorized
        self._known.tell(uid, grants)
        return uid

    def refused(self, request: web.Request, principal: str | None, missing: str) -> None:
        """A line of the audit log."""
        self._audit(request, principal, missing, allowed=False)

    def changed(self, request: web.Request, principal: str | None, what: str) -> None:
        """The same."""
        self._audit(request, principal, what, allowed=True)

    def _audit(self, request: web.Request, principal: str | None, wanted: str, *, allowed: bool) -> None:
        source = request.headers.get("X-Real-IP") or request.remote or "unknown"
        reason = "granted" if allowed else "not granted"
        said = audit_fields(self._authorizer, principal or "", wanted, allowed=allowed, reason=reason, source=source)
        self._log.info("audit", action=f"{request.method} {request.path}", **said)

    async def learn(self, principals: Collection[str]) -> None:
        """What these may do now; of whom that cannot be found out, nothing new."""
        for principal in principals:
            with suppress(Away):
                await self.meet(principal)

    async def meet(self, principal: str) -> None:
        """Errors: Away."""
        if self._of_name is None or self._known.knows(principal):
            return
        try:
            self._known.tell(principal, await self._of_name(principal))
        except AuthorityAway as error:
            raise Away from error
