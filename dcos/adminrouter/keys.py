"""The keys that tokens are checked with: bouncer's key set, read again and again.

Until the first one is known nobody is let in. While bouncer is away the last set holds.
"""

from __future__ import annotations

import asyncio
import random

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

from dcos.runtime.clock import Clock
from dcos.runtime.log import Logger
from dcos.wire import jwt
from dcos.wire.errors import WireError

_PERIOD_S = 60.0
_RETRY_S = 1.0
_HURRY_S = 5.0
"""A token with an unknown signature makes us look for new keys, at most this often."""
_REMEMBERED = 4096


class Keys:
    """Checks tokens. ``url``: of the key set."""

    def __init__(
        self, url: str, session: aiohttp.ClientSession, *, clock: Clock, rng: random.Random, log: Logger
    ) -> None:
        self._url = url
        self._session = session
        self._clock = clock
        self._rng = rng
        self._log = log
        self._keys: tuple[rsa.RSAPublicKey, ...] = ()
        self._read_at = 0.0
        self._wanted = asyncio.Event()
        self._good: dict[str, jwt.Claims] = {}
        self.known = asyncio.Event()
        """Set once a key set was read."""

    def check(self, token: str) -> jwt.Claims:
        """Who the token speaks for.   Errors: TokenError."""
        now = self._clock.now()
        claims = self._good.get(token)
        if claims is not None:
            if claims.exp is not None and not now < claims.exp:
                del self._good[token]
                raise jwt.TokenError("expired")
            return claims
        try:
            claims = jwt.verify(token, self._keys, now)
        except jwt.TokenError as error:
            if error.reason == "signature" and self._clock.monotonic() - self._read_at > _HURRY_S:
                self._wanted.set()
            raise
        if len(self._good) >= _REMEMBERED:
            self._good.clear()
        self._good[token] = claims
        return claims

    async def keep(self) -> None:
        """Read the key set for ever."""
        away = False
        while True:
            pause = _PERIOD_S
            try:
                await self._read()
                if away:
                    self._log.info("key_set_is_back")
                away = False
            except (aiohttp.ClientError, TimeoutError, OSError, WireError, msgspec.DecodeError) as error:
                pause = _RETRY_S if not self._keys else _HURRY_S
                if not away:
                    self._log.info("key_set_is_away", url=self._url, error=f"{type(error).__name__} {error}")
                away = True
            try:
                async with asyncio.timeout(pause * self._rng.uniform(0.8, 1.2)):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()

    async def _read(self) -> None:
        async with self._session.get(self._url) as reply:
            reply.raise_for_status()
            keys = jwt.from_jwks(msgspec.json.decode(await reply.read()))
        if not keys:
            raise WireError("keys", "must have an RSA key")
        self._read_at = self._clock.monotonic()
        if [key.public_numbers() for key in keys] != [key.public_numbers() for key in self._keys]:
            self._keys = keys
            self._good.clear()
            self._log.info("keys_read", count=len(keys))
        self.known.set()
