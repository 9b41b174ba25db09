"""The API below ``/secrets/v1``: secrets of one store, ``default``.

Every request shows its token, which is checked here again, and needs a permission: ``dcos:secrets:default:/<path>`` with
create, read, update or delete, to list ``dcos:secrets:list:default:/<path>`` with read. A refusal names what is missing.
Source: DC/OS Secrets API 1.0.0; the texts of errors and the store's driver are ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from dcos.client.authority import Authority, AuthorityAway, audit_fields
from dcos.client.token_keys import Keys
from dcos.model import secret_paths
from dcos.model.permissions import SUPERUSER, Permission
from dcos.runtime import http, log
from dcos.secrets import persist
from dcos.store.base import Disconnected, Store, StoreError
from dcos.wire.authorization import token_in
from dcos.wire.jwt import TokenError
from dcos.wire.sealing import NONCE_BYTES, KeyRing, SealingError, Secret

PREFIX = "/secrets/v1"
STORE = "default"
MAX_BYTES = 900_000
"""Of one secret: a node of ZooKeeper holds a million."""
_PATIENCE_S = 10.0
_JSON, _BYTES = "application/json", "application/octet-stream"
_BACKEND = {
    "name": STORE,
    "description": "Default secret store",
    "driver": "zookeeper",
    "initialized": True,
    "sealed": False,
}
_log = log.get_logger("dcos-secrets")


@dataclass(slots=True, kw_only=True)
class Vault:
    """What the API works with. ``session`` is None while there is none with ZooKeeper."""

    ring: KeyRing
    keys: Keys
    authority: Authority
    random: Callable[[int], bytes]
    session: Store | None = None

    @property
    def store(self) -> Store:
        """Errors: Disconnected."""
        if self.session is None:
            raise Disconnected("no session")
        return self.session


class Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def _no_such(what: str) -> Refused:
    return Refused(404, f"{what} not found")


def application(vault: Vault) -> web.Application:
    """The routes of dcos-secrets."""
    app = http.application(client_max_size=2 * 1024**2, middlewares=(_manners,))
    api = Api(vault)
    secret = f"{PREFIX}/secret/{{store}}/{{path:.*}}"
    app.add_routes(
        [
            web.get(f"{PREFIX}/ping", api.ping),
            web.get(f"{PREFIX}/ping/backends/{{store}}", api.ping_store),
            web.get(f"{PREFIX}/store", api.stores),
            web.get(f"{PREFIX}/store/{{store}}", api.store),
            web.put(f"{PREFIX}/store/{{store}}", api.add_store),
            web.delete(f"{PREFIX}/store/{{store}}", api.delete_store),
            web.get(f"{PREFIX}/init/{{store}}", api.initialized),
            web.get(f"{PREFIX}/seal-status/{{store}}", api.seal_status),
            web.get(secret, api.read),
            web.put(secret, api.create),
            web.patch(secret, api.update),
            web.delete(secret, api.delete),
        ]
    )
    return app


class Api:
    """One method per endpoint."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    # ---- secrets -----------------------------------------------------------------------------------------------------

    async def read(self, request: web.Request) -> web.Response:
        if request.query.get("list", "").lower() in ("true", "1"):
            return await self._list(request)
        path = await self._admitted(request, "read")
        sealed = await persist.read(self._vault.store, STORE, path)
        return _shown(self._vault.ring.open(path, sealed), request.headers.get("Accept"))

    async def _list(self, request: web.Request) -> web.Response:
        """Paths below the one named, from there on."""
        _known_store(request)
        below = request.match_info["path"].strip("/")
        await self._allowed(request, Permission(f"dcos:secrets:list:{STORE}:/{below}", "read"))
        names = await persist.names(self._vault.store, STORE)
        start = f"{below}/" if below else ""
        return http.json_response({"array": [name.removeprefix(start) for name in names if name.startswith(start)]})

    async def create(self, request: web.Request) -> web.Response:
        path = await self._admitted(request, "create")
        await persist.add(self._vault.store, STORE, path, self._sealed(path, await _given(request)))
        return web.Response(status=201)

    async def update(self, request: web.Request) -> web.Response:
        path = await self._admitted(request, "update")
        await persist.replace(self._vault.store, STORE, path, self._sealed(path, await _given(request)))
        return web.Response(status=204)

    async def delete(self, request: web.Request) -> web.Response:
        path = await self._admitted(request, "delete")
        await persist.delete(self._vault.store, STORE, path)
        return web.Response(status=204)

    def _sealed(self, path: str, secret: Secret) -> bytes:
        return self._vault.ring.seal(path, secret, self._vault.random(NONCE_BYTES))

    async def _admitted(self, request: web.Request, action: str) -> str:
        """The secret's path, if the caller may do ``action`` to it.   Errors: Refused."""
        _known_store(request)
        try:
            path = secret_paths.check(request.match_info["path"])
        except ValueError as error:
            raise Refused(400, str(error)) from error
        await self._allowed(request, Permission(f"dcos:secrets:{STORE}:/{path}", action))
        return path

    async def _allowed(self, request: web.Request, wanted: Permission) -> None:
        """Errors: Refused."""
        uid = await self._uid(request)
        try:
            grants = await self._vault.authority.grants(uid)
        except AuthorityAway as error:
            raise Refused(503, str(error)) from error
        # upstream's ids have no slash before a path without a folder
        other = Permission(wanted.rid.replace(":/", ":", 1), wanted.action)
        allowed = grants.allow(wanted) or grants.allow(other)
        reason = "granted" if allowed else "not granted"
        source = request.headers.get("X-Real-IP") or request.remote or "unknown"
        said = audit_fields("secrets", uid, wanted, allowed=allowed, reason=reason, source=source)
        _log.info("audit", **said)
        if not allowed:
            raise Refused(403, f"forbidden: {uid} needs the permission {wanted.rid} with action {wanted.action}")

    async def _uid(self, request: web.Request) -> str:
        """Errors: Refused."""
        token = token_in(request.headers.get("Authorization", ""))
        try:
            if token is None:
                raise TokenError("missing")
            return (await self._vault.keys.check(token)).uid
        except TokenError as error:
            raise Refused(401, f"authentication token is not valid: {error.reason}") from error

    # ---- stores ------------------------------------------------------------------------------------------------------

    async def ping(self, _: web.Request) -> web.Response:
        return web.Response(text="pong")

    async def ping_store(self, request: web.Request) -> web.Response:
        if request.match_info["store"] not in (STORE, "all"):
            raise _no_such("store")
        await self._vault.store.exists("/")
        return web.Response(text="pong")

    async def stores(self, request: web.Request) -> web.Response:
        await self._uid(request)
        return http.json_response({"array": [_BACKEND]})

    async def store(self, request: web.Request) -> web.Response:
        await self._uid(request)
        _known_store(request)
        return http.json_response(_BACKEND)

    async def add_store(self, request: web.Request) -> web.Response:
        await self._allowed(request, Permission(SUPERUSER))
        if request.match_info["store"] == STORE:
            raise Refused(409, "secret store already exists")
        raise _no_such("driver")

    async def delete_store(self, request: web.Request) -> web.Response:
        await self._allowed(request, Permission(SUPERUSER))
        _known_store(request)
        raise Refused(403, "forbidden: the default store cannot be deleted")

    async def initialized(self, request: web.Request) -> web.Response:
        await self._uid(request)
        _known_store(request)
        return http.json_response({"initialized": True})

    async def seal_status(self, request: web.Request) -> web.Response:
        await self._uid(request)
        _known_store(request)
        return http.json_response({"sealed": False, "shares": 0, "threshold": 0, "progress": 0})


def _known_store(request: web.Request) -> None:
    if request.match_info["store"] != STORE:
        raise _no_such("store")


async def _given(request: web.Request) -> Secret:
    """Errors: Refused."""
    raw = await request.read()
    kind = request.content_type
    if kind == _BYTES and "Content-Type" in request.headers:
        secret = Secret(value=raw, binary=True)
    elif kind == _JSON:
        secret = Secret(value=_text(raw).encode())
    else:
        raise Refused(400, f"Content-Type must be {_JSON} or {_BYTES}")
    if len(secret.value) > MAX_BYTES:
        raise Refused(413, f"a secret has at most {MAX_BYTES} bytes")
    return secret


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    value: str


def _text(raw: bytes) -> str:
    """Errors: Refused. The decoder's own words could show a part of the secret."""
    try:
        return msgspec.json.decode(raw, type=_Body).value
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Refused(400, 'the body must be {"value": "text"}') from None


def _shown(secret: Secret, accept: str | None) -> web.Response:
    """As bytes or as JSON: what was given as bytes is only ever shown so.   Errors: Refused."""
    kinds = [part.partition(";")[0].strip().lower() for part in (accept or "*/*").split(",")]
    json_wanted = any(kind in (_JSON, "application/*", "*/*") for kind in kinds)
    bytes_wanted = any(kind in (_BYTES, "application/*", "*/*") for kind in kinds)
    headers = {"Cache-Control": "no-store"}
    if not secret.binary and json_wanted:
        return http.json_response({"value": secret.value.decode()}, headers=headers)
    if bytes_wanted:
        return web.Response(body=secret.value, content_type=_BYTES, headers=headers)
    raise Refused(400, f"the secret can only be shown as {_BYTES}" if secret.binary else f"Accept must allow {_JSON}")


@web.middleware
async def _manners(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turns refusals into bodies ``{code, message}``, and a store that cannot be reached into 503."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await handler(request)
    except Refused as error:
        return _answer(error.status, error.text)
    except persist.Unknown:
        return _answer(404, "secret not found")
    except persist.Exists:
        return _answer(409, "secret already exists")
    except SealingError as error:
        _log.error("secret_cannot_be_opened", why=str(error))
        return _answer(500, "the secret cannot be opened with the keys of this master")
    except web.HTTPNotFound:
        return _answer(404, "no such endpoint")
    except web.HTTPRequestEntityTooLarge:
        return _answer(413, f"a secret has at most {MAX_BYTES} bytes")
    except (StoreError, TimeoutError) as error:
        _log.warning("store_unavailable", path=request.path, error=repr(error))
        return _answer(503, "the data store cannot be reached")


def _answer(status: int, text: str) -> web.Response:
    body: dict[str, Any] = {"code": status, "message": text}
    headers = {"WWW-Authenticate": "acsjwt"} if status == 401 else {"Retry-After": "2"} if status == 503 else None
    return http.json_response(body, status=status, headers=headers)
