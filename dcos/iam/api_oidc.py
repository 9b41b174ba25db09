"""Logging in with OpenID Connect providers, and their settings.

``GET /auth/login?oidc-provider=ID`` sends the browser away, ``GET /auth/oidc/callback`` takes it back. Who logs in for the first
time gets an account (without any permission) unless the uid is taken by another kind of account.
Source: DC/OS IAM API (enterprise edition); ID tokens by POST are those of the open edition.
"""

from __future__ import annotations

import hashlib
import html
import secrets
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from dcos.iam import persist
from dcos.iam.core import oidc as rules
from dcos.iam.core.errors import IamError, invalid_credentials
from dcos.iam.core.oidc import Flow, OidcError, OidcProvider
from dcos.iam.core.policy import check_gid
from dcos.iam.core.users import User
from dcos.iam.identity import Identity
from dcos.iam.oidc import OidcClient
from dcos.iam.provider_store import OIDC, Exists, Missing
from dcos.iam.remote_accounts import NoAccount, remote_account
from dcos.iam.requests import audit, done, json_object, source_of
from dcos.iam.requests import shown as answer
from dcos.iam.sessions import TOKEN_PAGE, let_in, token_for
from dcos.runtime import log
from dcos.wire import jwt

_log = log.get_logger("dcos-bouncer")
_COOKIE = "dcos-acs-oidc-flow"
_COOKIE_PATH = "/acs/api/v1/auth/oidc/"


class OidcApi:
    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._client = OidcClient(identity.clock)

    def routes(self, prefix: str) -> list[web.RouteDef]:
        one = f"{prefix}/auth/oidc/providers/{{id}}"
        return [
            web.get(f"{prefix}/auth/oidc/callback", self.callback),
            web.get(f"{prefix}/auth/oidc/providers", self.providers),
            web.get(one, self.provider),
            web.put(one, self.add),
            web.patch(one, self.change),
            web.delete(one, self.delete),
        ]

    # ---- settings ----------------------------------------------------------------------------------------------------

    async def shown(self) -> dict[str, Any]:
        """Rows of ``/auth/providers``."""
        found = await self._identity.providers.all_below(OIDC, OidcProvider)
        return {
            name: {
                "authentication-type": "oidc-authorization-code-flow",
                "description": one.description,
                "client-method": "browser-prompt-authtoken",
                "config": {"start_flow_url": f"/acs/api/v1/auth/login?oidc-provider={name}"},
            }
            for name, one in found.items()
        }

    async def providers(self, _: web.Request) -> web.Response:
        found = await self._identity.providers.all_below(OIDC, OidcProvider)
        return answer({name: one.description for name, one in found.items()})

    async def provider(self, request: web.Request) -> web.Response:
        """With everything but the secret."""
        found = await self._known(_id(request))
        shown = {
            "description": found.description,
            "issuer": found.issuer,
            "base_url": found.base_url,
            "client_id": found.client_id,
            "client_secret": "",
            "verify_server_certificate": found.verify_server_certificate,
            "ca_certs": found.ca_certs,
        }
        return answer(shown)

    async def add(self, request: web.Request) -> web.Response:
        name, made = _id(request), rules.provider_of(await json_object(request))
        try:
            await self._identity.providers.add(f"{OIDC}/{name}", made)
        except Exists:
            raise IamError(409, f"OIDC provider `{name}` already exists.", "ERR_OIDC_PROVIDER_EXISTS") from None
        return done(request, 201, "oidc-provider-add", name)

    async def change(self, request: web.Request) -> web.Response:
        name = _id(request)
        made = rules.provider_of(await json_object(request), await self._known(name))
        await self._identity.providers.put(f"{OIDC}/{name}", made)
        return done(request, 204, "oidc-provider-change", name)

    async def delete(self, request: web.Request) -> web.Response:
        name = _id(request)
        try:
            await self._identity.providers.delete(f"{OIDC}/{name}")
        except Missing:
            raise _unknown(name) from None
        return done(request, 204, "oidc-provider-delete", name)

    async def _known(self, name: str) -> OidcProvider:
        """Errors: IamError."""
        found = await self._identity.providers.get(f"{OIDC}/{name}", OidcProvider)
        if found is None:
            raise _unknown(name)
        return found

    # ---- login -------------------------------------------------------------------------------------------------------

    async def start(self, request: web.Request) -> web.Response:
        name = request.query.get("oidc-provider", "")
        try:
            provider = await self._known(check_gid(name))
        except IamError:
            return web.Response(status=303, headers={"Location": "/?iam-error=unknown-provider"})
        target = rules.check_target(request.query.get("target") or "/", provider.base_url)
        browser = request.cookies.get(_COOKIE, "")
        if len(browser) < 32:
            browser = secrets.token_urlsafe(32)
        flow = Flow(
            provider=name,
            target=target,
            nonce=secrets.token_urlsafe(24),
            browser=rules.browser_mark(browser),
            until=self._identity.clock.now() + rules.FLOW_S,
        )
        try:
            discovery = await self._client.discovery(provider)
        except OidcError as error:
            _log.warning("oidc_provider_away", provider=name, why=str(error))
            return web.Response(status=303, headers={"Location": "/?iam-error=provider-away"})
        where = rules.authorization_url(discovery.authorization_endpoint, provider, flow, self._key())
        response = web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})
        secure = provider.base_url.startswith("https:") or None
        response.set_cookie(
            _COOKIE, browser, path=_COOKIE_PATH, httponly=True, samesite="Lax", max_age=rules.FLOW_S, secure=secure
        )
        return response

    async def callback(self, request: web.Request) -> web.Response:
        source = source_of(request)
        try:
            user, target = await self._back(request)
        except (OidcError, NoAccount) as error:
            audit("oidc-login", None, source, "deny", str(error))
            raise invalid_credentials() from error
        token = token_for(self._identity, user)
        if target == rules.SHOW_TOKEN:
            headers = {"Content-Type": "text/html; charset=utf-8"}
            response = web.Response(text=TOKEN_PAGE.format(token=html.escape(token)), headers=headers)
        else:
            response = web.Response(status=303, headers={"Location": target})
        return let_in(self._identity, response, user, token, source=source, how="oidc")

    async def _back(self, request: web.Request) -> tuple[User, str]:
        """Errors: OidcError, NoAccount."""
        state, code = request.query.get("state", ""), request.query.get("code")
        flow = rules.unpack(state, self._key(), request.cookies.get(_COOKIE, ""), self._identity.clock.now())
        if code is None:
            raise OidcError(f"the provider says: {request.query.get('error', 'nothing')[:100]}")
        provider = await self._identity.providers.get(f"{OIDC}/{flow.provider}", OidcProvider)
        if provider is None:
            raise OidcError("the provider is not configured any more")
        token = await self._client.id_token(provider, code, rules.verifier(flow.nonce, self._key()))
        claims = await self._client.claims(provider, token)
        uid, description = rules.person(claims, provider, flow.nonce, self._identity.clock.now())
        return await self._account(uid, description, flow.provider, provider, create=True), flow.target

    async def by_id_token(self, token: str) -> User | None:
        """Who an ID token speaks for that a client got by itself; the first user ever is made by it."""
        found = await self._identity.providers.all_below(OIDC, OidcProvider)
        for name, provider in found.items():
            try:
                claims = await self._client.claims(provider, token)
                uid, description = rules.person(claims, provider, None, self._identity.clock.now())
                first = not any(not one.is_service for one in await persist.users(self._identity.store))
                return await self._account(uid, description, name, provider, create=first)
            except (OidcError, NoAccount) as error:
                _log.info("id_token_refused", provider=name, why=str(error))
        return None

    async def _account(self, uid: str, description: str, name: str, provider: OidcProvider, *, create: bool) -> User:
        """Errors: NoAccount."""
        also = (provider.issuer,)
        return await remote_account(self._identity, uid, description, kind="oidc", name=name, also=also, create=create)

    def _key(self) -> bytes:
        """Signs the state: the same on all masters."""
        pem = jwt.private_pem(self._identity.signing_key)
        return hashlib.sha256(b"dcos oidc flow\0" + pem.encode()).digest()


def _id(request: web.Request) -> str:
    return check_gid(unquote(request.match_info["id"]))


def _unknown(name: str) -> IamError:
    return IamError(400, f"OIDC provider `{name}` not known.", "ERR_UNKNOWN_OIDC_PROVIDER_ID")
