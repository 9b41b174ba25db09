"""Tokens: what is trusted and what is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from dcos.wire import jwt
from dcos.wire.errors import WireError

KEY, OTHER = jwt.generate_key(), jwt.generate_key()
KEYS = [OTHER.public_key(), KEY.public_key()]
NOW = 1_000.0


def test_a_signed_token_tells_who_and_until_when() -> None:
    assert jwt.verify(jwt.sign("bob", 2_000, KEY), KEYS, NOW) == jwt.Claims("bob", 2_000.0)
    assert jwt.verify(jwt.sign("bob", None, KEY), KEYS, NOW) == jwt.Claims("bob", None)


def test_header_and_claims_are_bouncers() -> None:
    token = jwt.sign("bob", 2_000, KEY)
    assert pyjwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT"}
    assert pyjwt.decode(token, options={"verify_signature": False}) == {"uid": "bob", "exp": 2_000}


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        pytest.param("", "malformed", id="empty"),
        pytest.param("a.b.c", "malformed", id="garbage"),
        pytest.param("é.ü.ö", "malformed", id="not ascii"),
        pytest.param(jwt.sign("bob", 2_000, KEY)[:-1], "malformed", id="cut"),
        pytest.param(pyjwt.encode({"uid": "bob"}, "k" * 64, algorithm="HS256"), "malformed", id="shared secret"),
        pytest.param(pyjwt.encode({"uid": "bob"}, "", algorithm="none"), "malformed", id="unsigned"),
        pytest.param(jwt.sign("bob", 2_000, jwt.generate_key()), "signature", id="somebody else's key"),
        pytest.param(jwt.sign("bob", 1_000, KEY), "expired", id="ends now"),
        pytest.param(pyjwt.encode({"exp": 2_000}, KEY, algorithm="RS256"), "claims", id="no uid"),
        pytest.param(pyjwt.encode({"uid": 7}, KEY, algorithm="RS256"), "claims", id="uid not text"),
        pytest.param(pyjwt.encode({"uid": ""}, KEY, algorithm="RS256"), "claims", id="uid empty"),
        pytest.param(pyjwt.PyJWS().encode(b'["uid"]', KEY, algorithm="RS256"), "malformed", id="not an object"),
        pytest.param(pyjwt.PyJWS().encode(b'{"uid":"b","exp":"9"}', KEY, algorithm="RS256"), "claims", id="exp text"),
    ],
)
def test_what_is_not_trusted(token: str, reason: str) -> None:
    with pytest.raises(jwt.TokenError) as caught:
        jwt.verify(token, KEYS, NOW)
    assert caught.value.reason == reason


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _forged(header: dict[str, object], claims: dict[str, object], key: bytes) -> str:
    """Signed with HMAC, as somebody does who knows only public things."""
    text = f"{_part(header)}.{_part(claims)}"
    proof = hmac.digest(key, text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(proof).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    "algorithm", ["HS256", "HS512", "none", "None", "nOnE", "", "RS512", "PS256", "ES256", 5, None]
)
def test_a_token_does_not_choose_how_it_is_checked(algorithm: object) -> None:
    public = KEY.public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    jwk = jwt.to_jwk(public)
    for key in (jwt.public_pem(public).encode(), jwt.public_pem(public).strip().encode(), der, jwk["n"].encode(), b""):
        for more in ({}, {"kid": jwk["kid"]}, {"jwk": jwk}, {"jku": "http://evil"}, {"kid": "../../dev/null"}):
            token = _forged({"alg": algorithm, "typ": "JWT", **more}, {"uid": "admin", "exp": 2_000}, key)
            with pytest.raises(jwt.TokenError):
                jwt.verify(token, KEYS, NOW)
            with pytest.raises(jwt.TokenError):
                jwt.verify(token.rpartition(".")[0] + ".", KEYS, NOW)


@given(st.integers(min_value=0), st.characters(min_codepoint=33, max_codepoint=0x2FF))
def test_a_changed_token_never_says_something_else(place: int, letter: str) -> None:
    """The last letter of a signature has bits that mean nothing: those may differ."""
    token = jwt.sign("bob", 2_000, KEY)
    place %= len(token)
    changed = token[:place] + letter + token[place + 1 :]
    try:
        found = jwt.verify(changed, KEYS, NOW)
    except jwt.TokenError:
        return
    assert found == jwt.Claims("bob", 2_000.0)


@given(st.text(max_size=300))
def test_garbage_is_no_token(text: str) -> None:
    with pytest.raises(jwt.TokenError):
        jwt.verify(text, KEYS, NOW)


def test_without_keys_nothing_is_trusted() -> None:
    with pytest.raises(jwt.TokenError):
        jwt.verify(jwt.sign("bob", 2_000, KEY), [], NOW)


def test_key_sets_round_trip() -> None:
    document = {"keys": [jwt.to_jwk(KEY.public_key()), {"kty": "EC", "crv": "P-256"}]}
    (key,) = jwt.from_jwks(document)
    assert key.public_numbers() == KEY.public_key().public_numbers()
    assert set(document["keys"][0]) == {"kid", "kty", "n", "e", "alg", "use"}
    assert len(document["keys"][0]["kid"]) == 64


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": [{"kty": "RSA", "n": 5, "e": "AQAB"}]}])
def test_bad_key_sets_are_refused(document: object) -> None:
    with pytest.raises(WireError):
        jwt.from_jwks(document)


def test_pem_forms() -> None:
    assert jwt.private_pem(jwt.load_private_pem(jwt.private_pem(KEY))) == jwt.private_pem(KEY)
    assert jwt.load_public_pem(jwt.public_pem(KEY.public_key())).public_numbers() == KEY.public_key().public_numbers()
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    for bad in ("", "no pem", jwt.private_pem(KEY), jwt.public_pem(weak.public_key())):
        with pytest.raises(WireError):
            jwt.load_public_pem(bad)
