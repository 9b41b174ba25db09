"""What a token says of itself, for those who do not check it but ask who does."""

from __future__ import annotations

import base64
import binascii

import msgspec


class _Claims(msgspec.Struct, frozen=True):
    uid: str = ""


def claimed_uid(token: str) -> str:
    """Whom the token claims to speak for; empty where it says nothing of the kind."""
    parts = token.split(".")
    if len(parts) != 3:
        return ""
    body = parts[1]
    try:
        raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        return msgspec.json.decode(raw, type=_Claims).uid
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return ""
