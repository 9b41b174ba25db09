"""Sealing of secrets: AES-256 in GCM, bound to the path.

A key ring is text: one key a line, 32 bytes in base64; the first seals, all open, so a key is replaced by putting a new one
in front and writing the secrets again. A sealed secret is MessagePack of version, key id, nonce and ciphertext; its path is
authenticated with it, so that what is kept under one name cannot be passed off as another.
Source: NIST SP 800-38D; nonces are random, 96 bits.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = 12


class SealingError(Exception):
    """A key or a sealed secret that cannot be used; never says what is in it."""


class Secret(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is sealed. ``binary``: it was given as bytes, and is no JSON text."""

    value: bytes
    binary: bool = False


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    version: int
    key: str
    nonce: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by id, the one that seals first."""

    keys: tuple[tuple[str, AESGCM], ...] = field(repr=False)

    def seal(self, path: str, secret: Secret, nonce: bytes) -> bytes:
        """``nonce``: fresh random bytes, never used twice."""
        name, key = self.keys[0]
        data = key.encrypt(nonce, msgspec.msgpack.encode(secret), _bound(path))
        return msgspec.msgpack.encode(_Sealed(VERSION, name, nonce, data))

    def is_newest(self, raw: bytes) -> bool:
        """Whether ``raw`` was sealed with the key that seals."""
        try:
            return msgspec.msgpack.decode(raw, type=_Sealed).key == self.keys[0][0]
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False

    def open(self, path: str, raw: bytes) -> Secret:
        """Errors: SealingError."""
        try:
            sealed = msgspec.msgpack.decode(raw, type=_Sealed)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise SealingError(f"{path}: this is no sealed secret") from error
        if sealed.version != VERSION:
            raise SealingError(f"{path}: sealed by version {sealed.version}")
        key = dict(self.keys).get(sealed.key)
        if key is None:
            raise SealingError(f"{path}: sealed with a key that is not in the key file")
        try:
            return msgspec.msgpack.decode(key.decrypt(sealed.nonce, sealed.sealed, _bound(path)), type=Secret)
        except (InvalidTag, ValueError, msgspec.MsgspecError) as error:
            raise SealingError(f"{path}: it was changed, or belongs to another path") from error


def read_keys(text: str) -> KeyRing:
    """Errors: SealingError."""
    keys = []
    for number, line in enumerate(text.split(), start=1):
        try:
            raw = base64.b64decode(line, validate=True)
        except binascii.Error as error:
            raise SealingError(f"key {number} is not base64") from error
        if len(raw) != KEY_BYTES:
            raise SealingError(f"key {number} must have {KEY_BYTES} bytes")
        keys.append((hashlib.sha256(b"dcos-secrets key id\0" + raw).hexdigest()[:16], AESGCM(raw)))
    if not keys:
        raise SealingError("there is no key")
    return KeyRing(tuple(keys))


def _bound(path: str) -> bytes:
    return b"dcos-secrets\0" + path.encode()
