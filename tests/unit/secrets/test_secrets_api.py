"""The secrets API over the store's twin, with a bouncer's keys and permissions."""

from __future__ import annotations

import base64
import json
import os
import random
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from dcos.client.authority import Authority
from dcos.client.token_keys import Keys
from dcos.runtime import http, log
from dcos.runtime.clock import SystemClock
from dcos.secrets.api import MAX_BYTES, Vault, application
from dcos.store.memory import MemoryEnsemble
from dcos.wire import jwt
from dcos.wire.sealing import read_keys

KEY = jwt.generate_key()
_RIGHTS = {
    "admin": [("dcos:superuser", "full")],
    "dev": [("dcos:secrets:default:/dev", "full"), ("dcos:secrets:list:default:/dev", "read")],
    "reader": [("dcos:secrets:default:/dev/db", "read"), ("dcos:secrets:default:plain", "read")],
    "nobody": [],
}


def _token(uid: str, end: int | None = None) -> dict[str, str]:
    return {"Authorization": f"token={jwt.sign(uid, end, KEY)}"}


def _bouncer() -> web.Application:
    async def jwks(_: web.Request) -> web.Response:
        return web.json_response({"keys": [jwt.to_jwk(KEY.public_key())]})

    async def permissions(request: web.Request) -> web.Response:
        rights = _RIGHTS.get(request.match_info["uid"])
        if rights is None:
            return web.json_response({"code": "ERR_UNKNOWN_USER_ID"}, status=400)
        rows = [{"rid": rid, "actions": [{"name": action, "url": ""}]} for rid, action in rights]
        return web.json_response({"direct": rows, "groups": []})

    app = web.Application()
    app.add_routes(
        [web.get("/acs/api/v1/auth/jwks", jwks), web.get("/acs/api/v1/users/{uid}/permissions", permissions)]
    )
    return app


class Served:
    def __init__(self, client: aiohttp.ClientSession, ensemble: MemoryEnsemble) -> None:
        self._client = client
        self.ensemble = ensemble

    async def ask(
        self,
        method: str,
        path: str,
        *,
        uid: str | None = "admin",
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> tuple[int, Any]:
        said = {**(_token(uid) if uid is not None else {}), **(headers or {})}
        async with self._client.request(method, f"/secrets/v1{path}", headers=said, **options) as reply:
            raw = await reply.read()
            return reply.status, json.loads(raw) if reply.content_type == "application/json" else raw


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    ensemble, clock = MemoryEnsemble(), SystemClock()
    async with (
        http.listen(_bouncer(), host="127.0.0.1", port=0) as (host, port),
        http.session() as session,
    ):
        url, logger = f"http://{host}:{port}", log.get_logger("test")
        keys = Keys(f"{url}/acs/api/v1/auth/jwks", session, clock=clock, rng=random.Random(1), log=logger)
        await keys.refresh()
        vault = Vault(
            ring=read_keys(base64.b64encode(bytes(32)).decode()),
            keys=keys,
            authority=Authority(url, session, clock=clock, log=logger),
            random=os.urandom,
            session=ensemble.session(),
        )
        async with (
            http.listen(application(vault), host="127.0.0.1", port=0) as (own, own_port),
            aiohttp.ClientSession(f"http://{own}:{own_port}") as client,
        ):
            yield Served(client, ensemble)


async def test_the_life_of_a_secret(served: Served) -> None:
    at = "/secret/default/dev/db/password"
    assert await served.ask("GET", at) == (404, {"code": 404, "message": "secret not found"})
    assert await served.ask("PATCH", at, json={"value": "x"}) == (404, {"code": 404, "message": "secret not found"})
    assert await served.ask("PUT", at, json={"value": "grüße"}) == (201, b"")
    assert await served.ask("PUT", at, json={"value": "y"}) == (409, {"code": 409, "message": "secret already exists"})
    assert await served.ask("GET", at) == (200, {"value": "grüße"})
    assert await served.ask("GET", at, headers={"Accept": "application/octet-stream"}) == (200, "grüße".encode())
    assert await served.ask("PATCH", at, json={"value": "other"}) == (204, b"")
    assert await served.ask("GET", at) == (200, {"value": "other"})
    assert await served.ask("DELETE", at) == (204, b"")
    assert (await served.ask("DELETE", at))[0] == 404


async def test_bytes_stay_bytes(served: Served) -> None:
    at, raw = "/secret/default/keytab", bytes(range(256))
    headers = {"Content-Type": "application/octet-stream"}
    assert await served.ask("PUT", at, data=raw, headers=headers) == (201, b"")
    assert await served.ask("GET", at) == (200, raw)
    assert (await served.ask("GET", at, headers={"Accept": "application/json"}))[0] == 400
    assert (await served.ask("PATCH", at, data=b"text", headers=headers))[0] == 204
    assert await served.ask("GET", at) == (200, b"text")


async def test_names_are_listed_below_a_path(served: Served) -> None:
    for path in ("top", "dev/a", "dev/b/c"):
        assert (await served.ask("PUT", f"/secret/default/{path}", json={"value": "v"}))[0] == 201
    assert (await served.ask("GET", "/secret/default/?list=true"))[1] == {"array": ["dev/a", "dev/b/c", "top"]}
    assert (await served.ask("GET", "/secret/default/dev?list=true", uid="dev"))[1] == {"array": ["a", "b/c"]}
    assert (await served.ask("GET", "/secret/default/?list=true", uid="dev"))[0] == 403


async def test_rights_are_apart_and_refusals_name_what_is_missing(served: Served) -> None:
    for path in ("dev/db", "dev/other", "plain"):
        await served.ask("PUT", f"/secret/default/{path}", json={"value": "v"})
    assert (await served.ask("GET", "/secret/default/dev/db", uid="reader"))[0] == 200
    assert (await served.ask("GET", "/secret/default/plain", uid="reader"))[0] == 200
    status, said = await served.ask("PATCH", "/secret/default/dev/db", uid="reader", json={"value": "w"})
    assert (status, said["message"]) == (
        403,
        "forbidden: reader needs the permission dcos:secrets:default:/dev/db with action update",
    )
    assert (await served.ask("GET", "/secret/default/dev/other", uid="reader"))[0] == 403
    assert (await served.ask("PUT", "/secret/default/dev/new", uid="dev", json={"value": "w"}))[0] == 201
    for uid in ("nobody", "unknown"):
        assert (await served.ask("GET", "/secret/default/dev/db", uid=uid))[0] == 403
        assert (await served.ask("GET", "/secret/default/missing", uid=uid))[0] == 403, "existence is not told"


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        pytest.param("/secret/default/../x", {"json": {"value": "v"}}, 404, id="folded by the client"),
        pytest.param("/secret/default/a/%2e%2e/x", {"json": {"value": "v"}}, 201, id="folded by the client too"),
        pytest.param("/secret/default/a%2F..%2Fx", {"json": {"value": "v"}}, 400, id="escaped slashes"),
        pytest.param("/secret/default/a//b", {"json": {"value": "v"}}, 400, id="empty part"),
        pytest.param("/secret/default/a%00b", {"json": {"value": "v"}}, 400, id="NUL"),
        pytest.param("/secret/default/" + "a" * 600, {"json": {"value": "v"}}, 400, id="long"),
        pytest.param("/secret/default/", {"json": {"value": "v"}}, 400, id="no name"),
        pytest.param("/secret/other/x", {"json": {"value": "v"}}, 404, id="store"),
        pytest.param("/secret/default/x", {"json": {"value": 1}}, 400, id="number"),
        pytest.param("/secret/default/x", {"json": {"value": "v", "more": 1}}, 400, id="more fields"),
        pytest.param("/secret/default/x", {"data": b"v", "headers": {"Content-Type": "text/plain"}}, 400, id="type"),
        pytest.param("/secret/default/x", {"json": {"value": "v" * (MAX_BYTES + 1)}}, 413, id="too long"),
    ],
)
async def test_what_cannot_be_stored(served: Served, path: str, options: dict[str, Any], status: int) -> None:
    assert (await served.ask("PUT", path, **options))[0] == status


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="none"),
        pytest.param("token=", id="empty"),
        pytest.param(f"token={jwt.sign('admin', 1, KEY)}", id="over"),
        pytest.param(f"token={jwt.sign('admin', None, jwt.generate_key())}", id="another key"),
        pytest.param("Basic YWRtaW46YWRtaW4=", id="basic"),
    ],
)
async def test_a_good_token_is_needed(served: Served, header: str | None) -> None:
    headers = {"Authorization": header} if header is not None else {}
    for path in ("/secret/default/x", "/store", "/seal-status/default"):
        assert (await served.ask("GET", path, uid=None, headers=headers))[0] == 401


async def test_there_is_one_store(served: Served) -> None:
    assert await served.ask("GET", "/ping", uid=None) == (200, b"pong")
    _, stores = await served.ask("GET", "/store", uid="nobody")
    assert [(one["name"], one["sealed"]) for one in stores["array"]] == [("default", False)]
    assert (await served.ask("GET", "/store/none"))[0] == 404
    assert (await served.ask("PUT", "/store/default", json={"driver": "vault"}))[0] == 409
    assert (await served.ask("DELETE", "/store/default"))[0] == 403
    assert (await served.ask("DELETE", "/store/default", uid="dev"))[0] == 403
