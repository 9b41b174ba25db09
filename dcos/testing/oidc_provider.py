"""A small OpenID Connect provider for tests: it approves everybody, and is strict with what clients send.

Signing is PyJWT's; ``tamper`` lets a test change what is signed or how.   Source: OpenID Connect Core 1.0, RFC 6749, 7636.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus, urlencode

import jwt as pyjwt
from aiohttp import web

from dcos.runtime import http
from dcos.wire import jwt

CLIENT_ID, CLIENT_SECRET = "dcos client", "s3cret & more"


def _same(claims: dict[str, Any]) -> dict[str, Any]:
    return claims


@dataclass
class OidcProviderServer:
    """``email``: who logs in."""

    now: Callable[[], float]
    url: str = ""
    email: str = "bob@example.org"
    key: Any = field(default_factory=jwt.generate_key)
    tamper: Callable[[dict[str, Any]], dict[str, Any]] = _same
    sign: Callable[[dict[str, Any]], str] | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[OidcProviderServer]:
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._discovery),
                web.get("/authorize", self._authorize),
                web.post("/token", self._token),
                web.get("/jwks", self._jwks),
            ]
        )
        async with http.listen(app, host="127.0.0.1", port=0) as (host, port):
            self.url = f"http://{host}:{port}"
            yield self

    def id_token(self, nonce: str | None) -> str:
        claims: dict[str, Any] = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": "subject",
            "iat": int(self.now()),
            "exp": int(self.now()) + 300,
            "email": self.email,
            "email_verified": True,
            "name": "Bob B.",
            **({"nonce": nonce} if nonce is not None else {}),
        }
        claims = self.tamper(claims)
        return self.sign(claims) if self.sign is not None else pyjwt.encode(claims, self.key, algorithm="RS256")

    async def _discovery(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
            }
        )

    async def _jwks(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": [jwt.to_jwk(self.key.public_key())]})

    async def _authorize(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        assert "openid" in query["scope"].split()
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        back = urlencode({"code": code, "state": query["state"]})
        return web.Response(status=302, headers={"Location": f"{query['redirect_uri']}?{back}"})

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        name, _, password = base64.b64decode(given).decode().partition(":")
        asked = self.codes.pop(str(form.get("code")), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form.get("code_verifier")).encode()).digest())
        good = (
            kind == "Basic"
            and (unquote_plus(name), unquote_plus(password)) == (CLIENT_ID, CLIENT_SECRET)
            and form.get("grant_type") == "authorization_code"
            and asked is not None
            and asked["redirect_uri"] == form.get("redirect_uri")
            and asked["code_challenge"] == challenge.rstrip(b"=").decode()
        )
        if not good or asked is None:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response(
            {"access_token": "x", "token_type": "Bearer", "id_token": self.id_token(asked["nonce"])}
        )
