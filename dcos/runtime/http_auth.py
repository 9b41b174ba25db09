"""HTTP Basic authentication: a realm and the principals that may enter it.   Source: Mesos' basic HTTP authenticator."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping

from aiohttp import web


class Unauthorized(Exception):
    """No, or wrong, credentials."""


class Basic:
    """Who asks, by his ``Authorization`` header."""

    def __init__(self, realm: str, credentials: Mapping[str, str]) -> None:
        self.realm = realm
        self._credentials = credentials

    def principal(self, header: str | None) -> str:
        """Errors: Unauthorized."""
        scheme, space, given = (header or "").partition(" ")
        if scheme != "Basic" or not space:
            raise Unauthorized
        try:
            name, colon, secret = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            raise Unauthorized from None
        wanted = self._credentials.get(name)
        if not colon or not hmac.compare_digest(secret.encode(), (wanted or "").encode()) or wanted is None:
            raise Unauthorized
        return name

    def refusal(self) -> web.Response:
        return web.Response(status=401, headers={"WWW-Authenticate": f'Basic realm="{self.realm}"'})
