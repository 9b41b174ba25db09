"""Sealing again what was sealed with an older key: after it, nothing needs that key any more.

Works while services write: a node that somebody else wrote meanwhile is read anew. Safe to repeat, and to break off.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from dcos.store.base import BadVersion, NoNode, Store
from dcos.wire.sealing import NONCE_BYTES, KeyRing, Secret


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many nodes: those written, and those that had the newest key already."""

    changed: int
    kept: int


async def reseal(store: Store, ring: KeyRing, nodes: Iterable[tuple[str, str]]) -> Resealed:
    """``nodes``: (path in the store, the path that its seal is bound to); what is in the clear is sealed, what is gone is left.

    Errors: SealingError (no key of ``ring`` opens one), StoreError.
    """
    changed = kept = 0
    for path, bound in nodes:
        while (node := await store.get(path)) is not None and not ring.is_newest(node.data):
            plain = Secret(value=node.data) if node.data.startswith(b"{") else ring.open(bound, node.data)
            try:
                await store.set(path, ring.seal(bound, plain, os.urandom(NONCE_BYTES)), version=node.version)
            except BadVersion:
                continue
            except NoNode:
                break
            changed += 1
            break
        else:
            kept += node is not None
    return Resealed(changed, kept)
