"""The first accounts, as the installer leaves them in files: somebody who may do everything, and the cluster's own services."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dcos.iam import persist
from dcos.iam.core.errors import IamError
from dcos.iam.core.policy import check_action, check_rid
from dcos.iam.core.users import User, check_public_key, check_uid
from dcos.iam.passwords import is_known_hash
from dcos.iam.policy_store import PolicyStore
from dcos.model.permissions import Permission
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
        raise BootstrapError(f"{path}: password_hash must be an argon2id, sha512-crypt or sha256-crypt hash")
    user = User(
        uid=given.uid,
        description=given.description,
        password_hash=given.password_hash,
        public_key=given.public_key,
    )
    return user, hashlib.sha256(raw).hexdigest()


class _Granted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rid: str
    action: str


class _Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    uid: str
    public_key: str
    description: str = ""
    permissions: tuple[_Granted, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceAccounts:
    """Accounts of the cluster's services with what they may do; ``digest`` stands for the file."""

    rows: tuple[tuple[User, tuple[Permission, ...]], ...]
    digest: str


def read_accounts(path: Path) -> ServiceAccounts | None:
    """None where there is no file.   Errors: BootstrapError."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BootstrapError(f"{path}: {error.strerror}") from error
    rows = []
    try:
        for one in msgspec.json.decode(raw, type=tuple[_Account, ...]):
            user = User(
                uid=check_uid(one.uid), description=one.description, public_key=check_public_key(one.public_key)
            )
            wanted = tuple(Permission(check_rid(each.rid), check_action(each.action)) for each in one.permissions)
            rows.append((user, wanted))
    except msgspec.DecodeError as error:
        raise BootstrapError(f"{path}: {error}") from error
    except IamError as error:
        raise BootstrapError(f"{path}: {error.text}") from error
    return ServiceAccounts(tuple(rows), hashlib.sha256(raw).hexdigest())


async def make_service_accounts(store: Store, policy: PolicyStore, given: ServiceAccounts) -> bool:
    """Make them, once for each content of the file: new ones, or the keys and permissions of those there are."""
    if await persist.bootstrapped(store, given.digest):
        return False
    for user, permissions in given.rows:
        try:
            await persist.add_user(store, user)
        except IamError:
            kept, version = await persist.read_for_change(store, user.uid)
            await persist.replace_user(store, msgspec.structs.replace(kept, public_key=user.public_key), version)
        for wanted in permissions:
            await policy.ensure(user.uid, wanted)
    await persist.mark_bootstrapped(store, given.digest)
    return True


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
