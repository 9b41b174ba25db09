"""The token that an executor shows to its agent: a JWT in HS256 that names framework, executor and container.

Source: Mesos 1.11 (JWT secret generator and authenticator): claims ``fid``, ``eid``, ``cid``. RFC 7515, 7519.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

import msgspec

_HEADER = {"alg": "HS256", "typ": "JWT"}


class TokenError(Exception):
    """Not a token of ours."""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    fid: str
    eid: str
    cid: str


def sign(key: bytes, claims: Claims) -> str:
    head = ".".join(_text(msgspec.json.encode(one)) for one in (_HEADER, claims))
    return f"{head}.{_text(_seal(key, head))}"


def verify(key: bytes, token: str) -> Claims:
    """Errors: TokenError."""
    head, _, seal = token.rpartition(".")
    _, _, body = head.partition(".")
    try:
        if not hmac.compare_digest(_bytes(seal), _seal(key, head)):
            raise TokenError
        return msgspec.json.decode(_bytes(body), type=Claims)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise TokenError from error


def _seal(key: bytes, head: str) -> bytes:
    return hmac.new(key, head.encode(), hashlib.sha256).digest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
