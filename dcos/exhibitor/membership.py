"""What this server's ensemble is when it starts, and the files that say so.

ZooKeeper keeps the configuration it agreed on in ``conf/zoo.cfg.dynamic.<version>``; each start begins with the newest one.
Where there is none, there are four cases: data of a server alone (it goes on as an ensemble of one when others are wanted),
data of an ensemble of before, data that was restored, and none at all. A server without data asks the other masters first:
where they have an ensemble without it, it follows that one until it is added; else all begin together.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from dcos.exhibitor.archive import FOLDER
from dcos.exhibitor.core import dynamic
from dcos.exhibitor.core.dynamic import Known
from dcos.exhibitor.core.ensemble import Ensemble, Member, parse_ensemble
from dcos.exhibitor.core.resizing import renumbered
from dcos.runtime.clock import Clock
from dcos.runtime.files import write_atomic

Peer = Callable[[str, str], Awaitable[Any]]
"""(host, path) to the answer of its REST API."""
UNREACHABLE = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
_AGAIN_S = 1.0


class Membership:
    """``target``: the wanted ensemble; ``own``: this server in it."""

    def __init__(self, target: Ensemble, own: Member, state: Path) -> None:
        self.target = target
        self.own = own
        self.zoo_cfg = state / "conf/zoo.cfg"
        self.seed = state / "conf/zoo.cfg.dynamic"
        self._secret = state / "conf/super"
        self._snapshots = state / "zookeeper/snapshot" / FOLDER
        # before anybody asks: who has data is never taken for one without
        self._started = self._newest() or self._before()
        if self._started is None and (len(target.members) == 1 or self._snapshots.exists()):
            self._started = Known(target, 0)

    def current(self) -> Known | None:
        """What this server has; None while it has not begun."""
        newest = self._newest()
        if newest is None or (self._started is not None and self._started.version > newest.version):
            return self._started
        return newest

    def _newest(self) -> Known | None:
        found = []
        for path in self.seed.parent.glob(f"{self.seed.name}.*"):
            text = path.suffix.removeprefix(".")
            try:
                version = int(text, 16)
                known = dynamic.parse(path.read_text(encoding="ascii"))
            except (ValueError, OSError):
                continue  # zoo.cfg.dynamic.next, or one being written
            if known is not None:
                found.append(Known(known.ensemble, version))
        return max(found, key=lambda known: known.version, default=None)

    async def begin(self, ask: Peer, clock: Clock, patience_s: float, waits: Callable[[], None]) -> Known:
        """Decide, where it is not decided yet.

        ``patience_s``: how long a server without data waits for masters that do not answer; ``waits`` is called when it does.
        """
        if self._started is None:
            self._started = await self._from_others(ask, clock, patience_s, waits)
        return self._started

    def _before(self) -> Known | None:
        """From zoo.cfg, where it was started already."""
        if not self._snapshots.exists():
            return None
        try:
            known = dynamic.parse(self.zoo_cfg.read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        if known is None and self.seed.exists():
            known = dynamic.parse(self.seed.read_text(encoding="ascii"))
        return known or Known(Ensemble((self.own,)), 0)

    async def _from_others(self, ask: Peer, clock: Clock, patience_s: float, waits: Callable[[], None]) -> Known:
        begin = clock.monotonic()
        others = [member.host for member in self.target.members if member != self.own]
        while True:
            answers = await asyncio.gather(*(ensemble_of(ask, host) for host in others))
            found = [answer["known"] for answer in answers if answer is not None and answer["known"] is not None]
            newest = max(found, key=lambda known: known.version, default=None)
            if newest is None and (None not in answers or clock.monotonic() - begin >= patience_s):
                return Known(self.target, 0)
            if newest is not None:
                return Known(newest.ensemble, 0)
            waits()
            await asyncio.sleep(_AGAIN_S)

    @property
    def me(self) -> Member:
        """This server with the id that it has, or would be added with."""
        known = self.current() or Known(self.target, 0)
        member = known.ensemble.member(self.own.host) or renumbered(known.ensemble, self.target).member(self.own.host)
        return member or self.own

    @property
    def is_standalone(self) -> bool:
        """Alone, as it always was: ports 2888 and 3888 stay closed, and the data is not changed to an ensemble's."""
        return len(self.target.members) == 1 and self.current() == Known(self.target, 0)

    # ---- the right to change it ----

    def password(self) -> str:
        """Of ZooKeeper's superuser at this server; made once, 0600."""
        try:
            return self._secret.read_text(encoding="ascii")
        except FileNotFoundError:
            write_atomic(self._secret, secrets.token_urlsafe(32), mode=0o600)
            return self._secret.read_text(encoding="ascii")

    def digest(self) -> str:
        hashed = hashlib.sha1(f"super:{self.password()}".encode(), usedforsecurity=False).digest()
        return f"super:{base64.b64encode(hashed).decode()}"


async def ensemble_of(ask: Peer, host: str) -> dict[str, Any] | None:
    """{"target": spec, "id": of its server, "known": Known or None, "state": code} of a master; None if it does not answer so."""
    try:
        answer = await ask(host, "ensemble")
        known = Known(parse_ensemble(answer["members"]), int(answer["version"], 16)) if answer["members"] else None
        about = {"target": str(answer["target"]), "id": int(answer["id"]), "state": int(answer["state"])}
        return {**about, "known": known}
    except (*UNREACHABLE, KeyError, TypeError):
        return None
