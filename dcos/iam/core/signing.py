"""The keys that sign tokens, one after the other.

A new key is published ``LEAD_S`` before it signs, so that whoever checks tokens knows it by then. The one before it is
published for as long as a token that it signed may live, then dropped. Tokens without an end die with their key.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

LEAD_S = 600.0
"""Keys are read anew every minute, and when a signature is unknown."""


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """``private_key``: PKCS#8, PEM. ``signs_from``: unix seconds."""

    private_key: str
    signs_from: float


def current(keys: Sequence[SigningKey], now: float) -> SigningKey:
    """The one that signs now. ``keys``: at least one, oldest first."""
    begun = [key for key in keys if key.signs_from <= now]
    return begun[-1] if begun else keys[0]


def kept(keys: Sequence[SigningKey], now: float, lifetime_s: float) -> tuple[SigningKey, ...]:
    """Without those whose last tokens are over."""
    over = {key.private_key for key, after in pairwise(keys) if after.signs_from + lifetime_s <= now}
    return tuple(key for key in keys if key.private_key not in over)


def is_due(keys: Sequence[SigningKey], now: float, interval_s: float) -> bool:
    """Whether it is time for a new one; ``interval_s`` 0: never."""
    return interval_s > 0 and now >= keys[-1].signs_from + interval_s


def followed(keys: Sequence[SigningKey], private_key: str, now: float, lifetime_s: float) -> tuple[SigningKey, ...]:
    """With a new one behind them."""
    return (*kept(keys, now, lifetime_s), SigningKey(private_key=private_key, signs_from=now + LEAD_S))
