"""How a master finds out who asks: the bouncer of its own machine has the keys of tokens and what accounts may do."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from dcos.client.authority import Authority, AuthorityAway
from dcos.client.mesos_names import Names
from dcos.client.token_keys import Keys
from dcos.model.mesos_permissions import Granted
from dcos.model.permissions import Grants
from dcos.runtime import http
from dcos.runtime.app import App
from dcos.runtime.http_auth import Unauthorized
from dcos.wire.jwt import TokenError


async def master_names(app: App[Any], stack: AsyncExitStack, known: Granted, bouncer: str, *, required: bool) -> Names:
    """Its keys are read from now on; ``stack`` holds the session."""
    url = bouncer.rstrip("/")
    session = await stack.enter_async_context(http.session(timeout_s=10.0))
    keys = Keys(f"{url}/acs/api/v1/auth/jwks", session, clock=app.clock, rng=app.rng, log=app.log)
    authority = Authority(url, session, clock=app.clock, log=app.log)
    app.spawn(keys.keep(), name="keys")

    async def of_token(token: str) -> tuple[str, Grants]:
        try:
            uid = (await keys.check(token)).uid
        except TokenError as error:
            if not keys.known:
                raise AuthorityAway("no keys are known yet") from error
            raise Unauthorized from error
        return uid, await authority.grants(uid)

    return Names(known, of_token, authority.grants, required=required, log=app.log)
