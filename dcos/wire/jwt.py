"""Tokens and the keys that sign them: JWT in RS256 and JSON Web Key sets.

A token carries ``uid`` (who) and ``exp`` (unix seconds, may be absent in service login tokens); nothing else is read.
Only RS256 is accepted: the key decides the algorithm, never the token's header.   Source: RFC 7515, 7517, 7519; Bouncer.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dcos.wire.errors import WireError

ALGORITHM = "RS256"
KEY_BITS = 2048


class TokenError(Exception):
    """A token that is not to be trusted; ``reason`` is one word for logs: malformed, signature, expired, claims."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Claims:
    uid: str
    exp: float | None
    """Unix seconds; None: no end."""


def sign(uid: str, exp: int | None, key: rsa.RSAPrivateKey) -> str:
    """The compact form of a token for ``uid``."""
    claims: dict[str, Any] = {"uid": uid}
    if exp is not None:
        claims["exp"] = exp
    return jwt.encode(claims, key, algorithm=ALGORITHM)


def verify(token: str, keys: Sequence[rsa.RSAPublicKey], now: float) -> Claims:
    """Who the token speaks for, if one of ``keys`` signed it and it is not over at ``now``.   Errors: TokenError."""
    claims = signed_claims(token, keys)
    uid, exp = claims.get("uid"), claims.get("exp")
    if not isinstance(uid, str) or not uid:
        raise TokenError("claims")
    if exp is None:
        return Claims(uid, None)
    if isinstance(exp, bool) or not isinstance(exp, int | float):
        raise TokenError("claims")
    if not now < exp:
        raise TokenError("expired")
    return Claims(uid, float(exp))


def signed_claims(token: str, keys: Sequence[rsa.RSAPublicKey]) -> dict[str, Any]:
    """The claims, whatever they are: times are the caller's to judge.   Errors: TokenError."""
    for key in keys:
        try:
            claims = jwt.PyJWS().decode_complete(token, key, algorithms=[ALGORITHM])["payload"]
            decoded = msgspec.json.decode(claims)
        except jwt.InvalidSignatureError:
            continue
        except (jwt.PyJWTError, msgspec.DecodeError, UnicodeDecodeError, ValueError):
            raise TokenError("malformed") from None
        if not isinstance(decoded, dict):
            raise TokenError("malformed")
        return decoded
    raise TokenError("signature")


# ---- keys ------------------------------------------------------------------------------------------------------------


def generate_key() -> rsa.RSAPrivateKey:
    """A new signing key. Takes some tenths of a second: not on the event loop."""
    return rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)


def private_pem(key: rsa.RSAPrivateKey) -> str:
    """PKCS#8, unencrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def load_private_pem(text: str) -> rsa.RSAPrivateKey:
    """Errors: WireError."""
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise WireError("private_key", "must be a PEM encoded RSA key") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise WireError("private_key", "must be an RSA key")
    return key


def public_pem(key: rsa.RSAPublicKey) -> str:
    """SubjectPublicKeyInfo."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def load_public_pem(text: str) -> rsa.RSAPublicKey:
    """Errors: WireError."""
    if "-----BEGIN PUBLIC KEY-----" not in text:
        raise WireError("public_key", "must be a PEM encoded X.509 SubjectPublicKeyInfo")
    try:
        key = serialization.load_pem_public_key(text.encode())
    except (ValueError, TypeError) as error:
        raise WireError("public_key", "must be a PEM encoded X.509 SubjectPublicKeyInfo") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise WireError("public_key", "must be an RSA key")
    if key.key_size < KEY_BITS:
        raise WireError("public_key", f"must have at least {KEY_BITS} bits")
    return key


def to_jwk(key: rsa.RSAPublicKey) -> dict[str, str]:
    """One entry of a key set; ``kid`` follows Bouncer: SHA-256 over exponent, modulus and type."""
    numbers = key.public_numbers()
    kid = hashlib.sha256(f"{numbers.e}{numbers.n}RSA".encode()).hexdigest()
    return {
        "kid": kid,
        "kty": "RSA",
        "n": _base64url_number(numbers.n),
        "e": _base64url_number(numbers.e),
        "alg": ALGORITHM,
        "use": "sig",
    }


def from_jwks(document: object) -> tuple[rsa.RSAPublicKey, ...]:
    """The RSA keys of ``{"keys": [...]}``; keys of other types are left out.   Errors: WireError."""
    entries = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(entries, list):
        raise WireError("keys", "must be a list")
    keys = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, Mapping) or entry.get("kty") != "RSA":
            continue
        try:
            numbers = rsa.RSAPublicNumbers(_number(entry.get("e")), _number(entry.get("n")))
            keys.append(numbers.public_key())
        except (ValueError, TypeError) as error:
            raise WireError(f"keys[{index}]", "must be an RSA key") from error
    return tuple(keys)


def _base64url_number(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _number(text: object) -> int:
    if not isinstance(text, str) or not text:
        raise ValueError("not base64url text")
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
