"""Which principal an agent has: challenges given out, and the proofs that answer them (``dcos/wire/link_proof.py``).

A nonce is good for one proof and one minute.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from dcos.wire import link_proof

GOOD_S = 60.0
_MOST = 100_000


class Refused(Exception):
    """Says why, without secrets."""


class AgentProofs:
    """``now``: seconds that only grow."""

    def __init__(self, credentials: Mapping[str, str], now: Callable[[], float], *, required: bool) -> None:
        self._credentials = credentials
        self._now = now
        self._required = required
        self._given: dict[str, float] = {}

    @property
    def asks(self) -> bool:
        """Whether there is anything that a proof could be checked against."""
        return bool(self._credentials) or self._required

    def challenge(self) -> str:
        now = self._now()
        for nonce, until in list(self._given.items()):  # the oldest first
            if until > now and len(self._given) < _MOST:
                break
            del self._given[nonce]
        nonce = secrets.token_hex(16)
        self._given[nonce] = now + GOOD_S
        return link_proof.challenge(nonce)

    def principal(self, header: str | None) -> str | None:
        """Of an agent that proves one; None for one that does not, where that is allowed.   Errors: Refused."""
        if header is None or not self.asks:
            if self._required:
                raise Refused("it proves no principal")
            return None
        proof = link_proof.read(header)
        if proof is None:
            raise Refused("its proof is not understood")
        if self._given.pop(proof.nonce, 0.0) <= self._now():
            raise Refused("its proof answers no challenge of the last minute")
        secret = self._credentials.get(proof.principal)
        if secret is None or not proof.holds(secret):
            raise Refused("its proof does not hold")
        return proof.principal
