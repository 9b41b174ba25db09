"""A bouncer over the store's twin, without ZooKeeper."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import aiohttp

from dcos.iam.identity import Identity
from dcos.store.memory import MemoryEnsemble, MemoryStore
from dcos.wire import jwt

KEY, ACCOUNT_KEY = jwt.generate_key(), jwt.generate_key()
ACCOUNT_PEM = jwt.public_pem(ACCOUNT_KEY.public_key())
NOW = 1_700_000_000.0


@dataclass
class FixedClock:
    seconds: float = NOW

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class Bouncer:
    """A running API with a client."""

    identity: Identity
    ensemble: MemoryEnsemble
    store: MemoryStore
    client: aiohttp.ClientSession
    clock: FixedClock

    async def ask(
        self, method: str, path: str, body: Any = None, **options: Any
    ) -> tuple[int, Any, aiohttp.ClientResponse]:
        json_body = {} if body is None else {"json": body}
        async with self.client.request(method, "/acs/api/v1" + path, **json_body, **options) as reply:
            text = await reply.text()
            return reply.status, json.loads(text) if reply.content_type == "application/json" and text else text, reply
