"""Counts and amounts by key, of which those that are nothing are not kept."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")


def shift(counts: dict[K, int], key: K, step: int) -> int:
    """Add ``step``; what is left."""
    left = counts.get(key, 0) + step
    if left:
        counts[key] = left
    else:
        counts.pop(key, None)
    return left
