"""Whom a node watches closely: the next ones on a ring on which all addresses lie by their hash.

All nodes agree on the ring, so everybody is watched closely by as many others as watch closely, and the neighbours of a machine
are anywhere in the cluster: a rack that fails has other watchers than itself.
"""

from __future__ import annotations

import functools
import hashlib
from bisect import bisect_right
from collections.abc import Collection


def next_ones(own: str, ips: Collection[str], count: int) -> frozenset[str]:
    """The ``count`` of ``ips`` that follow ``own`` on the ring, which may but need not be on it itself."""
    ring = sorted((_place(ip), ip) for ip in ips if ip != own)
    start = bisect_right(ring, (_place(own), own))
    return frozenset(ip for _, ip in (ring[start:] + ring[:start])[:count])


@functools.lru_cache(maxsize=1 << 16)
def _place(ip: str) -> bytes:
    return hashlib.sha1(ip.encode(), usedforsecurity=False).digest()
