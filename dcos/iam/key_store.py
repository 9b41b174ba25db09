"""The signing keys in ZooKeeper, ``/keys/signing``: the same for all masters, sealed where there is a key file.

{"version": 1, "private_key": PEM}                              of earlier releases: one key, in the clear
{"version": 2, "keys": [{"private_key", "signs_from"}, ...]}    oldest first
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import msgspec

from dcos.iam import persist
from dcos.iam.core import signing
from dcos.iam.core.signing import SigningKey
from dcos.runtime.clock import Clock
from dcos.runtime.log import Logger
from dcos.store.base import BadVersion, Node, NodeExists, Store, StoreError
from dcos.wire import jwt
from dcos.wire.sealing import NONCE_BYTES, KeyRing, SealingError, Secret

PATH = "/keys/signing"
_CHECK_S = 600.0


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    private_key: str | None = None
    keys: tuple[SigningKey, ...] = ()


class KeyStore:
    """One session's. ``interval_s``: a new key so often; ``lifetime_s``: of tokens."""

    def __init__(
        self, store: Store, ring: KeyRing | None, *, clock: Clock, log: Logger, interval_s: float, lifetime_s: float
    ) -> None:
        self._store = store
        self._ring = ring
        self._clock = clock
        self._log = log
        self._interval_s = interval_s
        self._lifetime_s = lifetime_s

    async def keys(self) -> tuple[SigningKey, ...]:
        """What there is; the first master ever makes it.   Errors: StoreError, StoredFormError."""
        node = await self._store.get(PATH)
        if node is None:
            made = SigningKey(private_key=await _fresh(), signs_from=self._clock.now())
            try:
                await self._store.create(PATH, self._encoded((made,)), parents=True)
                self._log.info("signing_key_made")
            except NodeExists:
                self._log.info("signing_key_read")
            node = await self._store.get(PATH)
            assert node is not None
        keys = self._decoded(node)
        if self._ring is not None and node.data.startswith(b"{"):
            await self._replace(node, keys)
        return keys

    async def follow(self, changed: Callable[[tuple[SigningKey, ...]], None]) -> None:
        """Call ``changed`` with the keys at each change, for ever.   Errors: StoreError, StoredFormError."""
        async for node in self._store.watch_node(PATH):
            if node is not None:
                changed(self._decoded(node))

    async def keep_rotating(self) -> None:
        """Look from time to time whether a new key is due; whichever master is first makes it."""
        while True:
            try:
                await self.rotate_if_due()
            except StoreError as error:
                self._log.warning("key_rotation_waits", error=repr(error))
            await asyncio.sleep(_CHECK_S)

    async def rotate_if_due(self) -> bool:
        node = await self._store.get(PATH)
        now = self._clock.now()
        if node is None or not signing.is_due(self._decoded(node), now, self._interval_s):
            return False
        keys = signing.followed(self._decoded(node), await _fresh(), now, self._lifetime_s)
        made = await self._replace(node, keys)
        if made:
            self._log.info("signing_key_rotated", signs_from=keys[-1].signs_from, keys=len(keys))
        return made

    async def _replace(self, node: Node, keys: tuple[SigningKey, ...]) -> bool:
        """False: another master was faster."""
        try:
            await self._store.set(PATH, self._encoded(keys), version=node.version)
        except BadVersion:
            return False
        return True

    def _encoded(self, keys: tuple[SigningKey, ...]) -> bytes:
        raw = msgspec.json.encode({"version": 2, "keys": keys})
        return raw if self._ring is None else self._ring.seal(PATH, Secret(value=raw), os.urandom(NONCE_BYTES))

    def _decoded(self, node: Node) -> tuple[SigningKey, ...]:
        data = node.data
        if not data.startswith(b"{"):
            if self._ring is None:
                raise persist.StoredFormError(f"{PATH}: it is sealed, and there is no key file")
            try:
                data = self._ring.open(PATH, data).value
            except SealingError as error:
                raise persist.StoredFormError(str(error)) from error
        stored = persist.decode(PATH, data, _Stored)
        if stored.private_key is not None:
            return (SigningKey(private_key=stored.private_key, signs_from=node.created_ms / 1000),)
        if not stored.keys:
            raise persist.StoredFormError(f"{PATH}: it holds no key")
        return stored.keys


async def _fresh() -> str:
    return jwt.private_pem(await asyncio.to_thread(jwt.generate_key))
