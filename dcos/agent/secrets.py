"""The agent's way to the secret store: loaded at the first secret, for its libraries take 9 MB that most agents never need."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dcos.agent.containerizer.base import LaunchError
from dcos.runtime.clock import Clock

if TYPE_CHECKING:
    from dcos.client.secrets import SecretStore


@dataclass(slots=True, kw_only=True)
class Secrets:
    """Reads as the service account in ``account``. ``url``, ``ca``, ``leader``: as of ``dcos.client.secrets.SecretStore``."""

    account: Path
    url: str | None
    ca: Path | None
    leader: Callable[[], str | None]
    clock: Clock
    _store: SecretStore | None = field(default=None, init=False)
    _loading: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def read(self, path: str) -> bytes:
        """Errors: LaunchError."""
        async with self._loading:
            if self._store is None:
                self._store = await asyncio.to_thread(self._load)
        client = importlib.import_module("dcos.client.secrets")
        try:
            return await self._store.read(path)
        except client.SecretError as error:
            raise LaunchError(str(error)) from error

    def _load(self) -> SecretStore:
        accounts = importlib.import_module("dcos.client.service_account")
        client = importlib.import_module("dcos.client.secrets")
        try:
            account = accounts.read_account(self.account)
        except (ValueError, OSError) as error:
            raise LaunchError(f"--service_account_credential: {error}") from error
        store: SecretStore = client.SecretStore(account, url=self.url, ca=self.ca, leader=self.leader, clock=self.clock)
        return store
