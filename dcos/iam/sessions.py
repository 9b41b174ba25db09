"""What somebody gets who was let in: a token, and the cookies by which browsers keep it.   Source: Bouncer."""

from __future__ import annotations

from aiohttp import web

from dcos.iam.core import login
from dcos.iam.core.users import User
from dcos.iam.identity import Identity
from dcos.iam.requests import audit
from dcos.wire import jwt

AUTH_COOKIE = "dcos-acs-auth-cookie"
INFO_COOKIE = "dcos-acs-info-cookie"
TOKEN_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>DC/OS authentication token</title></head>
<body>
<p>Copy this token into the terminal that asks for it:</p>
<pre>{token}</pre>
</body>
</html>
"""
"""What a browser shows to who logs in for a terminal."""


def token_for(identity: Identity, user: User, asked_exp: int | None = None) -> str:
    end = login.token_end(user, asked_exp, identity.clock.now(), identity.config.token_lifetime)
    return jwt.sign(user.uid, end, identity.signing_key)


def let_in(
    identity: Identity, response: web.Response, user: User, token: str, *, source: str, how: str
) -> web.Response:
    """``response`` with the cookies; the audit log says so."""
    config = identity.config
    age = int(config.cookie_lifetime)
    secure = config.auth_cookie_secure_flag or None
    response.headers["Cache-Control"] = "no-store"
    response.set_cookie(AUTH_COOKIE, token, path="/", httponly=True, max_age=age, secure=secure, samesite="Lax")
    response.set_cookie(INFO_COOKIE, login.info_cookie(user), path="/", max_age=age)
    audit(f"{how}-login", user.uid, source, "allow", "valid credentials")
    return response
