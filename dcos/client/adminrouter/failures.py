"""Trouble with a cluster, as a small tree of errors.

ClientError             text for a person
  Unreachable           no connection, no answer in time
  Untrusted             the certificate is not trusted
  Refused               status, message, body: an answer that is no success
    LoginNeeded         401
    NotFound            404
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Any trouble with the cluster."""


class Unreachable(ClientError):
    """Nobody answers there."""


class Untrusted(ClientError):
    """The certificate could not be verified."""


class Refused(ClientError):
    """``body`` is the answer's JSON where it was an object."""

    def __init__(self, status: int, raw: bytes, headers: Mapping[str, str], what: str) -> None:
        self.status = status
        self.headers = headers
        try:
            parsed = json.loads(raw)
        except ValueError:
            parsed = None
        self.body: dict[str, Any] = parsed if isinstance(parsed, dict) else {}
        missing = headers.get("x-dcos-missing-permission")
        said = f"not allowed: your account needs the permission {missing}" if status == 403 and missing else None
        said = (
            said
            or self.body.get("message")
            or self.body.get("description")
            or self.body.get("error")
            or _short(raw, headers)
        )
        self.message = str(said) if said else f"{what}: unexpected status {status}"
        super().__init__(self.message)


class LoginNeeded(Refused):
    """No token, or one that is not valid any more."""


class NotFound(Refused):
    """There is no such thing, or no such service."""


def _short(raw: bytes, headers: Mapping[str, str]) -> str:
    """Plain text of an error page that is one."""
    kind = headers.get("content-type", "")
    text = raw.decode(errors="replace").strip()
    return text if kind.startswith("text/plain") and 0 < len(text) <= 500 else ""
