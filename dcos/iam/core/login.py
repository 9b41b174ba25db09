"""What a login request asks for, before anybody looks at an account.   Source: Bouncer, POST /auth/login."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dcos.iam.core.errors import invalid_data, unexpected_input
from dcos.iam.core.users import User


@dataclass(frozen=True, slots=True)
class PasswordLogin:
    uid: str
    password: str


@dataclass(frozen=True, slots=True)
class ServiceLogin:
    """``token`` is signed by the account's own key. ``exp``: the end it asks for (unix seconds), 0 for none."""

    uid: str
    token: str
    exp: int | None


@dataclass(frozen=True, slots=True)
class IdTokenLogin:
    """A token of an outside identity provider."""

    token: str


Login = PasswordLogin | ServiceLogin | IdTokenLogin


def parse(body: Mapping[str, Any]) -> Login:
    """Read the body; unknown fields are ignored here (only here).   Errors: IamError."""
    for name in ("uid", "password", "token"):
        if name in body and not isinstance(body[name], str):
            raise unexpected_input(f"'{name}' must be a string")
    uid, password, token, exp = (body.get(name) for name in ("uid", "password", "token", "exp"))
    if exp is not None and (isinstance(exp, bool) or not isinstance(exp, int | float)):
        raise unexpected_input("'exp' must be a number")
    if (password is None) == (token is None):
        raise invalid_data("One of password or token must be given, and not both.")
    if uid == "":
        raise invalid_data("Empty uid.")
    if password is not None:
        if uid is None:
            raise invalid_data("A password needs a uid.")
        if password == "":
            raise invalid_data("Empty password.")
        return PasswordLogin(uid, password)
    assert token is not None
    if uid is None:
        return IdTokenLogin(token)
    return ServiceLogin(uid, token, None if exp is None else int(exp))


def token_end(user: User, asked: int | None, now: float, lifetime_s: float) -> int | None:
    """When a token given now ends (unix seconds); None: never. Only service accounts may ask for an end of their own."""
    if user.is_service and asked is not None:
        return None if asked == 0 else asked
    return int(now + lifetime_s)


def info_cookie(user: User) -> str:
    """What pages may know about who is logged in."""
    shown = {"uid": user.uid, "description": user.description, "is_remote": user.is_remote}
    return base64.b64encode(msgspec.json.encode(shown)).decode()
