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
_HURRY_AT_START_S = 0.3
"""As long as no key is known, who asks waits for the next look: somebody who just logged in shall not be sent away."""
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
        self._tried_at = -_HURRY_S
        self._reading: asyncio.Task[bool] | None = None
        self._away = False
        self._good: dict[str, jwt.Claims] = {}

    @property
    def known(self) -> bool:
        """Whether there is any key to check with."""
        return bool(self._keys)

    async def check(self, token: str) -> jwt.Claims:
        """Who the token speaks for; asks for new keys before it refuses an unknown signature.   Errors: TokenError."""
        try:
            return self._checked(token)
        except jwt.TokenError as error:
            since_s = self._clock.monotonic() - self._tried_at
            if error.reason != "signature" or (self._keys and since_s < _HURRY_S):
                raise
        if not self._keys:
            await asyncio.sleep(max(0.0, _HURRY_AT_START_S - since_s))
        if not self._keys or since_s >= _HURRY_S:
            await self.refresh()
        return self._checked(token)

    def _checked(self, token: str) -> jwt.Claims:
        now = self._clock.now()
        claims = self._good.get(token)
        if claims is not None:
            if claims.exp is not None and not now < claims.exp:
                del self._good[token]
                raise jwt.TokenError("expired")
            return claims
        claims = jwt.verify(token, self._keys, now)
        if len(self._good) >= _REMEMBERED:
            self._good.clear()
        self._good[token] = claims
        return claims

    async def keep(self) -> None:
        """Read the key set for ever."""
        while True:
            good = await self.refresh()
            pause = _PERIOD_S if good else _HURRY_S if self._keys else _RETRY_S
            await asyncio.sleep(pause * self._rng.uniform(0.8, 1.2))

    async def refresh(self) -> bool:
        """Read the key set now, once for all who ask meanwhile; tells whether that worked."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._refresh(), name="read keys")
        return await asyncio.shield(self._reading)

    async def _refresh(self) -> bool:
        try:
            async with asyncio.timeout(_HURRY_S):
                await self._read()
        except (aiohttp.ClientError, TimeoutError, OSError, WireError, msgspec.DecodeError) as error:
            if not self._away:
                self._log.info("key_set_is_away", url=self._url, error=f"{type(error).__name__} {error}")
            self._away = True
            return False
        finally:
            self._tried_at = self._clock.monotonic()
        if self._away:
            self._away = False
            self._log.info("key_set_is_back")
        return True

    async def _read(self) -> None:
        async with self._session.get(self._url) as reply:
            reply.raise_for_status()
            keys = jwt.from_jwks(msgspec.json.decode(await reply.read()))
        if not keys:
            raise WireError("keys", "must have an RSA key")
        if [key.public_numbers() for key in keys] != [key.public_numbers() for key in self._keys]:
            self._keys = keys
            self._good.clear()
            self._log.info("keys_read", count=len(keys))
