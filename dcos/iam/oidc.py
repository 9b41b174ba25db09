"""Talking with OpenID Connect providers: their discovery document, their keys, and the exchange of a code for an ID token."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import aiohttp
import msgspec

from dcos.iam.core.oidc import OidcError, OidcProvider, redirect_uri
from dcos.runtime.clock import Clock
from dcos.wire import jwt
from dcos.wire.errors import WireError

_TIMEOUT = aiohttp.ClientTimeout(total=8.0, sock_connect=5.0)
_MAX_BYTES = 1024**2
_REMEMBERED_S = 600.0


class Discovery(msgspec.Struct, frozen=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


@dataclass(slots=True)
class _Known:
    provider: OidcProvider
    discovery: Discovery
    keys: object
    at: float


class OidcClient:
    """All providers'. Each says ``OidcError`` where the provider does not answer as it should."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def discovery(self, provider: OidcProvider) -> Discovery:
        return (await self._look(provider)).discovery

    async def claims(self, provider: OidcProvider, token: str) -> dict[str, Any]:
        """Of an ID token that the provider signed; asks for its keys again before it refuses an unknown signature."""
        for fresh in (False, True):
            known = await self._look(provider, fresh=fresh)
            try:
                return jwt.signed_claims(token, jwt.from_jwks(known.keys))
            except WireError as error:
                raise OidcError(f"keys: {error}") from error
            except jwt.TokenError as error:
                if error.reason != "signature" or fresh:
                    raise OidcError(f"ID token: {error.reason}") from error
        raise AssertionError("the second look returned or raised")

    async def id_token(self, provider: OidcProvider, code: str, verifier: str) -> str:
        """Exchange the code."""
        discovery = await self.discovery(provider)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri(provider),
            "code_verifier": verifier,
        }
        headers = {"Accept": "application/json"}
        methods = discovery.token_endpoint_auth_methods_supported
        if "client_secret_basic" in methods or "client_secret_post" not in methods:
            # both are escaped as in forms (RFC 6749, 2.3.1)
            name, password = quote_plus(provider.client_id), quote_plus(provider.client_secret)
            headers["Authorization"] = aiohttp.encode_basic_auth(name, password)
        else:
            form |= {"client_id": provider.client_id, "client_secret": provider.client_secret}
        said = await self._ask(provider, "POST", discovery.token_endpoint, data=form, headers=headers)
        token = said.get("id_token") if isinstance(said, dict) else None
        if not isinstance(token, str):
            raise OidcError("the token endpoint gave no ID token")
        return token

    async def _look(self, provider: OidcProvider, *, fresh: bool = False) -> _Known:
        known = self._known.get(provider.issuer)
        now = self._clock.monotonic()
        if known is not None and known.provider == provider and now - known.at < _REMEMBERED_S and not fresh:
            return known
        url = provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
        try:
            discovery = msgspec.convert(await self._ask(provider, "GET", url), Discovery)
        except msgspec.ValidationError as error:
            raise OidcError(f"discovery document: {error}") from error
        if discovery.issuer != provider.issuer:
            raise OidcError("the discovery document is of another issuer")
        keys = await self._ask(provider, "GET", discovery.jwks_uri)
        known = _Known(provider, discovery, keys, now)
        self._known[provider.issuer] = known
        return known

    async def _ask(self, provider: OidcProvider, method: str, url: str, **options: Any) -> Any:
        connector = aiohttp.TCPConnector(ssl=_tls(provider))
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session,
                session.request(method, url, allow_redirects=False, **options) as reply,
            ):
                raw = await reply.content.read(_MAX_BYTES)
                if reply.status != 200:
                    raise OidcError(f"{url}: status {reply.status}")
                return msgspec.json.decode(raw)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise OidcError(f"{url}: {type(error).__name__} {error}") from error


def _tls(provider: OidcProvider) -> ssl.SSLContext | bool:
    if not provider.verify_server_certificate:
        return False
    if not provider.ca_certs:
        return True
    return ssl.create_default_context(cadata=provider.ca_certs)
