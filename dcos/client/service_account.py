"""Logging in as a service account: proves the private key, keeps the token while it is good.

A credential file is what DC/OS services take: ``{"scheme": "RS256", "uid", "private_key", "login_endpoint"}``.
Source: DC/OS Enterprise, service accounts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

from dcos.client.neighbour import NeighbourError, exchange
from dcos.runtime.clock import Clock
from dcos.wire import jwt
from dcos.wire.errors import WireError

_PROOF_S = 300
"""How long what we sign to log in is good."""
_TOKEN_S = 1800.0
"""A token is asked for anew after so long, though it lives longer: rights may have changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    uid: str
    key: rsa.RSAPrivateKey = field(repr=False)
    login_endpoint: str
    path: Path

    def __str__(self) -> str:
        return str(self.path)


class _File(msgspec.Struct, frozen=True):
    uid: str
    private_key: str
    login_endpoint: str
    scheme: str = "RS256"


def read_account(path: Path) -> ServiceAccount:
    """Errors: ValueError (never with what is in the file), OSError."""
    try:
        given = msgspec.json.decode(path.read_bytes(), type=_File)
        key = jwt.load_private_pem(given.private_key)
    except msgspec.MsgspecError:
        raise ValueError(f"{path}: must be a JSON object with uid, private_key and login_endpoint") from None
    except WireError as error:
        raise ValueError(f"{path}: {error.rule}") from None
    if given.scheme != "RS256":
        raise ValueError(f"{path}: scheme must be RS256")
    return ServiceAccount(uid=given.uid, key=key, login_endpoint=given.login_endpoint, path=path)


class ServiceTokens:
    """``endpoint``: where to log in at this moment."""

    def __init__(self, account: ServiceAccount, endpoint: Callable[[], str], *, clock: Clock) -> None:
        self._account = account
        self._endpoint = endpoint
        self._clock = clock
        self._token = ""
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def token(self, session: aiohttp.ClientSession) -> str:
        """Errors: NeighbourError."""
        async with self._asking:
            if not self._token or self._clock.monotonic() >= self._until:
                proof = jwt.sign(self._account.uid, int(self._clock.now()) + _PROOF_S, self._account.key)
                said = await exchange(
                    session, "bouncer", "POST", self._endpoint(), body={"uid": self._account.uid, "token": proof}
                )
                token = said.get("token") if isinstance(said, dict) else None
                if not isinstance(token, str):
                    raise NeighbourError("bouncer", "the answer has no token")
                self._token, self._until = token, self._clock.monotonic() + _TOKEN_S
            return self._token

    def forget(self) -> None:
        """The token was refused."""
        self._token = ""
