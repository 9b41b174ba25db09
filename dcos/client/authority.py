"""What an account may do, as bouncer says, remembered for a moment.

Every service that checks permissions asks the bouncer of its own machine. An answer is good for ``_GOOD_S``; while bouncer
does not answer, the last one is used for up to ``_STALE_S`` more; then nobody is let in.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from dcos.model.permissions import NOTHING, Grants
from dcos.runtime.clock import Clock
from dcos.runtime.log import Logger

_GOOD_S = 1.0
_STALE_S = 60.0
_TIMEOUT_S = 3.0
_REMEMBERED = 4096


class AuthorityAway(Exception):
    """Nobody can say what is allowed."""


class _Action(msgspec.Struct, frozen=True):
    name: str


class _Row(msgspec.Struct, frozen=True):
    rid: str
    actions: tuple[_Action, ...]


class _Permissions(msgspec.Struct, frozen=True):
    direct: tuple[_Row, ...]
    groups: tuple[_Row, ...]


class Authority:
    """``url``: bouncer's, such as ``http://127.0.0.1:8101``."""

    def __init__(self, url: str, session: aiohttp.ClientSession, *, clock: Clock, log: Logger) -> None:
        self._url = url.rstrip("/")
        self._session = session
        self._clock = clock
        self._log = log
        self._known: OrderedDict[str, tuple[Grants, float]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Grants]] = {}
        self._away = False

    async def grants(self, uid: str) -> Grants:
        """Errors: AuthorityAway."""
        known = self._known.get(uid)
        if known is not None and self._clock.monotonic() - known[1] < _GOOD_S:
            return known[0]
        running = self._asking.get(uid)
        if running is None:
            running = asyncio.create_task(self._ask(uid), name="ask for permissions")
            self._asking[uid] = running
            running.add_done_callback(lambda _: self._asking.pop(uid, None))
        try:
            return await asyncio.shield(running)
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError, AuthorityAway) as error:
            if not self._away:
                self._away = True
                self._log.warning("permissions_are_away", error=f"{type(error).__name__} {error}")
            if known is not None and self._clock.monotonic() - known[1] < _GOOD_S + _STALE_S:
                return known[0]
            raise AuthorityAway("the identity service does not answer") from error

    async def _ask(self, uid: str) -> Grants:
        url = f"{self._url}/acs/api/v1/users/{quote(uid, safe='')}/permissions"
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with self._session.get(url, timeout=timeout) as reply:
            raw = await reply.read()
            if reply.status == 400:
                found = NOTHING  # no such account, or none that could be
            elif reply.status == 200:
                found = read_permissions(raw)
            else:
                raise AuthorityAway(f"status {reply.status}")
        if self._away:
            self._away = False
            self._log.info("permissions_are_back")
        self._known[uid] = found, self._clock.monotonic()
        self._known.move_to_end(uid)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found


def read_permissions(raw: bytes) -> Grants:
    """The answer of ``/users/{uid}/permissions``.   Errors: msgspec.MsgspecError."""
    said = msgspec.json.decode(raw, type=_Permissions)
    actions: dict[str, frozenset[str]] = {}
    for row in (*said.direct, *said.groups):
        actions[row.rid] = actions.get(row.rid, frozenset()) | {one.name for one in row.actions}
    return Grants(actions)


def audit_fields(
    authorizer: str, uid: str, wanted: object, *, allowed: bool, reason: str, source: str
) -> Mapping[str, Any]:
    """What a line of the audit log says."""
    return {
        "type": "audit",
        "authorizer": authorizer,
        "uid": uid or "-",
        "object": str(wanted),
        "srcip": source,
        "result": "allow" if allowed else "deny",
        "reason": reason,
    }
