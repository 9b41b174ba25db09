"""Logging in with SAML 2.0 identity providers, and their settings.

``GET /auth/login?saml-provider=ID`` sends the browser away, ``POST /auth/saml/providers/ID/acs-callback`` takes it back. Who logs
in for the first time gets an account (without any permission) unless the uid is taken by another kind of account.
What reads XML is imported by the first request that needs it.   Source: DC/OS IAM API (enterprise edition).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import html
import importlib
import secrets
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from dcos.iam.answered_requests import first_answer
from dcos.iam.core import saml as rules
from dcos.iam.core.errors import IamError, invalid_credentials, invalid_data
from dcos.iam.core.oidc import SHOW_TOKEN, check_target
from dcos.iam.core.policy import check_gid
from dcos.iam.core.saml import Flow, Metadata, Said, SamlError, SamlProvider
from dcos.iam.core.users import User
from dcos.iam.identity import Identity
from dcos.iam.provider_store import SAML, Exists, Missing
from dcos.iam.remote_accounts import NoAccount, remote_account
from dcos.iam.requests import audit, done, json_object, source_of
from dcos.iam.requests import shown as answer
from dcos.iam.sessions import TOKEN_PAGE, let_in, token_for
from dcos.runtime import log
from dcos.wire import jwt

_log = log.get_logger("dcos-bouncer")
_COOKIE = "dcos-acs-saml-"
_COOKIE_PATH = "/acs/api/v1/auth/saml/"
_READERS = 2
"""Messages that are read at once, beside the loop."""


class SamlApi:
    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._reading = asyncio.Semaphore(_READERS)

    def routes(self, prefix: str) -> list[web.RouteDef]:
        one = f"{prefix}/auth/saml/providers/{{id}}"
        return [
            web.get(f"{prefix}/auth/saml/providers", self.providers),
            web.get(one, self.provider),
            web.put(one, self.add),
            web.patch(one, self.change),
            web.delete(one, self.delete),
            web.get(f"{one}/acs-callback-url", self.callback_url),
            web.get(f"{one}/sp-metadata", self.sp_metadata),
            web.post(f"{one}/acs-callback", self.callback),
        ]

    # ---- settings ----------------------------------------------------------------------------------------------------

    async def shown(self) -> dict[str, Any]:
        """Rows of ``/auth/providers``."""
        found = await self._identity.providers.all_below(SAML, SamlProvider)
        return {
            name: {
                "authentication-type": "saml-sp-initiated",
                "description": one.description,
                "client-method": "browser-prompt-authtoken",
                "config": {"start_flow_url": f"/acs/api/v1/auth/login?saml-provider={name}"},
            }
            for name, one in found.items()
        }

    async def providers(self, _: web.Request) -> web.Response:
        found = await self._identity.providers.all_below(SAML, SamlProvider)
        return answer({name: one.description for name, one in found.items()})

    async def provider(self, request: web.Request) -> web.Response:
        found = await self._known(_id(request))
        return answer(
            {
                "description": found.description,
                "idp_metadata": found.idp_metadata,
                "sp_base_url": found.sp_base_url,
            }
        )

    async def callback_url(self, request: web.Request) -> web.Response:
        name = _id(request)
        return answer({"acs-callback-url": rules.callback_url(await self._known(name), name)})

    async def sp_metadata(self, request: web.Request) -> web.Response:
        name = _id(request)
        text = rules.sp_metadata(await self._known(name), name)
        return web.Response(body=text.encode(), headers={"Content-Type": "application/samlmetadata+xml"})

    async def add(self, request: web.Request) -> web.Response:
        name, made = _id(request), rules.provider_of(await json_object(request))
        await self._check(made)
        try:
            await self._identity.providers.add(f"{SAML}/{name}", made)
        except Exists:
            raise IamError(409, f"SAML provider `{name}` already exists.", "ERR_SAML_PROVIDER_EXISTS") from None
        return done(request, 201, "saml-provider-add", name)

    async def change(self, request: web.Request) -> web.Response:
        name = _id(request)
        made = rules.provider_of(await json_object(request), await self._known(name))
        await self._check(made)
        await self._identity.providers.put(f"{SAML}/{name}", made)
        return done(request, 204, "saml-provider-change", name)

    async def delete(self, request: web.Request) -> web.Response:
        name = _id(request)
        try:
            await self._identity.providers.delete(f"{SAML}/{name}")
        except Missing:
            raise _unknown(name) from None
        return done(request, 204, "saml-provider-delete", name)

    async def _check(self, provider: SamlProvider) -> None:
        """Errors: IamError."""
        try:
            await self._metadata(provider)
        except SamlError as error:
            raise invalid_data(f"idp_metadata: {error}.") from error

    async def _known(self, name: str) -> SamlProvider:
        """Errors: IamError."""
        found = await self._identity.providers.get(f"{SAML}/{name}", SamlProvider)
        if found is None:
            raise _unknown(name)
        return found

    # ---- login -------------------------------------------------------------------------------------------------------

    async def start(self, request: web.Request) -> web.Response:
        name = request.query.get("saml-provider", "")
        try:
            provider = await self._known(check_gid(name))
        except IamError:
            return web.Response(status=303, headers={"Location": "/?iam-error=unknown-provider"})
        target = check_target(request.query.get("target") or "/", provider.sp_base_url)
        if len(target) > rules.TARGET_MAX_CHARACTERS:
            raise invalid_data(f"target must have at most {rules.TARGET_MAX_CHARACTERS} characters.")
        now = self._identity.clock.now()
        try:
            metadata = await self._metadata(provider)
        except SamlError as error:
            _log.warning("saml_provider_unusable", provider=name, why=str(error))
            return web.Response(status=303, headers={"Location": "/?iam-error=provider-away"})
        flow = Flow(provider=name, target=target, request=f"_{secrets.token_urlsafe(24)}", until=now + rules.FLOW_S)
        where = rules.redirect_url(provider, metadata, flow, now)
        response = web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})
        # The answer is a POST from the provider's site, with which browsers send no cookie that is Lax; None has to be Secure.
        secure = provider.sp_base_url.startswith("https:")
        response.set_cookie(
            _COOKIE + flow.request,
            rules.pack(flow, self._key()),
            path=_COOKIE_PATH,
            httponly=True,
            samesite="None" if secure else None,
            secure=secure or None,
            max_age=rules.FLOW_S,
        )
        return response

    async def callback(self, request: web.Request) -> web.Response:
        source = source_of(request)
        try:
            user, flow = await self._back(request)
        except (SamlError, NoAccount) as error:
            audit("saml-login", None, source, "deny", str(error))
            raise invalid_credentials() from error
        token = token_for(self._identity, user)
        if flow.target == SHOW_TOKEN:
            headers = {"Content-Type": "text/html; charset=utf-8"}
            response = web.Response(text=TOKEN_PAGE.format(token=html.escape(token)), headers=headers)
        else:
            response = web.Response(status=303, headers={"Location": flow.target})
        response.del_cookie(_COOKIE + flow.request, path=_COOKIE_PATH)
        return let_in(self._identity, response, user, token, source=source, how="saml")

    async def _back(self, request: web.Request) -> tuple[User, Flow]:
        """Errors: SamlError, NoAccount."""
        name = _id(request)
        provider = await self._identity.providers.get(f"{SAML}/{name}", SamlProvider)
        if provider is None:
            raise SamlError("the provider is not configured")
        if not any(cookie.startswith(_COOKIE) for cookie in request.cookies):
            raise SamlError("this browser began no login")
        message = (await request.post()).get("SAMLResponse")
        if not isinstance(message, str) or not message.isascii():
            raise SamlError("no response")
        try:
            raw = base64.b64decode("".join(message.split()), validate=True)
        except binascii.Error as error:
            raise SamlError("the response is not base64") from error
        metadata = await self._metadata(provider)
        now = self._identity.clock.now()
        said: Said = await self._read("response", raw, metadata, now)
        answered = rules.answered(said)
        flow = rules.unpack(request.cookies.get(_COOKIE + answered, ""), self._key(), name, answered, now)
        uid, description = rules.person(said, provider, metadata, name, flow.request, now)
        if not await first_answer(self._identity.store, flow, now):
            raise SamlError("this login was finished before")
        return await remote_account(self._identity, uid, description, kind="saml", name=name, create=True), flow

    async def _metadata(self, provider: SamlProvider) -> Metadata:
        """Errors: SamlError."""
        found: Metadata = await self._read("metadata", provider.idp_metadata)
        if found.until is not None and found.until <= self._identity.clock.now():
            raise SamlError("validUntil is over: newer metadata is needed")
        return found

    async def _read(self, function: str, *arguments: Any) -> Any:
        """Errors: SamlError."""

        def read() -> Any:
            return getattr(importlib.import_module("dcos.iam.saml_xml"), function)(*arguments)

        async with self._reading:
            return await asyncio.to_thread(read)

    def _key(self) -> bytes:
        """Signs what the browser keeps: the same on all masters."""
        pem = jwt.private_pem(self._identity.signing_key)
        return hashlib.sha256(b"dcos saml flow\0" + pem.encode()).digest()


def _id(request: web.Request) -> str:
    return check_gid(unquote(request.match_info["id"]))


def _unknown(name: str) -> IamError:
    return IamError(400, f"SAML provider `{name}` not known.", "ERR_UNKNOWN_SAML_PROVIDER_ID")
