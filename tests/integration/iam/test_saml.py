"""Bouncer with pysaml2 as its SAML identity provider over real HTTP: whole logins, and what must not log in."""

from __future__ import annotations

import base64
import shutil
import time
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from saml2.xmldsig import DIGEST_SHA1, DIGEST_SHA512, SIG_RSA_SHA1, SIG_RSA_SHA512

from dcos.wire import jwt
from tests.integration.iam.saml_provider import SamlProviderServer
from tests.unit.iam.served import KEY, Bouncer

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="no xmlsec1 (package xmlsec1)"),
]
_BASE = "https://cluster.test"
_OURS = "/auth/saml/providers/ours"


@pytest.fixture
async def provider(bouncer: Bouncer, tmp_path: Path) -> AsyncIterator[SamlProviderServer]:
    bouncer.clock.seconds = time.time()  # pysaml2 has no other
    async with SamlProviderServer(tmp_path).running() as server:
        body = {"description": "Ours", "idp_metadata": server.metadata(), "sp_base_url": _BASE}
        assert (await bouncer.ask("PUT", _OURS, body))[0] == 201
        status, known, reply = await bouncer.ask("GET", f"{_OURS}/sp-metadata")
        assert (status, reply.content_type) == (200, "application/samlmetadata+xml")
        server.meet(known)
        yield server


class _Form(HTMLParser):
    """What a browser would post."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.where, self.fields = "", {}
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.where = found["action"]
        elif tag == "input" and "name" in found:
            self.fields[found["name"]] = found["value"]


async def _begin(bouncer: Bouncer, target: str | None = None) -> tuple[dict[str, str], str]:
    """(fields that the provider has the browser post, its cookie)."""
    query = {"saml-provider": "ours", **({"target": target} if target else {})}
    _, _, reply = await bouncer.ask("GET", "/auth/login", params=query, allow_redirects=False)
    assert reply.status == 303, await reply.text()
    (cookie,) = reply.cookies.values()
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "None")
    assert cookie["path"] == "/acs/api/v1/auth/saml/"
    async with aiohttp.ClientSession() as browser, browser.get(reply.headers["Location"]) as there:
        form = _Form(await there.text())
        assert there.status == 200
    assert form.where == f"{_BASE}/acs/api/v1{_OURS}/acs-callback"
    return form.fields, f"{cookie.key}={cookie.value}"


async def _end(
    bouncer: Bouncer, fields: dict[str, str], cookie: str | None, path: str = f"{_OURS}/acs-callback"
) -> tuple[int, Any, aiohttp.ClientResponse]:
    headers = {"Cookie": cookie} if cookie is not None else {}
    return await bouncer.ask("POST", path, data=fields, headers=headers, allow_redirects=False)


def _changed(fields: dict[str, str], old: str, new: str) -> dict[str, str]:
    text = base64.b64decode(fields["SAMLResponse"]).decode()
    assert old in text
    return {**fields, "SAMLResponse": base64.b64encode(text.replace(old, new).encode()).decode()}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"sign_assertion": True, "sign_response": False}, id="assertion"),
        pytest.param({"sign_assertion": False, "sign_response": True}, id="response"),
        pytest.param({"sign_assertion": True, "sign_response": True}, id="both"),
        pytest.param({"sign_assertion": True, "sign_alg": SIG_RSA_SHA512, "digest_alg": DIGEST_SHA512}, id="sha512"),
    ],
)
async def test_a_whole_login(bouncer: Bouncer, provider: SamlProviderServer, options: dict[str, Any]) -> None:
    provider.options = options
    shown = (await bouncer.ask("GET", "/auth/providers"))[1]["ours"]
    assert shown == {
        "authentication-type": "saml-sp-initiated",
        "description": "Ours",
        "client-method": "browser-prompt-authtoken",
        "config": {"start_flow_url": "/acs/api/v1/auth/login?saml-provider=ours"},
    }
    fields, cookie = await _begin(bouncer, "/services")
    status, _, reply = await _end(bouncer, fields, cookie)
    assert (status, reply.headers["Location"]) == (303, "/services")
    token = reply.cookies["dcos-acs-auth-cookie"]
    assert token["httponly"]
    assert jwt.verify(token.value, [KEY.public_key()], bouncer.clock.now()).uid == "bob@example.org"
    _, user, _ = await bouncer.ask("GET", "/users/bob@example.org")
    assert (user["description"], user["provider_type"], user["provider_id"]) == ("Bob B.", "saml", "ours")
    assert (await _end(bouncer, fields, cookie))[0] == 401, "an answer is good once"
    fields, cookie = await _begin(bouncer, "dcos:authenticationresponse:html")
    status, page, reply = await _end(bouncer, fields, cookie)
    assert (status, reply.cookies["dcos-acs-auth-cookie"].value in page) == (200, True)


async def test_what_the_provider_is_asked(bouncer: Bouncer, provider: SamlProviderServer) -> None:
    await _begin(bouncer)
    (asked,) = provider.requests
    where = f"{_BASE}/acs/api/v1{_OURS}"
    assert asked.issuer.text == f"{where}/sp-metadata"
    assert asked.assertion_consumer_service_url == f"{where}/acs-callback"
    assert asked.destination == f"{provider.url}/sso"


async def test_settings(bouncer: Bouncer, provider: SamlProviderServer) -> None:
    assert (await bouncer.ask("GET", "/auth/saml/providers"))[1] == {"ours": "Ours"}
    _, shown, _ = await bouncer.ask("GET", _OURS)
    assert shown == {"description": "Ours", "idp_metadata": provider.metadata(), "sp_base_url": _BASE}
    where = f"{_BASE}/acs/api/v1{_OURS}/acs-callback"
    assert (await bouncer.ask("GET", f"{_OURS}/acs-callback-url"))[1] == {"acs-callback-url": where}
    assert (await bouncer.ask("PUT", _OURS, shown))[1]["code"] == "ERR_SAML_PROVIDER_EXISTS"
    assert (await bouncer.ask("PUT", "/auth/saml/providers/x", {}))[0] == 400
    assert (await bouncer.ask("PATCH", _OURS, {"description": "D"}))[0] == 204
    assert (await bouncer.ask("GET", "/auth/saml/providers"))[1] == {"ours": "D"}
    for change in ({"sp_base_url": "ftp://x"}, {"idp_metadata": "<a/>"}, {"more": 1}, {"idp_metadata": "x" * 300_000}):
        status, said, _ = await bouncer.ask("PATCH", _OURS, change)
        assert (status, next(iter(change)) in said["description"]) == (400, True)
    assert (await bouncer.ask("DELETE", _OURS))[0] == 204
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("PATCH", ""),
        ("GET", "/sp-metadata"),
        ("GET", "/acs-callback-url"),
    ):
        body = {} if method == "PATCH" else None
        _, said, _ = await bouncer.ask(method, _OURS + path, body)
        assert said["code"] == "ERR_UNKNOWN_SAML_PROVIDER_ID"
    _, _, reply = await bouncer.ask("GET", "/auth/login?saml-provider=ours", allow_redirects=False)
    assert reply.headers["Location"] == "/?iam-error=unknown-provider"
    assert (await bouncer.ask("GET", "/auth/login"))[1]["code"] == "ERR_MISSING_QUERY_PARAMETERS"


async def test_what_nobody_gets_in_with(bouncer: Bouncer, provider: SamlProviderServer) -> None:
    fields, cookie = await _begin(bouncer)
    raw = base64.b64decode(fields["SAMLResponse"]).decode()
    wrong = [
        {},
        {"SAMLResponse": ""},
        {"SAMLResponse": "é"},
        {"SAMLResponse": "$$$"},
        {"SAMLResponse": base64.b64encode(b"<a/>").decode()},
        {"SAMLResponse": base64.b64encode(f"<!DOCTYPE x>{raw}".encode()).decode()},
        _changed(fields, "bob@example.org", "admin@example.org"),
        _changed(fields, f"{provider.url}/metadata", "http://other.test"),
    ]
    for bad in wrong:
        status, said, reply = await _end(bouncer, bad, cookie)
        assert (status, said["code"]) == (401, "ERR_INVALID_CREDENTIALS")
        assert not reply.cookies
    assert (await bouncer.ask("GET", "/users"))[1] == {"array": []}
    provider.options = {"sign_assertion": False, "sign_response": False}
    assert (await _end(bouncer, *await _begin(bouncer)))[0] == 401, "nothing is signed"
    provider.options = {"sign_assertion": True, "sign_alg": SIG_RSA_SHA1, "digest_alg": DIGEST_SHA1}
    assert (await _end(bouncer, *await _begin(bouncer)))[0] == 401, "SHA-1"
    assert (await _end(bouncer, fields, cookie))[0] == 303, "what was refused used nothing up"


async def test_a_login_belongs_to_the_browser_that_began_it(bouncer: Bouncer, provider: SamlProviderServer) -> None:
    fields, cookie = await _begin(bouncer)
    others, another = await _begin(bouncer)
    name, _, value = cookie.partition("=")
    body, _, proof = value.partition(".")
    stolen = f"{name}={another.partition('=')[2]}"
    for wrong in (None, another, stolen, f"{name}=", f"{name}=x", f"{name}={body}.", f"{name}=.{proof}", f"{name}=é.é"):
        assert (await _end(bouncer, fields, wrong))[0] == 401
    assert (await _end(bouncer, others, cookie))[0] == 401
    assert (await _end(bouncer, fields, f"{cookie}; {another}"))[0] == 303, "two tabs"
    bouncer.clock.seconds += 599
    later = await _begin(bouncer)
    bouncer.clock.seconds += 601
    assert (await _end(bouncer, *later))[0] == 401


async def test_an_answer_for_one_provider_is_none_for_another(bouncer: Bouncer, provider: SamlProviderServer) -> None:
    body = {"description": "Twin", "idp_metadata": provider.metadata(), "sp_base_url": _BASE}
    await bouncer.ask("PUT", "/auth/saml/providers/twin", body)
    fields, cookie = await _begin(bouncer)
    assert (await _end(bouncer, fields, cookie, "/auth/saml/providers/twin/acs-callback"))[0] == 401
    assert (await _end(bouncer, fields, cookie, "/auth/saml/providers/none/acs-callback"))[0] == 401
    assert (await _end(bouncer, fields, cookie))[0] == 303


@pytest.mark.parametrize(
    "target",
    [
        "//evil.org",
        "https://evil.org/",
        "/\\evil.org",
        "javascript:x",
        "https://cluster.test@evil.org",
        "/" + "x" * 2000,
    ],
)
async def test_nobody_is_sent_elsewhere(bouncer: Bouncer, provider: SamlProviderServer, target: str) -> None:
    query = {"saml-provider": "ours", "target": target}
    assert (await bouncer.ask("GET", "/auth/login", params=query, allow_redirects=False))[0] == 400
    fields, cookie = await _begin(bouncer)
    _, _, reply = await _end(bouncer, {**fields, "RelayState": target}, cookie)
    assert (reply.status, reply.headers["Location"]) == (303, "/")


async def test_accounts_of_other_kinds_are_not_taken_over(bouncer: Bouncer, provider: SamlProviderServer) -> None:
    await bouncer.ask("PUT", "/users/bob@example.org", {"password": "local password"})
    assert (await _end(bouncer, *await _begin(bouncer)))[0] == 401
    await bouncer.ask("PUT", "/users/ann@x.org", {"provider_type": "saml", "provider_id": "another"})
    provider.email = "ann@x.org"
    assert (await _end(bouncer, *await _begin(bouncer)))[0] == 401
    provider.email = "a+b@x.org"
    assert (await _end(bouncer, *await _begin(bouncer)))[0] == 401, "no uid, and nothing is replaced in it"
    await bouncer.ask("PUT", "/users/eve@x.org", {"provider_type": "saml", "provider_id": "ours"})
    provider.email = "eve@x.org"
    assert (await _end(bouncer, *await _begin(bouncer)))[0] == 303


async def test_finished_logins_are_forgotten_in_the_end(bouncer: Bouncer, provider: SamlProviderServer) -> None:
    for _ in range(2):
        assert (await _end(bouncer, *await _begin(bouncer)))[0] == 303
    assert len(await bouncer.store.children("/saml-answered") or ()) == 2
    old = await bouncer.store.children("/saml-answered") or ()
    await bouncer.store.create(f"/saml-answered/{int(time.time()) - 3601}-x", b"")
    assert (await _end(bouncer, *await _begin(bouncer)))[0] == 303
    left = await bouncer.store.children("/saml-answered") or ()
    assert (len(left), set(old) <= set(left)) == (3, True)


async def test_clusters_without_tls(bouncer: Bouncer, provider: SamlProviderServer) -> None:
    """Browsers take no cookie for other sites' requests there but one that says nothing."""
    await bouncer.ask("PATCH", _OURS, {"sp_base_url": "http://cluster.test/"})
    _, _, reply = await bouncer.ask("GET", "/auth/login?saml-provider=ours", allow_redirects=False)
    (header,) = reply.headers.getall("Set-Cookie")
    (cookie,) = SimpleCookie(header).values()
    assert (cookie["samesite"], cookie["secure"]) == ("", "")
    query = parse_qs(urlsplit(reply.headers["Location"]).query)
    assert set(query) == {"SAMLRequest"}
