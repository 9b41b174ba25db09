"""A leading master on a loopback port, in this process, with the settings that a test gives."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from dcos.master.api import Api
from dcos.master.config import PREFIX, Config
from dcos.master.core.events import Recovered
from dcos.master.core.state import State
from dcos.master.persist import Registry, epoch_path
from dcos.master.service import listening, make_info
from dcos.master.writer import Writer
from dcos.model.mesos_permissions import Granted
from dcos.runtime import http
from dcos.runtime.clock import SystemClock
from dcos.runtime.http_access import Namer
from dcos.runtime.settings import load
from dcos.store.election import Epoch
from dcos.store.memory import MemoryEnsemble
from dcos.testing.patience import PATIENCE_S

JSON = {"Content-Type": "application/json"}


def basic(principal: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{principal}:{secret}".encode()).decode()}


@dataclass
class Answer:
    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Master:
    url: str
    api: Api
    session: aiohttp.ClientSession
    headers: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        sent = {**self.headers, **(headers or {})}
        async with self.session.get(self.url + path, headers=sent, allow_redirects=False) as answer:
            return Answer(answer.status, await answer.text(errors="replace"), answer.headers)

    async def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        data = io.BytesIO(data.encode() if isinstance(data, str) else data)
        sent = {**JSON, **self.headers, **(headers or {})}
        async with self.session.post(self.url + path, data=data, headers=sent) as answer:
            return Answer(answer.status, await answer.text(errors="replace"), answer.headers)

    async def call(self, kind: str, headers: Mapping[str, str] | None = None, **member: Any) -> Answer:
        """A v1 operator call; its member goes by the call's name."""
        body = {"type": kind, kind.lower(): member} if member else {"type": kind}
        return await self.post("/api/v1", body, headers)

    async def agent(self) -> str:
        """The id of the first agent, once one is registered."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.api.state.agents:
                await asyncio.sleep(0.01)
        return next(iter(self.api.state.agents))


@contextlib.asynccontextmanager
async def serving(
    *flags: str, lead: bool = True, given: State | None = None, known: Granted | None = None, namer: Namer | None = None
) -> AsyncIterator[Master]:
    """``given``: the memory of a master that leads already. ``known``: who decides instead of ACLs, and ``namer`` who asks."""
    config = load(Config, ["--zk=zk://h/mesos", "--cluster=test", *flags], {}, prefix=PREFIX)
    rules = config.rules() if known is None else replace(config.rules(), acls=known)
    state = given or State(rules, make_info("m", "127.0.0.1", 5050, "localhost"), 1.0)
    writer = Writer(state, SystemClock(), store_timeout_s=5, max_subscribers=2)
    api = Api(writer, config, namer)
    async with listening(api, host="127.0.0.1", port=0) as (port, reception):
        running = asyncio.gather(writer.run(), reception.run())
        async with http.session(headers={"Accept": "*/*"}) as session:
            if lead:
                store = MemoryEnsemble().session()
                await store.create(epoch_path("/mesos"), parents=True)
                writer.registry = Registry(store, "/mesos", Epoch(epoch_path("/mesos"), 0))
                api.leader = state.info
                entries = await writer.registry.recover()
                if given is None:
                    writer.put(Recovered(writer.now(), entries))
                while state.recovered_at is None:
                    await asyncio.sleep(0)
            yield Master(f"http://127.0.0.1:{port}", api, session)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
