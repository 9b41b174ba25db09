"""Who calls, and what it may do: what every API of the cluster that checks permissions does first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp

from dcos.client.authority import Authority, audit_fields
from dcos.client.token_keys import Keys
from dcos.model.permissions import Grants, Permission
from dcos.runtime.app import App
from dcos.runtime.log import Logger
from dcos.wire.authorization import token_in
from dcos.wire.jwt import TokenError


class Gate:
    """``name``: of the authorizer, in the audit log."""

    def __init__(self, name: str, keys: Keys, authority: Authority, log: Logger) -> None:
        self._name = name
        self._keys = keys
        self._authority = authority
        self._log = log

    async def who(self, headers: Mapping[str, str]) -> tuple[str, Grants]:
        """The account and its rights.   Errors: TokenError, AuthorityAway."""
        token = token_in(headers.get("Authorization", ""))
        if token is None:
            raise TokenError("missing")
        uid = (await self._keys.check(token)).uid
        return uid, await self._authority.grants(uid)

    def audit(
        self, headers: Mapping[str, str], peer: str | None, uid: str, wanted: Permission, *, allowed: bool
    ) -> None:
        """A line of the audit log. ``peer``: who is at the other end, where Admin Router is not."""
        source = headers.get("X-Real-IP") or peer or "unknown"
        reason = "granted" if allowed else "not granted"
        said = audit_fields(self._name, uid, wanted, allowed=allowed, reason=reason, source=source)
        self._log.info("audit", action=wanted.action, **said)


def gate(name: str, app: App[Any], bouncer: str, session: aiohttp.ClientSession) -> Gate:
    """Asks the identity service at ``bouncer``; its keys are read from now on."""
    url = bouncer.rstrip("/")
    keys = Keys(f"{url}/acs/api/v1/auth/jwks", session, clock=app.clock, rng=app.rng, log=app.log)
    app.spawn(keys.keep(), name="keys")
    return Gate(name, keys, Authority(url, session, clock=app.clock, log=app.log), app.log)
