"""The identity API over the store's twin."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from dcos.iam import persist
from dcos.wire import jwt
from tests.unit.iam.served import ACCOUNT_KEY, ACCOUNT_PEM, KEY, NOW, Bouncer


async def test_users_come_change_and_go(bouncer: Bouncer) -> None:
    assert (await bouncer.ask("PUT", "/users/bob", {"password": "secret", "description": "Bob"}))[:2] == (201, "")
    assert (await bouncer.ask("PUT", "/users/svc", {"public_key": ACCOUNT_PEM}))[0] == 201
    assert (await bouncer.ask("PUT", "/users/..", {"password": "secret"}))[0] == 404  # a client folds the path
    assert (await bouncer.ask("PUT", "/users/eve@x.org", {}))[0] == 201
    status, users, _ = await bouncer.ask("GET", "/users")
    assert (status, [user["uid"] for user in users["array"]]) == (200, ["bob", "eve@x.org"])
    _, services, _ = await bouncer.ask("GET", "/users?type=service")
    assert services == {"array": [dict(services["array"][0], uid="svc", is_service=True, public_key=ACCOUNT_PEM)]}
    status, bob, reply = await bouncer.ask("GET", "/users/bob")
    assert (status, bob["description"], bob["provider_type"]) == (200, "Bob", "internal")
    assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
    assert (await bouncer.ask("PATCH", "/users/bob", {"description": "B"}))[:2] == (204, "")
    assert (await bouncer.ask("GET", "/users/bob"))[1]["description"] == "B"
    assert (await bouncer.ask("DELETE", "/users/bob"))[:2] == (204, "")
    status, body, _ = await bouncer.ask("GET", "/users/bob")
    assert (status, body["code"], body["title"]) == (400, "ERR_UNKNOWN_USER_ID", "400 Bad Request")


async def test_answers_are_shown_with_two_spaces(bouncer: Bouncer) -> None:
    async with bouncer.client.get("/acs/api/v1/users") as reply:
        assert await reply.text() == '{\n  "array": []\n}\n'


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        pytest.param("PUT", "/users/there", {"json": {"password": "secret"}}, 409, "ERR_USER_EXISTS", id="exists"),
        pytest.param("PUT", "/users/a%20b", {"json": {"password": "secret"}}, 400, "ERR_INVALID_USER_ID", id="bad uid"),
        pytest.param("PUT", "/users/new", {"json": {"password": "abc"}}, 400, "ERR_INVALID_DATA", id="short"),
        pytest.param("PUT", "/users/new", {"json": {"pass": "secret"}}, 400, None, id="unexpected field"),
        pytest.param("PUT", "/users/new", {"json": ["x"]}, 400, None, id="not an object"),
        pytest.param("PUT", "/users/new", {}, 400, None, id="no body"),
        pytest.param("PUT", "/users/new", {"data": {"password": "x"}}, 400, None, id="form"),
        pytest.param(
            "PUT",
            "/users/new",
            {"data": b"{", "headers": {"Content-Type": "application/json"}},
            400,
            None,
            id="bad JSON",
        ),
        pytest.param(
            "PUT",
            "/users/new",
            {"data": b"\xff", "headers": {"Content-Type": "application/json"}},
            400,
            None,
            id="bad UTF-8",
        ),
        pytest.param(
            "PUT", "/users/new", {"data": b"{}", "headers": {"Content-Type": "text/plain"}}, 415, None, id="other type"
        ),
        pytest.param("PATCH", "/users/there", {"json": {}}, 400, "ERR_INVALID_DATA", id="empty change"),
        pytest.param(
            "PATCH", "/users/none", {"json": {"description": "d"}}, 400, "ERR_UNKNOWN_USER_ID", id="change none"
        ),
        pytest.param("DELETE", "/users/none", {}, 400, "ERR_UNKNOWN_USER_ID", id="delete none"),
        pytest.param("GET", "/users?type=other", {}, 400, None, id="unknown type"),
        pytest.param("GET", "/auth/login", {}, 400, "ERR_MISSING_QUERY_PARAMETERS", id="no provider"),
        pytest.param("GET", "/nowhere", {}, 404, None, id="no such endpoint"),
        pytest.param("POST", "/users", {"json": {}}, 405, None, id="method"),
        pytest.param("GET", "/users", {"headers": {"Accept": "text/html"}}, 406, None, id="accept"),
        pytest.param("GET", "/users", {"headers": {"Accept": "application/json;q=0"}}, 406, None, id="accept not"),
    ],
)
async def test_refusals(
    bouncer: Bouncer, method: str, path: str, options: dict[str, Any], status: int, code: str | None
) -> None:
    await bouncer.ask("PUT", "/users/there", {"password": "secret"})
    async with bouncer.client.request(method, f"http://{_origin(bouncer)}/acs/api/v1{path}", **options) as reply:
        body = await reply.json()
    assert (reply.status, body.get("code")) == (status, code)
    assert body["title"].startswith(str(status))
    assert isinstance(body["description"], str)


def _origin(bouncer: Bouncer) -> str:
    base = bouncer.client._base_url
    assert base is not None
    return f"{base.host}:{base.port}"


async def test_login_by_password(bouncer: Bouncer) -> None:
    await bouncer.ask("PUT", "/users/bob", {"password": "secret", "description": "Bob"})
    status, body, reply = await bouncer.ask("POST", "/auth/login", {"uid": "bob", "password": "secret"})
    assert status == 200
    claims = jwt.verify(body["token"], [KEY.public_key()], NOW)
    assert claims == jwt.Claims("bob", NOW + 5 * 86400)
    auth, info = reply.cookies["dcos-acs-auth-cookie"], reply.cookies["dcos-acs-info-cookie"]
    assert (auth.value, auth["path"], auth["max-age"], bool(auth["httponly"])) == (body["token"], "/", "432000", True)
    assert auth["samesite"] == "Lax"
    assert (auth["domain"], auth["secure"]) == ("", "")
    assert (info["path"], info["max-age"], bool(info["httponly"])) == ("/", "432000", False)
    shown = json.loads(base64.b64decode(info.value))
    assert shown == {"uid": "bob", "description": "Bob", "is_remote": False}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"uid": "bob", "password": "wrong"}, id="wrong password"),
        pytest.param({"uid": "nobody", "password": "secret"}, id="unknown user"),
        pytest.param({"uid": "svc", "password": "secret"}, id="service account with password"),
        pytest.param({"uid": "no such uid/", "password": "secret"}, id="impossible uid"),
        pytest.param({"uid": "svc", "token": jwt.sign("svc", int(NOW) + 60, KEY)}, id="token of another key"),
        pytest.param({"uid": "svc", "token": jwt.sign("bob", int(NOW) + 60, ACCOUNT_KEY)}, id="token for another"),
        pytest.param({"uid": "svc", "token": jwt.sign("svc", int(NOW), ACCOUNT_KEY)}, id="token over"),
        pytest.param({"uid": "bob", "token": jwt.sign("bob", int(NOW) + 60, ACCOUNT_KEY)}, id="no service account"),
        pytest.param({"token": "x.y.z"}, id="id token"),
    ],
)
async def test_failed_logins_are_all_alike(bouncer: Bouncer, body: dict[str, str]) -> None:
    await bouncer.ask("PUT", "/users/bob", {"password": "secret"})
    await bouncer.ask("PUT", "/users/svc", {"public_key": ACCOUNT_PEM})
    status, answer, reply = await bouncer.ask("POST", "/auth/login", body)
    assert status == 401
    assert answer == {
        "title": "401 Unauthorized",
        "description": "Invalid credentials.",
        "code": "ERR_INVALID_CREDENTIALS",
    }
    assert reply.headers["WWW-Authenticate"] == "acsjwt"
    assert not reply.cookies


async def test_login_by_service_token(bouncer: Bouncer) -> None:
    await bouncer.ask("PUT", "/users/svc", {"public_key": ACCOUNT_PEM})
    for end in (int(NOW) + 60, None):
        body = {"uid": "svc", "token": jwt.sign("svc", end, ACCOUNT_KEY)}
        status, answer, _ = await bouncer.ask("POST", "/auth/login", body)
        assert status == 200
        assert jwt.verify(answer["token"], [KEY.public_key()], NOW).uid == "svc"
    _, answer, _ = await bouncer.ask("POST", "/auth/login", {**body, "exp": 0})
    assert jwt.verify(answer["token"], [KEY.public_key()], NOW).exp is None


async def test_a_changed_password_holds_at_once(bouncer: Bouncer) -> None:
    await bouncer.ask("PUT", "/users/bob", {"password": "secret"})
    assert (await bouncer.ask("PATCH", "/users/bob", {"password": "other"}))[0] == 204
    assert (await bouncer.ask("POST", "/auth/login", {"uid": "bob", "password": "secret"}))[0] == 401
    assert (await bouncer.ask("POST", "/auth/login", {"uid": "bob", "password": "other"}))[0] == 200


async def test_guessing_is_slowed_down_per_uid_and_source(bouncer: Bouncer) -> None:
    await bouncer.ask("PUT", "/users/bob", {"password": "secret"})
    here, there = {"X-Real-IP": "10.0.0.1"}, {"X-Real-IP": "10.0.0.2"}
    right, wrong = {"uid": "bob", "password": "secret"}, {"uid": "bob", "password": "wrong"}
    for _ in range(3):
        assert (await bouncer.ask("POST", "/auth/login", wrong, headers=here))[0] == 401
    status, body, reply = await bouncer.ask("POST", "/auth/login", right, headers=here)
    assert (status, body["code"], reply.headers["Retry-After"]) == (429, "ERR_TOO_MANY_ATTEMPTS", "10")
    assert (await bouncer.ask("POST", "/auth/login", right, headers=there))[0] == 200
    bouncer.clock.seconds += 10
    assert (await bouncer.ask("POST", "/auth/login", right, headers=here))[0] == 200
    assert (await bouncer.ask("POST", "/auth/login", wrong, headers=here))[0] == 401


async def test_a_crypt_hash_is_renewed_at_login(bouncer: Bouncer) -> None:
    row = json.loads((Path(__file__).parents[2] / "golden/iam/sha_crypt.json").read_text())[0]
    await persist.add_user(bouncer.store, persist.User(uid="old", password_hash=row["hash"]))
    body = {"uid": "old", "password": row["password"]}
    assert (await bouncer.ask("POST", "/auth/login", body))[0] == 200
    user = await persist.user(bouncer.store, "old")
    assert user is not None
    assert (user.password_hash or "").startswith("$argon2id$")
    assert (await bouncer.ask("POST", "/auth/login", body))[0] == 200


async def test_logout_ends_the_cookie(bouncer: Bouncer) -> None:
    status, _, reply = await bouncer.ask("GET", "/auth/logout")
    assert (status, list(reply.cookies)) == (200, ["dcos-acs-auth-cookie"])
    assert "2000" in reply.cookies["dcos-acs-auth-cookie"]["expires"]


async def test_key_set_and_providers(bouncer: Bouncer) -> None:
    status, keys, _ = await bouncer.ask("GET", "/auth/jwks")
    assert (status, keys) == (200, {"keys": [jwt.to_jwk(KEY.public_key())]})
    _, providers, _ = await bouncer.ask("GET", "/auth/providers")
    assert {name: row["client-method"] for name, row in providers.items()} == {
        "dcos-users": "dcos-usercredential-post-receive-authtoken",
        "dcos-services": "dcos-servicecredential-post-receive-authtoken",
    }


async def test_ui_config_tells_whether_anybody_can_log_in(bouncer: Bouncer) -> None:
    _, before, _ = await bouncer.ask("GET", "/uiconfig/")
    assert before == {
        "uiConfiguration": {"plugins": {}},
        "clusterConfiguration": {"firstUser": True, "id": "the-id"},
    }
    await bouncer.ask("PUT", "/users/bob", {"password": "secret"})
    assert (await bouncer.ask("GET", "/uiconfig"))[1]["clusterConfiguration"]["firstUser"] is False


async def test_without_a_store_only_the_key_set_is_served(bouncer: Bouncer) -> None:
    bouncer.identity.session = None
    assert (await bouncer.ask("GET", "/users"))[0] == 503
    assert (await bouncer.ask("POST", "/auth/login", {"uid": "a", "password": "b"}))[0] == 503
    assert (await bouncer.ask("GET", "/auth/jwks"))[0] == 200


async def test_changes_at_the_same_time_are_not_lost(bouncer: Bouncer, monkeypatch: pytest.MonkeyPatch) -> None:
    await bouncer.ask("PUT", "/users/bob", {"password": "secret"})
    original, raced = persist.read_for_change, False

    async def read_and_lose(store: Any, uid: str) -> Any:
        nonlocal raced
        found = await original(store, uid)
        if not raced:
            raced = True
            await persist.replace_user(store, persist.User(uid=uid, description="theirs", password_hash="h"), found[1])
        return found

    monkeypatch.setattr(persist, "read_for_change", read_and_lose)
    assert (await bouncer.ask("PATCH", "/users/bob", {"password": "other"}))[0] == 204
    user = await persist.user(bouncer.store, "bob")
    assert user is not None
    assert (user.description, (user.password_hash or "")[:9]) == ("theirs", "$argon2id")
