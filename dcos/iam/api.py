"""The identity API below ``/acs/api/v1``.

Admin Router lets only holders of a valid token reach anything but ``/auth/`` and ``/uiconfig``; nothing is checked twice here.
Source: Bouncer (open edition); refused guesses (429) are ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web

from dcos.iam import persist
from dcos.iam.api_ldap import LdapApi
from dcos.iam.api_oidc import OidcApi
from dcos.iam.api_policy import PolicyApi
from dcos.iam.api_saml import SamlApi
from dcos.iam.core import login
from dcos.iam.core.errors import IamError, invalid_credentials, too_many_attempts, unknown_user
from dcos.iam.core.users import User, change, changed, check_uid, creation, shown
from dcos.iam.identity import Identity
from dcos.iam.requests import audit, empty, json_object, manners, source_of
from dcos.iam.requests import shown as answer
from dcos.iam.sessions import AUTH_COOKIE, let_in, token_for
from dcos.runtime import http, log
from dcos.wire import jwt
from dcos.wire.errors import WireError

PREFIX = "/acs/api/v1"
_CHANGE_TRIES = 5
_BODY_LIMIT = 1024**2
_log = log.get_logger("dcos-bouncer")

PROVIDERS = {
    "dcos-users": {
        "authentication-type": "dcos-uid-password",
        "description": "Default DC/OS login provider",
        "client-method": "dcos-usercredential-post-receive-authtoken",
        "config": {"start_flow_url": f"{PREFIX}/auth/login"},
    },
    "dcos-services": {
        "authentication-type": "dcos-uid-servicekey",
        "description": "Default DC/OS login provider for service accounts",
        "client-method": "dcos-servicecredential-post-receive-authtoken",
        "config": {"start_flow_url": f"{PREFIX}/auth/login"},
    },
}


def application(identity: Identity) -> web.Application:
    """The routes of dcos-bouncer."""
    app = http.application(client_max_size=_BODY_LIMIT, middlewares=(manners,))
    oidc, saml, ldap = OidcApi(identity), SamlApi(identity), LdapApi(identity)
    api = Api(identity, oidc, saml, ldap)
    app.add_routes(
        [
            web.post(f"{PREFIX}/auth/login", api.login),
            web.get(f"{PREFIX}/auth/login", api.away),
            *oidc.routes(PREFIX),
            *saml.routes(PREFIX),
            *ldap.routes(PREFIX),
            web.get(f"{PREFIX}/auth/logout", api.logout),
            web.get(f"{PREFIX}/auth/jwks", api.jwks),
            web.get(f"{PREFIX}/auth/providers", api.providers),
            web.get(f"{PREFIX}/uiconfig", api.ui_config),
            web.get(f"{PREFIX}/uiconfig/", api.ui_config),
            web.get(f"{PREFIX}/users", api.users),
            web.get(f"{PREFIX}/users/", api.users),
            web.get(f"{PREFIX}/users/{{uid}}", api.user),
            web.put(f"{PREFIX}/users/{{uid}}", api.add_user),
            web.patch(f"{PREFIX}/users/{{uid}}", api.change_user),
            web.delete(f"{PREFIX}/users/{{uid}}", api.delete_user),
            *PolicyApi(lambda: identity.known_policy, lambda: identity.store).routes(PREFIX),
        ]
    )
    return app


class Api:
    """One method per endpoint."""

    def __init__(self, identity: Identity, oidc: OidcApi, saml: SamlApi, ldap: LdapApi) -> None:
        self._identity = identity
        self._oidc = oidc
        self._saml = saml
        self._ldap = ldap

    # ---- login ---------------------------------------------------------------------------------------------------

    async def login(self, request: web.Request) -> web.Response:
        wanted = login.parse(await json_object(request))
        source = source_of(request)
        match wanted:
            case login.PasswordLogin(uid, password):
                user = await self._guarded(uid, source, lambda: self._by_password(uid, password))
                return self._logged_in(user, None, source, "password")
            case login.ServiceLogin(uid, token, exp):
                user = await self._guarded(uid, source, lambda: self._by_service_token(uid, token))
                return self._logged_in(user, exp, source, "service")
            case login.IdTokenLogin(token):
                user = await self._guarded("", source, lambda: self._oidc.by_id_token(token))
                return self._logged_in(user, None, source, "oidc")

    async def away(self, request: web.Request) -> web.Response:
        """To the login pages of an outside provider."""
        if request.query.get("oidc-provider"):
            return await self._oidc.start(request)
        if request.query.get("saml-provider"):
            return await self._saml.start(request)
        raise IamError(
            400,
            "One of the query parameters oidc-provider, saml-provider must be given.",
            "ERR_MISSING_QUERY_PARAMETERS",
        )

    async def _guarded(self, uid: str, source: str, check: Callable[[], Awaitable[User | None]]) -> User:
        """Count the try as failed beforehand, so that many at once gain nothing.   Errors: IamError."""
        limit, now = self._identity.limit, self._identity.clock.monotonic()
        who = (uid, source)
        wait_s = limit.wait_s(who, now)
        if wait_s > 0:
            audit("login", uid, source, "deny", "too many failures")
            raise too_many_attempts(wait_s)
        limit.failed(who, now)
        user = await check()
        if user is None:
            audit("login", uid, source, "deny", "bad credentials")
            raise invalid_credentials()
        limit.succeeded(who)
        return user

    async def _by_password(self, uid: str, password: str) -> User | None:
        user = await self._find(uid)
        if user is None or user.provider_type == "ldap":
            known = await self._ldap.by_password(user, uid, password)
            if known is not None or user is not None:
                return known
        stored = None if user is None else user.password_hash
        if not await self._identity.passwords.matches(password, stored) or user is None or stored is None:
            return None
        if self._identity.passwords.is_outdated(stored):
            await self._renew_hash(uid, stored, password)
        return user

    async def _renew_hash(self, uid: str, old: str, password: str) -> None:
        """Store a hash of today's strength, unless the account changed meanwhile."""
        fresh = await self._identity.passwords.hash(password)
        user, version = await persist.read_for_change(self._identity.store, uid)
        if user.password_hash == old:
            renewed = msgspec.structs.replace(user, password_hash=fresh)
            await persist.replace_user(self._identity.store, renewed, version)

    async def _by_service_token(self, uid: str, token: str) -> User | None:
        user = await self._find(uid)
        if user is None or user.public_key is None:
            return None
        try:
            key = jwt.load_public_pem(user.public_key)
            claims = jwt.verify(token, [key], self._identity.clock.now())
        except (jwt.TokenError, WireError):
            return None
        if claims.exp is None:
            _log.warning("service_login_token_without_end", uid=uid)
        return user if claims.uid == uid else None

    async def _find(self, uid: str) -> User | None:
        try:
            check_uid(uid)
        except IamError:
            return None
        return await persist.user(self._identity.store, uid)

    def _logged_in(self, user: User, asked_exp: int | None, source: str, how: str) -> web.Response:
        token = token_for(self._identity, user, asked_exp)
        return let_in(self._identity, answer({"token": token}), user, token, source=source, how=how)

    async def logout(self, _: web.Request) -> web.Response:
        response = empty(200)
        response.set_cookie(AUTH_COOKIE, "", path="/", httponly=True, expires="Sat, 01 Jan 2000 00:00:00 GMT")
        return response

    async def jwks(self, _: web.Request) -> web.Response:
        return answer({"keys": [jwt.to_jwk(key) for key in self._identity.public_keys]})

    async def providers(self, _: web.Request) -> web.Response:
        return answer({**PROVIDERS, **await self._oidc.shown(), **await self._saml.shown(), **await self._ldap.shown()})

    async def ui_config(self, _: web.Request) -> web.Response:
        return answer(
            {
                **_json_file(self._identity.ui_config),
                "clusterConfiguration": {
                    "firstUser": not await persist.any_user(self._identity.store),
                    "id": _text_file(self._identity.cluster_id),
                },
            }
        )

    # ---- users ---------------------------------------------------------------------------------------------------

    async def users(self, request: web.Request) -> web.Response:
        kind = request.query.get("type")
        if kind not in (None, "service"):
            raise IamError(400, "The query parameter type must be `service`.")
        found = await persist.users(self._identity.store)
        return answer({"array": [shown(user) for user in found if user.is_service == (kind == "service")]})

    async def user(self, request: web.Request) -> web.Response:
        uid = _uid(request)
        user = await persist.user(self._identity.store, uid)
        if user is None:
            raise unknown_user(uid)
        return answer(shown(user))

    async def add_user(self, request: web.Request) -> web.Response:
        wanted = creation(_uid(request), await json_object(request))
        user = wanted.user
        if wanted.password is not None:
            hashed = await self._identity.passwords.hash(wanted.password)
            user = msgspec.structs.replace(user, password_hash=hashed)
        await persist.add_user(self._identity.store, user)
        audit("user-add", request.headers.get("X-Dcos-Uid"), source_of(request), "allow", "changed", what=user.uid)
        return empty(201)

    async def change_user(self, request: web.Request) -> web.Response:
        uid = _uid(request)
        wanted = change(await json_object(request))
        hashed: str | None = None
        for _ in range(_CHANGE_TRIES):
            user, version = await persist.read_for_change(self._identity.store, uid)
            changed(user, wanted, None)  # refuses what cannot be before the password is hashed
            if wanted.password is not None and hashed is None:
                hashed = await self._identity.passwords.hash(wanted.password)
            if await persist.replace_user(self._identity.store, changed(user, wanted, hashed), version):
                what = f"{uid} password" if wanted.password is not None else uid
                audit(
                    "user-change", request.headers.get("X-Dcos-Uid"), source_of(request), "allow", "changed", what=what
                )
                return empty(204)
        raise IamError(503, "The account is being changed by others.", "ERR_BUSY")

    async def delete_user(self, request: web.Request) -> web.Response:
        uid = _uid(request)
        policy = self._identity.known_policy
        policy.check_may_go(uid)
        await persist.delete_user(self._identity.store, uid)
        await policy.forget_user(uid)
        audit("user-delete", request.headers.get("X-Dcos-Uid"), source_of(request), "allow", "changed", what=uid)
        return empty(204)


def _uid(request: web.Request) -> str:
    return check_uid(unquote(request.match_info["uid"]))


def _json_file(path: Path) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return {"uiConfiguration": {}}
    return value if isinstance(value, dict) else {"uiConfiguration": {}}


def _text_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
