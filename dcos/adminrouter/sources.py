"""Fetches: what Marathon, the Mesos master and Mesos-DNS are asked."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from urllib.parse import quote

import aiohttp
import msgspec

from dcos.adminrouter.core.services import Apps, Cluster, read_apps, read_cluster, read_srv
from dcos.adminrouter.knowledge import FetchError
from dcos.client.neighbour import NeighbourError
from dcos.client.service_account import ServiceTokens
from dcos.runtime import http
from dcos.runtime.log import Logger
from dcos.runtime.tls import scheme

USER_AGENT = "Master Admin Router"
_EVENTS = (
    "status_update_event",
    "instance_health_changed_event",
    "deployment_success",
    "deployment_failed",
    "api_post_event",
    "app_terminated_event",
)
_SILENCE_S = 120.0
"""An event stream that says nothing for so long may be dead: a new one is opened."""


class Sources:
    """``session`` for short fetches over fresh connections, ``stream`` without a time limit."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        stream: aiohttp.ClientSession,
        *,
        marathon: str,
        metronome: str,
        mesos_dns: str,
        master: Callable[[], str | None],
        credential: tuple[str, str] | None = None,
        tokens: ServiceTokens | None = None,
    ) -> None:
        self._session = session
        self._stream = stream
        self._marathon = marathon
        self._metronome = metronome
        self._mesos_dns = mesos_dns
        self._master = master
        self._named = http.basic(credential)
        self._tokens = tokens

    async def apps(self) -> Apps:
        url = f"{scheme()}://{self._marathon}/v2/apps?embed=apps.tasks&label=DCOS_SERVICE_NAME"
        return read_apps(await self._get(url, named=await self._authorized()))

    async def _authorized(self) -> dict[str, str]:
        """Who we are to Marathon.   Errors: FetchError."""
        if self._tokens is None:
            return {}
        try:
            return {"Authorization": f"token={await self._tokens.token(self._session)}"}
        except NeighbourError as error:
            raise FetchError(str(error)) from error

    async def cluster(self) -> Cluster:
        master = self._master()
        if master is None:
            raise FetchError("no leading master")
        return read_cluster(await self._get(f"{scheme()}://{master}/master/state-summary", named=self._named))

    async def marathon_leader(self) -> str:
        return await self._leader(f"{scheme()}://{self._marathon}/v2/leader")

    async def metronome_leader(self) -> str:
        return await self._leader(f"{scheme()}://{self._metronome}/leader")

    async def srv(self, name: str) -> tuple[str, int] | None:
        path = quote(f"_{name}._tcp.marathon.mesos", safe="", errors="surrogateescape")
        return read_srv(await self._get(f"{scheme()}://{self._mesos_dns}/v1/services/{path}"))

    async def _leader(self, url: str) -> str:
        """``host:port`` of the leader; empty when there is none."""
        raw = await self._get(url, missing=b'{"leader":""}', named=await self._authorized())
        try:
            said = msgspec.json.decode(raw)
        except msgspec.DecodeError as error:
            raise FetchError(f"leader: {error}") from error
        leader = said.get("leader") if isinstance(said, dict) else None
        if not isinstance(leader, str):
            raise FetchError("leader: not text")
        return leader

    async def _get(self, url: str, *, missing: bytes | None = None, named: Mapping[str, str] | None = None) -> bytes:
        async with self._session.get(url, headers=named) as reply:
            if reply.status == 404 and missing is not None:
                return missing
            if reply.status != 200:
                if reply.status == 401 and self._tokens is not None:
                    self._tokens.forget()
                raise FetchError(f"{url}: {reply.status}")
            return await reply.read()

    async def events(
        self, changed: Callable[[], None], up: Callable[[bool], None], *, rng: random.Random, log: Logger
    ) -> None:
        """Call ``changed`` at each Marathon event and ``up`` when the stream comes and goes, for ever."""
        query = "&".join(f"event_type={name}" for name in _EVENTS)
        while True:
            try:
                await self._one_stream(f"{scheme()}://{self._marathon}/v2/events?{query}", changed, up)
            except (aiohttp.ClientError, FetchError, TimeoutError, OSError, ValueError) as error:
                log.debug("event_stream_away", error=f"{type(error).__name__} {error}")
            up(False)
            await asyncio.sleep(rng.uniform(0.5, 2.0))

    async def _one_stream(self, url: str, changed: Callable[[], None], up: Callable[[bool], None]) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=_SILENCE_S)
        headers = {"Accept": "text/event-stream", **await self._authorized()}
        async with self._stream.get(url, headers=headers, timeout=timeout) as reply:
            if reply.status != 200:
                raise FetchError(f"{url}: {reply.status}")
            up(True)
            changed()
            async for line in reply.content:
                if line.startswith(b"event:"):
                    changed()
