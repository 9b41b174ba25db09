"""Tokens: what is trusted and what is not."""

from __future__ import annotations

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

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
