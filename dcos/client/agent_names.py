"""How an agent finds out who asks: by asking the front door, with the caller's own token, what that token's account may do.

Everybody may read that about itself, and the front door checks the token on the way: agents need neither keys nor a right of
their own for it. An answer is good for a second; while the front door does not answer, the last one for up to a minute more;
then nobody comes in by a token.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from dcos.client.authority import AuthorityAway, read_permissions
from dcos.model.permissions import NOTHING, Grants
from dcos.runtime.clock import Clock
from dcos.runtime.http_auth import Unauthorized
from dcos.runtime.log import Logger
from dcos.wire.claims import claimed_uid

_GOOD_S: Final = 1.0
_STALE_S: Final = 60.0
_TIMEOUT_S: Final = 5.0
_REMEMBERED: Final = 1024
_LEADER_NAMES: Final = ("leader.mesos", "master.mesos")
_Known = tuple[str, Grants, float]


class FrontDoor:
    """``url``: where it is; the host ``leader.mesos`` stands for what ``leader`` says (``ip:port`` of the leading master).
    ``ca``: the authorities that vouch for it; without them it is not verified."""

    def __init__(
        self, url: str, *, ca: Path | None, leader: Callable[[], str | None], clock: Clock, log: Logger
    ) -> None:
        self._given = url.rstrip("/")
        self._ca = ca
        self._leader = leader
        self._clock = clock
        self._log = log
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[tuple[str, Grants]]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._away = False

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def rights(self, token: str) -> tuple[str, Grants]:
        """(account, what it may do).   Errors: Unauthorized, AuthorityAway."""
        key = sha256(token.encode()).digest()
        known = self._known.get(key)
        if known is not None and self._clock.monotonic() - known[2] < _GOOD_S:
            return known[0], known[1]
        running = self._asking.get(key)
        if running is None:
            running = asyncio.create_task(self._ask(token, key), name="ask for permissions")
            self._asking[key] = running
            running.add_done_callback(lambda _: self._asking.pop(key, None))
        try:
            return await asyncio.shield(running)
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError, AuthorityAway) as error:
            if not self._away:
                self._away = True
                self._log.warning("permissions_are_away", error=f"{type(error).__name__} {error}")
            if known is not None and self._clock.monotonic() - known[2] < _GOOD_S + _STALE_S:
                return known[0], known[1]
            raise AuthorityAway("the identity service does not answer") from error

    async def _ask(self, token: str, key: bytes) -> tuple[str, Grants]:
        uid = claimed_uid(token)
        if not uid:
            raise Unauthorized
        url = f"{self._url()}/acs/api/v1/users/{quote(uid, safe='')}/permissions"
        async with self._open().get(url, headers={"Authorization": f"token={token}"}, allow_redirects=False) as reply:
            raw = await reply.read()
            if reply.status == 401:
                self._known.pop(key, None)
                raise Unauthorized
            if reply.status == 400:
                found = NOTHING  # the account is gone
            elif reply.status == 200:
                found = read_permissions(raw)
            else:
                raise AuthorityAway(f"status {reply.status}")
        if self._away:
            self._away = False
            self._log.info("permissions_are_back")
        self._known[key] = uid, found, self._clock.monotonic()
        self._known.move_to_end(key)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return uid, found

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            verify = ssl.create_default_context(cafile=str(self._ca)) if self._ca is not None else False
            timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=verify), timeout=timeout)
        return self._session

    def _url(self) -> str:
        """Errors: AuthorityAway (no leader is known)."""
        parts = urlsplit(self._given)
        if parts.hostname not in _LEADER_NAMES:
            return self._given
        leader = self._leader()
        if leader is None:
            raise AuthorityAway("no leading master is known")
        host = leader.rpartition(":")[0]
        return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"
