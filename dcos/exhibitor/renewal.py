"""ZooKeeper and new certificates.

For its quorum it looks for them itself; for its clients it does from some releases on (``client.certReload``), others must be
started anew. So we look at what it shows: where that is the old one still, it is restarted in this master's turn
(``core/turns.py``) while all others serve. Sessions go on at another server or, where there is none, within their timeout. New
authorities always need it. When the old certificate is nearly over, nobody is waited for any more.
Source: ZooKeeper's administrator's guide; ZOOKEEPER-3806.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib

from dcos.exhibitor import fourletter
from dcos.exhibitor.config import Config
from dcos.exhibitor.core import turns
from dcos.exhibitor.core.ensemble import Ensemble, Member, ZooSettings
from dcos.exhibitor.core.monitor import Action, InstanceState
from dcos.exhibitor.supervisor import Supervisor
from dcos.runtime.app import App
from dcos.runtime.tls import REFRESH_S, Identity
from dcos.wire import certificates
from dcos.wire.certificates import CertificateError

_TIMEOUT_S = 10.0
_URGENT_AT = 1 / 9
"""Part of its life left: as where dcos-certificates begins to worry."""


class Renewal:
    """``follow`` is the loop. ``turn_s``: how long each master's turn is."""

    def __init__(
        self,
        app: App[Config],
        identity: Identity,
        supervisor: Supervisor,
        ensemble: Ensemble,
        own: Member,
        settings: ZooSettings,
        turn_s: float,
    ) -> None:
        self._app = app
        self._identity = identity
        self._supervisor = supervisor
        self._ensemble = ensemble
        self._own = own
        self._settings = settings
        self._turn_s = turn_s
        self._trusted = self._authorities()

    async def follow(self) -> None:
        """For as long as the process runs."""
        generation = self._identity.generation
        while True:
            await asyncio.sleep(min(REFRESH_S, self._turn_s / 4))
            if self._identity.generation != generation and await self._settled():
                generation = self._identity.generation
                self._trusted = self._authorities()

    async def _settled(self) -> bool:
        """Whether ZooKeeper has what is new, or was told to begin anew; else there is another look."""
        shown = await self._shown()
        if shown is None:
            return False
        current = certificates.first_der(self._identity.settings.certificate.read_text(encoding="ascii"))
        if shown == current and self._authorities() == self._trusted:
            return True
        if not self._is_urgent(shown):
            members = self._ensemble.members
            wait_s = turns.wait_s(self._app.clock.now(), members.index(self._own), len(members), self._turn_s)
            await asyncio.sleep(wait_s)
            if not await self._others_serve():
                self._app.log.warning("zookeeper_waits", reason="its certificate was renewed, but others do not serve")
                return False
        self._app.log.info("zookeeper_restarts", reason="its certificate was renewed")
        self._supervisor.ask(Action.RESTART)
        return True

    def _authorities(self) -> str:
        path = self._identity.settings.authorities
        return hashlib.sha256(path.read_bytes()).hexdigest() if path is not None else ""

    async def _shown(self) -> bytes | None:
        """The certificate, as DER, that ZooKeeper shows clients; None where it does not answer."""
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                _, writer = await asyncio.open_connection(
                    self._own.host, self._settings.client_port, ssl=self._identity.client
                )
                found: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
                return found
        except (OSError, TimeoutError):
            return None
        finally:
            if writer is not None:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    def _is_urgent(self, shown: bytes) -> bool:
        try:
            return certificates.facts_of(shown).life_left(self._app.clock.now()) <= _URGENT_AT
        except CertificateError:
            return True

    async def _others_serve(self) -> bool:
        others = [one.host for one in self._ensemble.members if one != self._own]
        port = self._settings.client_port
        states = await asyncio.gather(*(fourletter.state_of(one, port, timeout_s=_TIMEOUT_S) for one in others))
        return all(state is InstanceState.SERVING for state, _ in states)
