"""A simulated Marathon's senses: it asks the leading master for agents, instances for their health, people for measures.

Everything but the measures goes over the simulated network.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from dcos.client.mesos import MesosUnreachable, NoLeader, base_url
from dcos.client.prometheus import NoValue
from dcos.marathon.cluster_feed import Look, agents_of
from dcos.marathon.core import events
from dcos.marathon.core.agents import Cluster
from dcos.marathon.measure import Sources
from dcos.marathon.probes import Ask, Target
from dcos.model.marathon import ReadinessCheck
from dcos.testing.sim.network import Refused
from dcos.testing.sim.process import Life

if TYPE_CHECKING:
    from dcos.testing.sim.marathon import MarathonProcess

TASKS = "tasks"
"""In place of a port number: where a machine answers for all that run on it."""


class SimSenses:
    def __init__(self, process: MarathonProcess, life: Life) -> None:
        self._process = process
        self._world = process.world
        self._life = life

    @contextlib.asynccontextmanager
    async def looking(self) -> AsyncIterator[Look]:
        yield self._look

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator[Ask]:
        yield self._ask

    @contextlib.asynccontextmanager
    async def measuring(self) -> AsyncIterator[Sources]:
        yield self

    async def _look(self, now: float) -> Cluster:
        client = self._process.client
        if client is None or client.leader is None:
            raise NoLeader("no leading master is known")
        address = base_url(client.leader).removeprefix("http://")
        try:
            end = await self._world.network.connect(self._life, address, "/agents")
        except ConnectionError as error:
            raise MesosUnreachable(str(error)) from error
        end.close()
        return Cluster(at=now, agents=agents_of(end.greeting.encode()))

    async def _ask(self, target: Target) -> events.Event | None:
        host = next(one.host for one in self._world.agents if one.name == target.host)
        try:
            async with asyncio.timeout(target.timeout_s):
                end = await self._world.network.connect(
                    self._life, f"{host}:{TASKS}", f"/{target.port}", target.check.path
                )
        except Refused as error:
            return _found(target, False, str(error))
        end.close()
        return _found(target, True)

    # ---- Sources -----------------------------------------------------------------------------------------------------

    async def get(self, url: str, *, auth: bool = True) -> bytes:
        raise NoValue(f"{url} is not simulated")

    async def query(self, url: str | None, text: str) -> float:
        if self._life.rng.random() < 0.05:
            raise NoValue("no answer")
        return self._world.clients.measures[text]


def _found(target: Target, good: bool, cause: str | None = None) -> events.Event:
    if isinstance(target.check, ReadinessCheck):
        return events.ReadinessProbed(target.instance_id, good, target.check.name)
    return events.Probed(target.instance_id, target.index, good, cause)
