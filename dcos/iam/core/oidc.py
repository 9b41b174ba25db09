"""OpenID Connect, authorization code flow with PKCE: what is sent, what comes back, and whom an ID token speaks for.

Nothing is kept between the two halves of a login, so that any master can finish what another began: the state that travels by
the browser is signed, holds the provider, the way back and a nonce, and is bound to that browser by a cookie; the code verifier
follows from the nonce.   Source: OpenID Connect Core 1.0, RFC 7636; the mapping of e-mail addresses to uids is DC/OS's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from dcos.iam.core.errors import IamError, unexpected_input

CALLBACK = "/acs/api/v1/auth/oidc/callback"
SHOW_TOKEN = "dcos:authenticationresponse:html"
"""A target: the token is shown on a page, to be copied into a terminal."""
FLOW_S = 600
_LEEWAY_S = 60
_FOREIGN = re.compile(r"[^a-zA-Z0-9\-_@.]")


class OidcProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    description: str
    issuer: str
    base_url: str
    """Of this cluster, as browsers see it."""
    client_id: str
    client_secret: str
    verify_server_certificate: bool = True
    ca_certs: str = ""


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """One login on its way."""

    provider: str
    target: str
    nonce: str
    browser: str
    """SHA-256 of the cookie."""
    until: float


class OidcError(Exception):
    """What came back is not to be trusted; says why, for the log."""


def provider_of(body: Mapping[str, Any], before: OidcProvider | None = None) -> OidcProvider:
    """Errors: IamError. ``before``: what the body changes."""
    merged = {**(msgspec.to_builtins(before) if before is not None else {}), **body}
    try:
        made = msgspec.convert(merged, OidcProvider)
    except msgspec.ValidationError as error:
        raise unexpected_input(str(error)) from error
    for name, url in (("issuer", made.issuer), ("base_url", made.base_url)):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
            raise IamError(400, f"{name} must be an http or https URL.", "ERR_INVALID_DATA")
    return made


def check_target(target: str, base_url: str) -> str:
    """Where to go after the login: on this cluster only.   Errors: IamError."""
    if target == SHOW_TOKEN or (re.match(r"/(?![/\\])", target) and "\\" not in target and target.isprintable()):
        return target
    ours, theirs = urlsplit(base_url), urlsplit(target)
    if "\\" not in target and target.isprintable() and (theirs.scheme, theirs.netloc) == (ours.scheme, ours.netloc):
        return target
    raise IamError(400, "target must be on this cluster.", "ERR_INVALID_DATA")


# ---- the state -------------------------------------------------------------------------------------------------------


def pack(flow: Flow, key: bytes) -> str:
    raw = _base64(msgspec.json.encode(flow))
    return f"{raw}.{_base64(hmac.digest(key, raw.encode(), 'sha256'))}"


def unpack(text: str, key: bytes, cookie: str, now: float) -> Flow:
    """Errors: OidcError."""
    raw, _, proof = text.partition(".")
    if not hmac.compare_digest(proof.encode(), _base64(hmac.digest(key, raw.encode(), "sha256")).encode()):
        raise OidcError("the state is not ours")
    flow = msgspec.json.decode(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)), type=Flow)
    if not hmac.compare_digest(flow.browser, browser_mark(cookie)):
        raise OidcError("the login was begun in another browser")
    if not now < flow.until:
        raise OidcError("the login took too long")
    return flow


def browser_mark(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


def verifier(nonce: str, key: bytes) -> str:
    return _base64(hmac.digest(key, b"verifier\0" + nonce.encode(), "sha256"))


def authorization_url(endpoint: str, provider: OidcProvider, flow: Flow, key: bytes) -> str:
    """Where the browser is sent."""
    challenge = _base64(hashlib.sha256(verifier(flow.nonce, key).encode()).digest())
    query = {
        "response_type": "code",
        "scope": "openid email profile",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri(provider),
        "state": pack(flow, key),
        "nonce": flow.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def redirect_uri(provider: OidcProvider) -> str:
    return provider.base_url.rstrip("/") + CALLBACK


# ---- the ID token ----------------------------------------------------------------------------------------------------


def person(claims: Mapping[str, Any], provider: OidcProvider, nonce: str | None, now: float) -> tuple[str, str]:
    """(uid, description) of claims whose signature is good. ``nonce``: None where none was sent.   Errors: OidcError."""
    if claims.get("iss") != provider.issuer:
        raise OidcError("issuer")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
    if provider.client_id not in audiences:
        raise OidcError("audience")
    if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != provider.client_id:
        raise OidcError("authorized party")
    if not now < _time(claims, "exp") + _LEEWAY_S:
        raise OidcError("expired")
    if _time(claims, "iat") > now + _LEEWAY_S:
        raise OidcError("issued in the future")
    if nonce is not None and not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise OidcError("nonce")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise OidcError("subject")
    email = claims.get("email")
    if not isinstance(email, str) or not email or claims.get("email_verified") is not True:
        raise OidcError("no verified e-mail address")
    name = claims.get("name")
    return _FOREIGN.sub("_", email), name if isinstance(name, str) and name else email


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OidcError(name)
    return float(value)


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
