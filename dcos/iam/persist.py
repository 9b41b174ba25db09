"""What dcos-bouncer keeps in ZooKeeper, below the path of its URL.

    /schema               {"version": 1}
    /keys/signing         the keys that sign tokens (key_store.py)
    /groups, /acls        groups and access lists (policy_store.py)
    /oidc, /ldap          settings of outside providers (provider_store.py)
    /users/<uid>          {"version": 1, "user": {...}}
    /bootstrap/<digest>   empty: the first account of that installation was made (it may have been deleted since)

All of it is small and read when asked for: identity is not on the path of proxied requests.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TypeVar

import msgspec

from dcos.iam.core.errors import unknown_user, user_exists
from dcos.iam.core.users import User
from dcos.store.base import BadVersion, NodeExists, NoNode, Store

SCHEMA_VERSION = 1
USERS = "/users"
BOOTSTRAP = "/bootstrap"
_PARALLEL_READS = 32

T = TypeVar("T")


class StoredUser(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    user: User


class StoredFormError(Exception):
    """A node that this version cannot read: says which."""


def decode(path: str, data: bytes, kind: type[T]) -> T:
    """Errors: StoredFormError."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise StoredFormError(f"{path}: {error}") from error


def node_name(name: str) -> str:
    """ZooKeeper has no nodes named ``.`` and ``..``, but both are allowed ids."""
    return name.replace(".", "%2E") if name in (".", "..") else name


def _user_node(uid: str) -> str:
    return f"{USERS}/{node_name(uid)}"


async def user(store: Store, uid: str) -> User | None:
    return await _read(store, _user_node(uid))


async def users(store: Store) -> list[User]:
    """All accounts, by uid."""
    slots = asyncio.Semaphore(_PARALLEL_READS)

    async def read(name: str) -> User | None:
        async with slots:
            return await _read(store, f"{USERS}/{name}")

    names = await store.children(USERS) or ()
    return [found for found in await asyncio.gather(*(read(uid) for uid in names)) if found is not None]


async def _read(store: Store, path: str) -> User | None:
    node = await store.get(path)
    return None if node is None else decode(path, node.data, StoredUser).user


async def any_user(store: Store) -> bool:
    return bool(await store.children(USERS))


async def add_user(store: Store, added: User) -> None:
    """Errors: IamError (it exists)."""
    try:
        await store.create(_user_node(added.uid), _encoded(added), parents=True)
    except NodeExists:
        raise user_exists(added.uid) from None


async def read_for_change(store: Store, uid: str) -> tuple[User, int]:
    """The account with the version to give back to ``replace_user``.   Errors: IamError (unknown)."""
    path = _user_node(uid)
    node = await store.get(path)
    if node is None:
        raise unknown_user(uid)
    return decode(path, node.data, StoredUser).user, node.version


async def replace_user(store: Store, changed: User, version: int) -> bool:
    """False: somebody else wrote meanwhile, read again.   Errors: IamError (deleted meanwhile)."""
    try:
        await store.set(_user_node(changed.uid), _encoded(changed), version=version)
    except BadVersion:
        return False
    except NoNode:
        raise unknown_user(changed.uid) from None
    return True


async def delete_user(store: Store, uid: str) -> None:
    """Errors: IamError (unknown)."""
    try:
        await store.delete(_user_node(uid))
    except NoNode:
        raise unknown_user(uid) from None


async def bootstrapped(store: Store, digest: str) -> bool:
    """Whether the first account of this installation was made once."""
    return await store.get(f"{BOOTSTRAP}/{digest}") is not None


async def mark_bootstrapped(store: Store, digest: str) -> None:
    with contextlib.suppress(NodeExists):
        await store.create(f"{BOOTSTRAP}/{digest}", parents=True)


def _encoded(kept: User) -> bytes:
    return msgspec.json.encode(StoredUser(version=SCHEMA_VERSION, user=kept))
