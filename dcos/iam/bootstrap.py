"""The first account, as the installer leaves it in a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from dcos.iam import persist
from dcos.iam.core.errors import IamError
from dcos.iam.core.users import User, check_public_key, check_uid
from dcos.iam.passwords import is_known_hash
from dcos.store.base import Store


class BootstrapError(Exception):
    """The file cannot be used: says which field breaks which rule, never a value."""


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    uid: str
    description: str = ""
    password_hash: str | None = None
    public_key: str | None = None


def read(path: Path) -> tuple[User, str] | None:
    """The account and the digest that stands for this file; None where there is no file.   Errors: BootstrapError."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BootstrapError(f"{path}: {error.strerror}") from error
    try:
        given = msgspec.json.decode(raw, type=_File)
        check_uid(given.uid)
        if given.public_key is not None:
            check_public_key(given.public_key)
    except msgspec.DecodeError as error:
        raise BootstrapError(f"{path}: {error}") from error
    except IamError as error:
        raise BootstrapError(f"{path}: {error.text}") from error
    if (given.password_hash is None) == (given.public_key is None):
        raise BootstrapError(f"{path}: one of password_hash or public_key must be given, and not both")
    if given.password_hash is not None and not is_known_hash(given.password_hash):
        raise BootstrapError(f"{path}: password_hash must be an argon2id or sha512-crypt hash")
    user = User(
        uid=given.uid,
        description=given.description,
        password_hash=given.password_hash,
        public_key=given.public_key,
    )
    return user, hashlib.sha256(raw).hexdigest()


async def make_first_user(store: Store, user: User, digest: str) -> bool:
    """Make the account unless it exists or was made before from the same file; tells whether it did."""
    if await persist.bootstrapped(store, digest):
        return False
    made = True
    try:
        await persist.add_user(store, user)
    except IamError:
        made = False
    await persist.mark_bootstrapped(store, digest)
    return made
