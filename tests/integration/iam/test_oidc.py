"""Bouncer with an OpenID Connect provider over real HTTP: whole logins, and everything that must not log in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import jwt as pyjwt
import pytest

from dcos.testing.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProviderServer
from dcos.wire import jwt
from tests.unit.iam.served import KEY, NOW, Bouncer

pytestmark = pytest.mark.integration
_FLOW = "dcos-acs-oidc-flow"


@pytest.fixture
async def provider(bouncer: Bouncer) -> AsyncIterator[OidcProviderServer]:
    async with OidcProviderServer(bouncer.clock.now).running() as server:
        body = {
            "description": "Ours",
            "issuer": server.url,
            "base_url": "http://cluster.test",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        }
        assert (await bouncer.ask("PUT", "/auth/oidc/providers/ours", body))[0] == 201
        yield server


async def _begin(bouncer: Bouncer, target: str | None = None) -> tuple[str, str]:
    """(path of the callback with its query, cookie)."""
    query = {"oidc-provider": "ours", **({"target": target} if target else {})}
    _, _, reply = await bouncer.ask("GET", "/auth/login", params=query, allow_redirects=False)
    assert reply.status == 303, await reply.text()
    cookie = reply.cookies[_FLOW].value
    async with (
        aiohttp.ClientSession() as browser,
        browser.get(reply.headers["Location"], allow_redirects=False) as there,
    ):
        assert there.status == 302
        back = urlsplit(there.headers["Location"])
    assert f"{back.scheme}://{back.netloc}" == "http://cluster.test"
    assert back.path == "/acs/api/v1/auth/oidc/callback"
    return f"/auth/oidc/callback?{back.query}", cookie


async def _end(bouncer: Bouncer, path: str, cookie: str | None) -> tuple[int, Any, aiohttp.ClientResponse]:
    headers = {"Cookie": f"{_FLOW}={cookie}"} if cookie is not None else {}
    return await bouncer.ask("GET", path, headers=headers, allow_redirects=False)


async def test_a_whole_login(bouncer: Bouncer, provider: OidcProviderServer) -> None:
    shown = (await bouncer.ask("GET", "/auth/providers"))[1]["ours"]
    assert shown["authentication-type"] == "oidc-authorization-code-flow"
    path, cookie = await _begin(bouncer, "/services")
    status, _, reply = await _end(bouncer, path, cookie)
    assert (status, reply.headers["Location"]) == (303, "/services")
    assert reply.cookies["dcos-acs-auth-cookie"]["httponly"]
    assert jwt.verify(reply.cookies["dcos-acs-auth-cookie"].value, [KEY.public_key()], NOW).uid == "bob@example.org"
    _, user, _ = await bouncer.ask("GET", "/users/bob@example.org")
    assert (user["description"], user["provider_type"], user["provider_id"]) == ("Bob B.", "oidc", "ours")
    assert (await _end(bouncer, path, cookie))[0] == 401, "a code is good once"
    path, cookie = await _begin(bouncer, "dcos:authenticationresponse:html")
    status, page, reply = await _end(bouncer, path, cookie)
    assert status == 200
    assert reply.cookies["dcos-acs-auth-cookie"].value in page


async def test_settings(bouncer: Bouncer, provider: OidcProviderServer) -> None:
    assert (await bouncer.ask("GET", "/auth/oidc/providers"))[1] == {"ours": "Ours"}
    _, shown, _ = await bouncer.ask("GET", "/auth/oidc/providers/ours")
    assert (shown["client_id"], shown["client_secret"]) == (CLIENT_ID, "")
    assert (await bouncer.ask("PUT", "/auth/oidc/providers/ours", {}))[0] == 400
    assert (await bouncer.ask("PATCH", "/auth/oidc/providers/ours", {"description": "D"}))[0] == 204
    assert (await bouncer.ask("PATCH", "/auth/oidc/providers/ours", {"issuer": "ftp://x"}))[0] == 400
    path, cookie = await _begin(bouncer)
    assert (await _end(bouncer, path, cookie))[0] == 303, "the secret is still known"
    assert (await bouncer.ask("DELETE", "/auth/oidc/providers/ours"))[0] == 204
    for method in ("GET", "DELETE"):
        _, said, _ = await bouncer.ask(method, "/auth/oidc/providers/ours")
        assert said["code"] == "ERR_UNKNOWN_OIDC_PROVIDER_ID"
    _, _, reply = await bouncer.ask("GET", "/auth/login?oidc-provider=ours", allow_redirects=False)
    assert reply.headers["Location"] == "/?iam-error=unknown-provider"


def _hs256(claims: dict[str, Any], key: bytes) -> str:
    """As somebody forges who knows the public key: PyJWT refuses to."""

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    text = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    proof = hmac.digest(key, text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(proof).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"iss": "http://other"}, id="issuer"),
        pytest.param({"aud": "another client"}, id="audience"),
        pytest.param({"aud": [CLIENT_ID, "x"]}, id="two audiences"),
        pytest.param({"azp": "another client"}, id="authorized party"),
        pytest.param({"exp": NOW - 61}, id="over"),
        pytest.param({"exp": None}, id="no end"),
        pytest.param({"iat": NOW + 120}, id="of the future"),
        pytest.param({"nonce": "replayed"}, id="nonce"),
        pytest.param({"nonce": None}, id="no nonce"),
        pytest.param({"sub": ""}, id="subject"),
        pytest.param({"email": None}, id="no address"),
        pytest.param({"email_verified": False}, id="not verified"),
        pytest.param({"email_verified": "true"}, id="verified as text"),
        pytest.param({"email": "a" * 97 + "@x.org"}, id="long address"),
    ],
)
async def test_id_tokens_with_bad_claims(
    bouncer: Bouncer, provider: OidcProviderServer, change: dict[str, Any]
) -> None:
    provider.tamper = lambda claims: {k: v for k, v in {**claims, **change}.items() if v is not None}
    path, cookie = await _begin(bouncer)
    status, _, reply = await _end(bouncer, path, cookie)
    assert status == 401
    assert not reply.cookies
    assert (await bouncer.ask("GET", "/users"))[1] == {"array": []}


async def test_id_tokens_that_another_signed(bouncer: Bouncer, provider: OidcProviderServer) -> None:
    public = jwt.public_pem(provider.key.public_key()).encode()
    other = jwt.generate_key()
    for sign in (
        lambda claims: pyjwt.encode(claims, other, algorithm="RS256"),
        lambda claims: pyjwt.encode(claims, None, algorithm="none"),
        lambda claims: _hs256(claims, public),
        lambda claims: "not.a.token",
    ):
        provider.sign = sign
        path, cookie = await _begin(bouncer)
        assert (await _end(bouncer, path, cookie))[0] == 401


async def test_a_login_belongs_to_the_browser_that_began_it(bouncer: Bouncer, provider: OidcProviderServer) -> None:
    path, cookie = await _begin(bouncer)
    _, another = await _begin(bouncer)
    for wrong in (None, "", another, "x" * 40):
        assert (await _end(bouncer, path, wrong))[0] == 401
    bouncer.clock.seconds += 601
    assert (await _end(bouncer, path, cookie))[0] == 401


async def test_a_state_that_was_changed(bouncer: Bouncer, provider: OidcProviderServer) -> None:
    path, cookie = await _begin(bouncer)
    query = parse_qs(urlsplit(path).query)
    state, code = query["state"][0], query["code"][0]
    body, _, proof = state.partition(".")
    for wrong in ("", ".", body, f"{body}.", f"{body[:-2]}AA.{proof}", f".{proof}", "é.é"):
        bad = {"state": wrong, "code": code}
        status, _, _ = await bouncer.ask(
            "GET", "/auth/oidc/callback", params=bad, headers={"Cookie": f"{_FLOW}={cookie}"}, allow_redirects=False
        )
        assert status == 401


@pytest.mark.parametrize(
    "target",
    ["//evil.org", "https://evil.org/", "/\\evil.org", "\\\\evil.org", "javascript:x", "http://cluster.test@evil.org"],
)
async def test_nobody_is_sent_elsewhere(bouncer: Bouncer, provider: OidcProviderServer, target: str) -> None:
    query = {"oidc-provider": "ours", "target": target}
    assert (await bouncer.ask("GET", "/auth/login", params=query, allow_redirects=False))[0] == 400


async def test_accounts_of_other_kinds_are_not_taken_over(bouncer: Bouncer, provider: OidcProviderServer) -> None:
    await bouncer.ask("PUT", "/users/bob@example.org", {"password": "local password"})
    path, cookie = await _begin(bouncer)
    assert (await _end(bouncer, path, cookie))[0] == 401
    provider.email = "admin+x@example.org"
    path, cookie = await _begin(bouncer)
    assert (await _end(bouncer, path, cookie))[0] == 303
    assert (await bouncer.ask("GET", "/users/admin_x@example.org"))[0] == 200


async def test_id_tokens_by_post(bouncer: Bouncer, provider: OidcProviderServer) -> None:
    """The first user ever is made so; others must be there."""
    status, said, _ = await bouncer.ask("POST", "/auth/login", {"token": provider.id_token(None)})
    assert (status, jwt.verify(said["token"], [KEY.public_key()], NOW).uid) == (200, "bob@example.org")
    provider.email = "eve@example.org"
    assert (await bouncer.ask("POST", "/auth/login", {"token": provider.id_token(None)}))[0] == 401
    body = {"provider_type": "oidc", "provider_id": "ours"}
    assert (await bouncer.ask("PUT", "/users/eve@example.org", body))[0] == 201
    assert (await bouncer.ask("POST", "/auth/login", {"token": provider.id_token(None)}))[0] == 200


async def test_keys_of_the_provider_may_change(bouncer: Bouncer, provider: OidcProviderServer) -> None:
    path, cookie = await _begin(bouncer)
    assert (await _end(bouncer, path, cookie))[0] == 303
    provider.key = jwt.generate_key()
    path, cookie = await _begin(bouncer)
    assert (await _end(bouncer, path, cookie))[0] == 303
