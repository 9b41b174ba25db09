"""Settings of outside identity providers in ZooKeeper: ``/oidc/<id>``, ``/saml/<id>``, ``/ldap/config``.

Most hold passwords, so they are sealed where the masters have a key (``--key_file``); kept in the clear otherwise, behind the
same access list as all of identity. What was kept in the clear before there was a key is read as it is, and sealed when written.
"""

from __future__ import annotations

import os
from typing import TypeVar

import msgspec

from dcos.iam import persist
from dcos.store.base import NodeExists, NoNode, Store
from dcos.wire.sealing import NONCE_BYTES, KeyRing, SealingError, Secret

OIDC = "/oidc"
SAML = "/saml"
LDAP = "/ldap/config"
T = TypeVar("T")


class Exists(Exception):
    """There is one already."""


class Missing(Exception):
    """There is none."""


class ProviderStore:
    def __init__(self, store: Store, ring: KeyRing | None) -> None:
        self._store = store
        self._ring = ring

    async def get(self, path: str, kind: type[T]) -> T | None:
        """Errors: StoredFormError."""
        node = await self._store.get(path)
        return None if node is None else self._opened(path, node.data, kind)

    async def all_below(self, path: str, kind: type[T]) -> dict[str, T]:
        """By name."""
        names = await self._store.children(path) or ()
        found = {}
        for name in names:
            value = await self.get(f"{path}/{name}", kind)
            if value is not None:
                found[name] = value
        return found

    async def add(self, path: str, value: object) -> None:
        """Errors: Exists."""
        try:
            await self._store.create(path, self._sealed(path, value), parents=True)
        except NodeExists:
            raise Exists from None

    async def put(self, path: str, value: object) -> None:
        """New or in the place of what is there."""
        try:
            await self._store.set(path, self._sealed(path, value))
        except NoNode:
            await self.add(path, value)

    async def delete(self, path: str) -> None:
        """Errors: Missing."""
        try:
            await self._store.delete(path)
        except NoNode:
            raise Missing from None

    def _sealed(self, path: str, value: object) -> bytes:
        raw = msgspec.json.encode(value)
        return raw if self._ring is None else self._ring.seal(path, Secret(value=raw), os.urandom(NONCE_BYTES))

    def _opened(self, path: str, data: bytes, kind: type[T]) -> T:
        if data.startswith(b"{"):
            return persist.decode(path, data, kind)
        if self._ring is None:
            raise persist.StoredFormError(f"{path}: it is sealed, and there is no key file")
        try:
            return persist.decode(path, self._ring.open(path, data).value, kind)
        except SealingError as error:
            raise persist.StoredFormError(str(error)) from error
