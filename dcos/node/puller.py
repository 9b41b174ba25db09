"""A master asks every node at the same time and keeps the answers as one immutable report.

A node that does not answer in time, or answers nonsense, is in the report as unknown; it delays nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket

import aiohttp
import msgspec

from dcos.node.config import Config
from dcos.node.core.report import NodeHealth, Report, Target
from dcos.node.core.units import UnitHealth
from dcos.node.discovery import Directory, url_of
from dcos.node.local import LocalHealth
from dcos.node.sources import SourceError
from dcos.runtime.clock import Clock
from dcos.runtime.log import Logger

_AT_ONCE = 200
_REFRESH_S = 60.0
PATH = "/system/health/v1"


class _Answer(msgspec.Struct):
    """What a node answers, as far as we need it."""

    units: list[UnitHealth] | None = None
    hostname: str = ""
    mesos_id: str = ""


class Puller:
    """``run`` is the loop; ``report`` is the newest."""

    def __init__(
        self,
        config: Config,
        local: LocalHealth,
        directory: Directory,
        session: aiohttp.ClientSession,
        clock: Clock,
        log: Logger,
    ) -> None:
        self._config = config
        self._local = local
        self._directory = directory
        self._session = session
        self._clock = clock
        self._log = log
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._decoder = msgspec.json.Decoder(_Answer)
        self._wanted = asyncio.Event()
        self._waiters: list[asyncio.Future[None]] = []
        self.report = Report()

    async def run(self, rng: random.Random) -> None:
        while True:
            self._wanted.clear()
            self._directory.changed.clear()
            waiters, self._waiters = self._waiters, []
            before = self.report.nodes.keys()
            await self._round()
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
            calm = (
                self._directory.settled
                and self.report.nodes.keys() == before
                and all(node.health == 0 for node in self.report.nodes.values())
            )
            period_s = self._config.pull_interval if calm else self._config.pull_interval_trouble
            period_s = min(period_s, self._config.pull_interval) * rng.uniform(0.9, 1.1)
            if not self._waiters:
                await self._sleep(period_s)

    async def refresh(self) -> None:
        """Return when a round that began after this call is over.   Errors: TimeoutError."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._wanted.set()
        async with asyncio.timeout(_REFRESH_S):
            await waiter

    async def _sleep(self, period_s: float) -> None:
        wanted = asyncio.create_task(self._wanted.wait())
        changed = asyncio.create_task(self._directory.changed.wait())
        try:
            await asyncio.wait({wanted, changed}, timeout=period_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            wanted.cancel()
            changed.cancel()
            await asyncio.wait({wanted, changed})

    async def _round(self) -> None:
        targets = await self._directory.targets(self._clock.monotonic())
        before = self.report
        nodes = await asyncio.gather(*(self._ask(target) for target in targets))
        self.report = Report.of(nodes, self._clock.now())
        for node in nodes:
            known = before.nodes.get(node.target.ip)
            if known is None or known.health != node.health:
                self._log.info("node_health", ip=node.target.ip, role=node.role, health=node.health.name.lower())

    async def _ask(self, target: Target) -> NodeHealth:
        if target.ip == self._local.about.ip:
            with contextlib.suppress(SourceError):
                units = await self._local.units()
                return NodeHealth(target, units, socket.gethostname(), target.mesos_id)
            return NodeHealth(target, mesos_id=target.mesos_id)
        timeout = aiohttp.ClientTimeout(total=self._config.pull_timeout)
        try:
            async with (
                self._slots,
                self._session.get(
                    f"{url_of(target, self._config)}{PATH}",
                    timeout=timeout,
                    raise_for_status=True,
                    allow_redirects=False,
                ) as response,
            ):
                answer = self._decoder.decode(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError) as error:
            self._log.debug("no_answer", ip=target.ip, error=str(error) or type(error).__name__)
            return NodeHealth(target, mesos_id=target.mesos_id)
        return NodeHealth(
            target,
            None if answer.units is None else tuple(answer.units),
            answer.hostname,
            target.mesos_id or answer.mesos_id,
        )
