"""Reading secrets of the cluster's store, as a service account."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

import aiohttp

from dcos.client.neighbour import NeighbourError
from dcos.client.service_account import ServiceAccount, ServiceTokens
from dcos.runtime.clock import Clock

_MAX_BYTES = 2 * 1024**2
_RETRY_S = 1.0
_LEADER_NAMES = ("leader.mesos", "master.mesos")


class SecretError(Exception):
    """A secret that cannot be had: says which and why, never a part of it."""


class SecretStore:
    """``url``: the front door's, None for that of the account's login endpoint; the host ``leader.mesos`` stands for what
    ``leader`` says (``ip:port`` of the leading Mesos master), so that no name has to be resolved. ``ca``: the authorities that
    vouch for the front door; without it, it is not verified."""

    def __init__(
        self,
        account: ServiceAccount,
        *,
        url: str | None,
        ca: Path | None,
        leader: Callable[[], str | None],
        clock: Clock,
        patience_s: float = 30.0,
    ) -> None:
        self._account = account
        self._given = (url or account.login_endpoint.partition("/acs/")[0]).rstrip("/")
        self._ca = ca
        self._leader = leader
        self._clock = clock
        self._patience_s = patience_s
        self._tokens = ServiceTokens(account, self._login, clock=clock)

    def _url(self) -> str:
        """Errors: NeighbourError (no leader is known)."""
        parts = urlsplit(self._given)
        if parts.hostname not in _LEADER_NAMES:
            return self._given
        leader = self._leader()
        if leader is None:
            raise NeighbourError("secrets", "no leading master is known")
        host = leader.rpartition(":")[0]
        return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"

    def _login(self) -> str:
        return f"{self._url()}/acs/api/v1/auth/login"

    async def read(self, path: str) -> bytes:
        """Tries again while the store does not answer.   Errors: SecretError."""
        until = self._clock.monotonic() + self._patience_s
        while True:
            try:
                return await self._read(path)
            except (NeighbourError, aiohttp.ClientError, TimeoutError, OSError) as error:
                if self._clock.monotonic() >= until:
                    raise SecretError(f"secret {path!r}: the secret store does not answer: {error}") from error
            await asyncio.sleep(_RETRY_S)

    async def _read(self, path: str) -> bytes:
        verify = ssl.create_default_context(cafile=str(self._ca)) if self._ca is not None else False
        timeout = aiohttp.ClientTimeout(total=10.0)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=verify), timeout=timeout) as session:
            for again in (True, False):
                token = await self._tokens.token(session)
                url = f"{self._url()}/secrets/v1/secret/default/{quote(path)}"
                headers = {"Authorization": f"token={token}", "Accept": "application/octet-stream"}
                async with session.get(url, headers=headers) as reply:
                    if reply.status == 200:
                        return (
                            await reply.content.read(_MAX_BYTES) if reply.content_length is None else await reply.read()
                        )
                    if reply.status == 401 and again:
                        self._tokens.forget()
                        continue
                    if reply.status in (401, 502, 503, 504):
                        raise NeighbourError("secrets", f"status {reply.status}")
                    why = {404: "there is no such secret", 403: "the agent may not read it"}
                    raise SecretError(f"secret {path!r}: {why.get(reply.status, f'status {reply.status}')}")
        raise AssertionError("the second try returned or raised")
