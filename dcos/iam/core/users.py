"""Accounts: what one consists of, what a request may say about it, and how it is shown.

An account is regular (somebody with a password here, or known to an outside provider) or a service account (it has a
public key and logs in with tokens that it signs itself).   Source: Bouncer's user rules; ``docs/reference/adminrouter.md``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dcos.iam.core.errors import IamError, invalid_data, unexpected_input
from dcos.wire.errors import WireError
from dcos.wire.jwt import load_public_pem

USERS_URL = "/acs/api/v1/users/"
PROVIDER_TYPES = ("internal", "ldap", "saml", "oidc")
LEGACY_OIDC_PROVIDER = "https://dcos.auth0.com/"
"""Who vouches for an e-mail address that an old client adds without saying anything else."""

PASSWORD_MIN_CHARACTERS = 5
UID_MAX_CHARACTERS = 96
RESERVED_UIDS = frozenset({"anonymous"})

_UID = re.compile(r"[a-zA-Z0-9\-_@.]+")
_EMAIL = re.compile(r"[^@]+@[^@]+\.[^@]+")
_CREATE_FIELDS = frozenset(
    {"description", "password", "public_key", "provider_type", "provider_id", "cluster_url", "creator_uid"}
)
_PATCH_FIELDS = frozenset({"description", "password"})


class User(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An account as stored. ``password_hash``: argon2id or SHA crypt text; at most one of it and ``public_key``."""

    uid: str
    description: str = ""
    provider_type: str = "internal"
    provider_id: str = ""
    password_hash: str | None = None
    public_key: str | None = None

    @property
    def is_service(self) -> bool:
        return self.public_key is not None

    @property
    def is_remote(self) -> bool:
        return self.provider_type != "internal"


@dataclass(frozen=True, slots=True)
class Creation:
    """A new account whose ``password`` (None: has none) still waits to be hashed."""

    user: User
    password: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """None: stays as it is."""

    description: str | None
    password: str | None


def shown(user: User) -> dict[str, Any]:
    """The account as the API shows it: never with its hash."""
    view: dict[str, Any] = {
        "uid": user.uid,
        "description": user.description,
        "url": USERS_URL + user.uid,
        "is_remote": user.is_remote,
        "is_service": user.is_service,
        "provider_type": user.provider_type,
        "provider_id": user.provider_id,
    }
    if user.public_key is not None:
        view["public_key"] = user.public_key
    return view


def check_uid(uid: str) -> str:
    """Errors: IamError."""
    if len(uid) > UID_MAX_CHARACTERS:
        raise IamError(400, f"Invalid user ID: longer than {UID_MAX_CHARACTERS} characters.", "ERR_INVALID_USER_ID")
    if not _UID.fullmatch(uid):
        raise IamError(400, f"Invalid user ID: must match {_UID.pattern}", "ERR_INVALID_USER_ID")
    if uid in RESERVED_UIDS:
        raise IamError(400, f"Invalid user ID: `{uid}` is reserved.", "ERR_INVALID_USER_ID")
    return uid


def check_password(password: str) -> str:
    """Errors: IamError."""
    if len(password) < PASSWORD_MIN_CHARACTERS:
        raise invalid_data(f"Password must have at least {PASSWORD_MIN_CHARACTERS} characters.")
    return password


def creation(uid: str, body: Mapping[str, Any]) -> Creation:
    """Read the body of ``PUT /users/{uid}``.   Errors: IamError."""
    check_uid(uid)
    said = strings(body, _CREATE_FIELDS)
    password, public_key = said.get("password"), said.get("public_key")
    kind, provider = said.get("provider_type"), said.get("provider_id", "")
    if kind is None and password is None and public_key is None and not provider and _EMAIL.fullmatch(uid):
        kind, provider = "oidc", LEGACY_OIDC_PROVIDER
    kind = kind or "internal"
    if kind not in PROVIDER_TYPES:
        raise invalid_data(f"provider_type must be one of {', '.join(PROVIDER_TYPES)}.")
    if kind in ("oidc", "saml") and not provider:
        raise invalid_data(f"provider_id is required when provider_type is {kind}.")
    if kind not in ("oidc", "saml") and provider:
        raise invalid_data(f"provider_id must be empty when provider_type is {kind}.")
    if kind != "internal" and (password is not None or public_key is not None):
        raise invalid_data(f"Neither password nor public_key may be given when provider_type is {kind}.")
    if kind == "internal" and (password is None) == (public_key is None):
        raise invalid_data("One of password or public_key must be given, and not both.")
    if password is not None:
        check_password(password)
    if public_key is not None:
        public_key = check_public_key(public_key)
    user = User(
        uid=uid,
        description=said.get("description", ""),
        provider_type=kind,
        provider_id=provider,
        public_key=public_key,
    )
    return Creation(user, password)


def check_public_key(text: str) -> str:
    """Errors: IamError."""
    try:
        load_public_pem(text)
    except WireError as error:
        raise IamError(400, f"Invalid public key: {error.rule}.", "ERR_INVALID_PUBLIC_KEY") from error
    return text


def change(body: Mapping[str, Any]) -> Change:
    """Read the body of ``PATCH /users/{uid}``.   Errors: IamError."""
    said = strings(body, _PATCH_FIELDS)
    if not said:
        raise invalid_data("One of description or password must be given.")
    if "password" in said:
        check_password(said["password"])
    return Change(said.get("description"), said.get("password"))


def changed(user: User, wanted: Change, password_hash: str | None) -> User:
    """``user`` with the change made; ``password_hash`` is that of the wanted password.   Errors: IamError."""
    if wanted.password is not None and user.is_service:
        raise invalid_data("The password of a service account cannot be set.")
    if wanted.password is not None and user.is_remote:
        raise invalid_data("The password of a user of another provider cannot be set.")
    return msgspec.structs.replace(
        user,
        description=user.description if wanted.description is None else wanted.description,
        password_hash=user.password_hash if password_hash is None else password_hash,
    )


def strings(body: Mapping[str, Any], allowed: frozenset[str]) -> dict[str, str]:
    """A body of texts under known names.   Errors: IamError."""
    for name, value in body.items():
        if name not in allowed:
            raise unexpected_input(f"additional properties are not allowed ('{name}' was unexpected)")
        if not isinstance(value, str):
            raise unexpected_input(f"'{name}' must be a string")
    return dict(body)
